//! Which apps were told of a session, by which names: whom to tell when it ends.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Timestamp};
use crate::domain::{AppId, NameId, SessionId};
use crate::state::{Bounded, Key, Kind, StateError, StateStore, Ttl, decode, encode};

/// The most apps, and names in them, that one session opens.
pub const MOST_PARTICIPANTS: u32 = 200;

/// An app that was told who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// The app.
    pub app: AppId,
    /// What it called itself then.
    pub entity_id: String,
    /// What the person was called there.
    pub name_id: NameId,
    /// What the session was called there.
    pub session_index: String,
    /// When the app ends its own session at the latest, as far as it was told.
    pub until: Option<Timestamp>,
}

impl Participant {
    /// Names it among those of its session: told again by the same names, it is the same.
    fn id(&self) -> String {
        format!("{}/{}/{}/{}", self.app, self.name_id.format.uri(), self.name_id.value, self.session_index)
    }
}

/// The session has as many participants as it may have.
#[derive(Debug, thiserror::Error)]
pub enum ParticipantError {
    /// As many as may be.
    #[error("the session has {MOST_PARTICIPANTS} apps already")]
    Full,
    /// The store failed.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The participants of all sessions.
#[derive(Clone)]
pub struct Participants {
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
}

impl Participants {
    /// Keeps them in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn StateStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Whether `participant` could still be written down for `session`.
    ///
    /// # Errors
    /// The session has its limit of others, or the store failed.
    pub async fn check_room(&self, session: SessionId, participant: &Participant) -> Result<(), ParticipantError> {
        let owner = session.to_string();
        let key = Key::new(Kind::Participant, &owner, &participant.id());
        let members = self.store.members(&Key::new(Kind::Participants, &owner, "")).await?;
        let is_full = members.len() >= usize::try_from(MOST_PARTICIPANTS).unwrap_or(usize::MAX);
        if is_full && !members.iter().any(|member| member == key.id()) { Err(ParticipantError::Full) } else { Ok(()) }
    }

    /// Writes down that `participant` is about to be told of `session`, which is over at `ends` at the latest.
    ///
    /// # Errors
    /// The session has its limit of others, or the store failed. Nothing may then be told.
    pub async fn record(
        &self,
        session: SessionId,
        ends: Timestamp,
        participant: &Participant,
    ) -> Result<(), ParticipantError> {
        let (owner, id) = (session.to_string(), participant.id());
        let key = Key::new(Kind::Participant, &owner, &id);
        let left = u32::try_from(ends.as_second() - self.clock.now().as_second()).unwrap_or(0);
        let ttl = Ttl::seconds(left);
        let set = Key::new(Kind::Participants, &owner, "");
        if let Bounded::Full(_) = self.store.insert_bounded(&set, key.id(), MOST_PARTICIPANTS, ttl).await? {
            return Err(ParticipantError::Full);
        }
        Ok(self.store.put(&key, &encode(&key, participant)?, ttl).await?)
    }

    /// Those of `session`, also when it has ended since, in the order of their apps.
    ///
    /// # Errors
    /// The store failed.
    pub async fn of(&self, session: SessionId) -> Result<Vec<Participant>, StateError> {
        let owner = session.to_string();
        let entries = self.store.list(Kind::Participant, &owner, MOST_PARTICIPANTS).await?;
        let read = |entry: &crate::state::Entry| decode(&Key::new(Kind::Participant, &owner, &entry.id), &entry.value);
        let mut participants: Vec<Participant> = entries.iter().map(read).collect::<Result<_, _>>()?;
        participants.sort_by(|one, other| one.app.cmp(&other.app));
        Ok(participants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedEntropy;
    use crate::domain::NameIdFormat;
    use crate::state::testing::Bench;

    fn participant(app: &str) -> Participant {
        Participant {
            app: AppId::parse(app).unwrap(),
            entity_id: format!("https://{app}.example.com/saml"),
            name_id: NameId { format: NameIdFormat::Persistent, value: "n/a me".to_owned() },
            session_index: "_1".to_owned(),
            until: None,
        }
    }

    #[tokio::test]
    async fn an_app_told_twice_is_one_participant_with_the_newest_end() {
        let bench = Bench::new().await;
        let participants = Participants::new(bench.store(), bench.clock());
        let now = bench.clock.now();
        let session = SessionId::new(now, &FixedEntropy::seeded(1)).unwrap();
        let other = SessionId::new(now, &FixedEntropy::seeded(2)).unwrap();
        let ends = now + jiff::SignedDuration::from_hours(12);
        participants.record(session, ends, &participant("wiki")).await.unwrap();
        let again = Participant { until: Some(ends), ..participant("wiki") };
        participants.record(session, ends, &again).await.unwrap();
        participants.record(session, ends, &participant("aws")).await.unwrap();
        participants.record(other, ends, &participant("mail")).await.unwrap();
        assert_eq!(participants.of(session).await.unwrap(), [participant("aws"), again]);
    }

    #[tokio::test]
    async fn a_session_opens_so_many_apps_and_no_more() {
        let bench = Bench::new().await;
        let participants = Participants::new(bench.store(), bench.clock());
        let session = SessionId::new(bench.clock.now(), &FixedEntropy::seeded(1)).unwrap();
        let ends = bench.clock.now() + jiff::SignedDuration::from_hours(12);
        for number in 0..MOST_PARTICIPANTS {
            participants.check_room(session, &participant("one-more")).await.unwrap();
            participants.record(session, ends, &participant(&format!("app-{number}"))).await.unwrap();
        }
        let full = participants.check_room(session, &participant("one-more")).await;
        assert!(matches!(full, Err(ParticipantError::Full)), "{full:?}");
        participants.check_room(session, &participant("app-7")).await.unwrap();
        let full = participants.record(session, ends, &participant("one-more")).await;
        assert!(matches!(full, Err(ParticipantError::Full)), "{full:?}");
        participants.record(session, ends, &participant("app-7")).await.unwrap();
        assert_eq!(participants.of(session).await.unwrap().len(), 200);
        bench.clock.advance(12 * 60 * 60);
        assert_eq!(participants.of(session).await.unwrap(), []);
    }
}
