//! HTTPS as a visitor meets it: the certificate, HTTP/2, the way from HTTP, a renewed
//! certificate after a reload.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::{Folders, PATIENCE, Vitrine};

const HOST: &str = "cv.example.com";

struct Secure {
    dir: std::path::PathBuf,
    vitrine: Vitrine,
    at: SocketAddr,
}

fn write_pair(dir: &std::path::Path) -> CertificateDer<'static> {
    let CertifiedKey::<KeyPair> { cert, signing_key } =
        generate_simple_self_signed([HOST.to_string()]).unwrap();
    std::fs::write(dir.join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), signing_key.serialize_pem()).unwrap();
    cert.der().clone()
}

fn start(settings: &[(&str, &str)]) -> (Secure, CertificateDer<'static>) {
    let folders = Folders::new();
    let dir = folders.site();
    let certificate = write_pair(&dir);
    let mut command = folders.serve();
    command.env("VITRINE_TLS_CERT", dir.join("cert.pem")).env("VITRINE_TLS_KEY", dir.join("key.pem"));
    command.env("VITRINE_TLS_LISTEN", "127.0.0.1:0").envs(settings.iter().copied());
    let mut vitrine = Vitrine::spawn(command, folders);
    let line = vitrine.wait_for_line("serving on https://");
    let at = line.rsplit("https://").next().unwrap().split_whitespace().next().unwrap().parse().unwrap();
    (Secure { dir, vitrine, at }, certificate)
}

impl Secure {
    fn connect(
        &self,
        trusted: &CertificateDer<'static>,
        protocol: &str,
    ) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let client = ClientConnection::new(Arc::new(config), ServerName::try_from(HOST).unwrap()).unwrap();
        let socket = TcpStream::connect(self.at)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut stream = StreamOwned::new(client, socket);
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(stream)
    }

    fn get(&self, trusted: &CertificateDer<'static>, path: &str) -> std::io::Result<String> {
        self.send(trusted, &format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"))
    }

    fn send(&self, trusted: &CertificateDer<'static>, request: &str) -> std::io::Result<String> {
        let mut stream = self.connect(trusted, "http/1.1")?;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        // A close without close_notify is no fault of the answer, whose length is known.
        match stream.read_to_end(&mut answer) {
            Err(fault) if fault.kind() != std::io::ErrorKind::UnexpectedEof => Err(fault),
            _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
        }
    }
}

