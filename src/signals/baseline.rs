//! What is usual for somebody: the countries they were allowed from, and where they were last. Written at each Allow, read
//! before each decision.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::travel::{Coordinates, Stop};
use crate::clock::{Clock, Timestamp};
use crate::domain::{Country, UserId};
use crate::state::{Key, Kind, StateError, StateStore, Ttl, decode, encode};

/// A country nobody was allowed from for so long is new again, and a baseline nobody added to is forgotten: 180 days.
pub const BASELINE_SECONDS: u32 = 180 * 24 * 60 * 60;
/// The most countries kept for one user; the one longest ago gives way.
pub const MAX_COUNTRIES: usize = 50;
/// The marker of when the store began lives as long as anything can.
const FOR_EVER: Ttl = Ttl::seconds(u32::MAX);
/// How often a baseline that others write too is read again.
const MOST_TRIES: usize = 8;

/// What is usual for one user.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Baseline {
    /// The countries they were allowed from, and when last.
    pub countries: BTreeMap<Country, Timestamp>,
    /// Where they were allowed from last, if the place was known.
    pub last: Option<Stop>,
}

/// What is known of a user's earlier sign-ins.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Past {
    /// Nothing: it was lost, is too long ago, or nobody knows who this is.
    #[default]
    Unknown,
    /// They were never allowed before, so nothing can be unusual.
    First,
    /// This.
    Seen(Baseline),
}

/// The baselines of all users.
#[derive(Clone)]
pub struct Baselines {
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
}

impl Baselines {
    /// Keeps them in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn StateStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// What is known of a user's earlier sign-ins.
    ///
    /// Somebody without a baseline was never allowed, or what was known of them is lost. It is their first time only when they
    /// were created after this store began, and not so long ago that a baseline would be forgotten by now. Everybody else's
    /// past is unknown: an emptied store must not make every country a usual one.
    ///
    /// # Errors
    /// The store failed.
    pub async fn past(&self, user: UserId) -> Result<Past, StateError> {
        if let Some(past) = self.stored(user).await? {
            return Ok(past);
        }
        let since = match self.since().await? {
            Some(since) => since,
            None => self.begin().await?,
        };
        Ok(self.without_baseline(user, since))
    }

    /// The same, for a look from outside: a store that holds no baselines yet is left so.
    ///
    /// # Errors
    /// The store failed.
    pub async fn look(&self, user: UserId) -> Result<Past, StateError> {
        if let Some(past) = self.stored(user).await? {
            return Ok(past);
        }
        Ok(self.since().await?.map_or(Past::Unknown, |since| self.without_baseline(user, since)))
    }

    async fn stored(&self, user: UserId) -> Result<Option<Past>, StateError> {
        let (key, now) = (key_of(user), self.clock.now());
        let Some(stored) = self.store.get(&key).await? else { return Ok(None) };
        Ok(Some(match decode::<Baseline>(&key, &stored) {
            Ok(mut baseline) => {
                baseline.countries.retain(|_, at| seconds_between(*at, now) < i64::from(BASELINE_SECONDS));
                Past::Seen(baseline)
            }
            Err(error) => {
                tracing::warn!(%error, user.id = %user, "a baseline can't be read and counts as lost");
                Past::Unknown
            }
        }))
    }

    fn without_baseline(&self, user: UserId, since: Timestamp) -> Past {
        let now = self.clock.now();
        let is_first = user
            .created()
            .is_some_and(|created| created >= since && seconds_between(created, now) < i64::from(BASELINE_SECONDS));
        if is_first { Past::First } else { Past::Unknown }
    }

    /// When this store began to hold baselines.
    async fn since(&self) -> Result<Option<Timestamp>, StateError> {
        let key = since_key();
        let stored = self.store.get(&key).await?;
        stored.map(|stored| decode(&key, &stored)).transpose()
    }

    /// The first to ask says when the store began.
    async fn begin(&self) -> Result<Timestamp, StateError> {
        let (key, now) = (since_key(), self.clock.now());
        self.store.put_if_absent(&key, &encode(&key, &now)?, FOR_EVER).await?;
        Ok(now)
    }

    /// Adds an Allow from `country` (`None`: not known, or in none) and `place`.
    ///
    /// # Errors
    /// The store failed.
    pub async fn record_allow(
        &self,
        user: UserId,
        country: Option<&Country>,
        place: Option<Coordinates>,
    ) -> Result<(), StateError> {
        let key = key_of(user);
        let lifetime = Ttl::seconds(BASELINE_SECONDS);
        for _ in 0..MOST_TRIES {
            let now = self.clock.now();
            let stored = self.store.get(&key).await?;
            // One that cannot be read counts as lost, and is written anew.
            let mut baseline =
                stored.as_ref().and_then(|stored| decode::<Baseline>(&key, stored).ok()).unwrap_or_default();
            baseline.add(country, place, now);
            let value = encode(&key, &baseline)?;
            let done = match &stored {
                Some(stored) => self.store.compare_and_swap(&key, stored, &value, lifetime).await?,
                None => self.store.put_if_absent(&key, &value, lifetime).await?,
            };
            if done {
                return Ok(());
            }
        }
        // Others of this user were allowed in the same moment, eight times over. Without this one a country stays new.
        tracing::info!(user.id = %user, "a baseline was left as others wrote it");
        Ok(())
    }
}

