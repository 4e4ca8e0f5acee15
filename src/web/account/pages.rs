//! The pages of one's account, and the card of a device, which the way of a sign-in shows too.

use askama::Template;

use crate::clock::Timestamp;
use crate::i18n::Arg;
use crate::signin::OwnDevice;
use crate::web::page::{Frame, local_time};

/// A device to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCard {
    /// The value of the form field.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// It is the browser that shows the page.
    pub is_current: bool,
    /// Where it was last.
    pub place: Option<String>,
    /// When it was used last, local, with the zone.
    pub last_used: Option<String>,
    /// When it was first used.
    pub first_used: Option<String>,
    /// For which app it is remembered until when, as a sentence each.
    pub remembered: Vec<String>,
}

impl DeviceCard {
    /// The card of a device, with times in the person's zone.
    #[must_use]
    pub fn new(frame: &Frame, device: OwnDevice, time_zone: Option<&str>) -> Self {
        let OwnDevice { listed, is_current, remembered } = device;
        let when = |at: Timestamp| {
            let (time, zone) = local_time(at, time_zone);
            format!("{} {zone}", time.get(..16).unwrap_or(&time))
        };
        let remembered = remembered
            .into_iter()
            .map(|(app, until)| {
                let until = when(until);
                frame.t_with("devices-remembered", &[("app", Arg::Text(&app)), ("until", Arg::Text(&until))])
            })
            .collect();
        Self {
            id: listed.id.to_string(),
            name: name(frame, listed.name.browser.as_deref(), listed.name.system.as_deref()),
            is_current,
            place: listed.place.or_else(|| listed.ip.map(|ip| ip.to_string())),
            last_used: listed.last_allowed.map(when),
            first_used: listed.first_allowed.map(when),
            remembered,
        }
    }
}

fn name(frame: &Frame, browser: Option<&str>, system: Option<&str>) -> String {
    match (browser, system) {
        (Some(browser), Some(system)) => {
            frame.t_with("devices-name", &[("browser", Arg::Text(browser)), ("system", Arg::Text(system))])
        }
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => frame.t_arg("devices-name-system", "system", system),
        (None, None) => frame.t("devices-name-unknown"),
    }
}

/// What was just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// A device was removed.
    Removed,
    /// Trust ended.
    TrustEnded,
}

impl Done {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Removed, Self::TrustEnded];

    /// The word in the address.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::TrustEnded => "trust-ended",
        }
    }

    /// Reads the word in the address.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|done| done.code() == code)
    }

    /// The key of its text.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Removed => "devices-done-removed",
            Self::TrustEnded => "devices-done-trust-ended",
        }
    }
}

/// The devices of a person. POST `/account/devices/remove` and `/account/devices/end-trust` with `device`.
#[derive(Debug, Clone, Template)]
#[template(path = "account/devices.html")]
pub struct Devices {
    /// The frame.
    pub frame: Frame,
    /// The name to sign in by.
    pub username: String,
    /// The devices, the one used last first.
    pub devices: Vec<DeviceCard>,
    /// Whether they may be removed at all.
    pub may_remove: bool,
    /// Removing one takes another proof first.
    pub extra_step: bool,
    /// Why none may be removed.
    pub reasons: Vec<String>,
    /// What was just done.
    pub done: Option<Done>,
}
