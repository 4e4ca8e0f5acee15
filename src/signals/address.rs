//! What an IP address says by itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Where an address can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// Somewhere on the internet.
    Public,
    /// In a network of somebody's own, on the machine itself, or nowhere at all: in no country.
    Private,
}

/// IPv4 addresses in their IPv6 form (`::ffff:192.0.2.1`) as what they are.
#[must_use]
pub fn normalise(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

impl AddressKind {
    /// The kind of a (normalised) address, after the IANA special-purpose registries.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        let private = match normalise(ip) {
            IpAddr::V4(ip) => is_private_v4(ip),
            IpAddr::V6(ip) => is_private_v6(ip),
        };
        if private { Self::Private } else { Self::Public }
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    let shared = first == 100 && second & 0b1100_0000 == 64; // RFC 6598, carrier-grade NAT: 100.64.0.0/10
    ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared || first == 0
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
}

/// The network whose addresses are counted as one: /24 of IPv4, /56 of IPv6, about what one household or office has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NetworkPrefix(IpNet);

impl NetworkPrefix {
    /// The network of an address.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        // INVARIANT: 24 and 56 are possible lengths; should they not be, one address is its own network.
        Self(match normalise(ip) {
            IpAddr::V4(ip) => Ipv4Net::new(ip, 24).map_or_else(|_| IpAddr::V4(ip).into(), |net| net.trunc().into()),
            IpAddr::V6(ip) => Ipv6Net::new(ip, 56).map_or_else(|_| IpAddr::V6(ip).into(), |net| net.trunc().into()),
        })
    }
}

impl fmt::Display for NetworkPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_of_no_country_are_private() {
        for private in [
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "0.0.0.0",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fdff::1",
            "::ffff:10.0.0.1",
        ] {
            assert_eq!(AddressKind::of(ip(private)), AddressKind::Private, "{private}");
        }
        for public in [
            "8.8.8.8",
            "172.32.0.1",
            "172.15.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.169.0.1",
            "203.0.113.9",
            "2001:db8::1",
            "2606:4700::1",
            "::ffff:8.8.8.8",
            "fbff::1",
        ] {
            assert_eq!(AddressKind::of(ip(public)), AddressKind::Public, "{public}");
        }
    }

    #[test]
    fn a_network_is_the_first_24_or_56_bits() {
        for (address, network) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1:2ff:3::9", "2001:db8:1:200::/56"),
        ] {
            assert_eq!(NetworkPrefix::of(ip(address)).to_string(), network, "{address}");
        }
    }
}
