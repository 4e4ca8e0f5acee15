//! The page with the app icons.

use askama::Template;

use crate::web::page::Frame;

/// What a tile says before the click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileNote {
    /// Another proof will be asked for.
    ExtraStep,
    /// A policy stands in the way here and now; opening it says which.
    NotAvailable,
}

impl TileNote {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ExtraStep, Self::NotAvailable];

    /// The key of its text.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::ExtraStep => "portal-extra-step",
            Self::NotAvailable => "portal-not-available",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::ExtraStep => "note-step",
            Self::NotAvailable => "note-blocked",
        }
    }
}

/// A role of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleTile {
    /// What people read.
    pub name: String,
    /// Opens the app as this role.
    pub launch_url: String,
    /// What to know before.
    pub note: Option<TileNote>,
}

/// An app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// The app's id.
    pub id: String,
    /// What people read.
    pub name: String,
    /// The address of its icon ([`crate::web::assets::app_icon_url`]); `None` shows its first letter.
    pub icon: Option<String>,
    /// Opens the app.
    pub launch_url: String,
    /// What to know before.
    pub note: Option<TileNote>,
    /// The roles this person may become; empty for an app without roles.
    pub roles: Vec<RoleTile>,
}

impl Tile {
    fn letter(&self) -> String {
        self.name.chars().next().map(|first| first.to_uppercase().collect()).unwrap_or_default()
    }

    /// One of six colours, always the same for the same app.
    fn hue(&self) -> u32 {
        self.id.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 6
    }
}

/// The apps of a person. GET with `q` searches; POST `/signout` ends the session.
#[derive(Debug, Clone, Template)]
#[template(path = "portal/portal.html")]
pub struct Portal {
    /// The frame.
    pub frame: Frame,
    /// The name to greet by.
    pub display_name: String,
    /// The name to sign in by.
    pub username: String,
    /// The apps to show: those that the query leaves.
    pub apps: Vec<Tile>,
    /// What was searched for.
    pub query: Option<String>,
}

impl Portal {
    fn initials(&self) -> String {
        self.display_name.split_whitespace().filter_map(|word| word.chars().next()).take(2).collect()
    }

    fn found(&self) -> String {
        self.frame.t_count("portal-found", u32::try_from(self.apps.len()).unwrap_or(u32::MAX))
    }

    fn searched(&self) -> &str {
        self.query.as_deref().unwrap_or_default()
    }
}
