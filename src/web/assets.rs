//! Styles, scripts and icons, embedded in the program and served under an address that changes with their content, so that
//! browsers may keep them for ever.

use std::fmt::Write as _;
use std::sync::LazyLock;

use aws_lc_rs::digest;

use crate::config::APP_ICONS;

/// An embedded file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// The last part of its address.
    pub name: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
}

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($name:literal, $content_type:expr) => {
        Asset { name: $name, content_type: $content_type, bytes: include_bytes!(concat!("assets/", $name)) }
    };
}

/// All of them.
pub const ALL: &[Asset] = &[
    asset!("style.css", CSS),
    asset!("submit.js", JS),
    asset!("enhance.js", JS),
    asset!("icon.svg", SVG),
    asset!("rings.svg", SVG),
    asset!("app-cloud.svg", SVG),
    asset!("app-book.svg", SVG),
    asset!("app-chat.svg", SVG),
    asset!("app-code.svg", SVG),
    asset!("app-chart.svg", SVG),
    asset!("app-people.svg", SVG),
    asset!("app-ticket.svg", SVG),
    asset!("app-mail.svg", SVG),
    asset!("app-video.svg", SVG),
    asset!("app-folder.svg", SVG),
    asset!("app-box.svg", SVG),
    asset!("app-branch.svg", SVG),
    asset!("app-board.svg", SVG),
    asset!("app-pulse.svg", SVG),
    asset!("app-bug.svg", SVG),
    asset!("app-note.svg", SVG),
    asset!("app-gear.svg", SVG),
    asset!("app-key.svg", SVG),
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut context = digest::Context::new(&digest::SHA256);
    for asset in ALL {
        context.update(asset.name.as_bytes());
        context.update(asset.bytes);
    }
    context.finish().as_ref().iter().take(8).fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
});

/// The hash over all assets that stands in their addresses.
#[must_use]
pub fn version() -> &'static str {
    &VERSION
}

/// The address of an asset: `/assets/{version}/{name}`. Styles name their images relatively, so one version goes for all.
#[must_use]
pub fn url(name: &str) -> String {
    format!("/assets/{}/{name}", version())
}

/// Looks up an asset by version and name; `None` for any other address, an outdated version included.
#[must_use]
pub fn find(wanted_version: &str, name: &str) -> Option<&'static Asset> {
    if wanted_version != version() {
        return None;
    }
    ALL.iter().find(|asset| asset.name == name)
}

/// The address of one of [`APP_ICONS`]; `None` for another name.
#[must_use]
pub fn app_icon_url(icon: &str) -> Option<String> {
    APP_ICONS.contains(&icon).then(|| url(&format!("app-{icon}.svg")))
}
