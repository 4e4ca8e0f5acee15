//! Pseudonyms in place of people, devices and sessions, networks in place of addresses. The same one has the same pseudonym under
//! the same key, so that who did what can still be followed; without the key nobody gets from the pseudonym to the person.

use std::net::IpAddr;

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use ipnet::IpNet;

use crate::audit::record::Record;
use crate::domain::{DeviceId, SessionId, SignInId, SignalSet, Username};

/// How much of an address is left: what one provider gives to one place.
const IPV4_PREFIX: u8 = 24;
const IPV6_PREFIX: u8 = 48;

/// Masks records under one key.
#[derive(Debug)]
pub struct Mask(hmac::Key);

impl Mask {
    /// Under this key: 16 random bytes or more.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The record with everything that tells who or where made less. Groups, policies and countries stay.
    #[must_use]
    pub fn record(&self, record: Record) -> Record {
        match record {
            Record::Segment(_) | Record::Forgotten(_) => record,
            Record::Decision(mut decision) => {
                decision.sign_in = decision.sign_in.map(|id| self.sign_in(id));
                decision.session = decision.session.map(|id| self.session(id));
                decision.user = decision.user.map(|user| self.user(user));
                decision.signals = signals(decision.signals);
                Record::Decision(decision)
            }
            Record::Assertion(mut assertion) => {
                assertion.user = self.user(assertion.user);
                Record::Assertion(assertion)
            }
            Record::Status(mut status) => {
                status.user = status.user.map(|user| self.user(user));
                status.ip = network(status.ip);
                Record::Status(status)
            }
            Record::Logout(mut logout) => {
                logout.user = logout.user.map(|user| self.user(user));
                logout.ip = network(logout.ip);
                Record::Logout(logout)
            }
            Record::Event(mut event) => {
                event.user = self.user(event.user);
                event.sign_in = event.sign_in.map(|id| self.sign_in(id));
                event.ip = event.ip.map(network);
                event.device = event.device.map(|id| self.device(id));
                event.about_device = event.about_device.map(|id| self.device(id));
                Record::Event(event)
            }
        }
    }

    fn tag(&self, kind: &str, text: &str) -> String {
        HEXLOWER.encode(hmac::sign(&self.0, format!("{kind}\0{text}").as_bytes()).as_ref())
    }

    fn user(&self, user: Username) -> Username {
        let tag = self.tag("user", user.as_str());
        // INVARIANT: letters, digits and a hyphen are a name; the other never leaves.
        Username::parse(&format!("user-{}", tag.get(..12).unwrap_or_default())).unwrap_or(user)
    }

    fn sign_in(&self, id: SignInId) -> SignInId {
        SignInId::parse(&self.uuid("sign-in", &id.to_string())).unwrap_or(id)
    }

    fn session(&self, id: SessionId) -> SessionId {
        SessionId::parse(&self.uuid("session", &id.to_string())).unwrap_or(id)
    }

    fn device(&self, id: DeviceId) -> DeviceId {
        DeviceId::parse(&self.uuid("device", &id.to_string())).unwrap_or(id)
    }

    /// Of version 8 (RFC 9562): made of something else.
    fn uuid(&self, kind: &str, id: &str) -> String {
        let tag = self.tag(kind, id);
        let part = |range| tag.get(range).unwrap_or_default();
        format!("{}-{}-8{}-8{}-{}", part(0..8), part(8..12), part(13..16), part(17..20), part(20..32))
    }
}

fn signals(signals: SignalSet) -> SignalSet {
    SignalSet { ip: network(signals.ip), place: None, ..signals }
}

fn network(ip: IpAddr) -> IpAddr {
    let prefix = if ip.is_ipv4() { IPV4_PREFIX } else { IPV6_PREFIX };
    // INVARIANT: both are shorter than an address of their kind.
    IpNet::new(ip, prefix).map_or(ip, |block| block.network())
}