impl Baseline {
    fn add(&mut self, country: Option<&Country>, place: Option<Coordinates>, now: Timestamp) {
        self.countries.retain(|_, at| seconds_between(*at, now) < i64::from(BASELINE_SECONDS));
        if let Some(country) = country {
            self.countries.insert(country.clone(), now);
        }
        while self.countries.len() > MAX_COUNTRIES {
            let oldest = self.countries.iter().min_by_key(|(_, at)| **at).map(|(country, _)| country.clone());
            let Some(oldest) = oldest else { break };
            self.countries.remove(&oldest);
        }
        // Where somebody was before still binds them when the place is not known this time.
        if let Some(place) = place.filter(|_| self.last.is_none_or(|last| last.at <= now)) {
            self.last = Some(Stop { place, at: now });
        }
    }
}

fn key_of(user: UserId) -> Key {
    Key::new(Kind::Baseline, &user.to_string(), "")
}

fn since_key() -> Key {
    Key::new(Kind::Baseline, "store", "since")
}

fn seconds_between(earlier: Timestamp, later: Timestamp) -> i64 {
    later.as_second().saturating_sub(earlier.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedEntropy;
    use crate::state::testing::Bench;

    const DAY: i64 = 24 * 60 * 60;

    fn country(code: &str) -> Country {
        Country::parse(code).unwrap()
    }

    fn user(created: &str, seed: i64) -> UserId {
        UserId::new(created.parse().unwrap(), &FixedEntropy::seeded(seed)).unwrap()
    }

    fn baselines(bench: &Bench) -> Baselines {
        Baselines::new(bench.store(), bench.clock())
    }

    async fn seen(baselines: &Baselines, user: UserId) -> Baseline {
        match baselines.past(user).await.unwrap() {
            Past::Seen(baseline) => baseline,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_first_time_is_known_as_such_for_people_newer_than_the_store_only() {
        let bench = Bench::new().await;
        let baselines = baselines(&bench);
        let old = user("2026-11-01T12:00:00Z", 1);
        // The first question begins the store's record: whoever was there before may have been lost.
        assert_eq!(baselines.past(old).await.unwrap(), Past::Unknown);
        bench.clock.advance(60);
        let new = user("2026-11-21T12:00:30Z", 2);
        assert_eq!(baselines.past(new).await.unwrap(), Past::First);
        assert_eq!(baselines.past(old).await.unwrap(), Past::Unknown);
        // So long after, a baseline could have been forgotten.
        bench.clock.advance(i64::from(BASELINE_SECONDS));
        assert_eq!(baselines.past(new).await.unwrap(), Past::Unknown);
    }

    #[tokio::test]
    async fn a_baseline_holds_the_countries_of_180_days_and_the_last_place() {
        let bench = Bench::new().await;
        let (baselines, ann) = (baselines(&bench), user("2026-11-01T12:00:00Z", 1));
        let london = Coordinates::new(51.51, -0.13);
        baselines.record_allow(ann, Some(&country("GB")), london).await.unwrap();
        bench.clock.advance(100 * DAY);
        baselines.record_allow(ann, Some(&country("SE")), None).await.unwrap();
        let baseline = seen(&baselines, ann).await;
        assert_eq!(baseline.countries.keys().map(Country::as_str).collect::<Vec<_>>(), ["GB", "SE"]);
        // The place of the second is not known, so the first is where they were last.
        assert_eq!(baseline.last.map(|stop| stop.place), london);
        bench.clock.advance(100 * DAY);
        assert_eq!(seen(&baselines, ann).await.countries.into_keys().collect::<Vec<_>>(), [country("SE")]);
        bench.clock.advance(100 * DAY);
        assert_eq!(baselines.past(ann).await.unwrap(), Past::Unknown);
    }

    #[tokio::test]
    async fn the_country_of_longest_ago_gives_way() {
        let bench = Bench::new().await;
        let (baselines, ann) = (baselines(&bench), user("2026-11-01T12:00:00Z", 1));
        for number in 0..=MAX_COUNTRIES {
            let letter = |n: usize| char::from(b'A' + u8::try_from(n).unwrap());
            let code: String = [letter(number / 26), letter(number % 26)].into_iter().collect();
            baselines.record_allow(ann, Some(&country(&code)), None).await.unwrap();
            bench.clock.advance(1);
        }
        let countries = seen(&baselines, ann).await.countries;
        assert_eq!(countries.len(), MAX_COUNTRIES);
        assert!(!countries.contains_key(&country("AA")) && countries.contains_key(&country("AB")));
    }

    #[tokio::test]
    async fn sign_ins_of_one_moment_lose_no_country() {
        let bench = Bench::new().await;
        let (baselines, ann) = (baselines(&bench), user("2026-11-01T12:00:00Z", 1));
        let tasks: Vec<_> = ["DE", "FR", "GB", "SE"]
            .map(|code| {
                let baselines = baselines.clone();
                tokio::spawn(async move { baselines.record_allow(ann, Some(&country(code)), None).await })
            })
            .into();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(seen(&baselines, ann).await.countries.len(), 4);
    }

    #[tokio::test]
    async fn a_baseline_that_cannot_be_read_counts_as_lost_and_is_written_anew() {
        let bench = Bench::new().await;
        let (baselines, ann) = (baselines(&bench), user("2026-11-21T12:00:00Z", 1));
        bench.store().put(&key_of(ann), b"{", Ttl::seconds(60)).await.unwrap();
        assert_eq!(baselines.past(ann).await.unwrap(), Past::Unknown);
        baselines.record_allow(ann, Some(&country("DE")), None).await.unwrap();
        assert_eq!(seen(&baselines, ann).await.countries.len(), 1);
    }
}
