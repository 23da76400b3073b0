//! A server that takes remote write and answers PromQL.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::process::Process;
use super::search::find;
use super::vitrine::{self, credential, free_address};

/// Nothing takes longer; a server that does has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server while it is measured.
pub struct Peer {
    /// Whose it is.
    pub name: &'static str,
    process: Process,
    agent: ureq::Agent,
    url: String,
}

impl Peer {
    fn new(name: &'static str, process: Process, address: &str) -> Peer {
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None);
        let peer = Peer { name, process, agent: config.build().into(), url: format!("http://{address}") };
        let began = Instant::now();
        while peer
            .agent
            .get(format!("{}/api/v1/query?query=1", peer.url))
            .header("authorization", credential())
            .call()
            .is_err()
        {
            assert!(began.elapsed() < PATIENCE, "{name} does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        peer
    }

    /// This build.
    pub fn vitrine(dir: &Path) -> Peer {
        fs::create_dir_all(dir).unwrap();
        let mut command = vitrine::command(dir);
        command.env("VITRINE_STORE_METRICS_MAX_SERIES", "20000");
        let (process, after) = Process::start(command, vitrine::MARK);
        Peer::new("vitrine", process, vitrine::address(&after))
    }

    /// Prometheus, where it is installed.
    pub fn prometheus(dir: &Path) -> Option<Peer> {
        let program = installed("PROMETHEUS_BIN", "prometheus")?;
        fs::create_dir_all(dir).unwrap();
        let config = dir.join("prometheus.yml");
        fs::write(&config, "global: {}\n").unwrap();
        let address = free_address();
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", dir.join("data").display()));
        command.arg(format!("--web.listen-address={address}")).arg("--web.enable-remote-write-receiver");
        let (process, _) = Process::start(command, "Listening on");
        Some(Peer::new("Prometheus", process, &address))
    }

    /// VictoriaMetrics, where it is installed.
    pub fn victoria_metrics(dir: &Path) -> Option<Peer> {
        let program = installed("VICTORIA_METRICS_BIN", "victoria-metrics")?;
        let address = free_address();
        let mut command = Command::new(program);
        command.arg(format!("-storageDataPath={}", dir.display()));
        command
            .arg(format!("-httpListenAddr={address}"))
            .args(["-search.latencyOffset=0s", "-retentionPeriod=1"]);
        let (process, _) = Process::start(command, "started server at");
        Some(Peer::new("VictoriaMetrics", process, &address))
    }

    /// Writes samples.
    pub fn write(&self, body: &[u8]) {
        let request =
            self.agent.post(format!("{}/api/v1/write", self.url)).header("authorization", credential());
        let request =
            request.header("content-encoding", "snappy").header("x-prometheus-remote-write-version", "0.1.0");
        let answer = request.content_type("application/x-protobuf").send(body).unwrap();
        assert_eq!(answer.status(), 204, "{}", self.name);
    }

    /// Asks.
    pub fn get(&self, path: &str) -> String {
        let request = self.agent.get(format!("{}{path}", self.url)).header("authorization", credential());
        let mut answer = request.call().unwrap_or_else(|fault| panic!("{}: {path}: {fault}", self.name));
        answer.body_mut().with_config().limit(256 << 20).read_to_string().unwrap()
    }

    /// Returns the most memory that was resident at a time.
    pub fn peak_bytes(&self) -> u64 {
        let status = procfs::process::Process::new(self.process.pid()).unwrap().status().unwrap();
        status.vmhwm.unwrap() * 1_024
    }
}

fn installed(variable: &str, name: &str) -> Option<String> {
    let found = find(variable, name);
    if found.is_none() {
        println!("skipped: neither {variable} nor PATH has {name}");
    }
    found
}
