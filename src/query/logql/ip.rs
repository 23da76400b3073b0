//! Addresses in lines and labels: `ip("10.0.0.0/8")`.
//!
//! A pattern is an address, a network or a range of either family; an IPv4 address inside IPv6 is
//! IPv6. Lines are searched as Loki does: where something begins like an address, as many characters
//! as an address may have are taken, and what they are decides; nothing inside of them is looked for.
//!
//! Source: the documentation of `ip()` in LogQL; Go's package `net/netip` for what is an address.

use std::net::IpAddr;

use crate::query::quote::quoted;

/// What addresses to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpMatcher(Addresses);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Addresses {
    /// From one to another of the same family, both included.
    Between(IpAddr, IpAddr),
    /// One of a zone, as `fe80::1%eth0`: no text in which is looked can have one.
    Zoned,
}

/// A pattern that names no addresses.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("ip: invalid pattern: {0}")]
pub struct IpError(String);

impl IpMatcher {
    /// Reads a pattern.
    pub fn new(pattern: &str) -> Result<Self, IpError> {
        let addresses = one(pattern).or_else(|| network(pattern)).or_else(|| range(pattern));
        addresses.map(Self).ok_or_else(|| IpError(quoted(pattern)))
    }

    /// Returns true when a label's value has such an address in it.
    pub fn matches_value(&self, value: &str) -> bool {
        self.found_in_line(value)
    }

    /// Returns true when a line has such an address in it.
    pub fn found_in_line(&self, line: &str) -> bool {
        let bytes = line.as_bytes();
        let mut pos = 0;
        while let Some(n_before) = bytes.get(pos..).and_then(|rest| memchr::memchr2(b'.', b':', rest)) {
            let mark = pos + n_before;
            // Nothing can begin farther before it.
            pos = pos.max(mark.saturating_sub(DIGITS_MAX));
            let starts = (pos..=mark).find_map(|start| Some((start, begins(&bytes[start..])?)));
            let Some((start, is_of_address)) = starts else {
                pos = mark + 1;
                continue;
            };
            let len = bytes[start..].iter().take_while(|byte| is_of_address(**byte)).count();
            if line[start..start + len].parse().is_ok_and(|address| self.contains(address)) {
                return true;
            }
            // The character that ended it is passed too.
            pos = start + len + 1;
        }
        false
    }

    fn contains(&self, address: IpAddr) -> bool {
        match self.0 {
            // All of IPv4 come before all of IPv6.
            Addresses::Between(first, last) => first <= address && address <= last,
            Addresses::Zoned => false,
        }
    }
}

/// Most digits of a group, after which a colon stands; an IPv4 address has three and a point.
const DIGITS_MAX: usize = 4;

