//! `.ci/remote` against an sshd of the test's own, which serves one connection a process.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use super::host::{Host, image};
use super::{needed, shipped};
use crate::harness::{Ended, run, wait_until};

/// A host behind SSH, with keys made for one test.
struct Behind {
    host: Host,
    keys: tempfile::TempDir,
    port: u16,
    /// Each connection's process, and its socket to cut it by.
    connections: Arc<Mutex<Vec<(Child, TcpStream)>>>,
}

impl Behind {
    /// Listens on a free port of this machine; `environment` is what the far side's shell has.
    fn ssh(host: Host, environment: &[&str]) -> Option<Behind> {
        let sshd = needed("sshd").filter(|_| needed("ssh").is_some())?;
        let keys = tempfile::tempdir().unwrap();
        for name in ["host", "other", "user"] {
            make_key(&keys.path().join(name));
        }
        std::fs::copy(keys.path().join("user.pub"), keys.path().join("authorized_keys")).unwrap();
        if rustix::process::getuid().is_root() {
            // Where it locks itself into before a login; the package's start script makes it.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let at = keys.path().display();
        let mut variables = vec![
            format!("PATH={}", host.path()),
            format!("STUB={}", host.stub().display()),
            "SHIP_INTERVAL=0".to_string(),
        ];
        variables.extend(environment.iter().map(ToString::to_string));
        let variables: Vec<String> = variables.iter().map(|variable| format!("\"{variable}\"")).collect();
        let config = keys.path().join("sshd_config");
        let text = format!(
            "HostKey {at}/host\nAuthorizedKeysFile {at}/authorized_keys\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             SetEnv {}\n",
            variables.join(" ")
        );
        std::fs::write(&config, text).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (log, served) = (keys.path().join("log"), connections.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let end = |stream: &TcpStream| Stdio::from(OwnedFd::from(stream.try_clone().unwrap()));
                let mut command = Command::new(&sshd);
                command.args(["-i", "-E"]).arg(&log).arg("-f").arg(&config);
                let child = command.stdin(end(&stream)).stdout(end(&stream)).stderr(Stdio::null()).spawn();
                served.lock().unwrap().push((child.unwrap(), stream));
            }
        });
        Some(Behind { host, keys, port, connections })
    }

    fn known_as(&self, key: &str) -> String {
        let key = std::fs::read_to_string(self.keys.path().join(key).with_extension("pub")).unwrap();
        format!("[127.0.0.1]:{} {}", self.port, key.trim())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(shipped(".ci/remote"));
        let whoami = run(Command::new("whoami"));
        command.args(args).stdin(Stdio::null());
        command.env("SSH_HOST", "127.0.0.1").env("SSH_PORT", self.port.to_string());
        command.env("SSH_USER", whoami.out.trim()).env("SSH_DIR", self.host.dir());
        command.env("SSH_KEY", std::fs::read_to_string(self.keys.path().join("user")).unwrap().trim());
        command.env("SSH_KNOWN_HOSTS", self.known_as("host")).env("SHIP_DEADLINE", "2");
        command.env("TMPDIR", self.temporary());
        command
    }

    fn remote(&self, args: &[&str]) -> Ended {
        let ended = run(self.command(args));
        let left: Vec<PathBuf> =
            std::fs::read_dir(self.temporary()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "the key is left in {left:?}");
        ended
    }

    fn temporary(&self) -> PathBuf {
        let res = self.keys.path().join("tmp");
        std::fs::create_dir_all(&res).unwrap();
        res
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.keys.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        for (child, stream) in self.connections.lock().unwrap().iter_mut() {
            // Those that are served have ended by themselves.
            _ = stream.shutdown(Shutdown::Both);
            _ = child.kill();
            _ = child.wait();
        }
    }
}

fn make_key(path: &Path) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path);
    assert_eq!(run(command).code, 0);
}

