//! The page that led here: its host, and nothing else of it.
//!
//! A `Referer` may have a path and a query that say what somebody searched, read or is called.
//! Neither is looked at. A host that is an address is left out like any address.

use std::net::IpAddr;

/// The longest name that the DNS has.
const MAX_BYTES: usize = 253;

/// Returns the host of a `Referer`, as it is written there: of a site, or the name of an app
/// (`android-app://com.linkedin.android/`).
pub fn host(referer: &str) -> Option<&str> {
    let (scheme, rest) = referer.split_once("://")?;
    if !["https", "http", "android-app"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let with_port = authority.rsplit('@').next()?;
    let host = with_port.split(':').next()?.trim_end_matches('.');
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_host = !host.is_empty() && host.len() <= MAX_BYTES && host.bytes().all(is_name);
    (is_host && host.parse::<IpAddr>().is_err()).then_some(host)
}

/// Returns a host as it is kept, without `www.` before it.
pub fn tidy(host: &str) -> String {
    bare(host).to_ascii_lowercase()
}

/// Whether two names, with a port or without, are those of one site.
pub fn is_same(host: &str, other: &str) -> bool {
    let without_port = |host| bare(str::split(host, ':').next().unwrap_or_default());
    without_port(host).eq_ignore_ascii_case(without_port(other))
}

fn bare(host: &str) -> &str {
    match host.split_at_checked(4) {
        Some((www, rest)) if www.eq_ignore_ascii_case("www.") => rest,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_is_taken() {
        for (referer, expect) in [
            ("https://www.linkedin.com/in/ada?trk=public#a", Some("www.linkedin.com")),
            ("http://Example.COM:8080/", Some("Example.COM")),
            ("https://user:secret@mail.example.com/inbox/7", Some("mail.example.com")),
            ("https://example.com.", Some("example.com")),
            ("android-app://com.linkedin.android/", Some("com.linkedin.android")),
            ("https://duckduckgo.com", Some("duckduckgo.com")),
            ("", None),
            ("about:blank", None),
            ("javascript://example.com/%0aalert(1)", None),
            ("https://", None),
            ("https:///path", None),
            ("https://192.0.2.7/intranet", None),
            ("https://[2001:db8::1]/", None),
            ("https://bad host/", None),
            ("https://пример.рф/", None),
        ] {
            assert_eq!(host(referer), expect, "{referer}");
        }
        assert_eq!(host(&format!("https://{}.com/", "a".repeat(260))), None);
    }

    #[test]
    fn a_site_has_one_name_with_www_and_without() {
        assert_eq!(tidy("WWW.LinkedIn.com"), "linkedin.com");
        assert_eq!(tidy("www.de"), "de");
        assert!(is_same("www.example.com", "EXAMPLE.com:2727") && is_same("localhost", "localhost:80"));
        assert!(!is_same("example.com", "cv.example.com") && !is_same("com", "www"));
    }
}
