//! A line of a web server's access log: common and combined format, as nginx and Apache write
//! them, with or without the host in front.
//!
//! The line is taken apart and put together as our own access records are: whose address it
//! was is kept only as far as `http.log_addresses` says, the user's name and the query, which
//! may hold secrets, are not.

use std::borrow::Cow;
use std::net::IpAddr;

use super::when;
use crate::ingest::line::stream_of;
use crate::record::access::{PATH_MAX_BYTES, USER_AGENT_MAX_BYTES, cut, known_method, severity_of_status};
use crate::record::{LogAddresses, LogRecord};

/// A longer referrer is cut.
const REFERRER_MAX_BYTES: usize = 256;

/// What a server writes where it has nothing.
const NOTHING: &str = "-";

/// Reads a line; none when it has another format.
pub fn read(line: &str, tag: &str, addresses: LogAddresses) -> Option<LogRecord> {
    let (who, rest) = line.split_once(" [")?;
    let (time, rest) = rest.split_once("] \"")?;
    let (request, rest) = quoted(rest)?;
    let mut fields = rest.trim_start().splitn(3, ' ');
    let status: u16 = fields.next()?.parse().ok().filter(|status| (100..=999).contains(status))?;
    let bytes = fields.next()?;
    let rest = fields.next().unwrap_or_default();
    let at = when::of_access_log(time)?;

    let (method, target) = method_and_path(&request);
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = cut(path, PATH_MAX_BYTES);
    let mut metadata: Vec<(Cow<'static, str>, String)> = vec![
        ("http_request_method".into(), method.to_string()),
        ("url_path".into(), path.to_string()),
        ("http_response_status_code".into(), status.to_string()),
    ];
    let mut add = |name: &'static str, value: Option<String>| {
        let value = value.filter(|value| !value.is_empty() && value != NOTHING);
        metadata.extend(value.map(|value| (Cow::Borrowed(name), value)));
    };
    add("http_response_body_size", bytes.parse::<u64>().ok().map(|bytes| bytes.to_string()));
    let (referrer, rest) = next_quoted(rest);
    let (agent, _) = next_quoted(rest);
    add("http_request_header_referer", referrer.map(|text| without_query(&text).to_string()));
    add("user_agent_original", agent.map(|text| cut(&text, USER_AGENT_MAX_BYTES).to_string()));
    let (host, address) = host_and_address(who)?;
    add("server_address", host.map(str::to_string));
    add("client_address", address.and_then(|address| addresses.of(address)).map(|kept| kept.to_string()));

    let severity = severity_of_status(status);
    let body = match path {
        "" => format!("{method} {status}"),
        path => format!("{method} {path} {status}"),
    };
    Some(LogRecord { at, severity, stream: stream_of(tag, severity), metadata, body })
}

/// Splits what is before the time: the host if there is one more than address, identity and user.
fn host_and_address(who: &str) -> Option<(Option<&str>, Option<IpAddr>)> {
    let words: Vec<&str> = who.split(' ').take(5).collect();
    // A name where the address should be (Apache's HostnameLookups) is as private as it.
    match words.as_slice() {
        [address, _, _] => Some((None, address.parse().ok())),
        [host, address, _, _] => match host.parse::<IpAddr>() {
            // It was a user with a blank in the name.
            Ok(first) => Some((None, Some(first))),
            Err(_) => Some((Some(host), address.parse().ok())),
        },
        _ => None,
    }
}

/// Splits `GET /path HTTP/1.1`; what is no request (a TLS greeting on the plain port) has no path.
fn method_and_path(request: &str) -> (&'static str, &str) {
    let mut words = request.split(' ');
    match (words.next().map(known_method), words.next()) {
        (Some(method), Some(target)) if target.starts_with('/') || target == "*" => (method, target),
        // A proxy's request names the whole address.
        (Some(method), Some(target)) => match target.split_once("://").and_then(|(_, rest)| rest.find('/')) {
            Some(_) => (method, target),
            None => ("_OTHER", ""),
        },
        _ => ("_OTHER", ""),
    }
}

fn without_query(text: &str) -> &str {
    cut(text.split(['?', '#']).next().unwrap_or_default(), REFERRER_MAX_BYTES)
}

