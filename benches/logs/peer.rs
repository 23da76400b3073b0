//! A server that takes Loki's push and answers questions about lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::measure::{disk_bytes, drop_page_cache, peak_rss_bytes};
use super::process::Process;
use super::question::Language;
use super::search::find;
use super::vitrine::{self, credential, free_address};

/// Nothing takes longer; a server that does has failed.
const PATIENCE: Duration = Duration::from_secs(180);

/// A folder that does not change for so long is at rest.
const SETTLED: Duration = Duration::from_secs(3);

/// Whose it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Vitrine,
    Loki,
    VictoriaLogs,
}

/// A server, started again and again on one folder.
pub struct Peer {
    /// Whose it is.
    pub name: &'static str,
    kind: Kind,
    program: String,
    dir: PathBuf,
    agent: ureq::Agent,
    running: Option<(Process, String)>,
    peak: Peak,
    peak_pss: Peak,
}

/// The most memory that was seen, and what it was seen after.
#[derive(Clone, Copy, Default)]
pub struct Peak {
    pub n_bytes: u64,
    pub after: &'static str,
}

impl Peak {
    fn or(self, n_bytes: u64, after: &'static str) -> Peak {
        if n_bytes > self.n_bytes { Peak { n_bytes, after } } else { self }
    }
}

impl Peer {
    /// This build, and what is installed of the others, each in a folder below this one.
    pub fn all(dir: &Path) -> Vec<Peer> {
        let wanted = std::env::var("LOGS_PEERS").unwrap_or_default();
        let peer = |name, kind, program: Option<String>, variable: &str| {
            if !wanted.is_empty() && !wanted.split(',').any(|wanted| wanted == name) {
                return None;
            }
            let Some(program) = program else {
                println!("skipped: neither {variable} nor PATH has {name}");
                return None;
            };
            let dir = dir.join(name);
            fs::create_dir_all(&dir).unwrap();
            let agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None);
            let agent = agent.http_status_as_error(false).build().into();
            Some(Peer {
                name,
                kind,
                program,
                dir,
                agent,
                running: None,
                peak: Peak::default(),
                peak_pss: Peak::default(),
            })
        };
        let this = Some(env!("CARGO_BIN_EXE_vitrine").to_string());
        let (loki, victoria) = (find("LOKI_BIN", "loki"), find("VICTORIA_LOGS_BIN", "victoria-logs"));
        let all = [
            peer("vitrine", Kind::Vitrine, this, ""),
            peer("Loki", Kind::Loki, loki, "LOKI_BIN"),
            peer("VictoriaLogs", Kind::VictoriaLogs, victoria, "VICTORIA_LOGS_BIN"),
        ];
        all.into_iter().flatten().collect()
    }

    /// Returns the language that it is asked in.
    pub fn language(&self) -> Language {
        if self.kind == Kind::VictoriaLogs { Language::LogsQl } else { Language::LogQl }
    }

    /// Starts it, and waits until it answers.
    pub fn start(&mut self) {
        let address = free_address();
        let (command, mark) = match self.kind {
            Kind::Vitrine => (vitrine::command(&self.dir), vitrine::MARK),
            Kind::Loki => (self.loki(&address), "Loki started"),
            Kind::VictoriaLogs => (self.victoria_logs(&address), "started server at"),
        };
        let (process, after) = Process::start(command, mark);
        let address = match self.kind {
            Kind::Vitrine => vitrine::address(&after).to_string(),
            _ => address,
        };
        self.running = Some((process, format!("http://{address}")));
        let probe = if self.kind == Kind::VictoriaLogs { "/health" } else { "/loki/api/v1/labels" };
        let began = Instant::now();
        while self.status_of(probe) != 200 {
            assert!(began.elapsed() < PATIENCE, "{} does not answer", self.name);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it in order.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Ends it, drops what is in memory of its files, and starts it.
    pub fn start_cold(&mut self) {
        self.stop();
        drop_page_cache(&self.dir);
        self.start();
    }

    /// Waits until nothing is written any more.
    pub fn settle(&self) {
        let began = Instant::now();
        let mut last = (disk_bytes(&self.dir), Instant::now());
        while last.1.elapsed() < SETTLED && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(100));
            let now = disk_bytes(&self.dir);
            last = if now == last.0 { last } else { (now, Instant::now()) };
        }
    }

    /// Looks at its memory, now that something was done.
    pub fn look(&mut self, after: &'static str) {
        let Some((process, _)) = &self.running else { return };
        let pid = process.pid();
        self.peak = self.peak.or(peak_rss_bytes(pid as u32).unwrap_or(0), after);
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let pss = pss.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
        self.peak_pss = self.peak_pss.or(pss << 10, after);
    }

    /// Returns the highest resident set size that it had, and the highest proportional one that
    /// was seen after something was done.
    pub fn memory(&self) -> (Peak, Peak) {
        (self.peak, self.peak_pss)
    }

    /// Returns what it takes on disk, without what it may as well forget now.
    pub fn disk_bytes(&self) -> u64 {
        disk_bytes(&self.dir)
            - ["wal", "cache"].map(|name| disk_bytes(&self.dir.join(name))).iter().sum::<u64>()
    }

    /// Pushes lines.
    pub fn push(&self, body: &[u8]) {
        let path = match self.kind {
            // As they come: else it would read the objects now and not when it is asked.
            Kind::VictoriaLogs => "/insert/loki/api/v1/push?disable_message_parsing=1",
            _ => "/loki/api/v1/push",
        };
        let request = self.agent.post(self.url(path)).header("authorization", credential());
        let mut answer = request.content_type("application/x-protobuf").send(body).unwrap();
        let told = answer.body_mut().read_to_string().unwrap();
        assert!(answer.status().is_success(), "{}: {} {told}", self.name, answer.status());
    }

    /// Asks.
    pub fn get(&self, path: &str) -> String {
        let request = self.agent.get(self.url(path)).header("authorization", credential());
        let mut answer = request.call().unwrap_or_else(|fault| panic!("{}: {path}: {fault}", self.name));
        let text = answer.body_mut().with_config().limit(256 << 20).read_to_string().unwrap();
        assert_eq!(answer.status(), 200, "{}: {path}: {text}", self.name);
        text
    }

    fn status_of(&self, path: &str) -> u16 {
        let request = self.agent.get(self.url(path)).header("authorization", credential());
        request.call().map_or(0, |answer| answer.status().as_u16())
    }

    fn url(&self, path: &str) -> String {
        let (_, url) = self.running.as_ref().expect("it runs");
        format!("{url}{path}")
    }

    fn loki(&self, address: &str) -> Command {
        let config = self.dir.join("loki.yml");
        let grpc_port = free_address().rsplit(':').next().unwrap().to_string();
        let port = address.rsplit(':').next().unwrap();
        fs::write(&config, loki_config(&self.dir.display().to_string(), port, &grpc_port)).unwrap();
        let mut command = Command::new(&self.program);
        command.arg(format!("-config.file={}", config.display())).current_dir(&self.dir);
        command
    }

    fn victoria_logs(&self, address: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(format!("-storageDataPath={}", self.dir.display()));
        command.arg(format!("-httpListenAddr={address}")).arg("-retentionPeriod=10y");
        command
    }
}

