//! What the portal shows: the apps a person may open, and what stands before each.

use crate::domain::{App, Decision, DenyReason, MethodSet, RoleName, User};
use crate::policy::Goal;
use crate::policy::planner::plan;
use crate::runtime::Snapshot;

use super::error::SignInError;
use super::flow::{Person, Registration, Target};
use super::service::{Client, Service};

/// What a click on a tile would lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// The app.
    Ready,
    /// One more proof first.
    ExtraStep,
    /// A refusal, from here and now.
    NotAvailable,
}

/// One app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// The app.
    pub app: App,
    /// What a click would lead to.
    pub availability: Availability,
    /// The same for each of its roles that this person may ever become.
    pub roles: Vec<(RoleName, Availability)>,
}

/// Whose portal, and what is on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalPage {
    /// Whose.
    pub user: User,
    /// Their apps, in the order of config.toml.
    pub tiles: Vec<Tile>,
}

impl Service {
    /// The portal of whoever the session belongs to; `None` when there is no session, or the policies want more first.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn portal(&self, client: &Client) -> Result<Option<PortalPage>, SignInError> {
        let Some(visitor) = self.visitor(client).await? else { return Ok(None) };
        let snapshot = self.snapshot();
        let person = Person {
            user: visitor.user.id,
            typed: visitor.user.username.to_string(),
            epoch: visitor.user.session_epoch,
            shown: Vec::new(),
            earlier: visitor.session.proofs,
            lost: MethodSet::EMPTY,
            registration: Registration::Complete,
        };
        let facts = self.gather(client, &person, &Target::app(snapshot.portal().id.clone())).await?;
        let goal = Goal::App { roles: &[] };
        let planned = plan(&snapshot.bundle, goal, &facts.question(snapshot.portal()), &facts.repertoire)?;
        if planned.decision != Decision::Allow {
            return Ok(None);
        }
        let mut tiles = Vec::new();
        for app in snapshot.launchable_apps() {
            tiles.extend(self.tile(&snapshot, client, &person, app).await?);
        }
        Ok(Some(PortalPage { user: visitor.user, tiles }))
    }

    async fn tile(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        person: &Person,
        app: &App,
    ) -> Result<Option<Tile>, SignInError> {
        let facts = self.gather(client, person, &Target::app(app.id.clone())).await?;
        let ask = |roles: &[RoleName]| -> Result<Option<Availability>, SignInError> {
            let planned = plan(&snapshot.bundle, Goal::App { roles }, &facts.question(app), &facts.repertoire)?;
            Ok(availability(&planned.decision))
        };
        let Some(availability) = ask(&app.roles)? else { return Ok(None) };
        let mut roles = Vec::new();
        for role in &app.roles {
            if let Some(availability) = ask(std::slice::from_ref(role))? {
                roles.push((role.clone(), availability));
            }
        }
        Ok(Some(Tile { app: app.clone(), availability, roles }))
    }
}

/// Apps and roles that no policy grants are not shown at all.
fn availability(decision: &Decision) -> Option<Availability> {
    match decision {
        Decision::Allow => Some(Availability::Ready),
        Decision::Challenge { .. } | Decision::Enrol { .. } => Some(Availability::ExtraStep),
        Decision::Deny(DenyReason::NoPermit | DenyReason::NoRole) => None,
        Decision::Deny(_) => Some(Availability::NotAvailable),
    }
}