/// Returns what an address may consist of that begins here; none when none does.
fn begins(rest: &[u8]) -> Option<fn(u8) -> bool> {
    if begins_v4(rest) {
        return Some(|byte| byte.is_ascii_digit() || byte == b'.');
    }
    begins_v6(rest).then_some(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
}

/// Returns true where up to three characters, the first a digit, stand before a point.
fn begins_v4(rest: &[u8]) -> bool {
    rest.len() >= 4 && rest[0].is_ascii_digit() && rest[1..4].contains(&b'.')
}

/// Returns true where up to four hexadecimal digits stand before a colon, or two colons before one.
fn begins_v6(rest: &[u8]) -> bool {
    let n_digits = rest.iter().take(DIGITS_MAX).take_while(|byte| byte.is_ascii_hexdigit()).count();
    if n_digits == 0 {
        return rest.starts_with(b"::") && rest.get(2).is_some_and(u8::is_ascii_hexdigit);
    }
    rest.get(n_digits) == Some(&b':')
}

/// Reads an address; those of a zone have none that one could compare.
fn address(text: &str) -> Option<(Option<IpAddr>, &str)> {
    match text.split_once('%') {
        None => Some((Some(text.parse().ok()?), text)),
        Some((plain, zone)) => {
            let is_v6 = plain.parse::<std::net::Ipv6Addr>().is_ok();
            (is_v6 && !zone.is_empty()).then_some((None, plain))
        }
    }
}

fn one(pattern: &str) -> Option<Addresses> {
    let (address, _) = address(pattern)?;
    Some(address.map_or(Addresses::Zoned, |address| Addresses::Between(address, address)))
}

fn network(pattern: &str) -> Option<Addresses> {
    let (address, n_bits) = pattern.rsplit_once('/')?;
    let is_plain = n_bits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain || (n_bits.len() > 1 && n_bits.starts_with('0')) {
        return None;
    }
    let n_bits: u8 = n_bits.parse().ok()?;
    let net = ipnet::IpNet::new(address.parse().ok()?, n_bits).ok()?;
    Some(Addresses::Between(net.network(), net.broadcast()))
}

/// Reads a range; what a zone its ends name does not count.
fn range(pattern: &str) -> Option<Addresses> {
    let (first, last) = pattern.split_once('-')?;
    let end = |text| address(text).and_then(|(_, plain)| plain.parse::<IpAddr>().ok());
    let (first, last) = (end(first)?, end(last)?);
    (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Addresses::Between(first, last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, inside: &[&str], outside: &[&str]) {
        let matcher = IpMatcher::new(pattern).unwrap();
        inside.iter().for_each(|line| assert!(matcher.found_in_line(line), "{pattern} in {line:?}"));
        outside.iter().for_each(|line| assert!(!matcher.found_in_line(line), "{pattern} not in {line:?}"));
    }

    #[test]
    fn one_address_is_found_where_it_stands_alone() {
        check(
            "192.168.0.1",
            &["192.168.0.1", "a 192.168.0.1:80"],
            &["192.168.0.10", "1.192.168.0.1", "", "é"],
        );
        check("::1", &["[::1]:80", "at ::1"], &["::2", "1::1", "0.0.0.1"]);
        check("fe80::1%eth0", &[], &["fe80::1", "fe80::1%eth0"]);
        check("::ffff:1.2.3.4", &["::ffff:1.2.3.4"], &["1.2.3.4"]);
    }

    #[test]
    fn networks_and_ranges_have_all_between_their_ends() {
        check("10.0.0.0/8", &["from 10.1.2.3"], &["11.0.0.0", "::ffff:10.0.0.1"]);
        check("10.0.0.77/24", &["10.0.0.1"], &["10.0.1.1"]);
        check("2001:db8::/32", &["2001:db8::ff00:42:8329"], &["2001:db9::"]);
        check("192.168.0.1-192.168.0.3", &["192.168.0.1", "192.168.0.3"], &["192.168.0.4", "::"]);
        check("::1-::3", &["::2"], &["::4", "0.0.0.2"]);
        check("0.0.0.0/0", &["1.2.3.4"], &["::1", "1.2.3", "999.1.1.1", "01.2.3.4"]);
    }

    #[test]
    fn what_begins_like_an_address_hides_one_that_follows_at_once() {
        check("1.2.3.4", &["x1.2.3.4"], &["2021.1.2.3.4", "1.2.3.4.", "a:1.2.3.4", "ab:1.2.3.4"]);
    }

    #[test]
    fn a_value_is_searched_like_a_line() {
        let matcher = IpMatcher::new("10.0.0.0/8").unwrap();
        assert!(matcher.matches_value("client 10.1.1.1") && !matcher.matches_value("host"));
    }

    #[test]
    fn what_names_no_addresses_is_refused() {
        for pattern in [
            "",
            "1.2.3",
            "1.2.3.4/33",
            "1.2.3.4/",
            "1.2.3.4/08",
            "1.2.3.4/+8",
            "::1%",
            "1.2.3.4%a",
            "1.2.3.4 - 1.2.3.5",
            "1.2.3.5-1.2.3.4",
            "1.2.3.4-::1",
            "a\"b",
            "01.2.3.4",
            "1.2.3.0/24/24",
        ] {
            let text = IpMatcher::new(pattern).unwrap_err().to_string();
            assert_eq!(text, format!("ip: invalid pattern: {pattern:?}"));
        }
    }

    proptest! {
        #[test]
        fn any_text_does_no_harm(text in any::<String>(), soup in "[0-9a-f:./%é-]{0,40}") {
            for pattern in [&text, &soup] {
                let _ = IpMatcher::new(pattern);
            }
            let matcher = IpMatcher::new("::/0").unwrap();
            let _ = (matcher.found_in_line(&text), matcher.found_in_line(&soup));
        }
    }
}
