//! This build as a server that is written to and asked as fast as it can.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

const PASSWORD: &str = "correct horse battery staple";

/// Serves a folder on a free port, without limits on how fast it is written to and asked; it is up
/// when it says [`MARK`].
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--site"]).arg(dir);
    command.arg("--data").arg(dir.join("data")).current_dir(dir);
    command.env("VITRINE_ADMIN_PASSWORD", PASSWORD).env("VITRINE_FORWARD_LISTEN", "");
    command.env("VITRINE_PUSH_BYTES_PER_SECOND", "0").env("VITRINE_HTTP_REQUESTS_PER_SECOND", "0");
    command
}

/// What it says before its address.
pub const MARK: &str = "serving on http://";

/// Returns the address in what it says after [`MARK`].
pub fn address(after: &str) -> &str {
    after.split([',', ' ']).next().unwrap()
}

/// Returns the `Authorization` that it wants; the servers beside it do not mind.
pub fn credential() -> String {
    use base64::Engine as _;
    let credential = base64::engine::general_purpose::STANDARD.encode(format!("admin:{PASSWORD}"));
    format!("Basic {credential}")
}

/// Returns an address for a server that cannot choose one.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().to_string()
}
