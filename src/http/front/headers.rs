//! Which headers pass, and what is said about who asks.

use std::net::IpAddr;

/// Headers that are about one connection and not about the message (RFC 9110, section 7.6.1),
/// and two that old clients send though they never were standard.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const FORWARDED: &str = "forwarded";
const X_FORWARDED_FOR: &str = "x-forwarded-for";
const X_FORWARDED_PROTO: &str = "x-forwarded-proto";

/// One line of a head; the name is in lower case.
pub(super) type Line<'h> = (&'h str, &'h [u8]);

/// Returns what is about the message: no headers of the connection, nor those that `Connection`
/// names.
pub(super) fn of_message<'h>(lines: impl Iterator<Item = Line<'h>>) -> Vec<Line<'h>> {
    let mut lines: Vec<Line> = lines.collect();
    let options = lines.iter().filter(|(name, _)| *name == "connection");
    let named: Vec<String> = options
        .flat_map(|(_, value)| value.split(|byte| *byte == b','))
        .map(|option| String::from_utf8_lossy(option.trim_ascii()).to_ascii_lowercase())
        .collect();
    let passes = |name: &str| !HOP_BY_HOP.contains(&name) && !named.iter().any(|named| named == name);
    lines.retain(|(name, _)| passes(name));
    lines
}

/// Replaces what a request says about who sent it.
///
/// The word of a trusted proxy is passed on and its own address added, in the header that it
/// uses; that of anybody else is left out. The one behind takes the right-most address that is no
/// proxy of its own, and `X-Forwarded-For` before `Forwarded`.
pub(super) fn forwarded(lines: &[Line], peer: IpAddr, is_trusted: bool) -> Vec<(&'static str, Vec<u8>)> {
    let peer = peer.to_canonical();
    let said = |name: &str| -> Option<Vec<u8>> {
        let values: Vec<&[u8]> =
            lines.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value).collect();
        (is_trusted && !values.is_empty()).then(|| values.join(&b", "[..]))
    };
    let (addresses, elements) = (said(X_FORWARDED_FOR), said(FORWARDED));
    let mut res = Vec::new();
    if addresses.is_some() || elements.is_none() {
        res.push((X_FORWARDED_FOR, with(addresses, &peer.to_string())));
        res.extend(elements.map(|elements| (FORWARDED, elements)));
    } else {
        let element = if peer.is_ipv6() { format!("for=\"[{peer}]\"") } else { format!("for={peer}") };
        res.push((FORWARDED, with(elements, &element)));
    }
    // A trusted proxy that does not say how its visitors come may well speak TLS.
    let protocol = if is_trusted { said(X_FORWARDED_PROTO) } else { Some(b"http".to_vec()) };
    res.extend(protocol.map(|protocol| (X_FORWARDED_PROTO, protocol)));
    res
}

/// Returns true for what [`forwarded`] replaces.
pub(super) fn is_forwarded(name: &str) -> bool {
    [FORWARDED, X_FORWARDED_FOR, X_FORWARDED_PROTO].contains(&name)
}

fn with(before: Option<Vec<u8>>, last: &str) -> Vec<u8> {
    let mut res = before.unwrap_or_default();
    if !res.is_empty() {
        res.extend(b", ");
    }
    res.extend(last.as_bytes());
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_stay_with_it() {
        let lines: [Line; 6] = [
            ("connection", b"close, X-Mine"),
            ("keep-alive", b"5"),
            ("x-mine", b"1"),
            ("cookie", b"a=b"),
            ("te", b"trailers"),
            ("cookie", b"c=d"),
        ];
        let passed = of_message(lines.into_iter());
        assert_eq!(passed, [("cookie", &b"a=b"[..]), ("cookie", &b"c=d"[..])]);
    }

    fn check(lines: &[(&str, &str)], is_trusted: bool, expect: &[(&str, &str)]) {
        let lines: Vec<Line> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let said = forwarded(&lines, "10.0.0.2".parse().unwrap(), is_trusted);
        let said: Vec<_> =
            said.into_iter().map(|(name, value)| (name, String::from_utf8(value).unwrap())).collect();
        let said: Vec<_> = said.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(said, expect, "{lines:?}");
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let lines =
            [(X_FORWARDED_FOR, "1.1.1.1"), (X_FORWARDED_FOR, "2.2.2.2"), (X_FORWARDED_PROTO, "https")];
        check(&lines, true, &[(X_FORWARDED_FOR, "1.1.1.1, 2.2.2.2, 10.0.0.2"), (X_FORWARDED_PROTO, "https")]);
        check(&lines, false, &[(X_FORWARDED_FOR, "10.0.0.2"), (X_FORWARDED_PROTO, "http")]);
        check(&[], true, &[(X_FORWARDED_FOR, "10.0.0.2")]);
        let standard = [(FORWARDED, "for=1.1.1.1;proto=https")];
        check(&standard, true, &[(FORWARDED, "for=1.1.1.1;proto=https, for=10.0.0.2")]);
        check(&standard, false, &[(X_FORWARDED_FOR, "10.0.0.2"), (X_FORWARDED_PROTO, "http")]);
    }
}
