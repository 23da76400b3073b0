//! Where a visitor who came without TLS is sent.

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::http::uri::Authority;

use crate::cv::BaseUrl;

/// Returns the same address with `https`; none when the request does not say which host it
/// means.
pub(super) fn secure_place(req: &HttpRequest, port: u16) -> Option<String> {
    let host = req.headers().get(header::HOST)?.to_str().ok()?;
    let host = host.parse::<Authority>().ok().filter(|host| !host.as_str().contains('@'))?;
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let path = req.uri().path_and_query().map_or("/", |path| path.as_str());
    Some(format!("https://{}{port}{path}", host.host()))
}

/// Returns the address of a page under the site's own name: for `www.` before it or missing from
/// it, and for `http` where the site has `https`. Any other name, such as a bare address in a
/// trial, is left alone.
pub(super) fn own_place(req: &HttpRequest, base_url: &BaseUrl, is_plain: bool) -> Option<String> {
    let host = req.headers().get(header::HOST)?.to_str().ok()?.parse::<Authority>().ok()?;
    let (host, own) = (host.host(), base_url.host());
    let is_www = |long: &str, short: &str| {
        let start = long.len().checked_sub(short.len()).filter(|start| *start == "www.".len());
        start.and_then(|start| long.split_at_checked(start)).is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case("www.") && rest.eq_ignore_ascii_case(short)
        })
    };
    let is_other_name = is_www(host, own) || is_www(own, host);
    let is_downgraded = is_plain && base_url.is_secure() && (host.eq_ignore_ascii_case(own) || is_other_name);
    let path = req.uri().path_and_query().map_or("/", |path| path.as_str());
    (is_other_name || is_downgraded).then(|| base_url.join(path))
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
    fn the_site_has_one_name() {
        let check = |base: &str, host: &str, is_plain: bool, expect: Option<&str>| {
            let req = TestRequest::with_uri("/ru/?a=b").insert_header((header::HOST, host)).to_http_request();
            assert_eq!(own_place(&req, &base.parse().unwrap(), is_plain).as_deref(), expect, "{base} {host}");
        };
        let own = Some("https://cv.example.com/ru/?a=b");
        check("https://cv.example.com", "cv.example.com", false, None);
        check("https://cv.example.com", "cv.example.com", true, own);
        check("https://cv.example.com", "WWW.cv.example.com:80", false, own);
        check("https://www.example.com", "example.com", false, Some("https://www.example.com/ru/?a=b"));
        check("http://cv.example.com", "cv.example.com", true, None);
        for other in ["127.0.0.1:2727", "localhost", "example.com", "www.example.com"] {
            check("https://cv.example.com", other, true, None);
        }
    }

    #[test]
    fn what_is_no_host_is_sent_nowhere() {
        for host in [None, Some(""), Some("a b"), Some("user@evil.example"), Some("a/b")] {
            check(host, 443, None);
        }
    }
}
