//! Where a visitor who came without TLS is sent.

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::http::uri::Authority;

/// Returns the same address with `https`; none when the request does not say which host it
/// means.
pub(super) fn secure_place(req: &HttpRequest, port: u16) -> Option<String> {
    let host = req.headers().get(header::HOST)?.to_str().ok()?;
    let host = host.parse::<Authority>().ok().filter(|host| !host.as_str().contains('@'))?;
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let path = req.uri().path_and_query().map_or("/", |path| path.as_str());
    Some(format!("https://{}{port}{path}", host.host()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn check(host: Option<&str>, port: u16, expect: Option<&str>) {
        let mut req = TestRequest::with_uri("/de/?a=%20b");
        if let Some(host) = host {
            req = req.insert_header((header::HOST, host));
        }
        assert_eq!(secure_place(&req.to_http_request(), port).as_deref(), expect, "{host:?}");
    }

    #[test]
    fn host_and_path_stay_and_the_port_changes() {
        check(Some("cv.example.com"), 443, Some("https://cv.example.com/de/?a=%20b"));
        check(Some("cv.example.com:2727"), 443, Some("https://cv.example.com/de/?a=%20b"));
        check(Some("[2001:db8::1]:80"), 8443, Some("https://[2001:db8::1]:8443/de/?a=%20b"));
    }

    #[test]
    fn what_is_no_host_is_sent_nowhere() {
        for host in [None, Some(""), Some("a b"), Some("user@evil.example"), Some("a/b")] {
            check(host, 443, None);
        }
    }
}
