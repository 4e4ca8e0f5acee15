//! One attempt to sign in, from the first page to the assertion: its stages (`flow`), which follows which
//! (`transition`), where it lives (`handle`) and the driver that asks the policies at each step (`service`). Knows
//! neither HTTP nor Cedar.

mod alerts;
mod decide;
mod devices;
mod enrol;
mod error;
mod finish;
mod flow;
mod handle;
mod logout;
mod mailed_code;
mod portal;
mod preview;
mod prove;
mod reply;
mod service;
mod stages;
mod transition;
mod visit;

pub(crate) use decide::repertoire;
pub use devices::{DevicesPage, OwnDevice, Removal};
pub use error::SignInError;
pub use flow::{Errand, Extras, LIFETIME_SECONDS, LinkMail, Person, Registration, Remember, SignIn, Stage, Target};
pub use handle::{BrowserToken, HandleError, SignIns};
pub use logout::{AppLine, AppState, LogoutPage, LogoutStep, NextStop, SignOut};
pub use portal::{Availability, PortalPage, Tile};
pub use preview::{Preview, PreviewError, RoleVerdict, Signed, Stated, Withheld, preview};
pub use reply::{CookieChanges, InputError, MailedCodeView, Reply, View};
pub use service::{Client, Delivery, Parts, Service};
pub use transition::{Event, InvalidTransition, transition};
