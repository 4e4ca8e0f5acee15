//! What the portal shows: the apps a person may open, and what stands before each.

use crate::domain::{App, Decision, DenyReason, RoleName, User};
use crate::policy::Goal;
use crate::policy::planner::plan;
use crate::runtime::Snapshot;

use super::error::SignInError;
use super::flow::{Person, Target};
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
        // Nothing is issued here, so what the session showed a moment ago is fresh: a policy that wants fresh proofs for the
        // portal would otherwise ask again as soon as it was satisfied.
        let person = Person { shown: visitor.session.proofs.clone(), ..visitor.person() };
        let facts = self.gather(&snapshot, client, &person, &Target::app(snapshot.portal().id.clone())).await?;
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
        let facts = self.gather(snapshot, client, person, &Target::app(app.id.clone())).await?;
        // Who does not try the app out need not know of it yet. That they cannot open it is the policies' word.
        let keeps_out = app.pilot.as_ref().is_some_and(|pilot| {
            !snapshot.bundle.vocabulary().closure(&facts.question(app).user.groups).contains(pilot)
        });
        let ask = |roles: &[RoleName]| -> Option<Availability> {
            match plan(&snapshot.bundle, Goal::App { roles }, &facts.question(app), &facts.repertoire) {
                Ok(planned) if keeps_out && matches!(planned.decision, Decision::Deny(_)) => None,
                Ok(planned) => availability(&planned.decision),
                Err(error) => {
                    tracing::error!(%error, app.id = %app.id, "a tile can't be decided");
                    Some(Availability::NotAvailable)
                }
            }
        };
        let Some(availability) = ask(&app.roles) else { return Ok(None) };
        let offered = |role: &RoleName| Some((role.clone(), ask(std::slice::from_ref(role))?));
        let roles = app.roles.iter().filter_map(offered).collect();
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
