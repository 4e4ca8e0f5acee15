//! The client's address as policies may trust it.

use std::net::IpAddr;

use ipnet::IpNet;

/// `X-Forwarded-For` came from a trusted proxy and holds something that is no address. Guessing would let a client pretend
/// to stand where the proxy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the header X-Forwarded-For holds something that is no address")]
pub struct BadForwardedFor;

/// How many hops are read; a longer chain is refused.
const MAX_HOPS: usize = 32;

/// Walks `X-Forwarded-For` from the right, past trusted proxies, to the first address that is not one. When `peer` itself is
/// not trusted the header means nothing.
///
/// # Errors
/// The header holds something that is no address, or too many of them.
pub fn client_ip<'h>(
    peer: IpAddr,
    forwarded_for: impl DoubleEndedIterator<Item = &'h str>,
    trusted: &[IpNet],
) -> Result<IpAddr, BadForwardedFor> {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    let mut client = peer.to_canonical();
    let hops = forwarded_for.rev().flat_map(|header| header.rsplit(','));
    for (count, hop) in hops.enumerate() {
        if !is_trusted(&client) {
            break;
        }
        if count >= MAX_HOPS {
            return Err(BadForwardedFor);
        }
        client = parse_hop(hop.trim()).ok_or(BadForwardedFor)?;
    }
    Ok(client)
}

/// `192.0.2.1`, `192.0.2.1:8080`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:8080`.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let ip = bare.parse().ok().or_else(|| hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))?;
    Some(IpAddr::to_canonical(&ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_the_first_address_from_the_right_that_is_no_trusted_proxy() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let cases: &[(&str, &[&str], Result<&str, BadForwardedFor>)] = &[
            ("198.51.100.7", &[], Ok("198.51.100.7")),
            ("198.51.100.7", &["203.0.113.9"], Ok("198.51.100.7")),
            ("10.0.0.1", &["203.0.113.9"], Ok("203.0.113.9")),
            ("10.0.0.1", &["6.6.6.6, 203.0.113.9"], Ok("203.0.113.9")),
            ("10.0.0.1", &["6.6.6.6, 203.0.113.9, 10.2.3.4"], Ok("203.0.113.9")),
            ("10.0.0.1", &["6.6.6.6", "203.0.113.9"], Ok("203.0.113.9")),
            ("10.0.0.1", &["10.0.0.2"], Ok("10.0.0.2")),
            ("10.0.0.1", &["[2001:db8::1]:4711"], Ok("2001:db8::1")),
            ("10.0.0.1", &["203.0.113.9:80"], Ok("203.0.113.9")),
            ("::ffff:10.0.0.1", &["::ffff:203.0.113.9"], Ok("203.0.113.9")),
            ("10.0.0.1", &["203.0.113.9, unknown"], Err(BadForwardedFor)),
            ("10.0.0.1", &[""], Err(BadForwardedFor)),
            ("10.0.0.1", &["garbage, 203.0.113.9"], Ok("203.0.113.9")),
        ];
        for (peer, headers, expected) in cases {
            let client = client_ip(peer.parse().unwrap(), headers.iter().copied(), &trusted);
            assert_eq!(client, expected.map(|ip| ip.parse().unwrap()), "{peer} {headers:?}");
        }
    }

    #[test]
    fn an_endless_chain_of_proxies_is_refused() {
        let chain = vec!["10.0.0.1"; 1000].join(",");
        let client =
            client_ip("10.0.0.1".parse().unwrap(), [chain.as_str()].into_iter(), &["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(client, Err(BadForwardedFor));
    }
}
