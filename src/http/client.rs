//! Who is at the other end, when a proxy may stand between.
//!
//! What a request says about itself is believed only from a trusted proxy. Of the
//! addresses in `X-Forwarded-For` (without it: `Forwarded`, RFC 7239) the right-most one
//! that is no trusted proxy counts: everything left of it was written by a stranger.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR, X_FORWARDED_PROTO};
use ipnet::IpNet;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// True when it speaks TLS to us, or to a trusted proxy.
    pub is_secure: bool,
}

/// Returns who sent a request.
pub fn peer(req: &HttpRequest, trusted: &[IpNet]) -> Peer {
    Peer::of(req.peer_addr(), req.app_config().secure(), req.headers(), trusted)
}

impl Peer {
    /// Returns true when others on the way can read what it sends.
    pub fn is_overheard(&self) -> bool {
        !self.is_secure && !self.address.is_loopback()
    }

    pub(super) fn of(
        socket: Option<SocketAddr>,
        is_tls: bool,
        headers: &HeaderMap,
        trusted: &[IpNet],
    ) -> Peer {
        let address = socket.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |socket| socket.ip().to_canonical());
        if !is_trusted(address, trusted) {
            return Peer { address, is_secure: is_tls };
        }
        Peer { address: visitor(address, headers, trusted), is_secure: is_tls || is_https(headers) }
    }
}

/// Returns true when a trusted proxy says that its visitor came without TLS.
pub(super) fn is_plain_at_proxy(req: &HttpRequest, trusted: &[IpNet]) -> bool {
    let is_proxy = req.peer_addr().is_some_and(|socket| is_trusted(socket.ip().to_canonical(), trusted));
    is_proxy && protocol(req.headers()).is_some_and(|protocol| protocol.eq_ignore_ascii_case("http"))
}

pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// Walks from the proxy towards the visitor; what cannot be read ends the walk.
fn visitor(proxy: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let hops: Vec<&str> = if headers.contains_key(X_FORWARDED_FOR) {
        entries(headers, X_FORWARDED_FOR).collect()
    } else {
        entries(headers, FORWARDED).map(|entry| parameter(entry, "for").unwrap_or_default()).collect()
    };
    let mut address = proxy;
    for hop in hops.into_iter().rev() {
        let Some(next) = read_address(hop) else { break };
        address = next;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    address
}

/// Yields the members of a header that is a list, over all its lines.
fn entries(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).map(|value| value.to_str().unwrap_or_default());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Returns the parameter of one `Forwarded` element, without its quotes.
fn parameter<'h>(entry: &'h str, name: &str) -> Option<&'h str> {
    let mut pairs = entry.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim_matches('"'))
}

/// Reads an address with or without a port, IPv6 with or without brackets.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))?;
    Some(address.to_canonical())
}

fn is_https(headers: &HeaderMap) -> bool {
    protocol(headers).is_some_and(|protocol| protocol.eq_ignore_ascii_case("https"))
}

/// What the visitor spoke comes first in the list.
fn protocol(headers: &HeaderMap) -> Option<&str> {
    let forwarded = || entries(headers, FORWARDED).next().and_then(|entry| parameter(entry, "proto"));
    entries(headers, X_FORWARDED_PROTO).next().or_else(forwarded)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn check(socket: &str, headers: &[(&str, &str)], expect: (&str, bool)) {
        let trusted: Vec<IpNet> =
            ["127.0.0.1/32", "::1/128", "10.0.0.0/8"].map(|network| network.parse().unwrap()).into();
        let mut req = TestRequest::default().peer_addr(SocketAddr::new(socket.parse().unwrap(), 4711));
        for (name, value) in headers {
            req = req.append_header((*name, *value));
        }
        let expect = Peer { address: expect.0.parse().unwrap(), is_secure: expect.1 };
        assert_eq!(peer(&req.to_http_request(), &trusted), expect, "{socket} {headers:?}");
    }

    const FOR: &str = "X-Forwarded-For";
    const PROTO: &str = "X-Forwarded-Proto";

    #[test]
    fn a_stranger_is_not_believed() {
        check("192.0.2.7", &[(FOR, "198.51.100.1"), (PROTO, "https")], ("192.0.2.7", false));
        check("192.0.2.7", &[("Forwarded", "for=198.51.100.1;proto=https")], ("192.0.2.7", false));
    }

    #[test]
    fn the_right_most_stranger_of_the_list_is_the_visitor() {
        check("127.0.0.1", &[(FOR, "198.51.100.1"), (PROTO, "https")], ("198.51.100.1", true));
        check(
            "127.0.0.1",
            &[(FOR, "1.1.1.1, 198.51.100.1, 10.2.3.4"), (PROTO, "http")],
            ("198.51.100.1", false),
        );
        check("::1", &[(FOR, "1.1.1.1"), (FOR, "198.51.100.1")], ("198.51.100.1", false));
        check("::ffff:127.0.0.1", &[(FOR, "::ffff:198.51.100.1")], ("198.51.100.1", false));
        check("127.0.0.1", &[(FOR, "10.0.0.1, 10.0.0.2")], ("10.0.0.1", false));
    }

    #[test]
    fn addresses_are_read_in_every_usual_form() {
        check("127.0.0.1", &[(FOR, "198.51.100.1:80")], ("198.51.100.1", false));
        check("127.0.0.1", &[(FOR, "[2001:db8::1]:80")], ("2001:db8::1", false));
        check("127.0.0.1", &[(FOR, "2001:db8::1")], ("2001:db8::1", false));
        check("127.0.0.1", &[("Forwarded", "for=1.1.1.1, For=\"[2001:db8::1]\"")], ("2001:db8::1", false));
        check("127.0.0.1", &[("Forwarded", "proto=https;for=198.51.100.1")], ("198.51.100.1", true));
    }

    #[test]
    fn what_cannot_be_read_leaves_the_last_hop_that_could() {
        check("127.0.0.1", &[], ("127.0.0.1", false));
        check("127.0.0.1", &[(FOR, "unknown")], ("127.0.0.1", false));
        check("127.0.0.1", &[(FOR, "198.51.100.1, _hidden, 10.0.0.9")], ("10.0.0.9", false));
        check("127.0.0.1", &[("Forwarded", "proto=https")], ("127.0.0.1", true));
    }
}
