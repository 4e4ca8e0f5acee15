//! Named networks as blocks of addresses: which of them can hold one address together, what a change of their blocks moves, and
//! who speaks of them. Policies know a network by its name alone.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::Policy;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::bundle::{Bundle, PolicySources, cedar};
use crate::domain::NetworkName;

/// Every set of networks that some address is in, the smallest first: none of them, one alone, several at once. A set that no
/// address is in is not there.
#[must_use]
pub fn together(networks: &BTreeMap<NetworkName, Vec<IpNet>>) -> Vec<BTreeSet<NetworkName>> {
    let everywhere = [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
    let named = || networks.iter().flat_map(|(name, blocks)| blocks.iter().map(move |block| (name, block.trunc())));
    let blocks: BTreeSet<IpNet> = everywhere.into_iter().chain(named().map(|(_, block)| block)).collect();
    // Two blocks lie in one another or apart. So what is left of each, without those in it, is in the same networks throughout.
    let of = |block: &IpNet| {
        let inside: Vec<IpNet> =
            blocks.iter().filter(|other| *other != block && block.contains(*other)).copied().collect();
        let around = named().filter(|(_, other)| other.contains(block)).map(|(name, _)| name.clone());
        (!without(*block, &inside).is_empty()).then(|| around.collect())
    };
    let mut found: Vec<BTreeSet<NetworkName>> =
        blocks.iter().filter_map(of).collect::<BTreeSet<_>>().into_iter().collect();
    found.sort_by_key(BTreeSet::len);
    found
}

/// The addresses that are in `blocks` and not in `others`, in as few blocks as hold them.
#[must_use]
pub fn difference(blocks: &[IpNet], others: &[IpNet]) -> Vec<IpNet> {
    let left: Vec<IpNet> = blocks.iter().flat_map(|block| without(block.trunc(), others)).collect();
    IpNet::aggregate(&left)
}

/// What is left of a block.
fn without(block: IpNet, others: &[IpNet]) -> Vec<IpNet> {
    if others.iter().any(|other| other.contains(&block)) {
        return Vec::new();
    }
    let inside: Vec<IpNet> = others.iter().filter(|other| block.contains(*other)).copied().collect();
    match block.subnets(block.prefix_len().saturating_add(1)) {
        Ok(halves) if !inside.is_empty() => halves.flat_map(|half| without(half, &inside)).collect(),
        _ => vec![block],
    }
}

/// The policies that name a network, those on trial too, in the order of files.
#[must_use]
pub fn policies_naming(bundle: &Bundle, network: &NetworkName) -> Vec<String> {
    let naming = bundle.policies().iter().filter(|stored| names(&stored.policy, network));
    naming.map(|stored| stored.notes.enforced.id.to_string()).collect()
}

/// The invariants that name a network, in the order of files. A file that cannot be read names nothing: `policy prove` tells of it.
#[must_use]
pub fn invariants_naming(sources: &PolicySources, network: &NetworkName) -> Vec<String> {
    let read = sources.invariants.iter().filter_map(|file| cedar(file).ok());
    let ids = read.flat_map(|set| {
        let naming = set.policies().filter(|policy| names(policy, network));
        naming.filter_map(|policy| policy.annotation("id").map(ToOwned::to_owned)).collect::<BTreeSet<_>>()
    });
    ids.collect()
}

fn names(policy: &Policy, network: &NetworkName) -> bool {
    let is_it = |uid: &cedar_policy::EntityUid| {
        uid.type_name().to_string() == "Network" && AsRef::<str>::as_ref(uid.id()) == network.as_str()
    };
    policy.entity_literals().iter().any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str) -> Vec<IpNet> {
        text.split_whitespace().map(|block| block.parse().unwrap()).collect()
    }

    fn networks(text: &[(&str, &str)]) -> BTreeMap<NetworkName, Vec<IpNet>> {
        text.iter().map(|(name, all)| (NetworkName::parse(name).unwrap(), blocks(all))).collect()
    }

    #[test]
    fn an_address_is_in_the_networks_that_its_blocks_allow_and_in_no_others() {
        for (config, expected) in [
            (&[][..], "-"),
            (&[("a", "10.0.0.0/8"), ("b", "192.0.2.0/24")], "- a b"),
            // One in the other: nobody is in the inner one alone.
            (&[("a", "10.0.0.0/8"), ("b", "10.1.0.0/16")], "- a a+b"),
            (&[("a", "10.0.0.0/8"), ("b", "10.1.0.0/16 192.0.2.1/32")], "- a b a+b"),
            // What is filled from within has no addresses of its own.
            (&[("a", "10.0.0.0/8"), ("b", "10.0.0.0/9"), ("c", "10.128.0.0/9")], "- a+b a+c"),
            (&[("a", "10.0.0.0/8"), ("b", "10.0.0.0/8")], "- a+b"),
            (&[("a", "10.0.0.0/8"), ("b", "10.0.0.0/16"), ("c", "10.0.0.1/32"), ("d", "::1/128")], "- a d a+b a+b+c"),
            // Everything of one kind, and everything.
            (&[("a", "0.0.0.0/0")], "- a"),
            (&[("a", "0.0.0.0/0 ::/0")], "a"),
            (&[("a", "::/0"), ("b", "::/1"), ("c", "8000::/1 0.0.0.0/0")], "c a+b a+c"),
            (&[("a", "")], "-"),
        ] {
            let found = together(&networks(config));
            let word = |names: &BTreeSet<NetworkName>| match names.len() {
                0 => "-".to_owned(),
                _ => names.iter().map(NetworkName::as_str).collect::<Vec<_>>().join("+"),
            };
            assert_eq!(found.iter().map(word).collect::<Vec<_>>().join(" "), expected, "{config:?}");
        }
    }

    #[test]
    fn blocks_are_compared_by_the_addresses_they_hold() {
        for (before, after, gone, new) in [
            ("198.51.100.0/24", "198.51.100.0/25", "198.51.100.128/25", ""),
            ("198.51.100.0/25 198.51.100.128/25", "198.51.100.0/24", "", ""),
            ("10.0.0.0/28", "10.0.0.0/30 192.0.2.1/32", "10.0.0.4/30 10.0.0.8/29", "192.0.2.1/32"),
            ("", "2001:db8::/32", "", "2001:db8::/32"),
            ("10.0.0.1/32", "10.0.0.0/31 10.0.0.0/30", "", "10.0.0.0/32 10.0.0.2/31"),
        ] {
            let (before, after) = (blocks(before), blocks(after));
            assert_eq!(difference(&before, &after), blocks(gone), "{before:?} -> {after:?}");
            assert_eq!(difference(&after, &before), blocks(new), "{before:?} -> {after:?}");
        }
    }
}
