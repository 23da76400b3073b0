//! How much of a visitor's address is kept, whoever logged it, and which addresses are one customer's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How much of visitors' addresses is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogAddresses {
    /// Nothing.
    #[default]
    No,
    /// The network: of an IPv4 address the first 24 bits, of an IPv6 address the first 48.
    Shortened,
    /// All of it.
    Whole,
}

impl LogAddresses {
    /// Returns what may be logged of an address.
    pub fn of(self, address: IpAddr) -> Option<IpAddr> {
        match (self, address) {
            (LogAddresses::No, _) => None,
            (LogAddresses::Whole, address) => Some(address),
            (LogAddresses::Shortened, IpAddr::V4(v4)) => {
                Some(Ipv4Addr::from_bits(v4.to_bits() & !0 << 8).into())
            }
            (LogAddresses::Shortened, IpAddr::V6(v6)) => {
                Some(Ipv6Addr::from_bits(v6.to_bits() & !0 << 80).into())
            }
        }
    }
}

/// Returns what stands for one customer: the address, of IPv6 its /64, all of which one customer
/// has and a device changes within every day.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_address_is_that_of_its_network() {
        let of = |text: &str| LogAddresses::Shortened.of(text.parse().unwrap()).unwrap().to_string();
        assert_eq!(of("198.51.100.77"), "198.51.100.0");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1::");
        assert_eq!(LogAddresses::No.of(Ipv4Addr::LOCALHOST.into()), None);
    }
}