#[test]
fn an_empty_host_gets_the_script_and_the_compose_file_and_runs_the_image() {
    let Some(far) = Behind::ssh(Host::bare(), &[]) else { return };
    let (one, two) = (image('1', 1), image('2', 2));
    std::fs::write(far.host.dir().join(".env"), "GRAFANA_PASSWORD=of-this-test\n").unwrap();
    let ended = far.remote(&["deploy", &one, "--run", "7-1", "--env", "staging"]);
    assert_eq!(ended.code, 0, "{}{}{}", ended.out, ended.err, far.log());
    assert!(ended.out.contains(&format!("{one} is in force")), "{}", ended.out);
    assert_eq!(far.host.runs(), one);
    let last = far.host.history().pop().unwrap();
    assert_eq!((&last["run"], &last["env"]), (&"7-1".into(), &"staging".into()));
    for path in [".ci/ship", "docker-compose.yml", "grafana/prometheus.yml"] {
        let (here, there) = (std::fs::read(shipped(path)), std::fs::read(far.host.dir().join(path)));
        assert_eq!(here.unwrap(), there.unwrap(), "{path}");
    }

    // The exit code and the log are the host's.
    let ended = far.remote(&["deploy", &image('b', 3), "--run", "8-1"]);
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("line of registry.example"), "{}", ended.out);
    assert_eq!(far.remote(&["ensure", "8-1"]).code, 0);
    assert_eq!(far.remote(&["deploy", "registry.example/o/vitrine:latest"]).code, 2);
    assert_eq!(far.remote(&["deploy", &two]).code, 0);
    // A workflow passes its empty input on.
    assert_eq!(far.remote(&["rollback", "", "--run", "9-1"]).code, 0);
    assert_eq!(far.remote(&["current"]).out, format!("image={one}\n"));
}

#[test]
fn a_host_with_another_key_is_refused() {
    let Some(far) = Behind::ssh(Host::bare(), &[]) else { return };
    let one = image('1', 1);
    let check = |known_hosts: &str| {
        let mut command = far.command(&["deploy", &one]);
        command.env("SSH_KNOWN_HOSTS", known_hosts);
        let ended = run(command);
        assert_eq!(ended.code, 255, "{}", ended.err);
        assert!(ended.err.contains("Host key verification failed"), "{}", ended.err);
        assert!(!far.host.dir().join(".ci").exists(), "something was run all the same");
    };
    check(&far.known_as("other"));
    check("another.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7k");
}

#[test]
fn a_wrong_key_does_not_get_in() {
    let Some(far) = Behind::ssh(Host::bare(), &[]) else { return };
    let mut command = far.command(&["status"]);
    command.env("SSH_KEY", std::fs::read_to_string(far.keys.path().join("other")).unwrap());
    let ended = run(command);
    assert_eq!(ended.code, 255);
    assert!(ended.err.contains("Permission denied"), "{}", ended.err);
}

#[test]
fn a_cut_connection_does_not_stop_the_deploy() {
    let Some(far) = Behind::ssh(Host::bare(), &["STUB_BLOCK=--wait-timeout"]) else { return };
    let one = image('1', 1);
    let mut watcher = far.command(&["deploy", &one, "--run", "7-1"]);
    let mut watcher = watcher.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the deploy is in its `up`", || far.host.stub().join("blocked").exists().then_some(()));
    {
        let mut connections = far.connections.lock().unwrap();
        let (child, stream) = connections.last_mut().unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
        // It may have noticed already.
        _ = child.kill();
        child.wait().unwrap();
    }
    assert_eq!(watcher.wait().unwrap().code(), Some(255));
    std::fs::write(far.host.stub().join("go"), "").unwrap();
    let ended = far.remote(&["ensure", "7-1"]);
    assert!(ended.code == 0 && ended.out.contains("run 7-1 ended well"), "{}{}", ended.out, ended.err);
    assert_eq!(far.host.runs(), one);
}

#[test]
fn what_a_shell_would_read_is_not_handed_on() {
    let check = |args: &[&str], variable: (&str, &str), expect: &str| {
        let mut command = Command::new(shipped(".ci/remote"));
        command.args(args).env("SSH_HOST", "127.0.0.1").env("SSH_USER", "nobody").env("SSH_KEY", "none");
        command.env("SSH_KNOWN_HOSTS", "none").env("SSH_PORT", "1").env(variable.0, variable.1);
        let ended = run(command);
        assert_eq!(ended.code, 2, "{}", ended.err);
        assert!(ended.err.contains(expect), "{}", ended.err);
    };
    check(&["ensure", "7;id"], ("LANG", "C"), "'7;id' has characters that are not handed to the host");
    check(&["ensure", "$(id)"], ("LANG", "C"), "'$(id)' has characters");
    check(&["status"], ("SSH_DIR", "a b"), "'a b' has characters");
    check(&["status"], ("SSH_HOST", "-oProxyCommand=id"), "'-oProxyCommand=id' would be read as an option");
    check(&["status"], ("SHIP_DEADLINE", "1 id"), "'1 id' has characters");
    check(&["status"], ("SSH_KNOWN_HOSTS", ""), "SSH_KNOWN_HOSTS is not set");
    check(&[""], ("LANG", "C"), "which command of .ci/ship?");
}

#[test]
fn the_hosts_key_is_always_asked_for() {
    let script = std::fs::read_to_string(shipped(".ci/remote")).unwrap();
    assert!(script.contains("-o StrictHostKeyChecking=yes") && !script.contains("accept-new"));
    assert_eq!(script.matches("StrictHostKeyChecking").count(), 1);
}