/// One process with a store on disk, that keeps no answers, and has written everything out when it
/// ends; all else as it comes.
fn loki_config(dir: &str, port: &str, grpc_port: &str) -> String {
    format!(
        r#"
auth_enabled: false
server:
  http_listen_address: 127.0.0.1
  http_listen_port: {port}
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: {grpc_port}
  grpc_server_max_recv_msg_size: 67108864
  grpc_server_max_send_msg_size: 67108864
common:
  instance_addr: 127.0.0.1
  path_prefix: {dir}
  replication_factor: 1
  ring: {{kvstore: {{store: inmemory}}}}
  storage: {{filesystem: {{chunks_directory: {dir}/chunks, rules_directory: {dir}/rules}}}}
schema_config:
  configs:
    - from: "2024-04-01"
      store: tsdb
      object_store: filesystem
      schema: v13
      index: {{prefix: index_, period: 24h}}
# Else newer ones would keep the chunks where they were started.
storage_config:
  use_thanos_objstore: false
ingester:
  wal: {{flush_on_shutdown: true}}
frontend: {{scheduler_dns_lookup_period: 1s}}
frontend_worker: {{dns_lookup_duration: 1s}}
query_range: {{cache_results: false}}
limits_config:
  reject_old_samples: false
  max_query_series: 100000
  ingestion_rate_mb: 1000
  ingestion_burst_size_mb: 1000
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
  query_timeout: 3m
analytics:
  reporting_enabled: false
"#
    )
}