#[test]
fn the_page_comes_by_https_and_a_renewed_certificate_by_a_reload() {
    let (mut secure, first) = start(&[]);
    let answer = secure.get(&first, "/").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("</html>"), "{answer}");
    let second = write_pair(&secure.dir);
    secure.vitrine.signal(Signal::HUP);
    secure.vitrine.wait_for_line("reloaded");
    assert!(secure.get(&first, "/").is_err(), "the old certificate is gone");
    assert!(secure.get(&second, "/").unwrap().starts_with("HTTP/1.1 200"));
    // A key that is not the certificate's leaves everything as it was.
    std::fs::write(secure.dir.join("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    secure.vitrine.signal(Signal::HUP);
    secure.vitrine.wait_for_line("is not the key of the certificate");
    assert!(secure.get(&second, "/").unwrap().starts_with("HTTP/1.1 200"));
}

#[test]
fn a_session_begun_by_https_never_travels_without() {
    let (secure, certificate) = start(&[]);
    let form = format!("password={}", secure.vitrine.admin_password().replace(' ', "+"));
    let login = format!(
        "POST /admin/login HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    let answer = secure.send(&certificate, &login).unwrap().to_lowercase();
    let cookie = answer.lines().find(|line| line.starts_with("set-cookie: vitrine_admin=")).expect(&answer);
    for part in ["; secure", "; httponly", "; samesite=strict", "; path=/admin"] {
        assert!(cookie.contains(part), "{cookie}");
    }
}

#[test]
fn browsers_get_http_2() {
    let (secure, certificate) = start(&[]);
    let mut stream = secure.connect(&certificate, "h2").unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(b"h2".as_slice()));
    // The client's preface and empty settings (RFC 9113 section 3.4).
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    assert_eq!((head[3], &head[5..]), (4, [0; 4].as_slice()), "the server's settings come first");
    // A connection that idles and has no end of its own holds up no stop.
    let begun = Instant::now();
    let Secure { mut vitrine, .. } = secure;
    vitrine.signal(Signal::TERM);
    assert!(vitrine.wait().success());
    // Held up it would be by the whole grace period of ten seconds.
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[test]
fn visitors_by_http_are_sent_to_https_and_proxies_are_not() {
    let (secure, _) = start(&[("VITRINE_HTTP_TRUSTED_PROXIES", "192.0.2.1")]);
    let port = secure.at.port();
    let answer =
        secure.vitrine.raw("GET /a?b HTTP/1.1\r\nHost: cv.example.com:2727\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
    assert!(answer.contains(&format!("location: https://cv.example.com:{port}/a?b\r\n")), "{answer}");
    let answer = secure.vitrine.raw("GET /admin/login HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n");
    assert!(answer.contains(&format!("location: https://a.b:{port}/admin/login\r\n")), "{answer}");
    for path in ["/p/x/", "/p/x", "/cv.pdf", "/static/a.txt"] {
        let answer = secure
            .vitrine
            .raw(&format!("GET {path} HTTP/1.1\r\nHost: cv.example.com\r\nConnection: close\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 308") && answer.contains("cache-control: no-store"), "{answer}");
    }
    let answer = secure.vitrine.raw("GET /health HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // By default this machine is a proxy that is trusted.
    let (secure, _) = start(&[]);
    let answer = secure.vitrine.raw("GET / HTTP/1.1\r\nHost: cv.example.com\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn files_that_do_not_do_stop_the_start_with_what_is_wanted() {
    let folders = Folders::new();
    let mut command = folders.serve();
    command.env("VITRINE_TLS_CERT", "/nowhere/fullchain.pem").env("VITRINE_TLS_KEY", "/nowhere/privkey.pem");
    let ended = crate::harness::run(command);
    assert!(ended.code != 0 && ended.err.contains("as certbot's fullchain.pem"), "{ended:?}");
    let mut command = folders.serve();
    command.env("VITRINE_TLS_CERT", "/nowhere/fullchain.pem");
    let ended = crate::harness::run(command);
    assert!(ended.code != 0 && ended.err.contains("belong together"), "{ended:?}");
}

#[test]
fn a_password_over_plain_http_is_warned_of_or_refused() {
    // What a proxy on this machine says about a visitor from elsewhere.
    let login = "POST /admin/login HTTP/1.1\r\nHost: a.b\r\nX-Forwarded-For: 198.51.100.7\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 37\r\nConnection: close\r\n\r\n\
         password=correct+horse+battery+staple";
    let form = "GET /admin/login HTTP/1.1\r\nHost: a.b\r\nX-Forwarded-For: 198.51.100.7\r\nConnection: close\r\n\r\n";
    let mut vitrine = Vitrine::start();
    assert!(vitrine.raw(form).contains("others on the way can read the password"));
    assert!(vitrine.raw(login).starts_with("HTTP/1.1 303"));
    vitrine.wait_for_line("came over plain HTTP");
    let own = form.replace("X-Forwarded-For: 198.51.100.7\r\n", "");
    assert!(!vitrine.raw(&own).contains("others on the way"), "this machine overhears nobody");
    let folders = Folders::new();
    let mut command = folders.serve();
    command.env("VITRINE_ADMIN_REQUIRE_TLS", "true");
    let vitrine = Vitrine::spawn(command, folders);
    assert!(vitrine.raw(login).starts_with("HTTP/1.1 403"));
    let secure = login.replace("Connection: close", "X-Forwarded-Proto: https\r\nConnection: close");
    assert!(vitrine.raw(&secure).starts_with("HTTP/1.1 303"));
    let basic = "GET /metrics HTTP/1.1\r\nHost: a.b\r\nX-Forwarded-For: 198.51.100.7\r\n\
         Authorization: Basic YWRtaW46eA==\r\nConnection: close\r\n\r\n";
    assert!(vitrine.raw(basic).starts_with("HTTP/1.1 403"));
}

#[test]
fn the_proof_for_a_certificate_is_served_by_http() {
    let (secure, _) = start(&[("VITRINE_HTTP_TRUSTED_PROXIES", "192.0.2.1")]);
    let folder = secure.dir.join(".well-known/acme-challenge");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("evaGxfADs6"), "evaGxfADs6.hash").unwrap();
    let get = |path: &str| {
        secure.vitrine.raw(&format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"))
    };
    let answer = get("/.well-known/acme-challenge/evaGxfADs6");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("evaGxfADs6.hash"), "{answer}");
    for path in ["other", "..%2f..%2fkey.pem", "%2e%2e"] {
        let answer = get(&format!("/.well-known/acme-challenge/{path}"));
        assert!(!answer.starts_with("HTTP/1.1 200") && !answer.contains("KEY"), "{answer}");
    }
}