/// Returns the text up to the closing quote and what is after it. Apache writes `\"` and `\\`
/// inside, nginx `\x22`.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut is_escaped = false;
    let end = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })?;
    let (inside, after) = (&text[..end], &text[end + 1..]);
    let plain = if inside.contains('\\') {
        Cow::Owned(inside.replace("\\\"", "\"").replace("\\x22", "\"").replace("\\\\", "\\"))
    } else {
        Cow::Borrowed(inside)
    };
    Some((plain, after))
}

fn next_quoted(text: &str) -> (Option<Cow<'_, str>>, &str) {
    match text.trim_start().strip_prefix('"').and_then(quoted) {
        Some((inside, after)) => (Some(inside), after),
        None => (None, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Severity;

    const COMBINED: &str = r#"203.0.113.77 - alice [26/Nov/2026:19:49:02 +0300] "GET /shop/42?token=secret HTTP/1.1" 200 5316 "https://example.com/?q=x" "Mozilla/5.0 (X11; Linux x86_64) \"Odd\"""#;

    fn read_line(line: &str) -> LogRecord {
        read(line, "nginx", LogAddresses::No).unwrap_or_else(|| panic!("{line}"))
    }

    #[test]
    fn a_combined_line_is_taken_apart_by_otels_names() {
        let record = read_line(COMBINED);
        assert_eq!(record.at.0, 1_795_711_742_000_000_000);
        assert_eq!(record.body, "GET /shop/42 200");
        assert_eq!(record.stream.to_string(), r#"{job="nginx",level="info",service_name="nginx"}"#);
        let pairs: Vec<String> =
            record.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            pairs,
            [
                "http_request_method=GET",
                "url_path=/shop/42",
                "http_response_status_code=200",
                "http_response_body_size=5316",
                "http_request_header_referer=https://example.com/",
                r#"user_agent_original=Mozilla/5.0 (X11; Linux x86_64) "Odd""#,
            ]
        );
    }

    #[test]
    fn the_address_is_kept_only_as_far_as_the_setting_says() {
        let client =
            |addresses| read(COMBINED, "x", addresses).unwrap().metadata("client_address").to_string();
        assert_eq!(client(LogAddresses::No), "");
        assert_eq!(client(LogAddresses::Shortened), "203.0.113.0");
        assert_eq!(client(LogAddresses::Whole), "203.0.113.77");
        for private in ["203.0.113", "alice", "secret"] {
            assert!(!format!("{:?}", read_line(COMBINED)).contains(private), "{private}");
        }
    }

    #[test]
    fn common_hosted_and_odd_lines_are_read() {
        let common = read_line(r#"::1 - - [26/Nov/2026:16:49:02 +0000] "POST /api HTTP/2.0" 502 -"#);
        assert_eq!((common.body.as_str(), common.severity), ("POST /api 502", Severity::Error));
        assert_eq!(common.metadata("http_response_body_size"), "");
        let hosted = read_line(
            r#"www.example.com:80 192.0.2.1 - - [26/Nov/2026:16:49:02 +0000] "HEAD / HTTP/1.1" 404 0 "-" "-""#,
        );
        assert_eq!(hosted.metadata("server_address"), "www.example.com:80");
        assert_eq!((hosted.severity, hosted.metadata("user_agent_original")), (Severity::Info, ""));
        let greeting = read_line(
            r#"192.0.2.1 - - [26/Nov/2026:16:49:02 +0000] "\x16\x03\x01\x02" 400 150 "-" "-" "extra""#,
        );
        assert_eq!((greeting.body.as_str(), greeting.severity), ("_OTHER 400", Severity::Warn));
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            "just text",
            r#"a - - [b] "c"#,
            r#"1.1.1.1 - - [26/Nov/2026:16:49:02 +0000] "GET / HTTP/1.1" abc 1"#,
            r#"1.1.1.1 - - [yesterday] "GET / HTTP/1.1" 200 1"#,
            "2026/11/26 16:49:02 [error] 12#12: *7 open() \"/x\" failed (2: No such file or directory)",
        ] {
            assert_eq!(read(line, "x", LogAddresses::Whole), None, "{line}");
        }
    }
}
