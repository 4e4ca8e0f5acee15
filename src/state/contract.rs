//! What every backend of [`StateStore`] does, written once. A backend's tests call [`contract`] with itself.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Bounded, Entry, Key, Kind, MAX_VALUE_BYTES, StateError, StateStore, Ttl};

/// A backend under test, empty at first, whose time the test can move. Where real time passes as well, lifetimes end at the
/// instant they have to, and values that must still be there have ten seconds left.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn StateStore>;
    /// Lets time pass.
    async fn pass(&self, seconds: u32);
}

/// How long everything lives here, in seconds, and the part of it after which it is still there.
const WHOLE: u32 = 600;
const MOST: u32 = 590;
const REST: u32 = WHOLE - MOST;
const LIFETIME: Ttl = Ttl::seconds(WHOLE);

/// A value that one person may use once, as most are.
fn key(id: &str) -> Key {
    Key::new(Kind::SignIn, "owner", id)
}

fn counter(id: &str) -> Key {
    Key::new(Kind::Failures, "owner", id)
}

fn set(id: &str) -> Key {
    Key::new(Kind::AppDevices, "owner", id)
}

/// Runs the whole suite. The parts use keys of their own, so they do not depend on each other.
pub(crate) async fn contract(backend: &dyn Backend) {
    values_are_there_until_their_time_is_over(backend).await;
    a_value_is_put_once_and_taken_once(backend).await;
    a_swap_takes_the_expected_value(backend).await;
    counters_count_from_the_first_for_its_lifetime(backend).await;
    sets_hold_their_limit_of_living_members(backend).await;
    lists_give_one_owner_and_kind(backend).await;
    deleting_removes_whatever_a_key_names(backend).await;
    too_long_values_are_refused(backend).await;
    bytes_come_back_as_they_were(backend).await;
    parallel_callers_see_one_order(backend).await;
    parallel_members_respect_the_limit(backend).await;
    what_lives_for_no_time_is_gone_at_once(backend).await;
    it_was_born_once(backend).await;
    it_says_that_it_is_ready(backend).await;
}

async fn values_are_there_until_their_time_is_over(backend: &dyn Backend) {
    let store = backend.store();
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    store.put(&key("a"), b"one", LIFETIME).await.unwrap();
    backend.pass(MOST).await;
    assert_eq!(store.get(&key("a")).await.unwrap().as_deref(), Some(b"one".as_slice()));
    store.put(&key("a"), b"two", LIFETIME).await.unwrap();
    backend.pass(MOST).await;
    assert_eq!(store.get(&key("a")).await.unwrap().as_deref(), Some(b"two".as_slice()), "put renews the lifetime");
    backend.pass(REST).await;
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    assert_eq!(store.take(&key("a")).await.unwrap(), None);
    assert!(!store.compare_and_swap(&key("a"), b"two", b"three", LIFETIME).await.unwrap());
    assert!(!store.delete(&key("a")).await.unwrap());
}

async fn a_value_is_put_once_and_taken_once(backend: &dyn Backend) {
    let store = backend.store();
    assert!(store.put_if_absent(&key("b"), b"one", LIFETIME).await.unwrap());
    assert!(!store.put_if_absent(&key("b"), b"two", LIFETIME).await.unwrap());
    assert_eq!(store.take(&key("b")).await.unwrap().as_deref(), Some(b"one".as_slice()));
    assert_eq!(store.take(&key("b")).await.unwrap(), None);
    assert!(store.put_if_absent(&key("b"), b"three", LIFETIME).await.unwrap(), "what was taken is absent");
    backend.pass(WHOLE).await;
    assert!(store.put_if_absent(&key("b"), b"four", LIFETIME).await.unwrap(), "what has expired is absent");
    assert_eq!(store.get(&key("b")).await.unwrap().as_deref(), Some(b"four".as_slice()));
}

async fn a_swap_takes_the_expected_value(backend: &dyn Backend) {
    let store = backend.store();
    assert!(!store.compare_and_swap(&key("c"), b"", b"one", LIFETIME).await.unwrap(), "nothing is not the empty value");
    store.put(&key("c"), b"one", LIFETIME).await.unwrap();
    assert!(!store.compare_and_swap(&key("c"), b"two", b"three", LIFETIME).await.unwrap());
    backend.pass(WHOLE / 2).await;
    assert!(store.compare_and_swap(&key("c"), b"one", b"two", LIFETIME).await.unwrap());
    backend.pass(WHOLE / 4 * 3).await;
    assert_eq!(store.get(&key("c")).await.unwrap().as_deref(), Some(b"two".as_slice()), "a swap renews the lifetime");
}

async fn counters_count_from_the_first_for_its_lifetime(backend: &dyn Backend) {
    let store = backend.store();
    assert_eq!(store.count(&counter("d")).await.unwrap(), 0);
    assert_eq!(store.decrement(&counter("d")).await.unwrap(), 0, "nothing is not counted below nothing");
    assert_eq!(store.increment(&counter("d"), LIFETIME).await.unwrap(), 1);
    backend.pass(WHOLE / 2).await;
    assert_eq!(store.increment(&counter("d"), LIFETIME).await.unwrap(), 2);
    assert_eq!(store.decrement(&counter("d")).await.unwrap(), 1);
    assert_eq!(store.increment(&counter("d"), LIFETIME).await.unwrap(), 2);
    assert_eq!(store.count(&counter("d")).await.unwrap(), 2);
    backend.pass(WHOLE / 2).await;
    assert_eq!(store.count(&counter("d")).await.unwrap(), 0, "the lifetime starts with the first");
    assert_eq!(store.decrement(&counter("d")).await.unwrap(), 0);
    assert_eq!(store.increment(&counter("d"), LIFETIME).await.unwrap(), 1);
}

async fn sets_hold_their_limit_of_living_members(backend: &dyn Backend) {
    let store = backend.store();
    let insert = async |member: &str, limit| store.insert_bounded(&set("e"), member, limit, LIFETIME).await.unwrap();
    assert_eq!(insert("one", 0).await, Bounded::Full(0));
    assert_eq!(insert("one", 2).await, Bounded::Inserted(1));
    backend.pass(WHOLE / 2).await;
    assert_eq!(insert("two", 2).await, Bounded::Inserted(2));
    assert_eq!(insert("three", 2).await, Bounded::Full(2));
    assert_eq!(insert("two", 1).await, Bounded::Present(2), "who is in stays in");
    assert_eq!(store.members(&set("e")).await.unwrap(), ["one", "two"]);
    backend.pass(WHOLE / 2).await;
    assert_eq!(store.members(&set("e")).await.unwrap(), ["two"], "each member has its own lifetime");
    assert_eq!(insert("two", 2).await, Bounded::Present(1));
    backend.pass(WHOLE / 4 * 3).await;
    assert_eq!(insert("three", 2).await, Bounded::Inserted(2), "coming again renews the lifetime");
    assert!(store.remove_member(&set("e"), "two").await.unwrap());
    assert!(!store.remove_member(&set("e"), "two").await.unwrap(), "it is out already");
    assert_eq!(store.members(&set("e")).await.unwrap(), ["three"], "the others stay");
    assert_eq!(insert("four", 2).await, Bounded::Inserted(2), "there is room again");
    backend.pass(WHOLE).await;
    assert!(!store.remove_member(&set("e"), "four").await.unwrap(), "what has expired is not there");
}

async fn lists_give_one_owner_and_kind(backend: &dyn Backend) {
    let store = backend.store();
    for (kind, owner, id) in [
        (Kind::Device, "ann", "2"),
        (Kind::Device, "ann", "1"),
        (Kind::Device, "ann", "3"),
        (Kind::Device, "anna", "4"),
        (Kind::Device, "an", "5"),
        (Kind::KnownDevice, "ann", "6"),
    ] {
        store.put(&Key::new(kind, owner, id), id.as_bytes(), LIFETIME).await.unwrap();
    }
    let entry = |id: &str| Entry { id: id.to_owned(), value: id.as_bytes().to_vec() };
    assert_eq!(store.list(Kind::Device, "ann", 10).await.unwrap(), [entry("1"), entry("2"), entry("3")]);
    assert_eq!(store.list(Kind::Device, "ann", 2).await.unwrap(), [entry("1"), entry("2")]);
    assert_eq!(store.list(Kind::Session, "ann", 10).await.unwrap(), []);
    assert!(store.delete(&Key::new(Kind::Device, "ann", "1")).await.unwrap());
    assert!(store.take(&Key::new(Kind::Device, "ann", "2")).await.unwrap().is_some());
    store.put(&Key::new(Kind::Device, "ann", ""), b"", LIFETIME).await.unwrap();
    let all = store.list(Kind::Device, "ann", 10).await.unwrap();
    assert_eq!(all, [Entry { id: String::new(), value: Vec::new() }, entry("3")], "what is gone is listed no more");
    store.put(&Key::new(Kind::SignIn, "ann", "B"), b"B", LIFETIME).await.unwrap();
    store.put(&Key::new(Kind::SignIn, "ann", "a"), b"a", LIFETIME).await.unwrap();
    store.put(&Key::new(Kind::SignIn, "ann", "B-"), b"B-", LIFETIME).await.unwrap();
    let ids = store.list(Kind::SignIn, "ann", 10).await.unwrap();
    assert_eq!(ids, [entry("B"), entry("B-"), entry("a")], "in the order of their bytes");
    backend.pass(WHOLE).await;
    assert_eq!(store.list(Kind::Device, "ann", 10).await.unwrap(), []);
}

async fn deleting_removes_whatever_a_key_names(backend: &dyn Backend) {
    let store = backend.store();
    store.put(&key("f"), b"one", LIFETIME).await.unwrap();
    store.increment(&counter("f"), LIFETIME).await.unwrap();
    store.insert_bounded(&set("f"), "one", 1, LIFETIME).await.unwrap();
    for key in [key("f"), counter("f"), set("f")] {
        assert!(store.delete(&key).await.unwrap());
        assert!(!store.delete(&key).await.unwrap());
    }
    assert_eq!(store.get(&key("f")).await.unwrap(), None);
    assert_eq!(store.count(&counter("f")).await.unwrap(), 0);
    assert!(store.members(&set("f")).await.unwrap().is_empty());
}

async fn too_long_values_are_refused(backend: &dyn Backend) {
    let store = backend.store();
    let (longest, longer) = (vec![7; MAX_VALUE_BYTES], vec![7; MAX_VALUE_BYTES + 1]);
    store.put(&key("g"), &longest, LIFETIME).await.unwrap();
    for refused in [
        store.put(&key("g"), &longer, LIFETIME).await,
        store.put_if_absent(&key("new"), &longer, LIFETIME).await.map(drop),
        store.compare_and_swap(&key("g"), &longest, &longer, LIFETIME).await.map(drop),
    ] {
        assert!(matches!(refused, Err(StateError::TooLong { .. })), "{refused:?}");
    }
    assert_eq!(store.get(&key("g")).await.unwrap(), Some(longest));
}

async fn bytes_come_back_as_they_were(backend: &dyn Backend) {
    let store = backend.store();
    for value in [vec![], vec![0], (0..=255).collect(), b"'; DROP TABLE entries; --".to_vec()] {
        store.put(&key("h"), &value, LIFETIME).await.unwrap();
        assert_eq!(store.get(&key("h")).await.unwrap(), Some(value));
    }
    let hostile = "') OR 1=1 --\u{0}\n{}";
    let set = Key::new(Kind::AppDevices, hostile, hostile);
    store.insert_bounded(&set, "a'b\"c", 1, LIFETIME).await.unwrap();
    assert_eq!(store.members(&set).await.unwrap(), ["a'b\"c"]);
}

/// The winners among `callers` tasks that all start at once.
async fn race<F: Future<Output = bool> + Send + 'static>(callers: usize, call: impl Fn(usize) -> F) -> usize {
    let tasks: Vec<_> = (0..callers).map(|caller| tokio::spawn(call(caller))).collect();
    let mut winners = 0;
    for task in tasks {
        winners += usize::from(task.await.unwrap());
    }
    winners
}

async fn parallel_callers_see_one_order(backend: &dyn Backend) {
    let store = backend.store();
    let counted = |_| {
        let store = Arc::clone(&store);
        async move { store.increment(&counter("i"), LIFETIME).await.unwrap() == 100 }
    };
    assert_eq!(race(100, counted).await, 1, "a hundred counts, each number once");
    assert_eq!(store.count(&counter("i")).await.unwrap(), 100);

    let put = |caller: usize| {
        let store = Arc::clone(&store);
        async move { store.put_if_absent(&key("j"), &caller.to_be_bytes(), LIFETIME).await.unwrap() }
    };
    assert_eq!(race(50, put).await, 1);

    store.put(&key("k"), b"0", LIFETIME).await.unwrap();
    let swapped = |caller: usize| {
        let store = Arc::clone(&store);
        async move { store.compare_and_swap(&key("k"), b"0", format!("by {caller}").as_bytes(), LIFETIME).await.unwrap() }
    };
    assert_eq!(race(50, swapped).await, 1);

    let taken = |_| {
        let store = Arc::clone(&store);
        async move { store.take(&key("k")).await.unwrap().is_some() }
    };
    assert_eq!(race(50, taken).await, 1);
}

async fn parallel_members_respect_the_limit(backend: &dyn Backend) {
    let store = backend.store();
    let inserted = |caller: usize| {
        let store = Arc::clone(&store);
        async move {
            let member = format!("member {caller}");
            let bounded = store.insert_bounded(&set("l"), &member, 3, LIFETIME).await.unwrap();
            matches!(bounded, Bounded::Inserted(1..=3))
        }
    };
    assert_eq!(race(50, inserted).await, 3);
    assert_eq!(store.members(&set("l")).await.unwrap().len(), 3);
}

async fn what_lives_for_no_time_is_gone_at_once(backend: &dyn Backend) {
    let (store, never) = (backend.store(), Ttl::seconds(0));
    store.put(&key("m"), b"one", never).await.unwrap();
    assert_eq!(store.get(&key("m")).await.unwrap(), None);
    assert!(store.put_if_absent(&key("m"), b"one", never).await.unwrap());
    assert!(store.put_if_absent(&key("m"), b"two", LIFETIME).await.unwrap());
    assert!(store.compare_and_swap(&key("m"), b"two", b"three", never).await.unwrap());
    assert_eq!(store.get(&key("m")).await.unwrap(), None);
    assert_eq!(store.increment(&counter("m"), never).await.unwrap(), 1);
    assert_eq!(store.count(&counter("m")).await.unwrap(), 0);
    assert_eq!(store.insert_bounded(&set("m"), "one", 1, never).await.unwrap(), Bounded::Inserted(1));
    assert!(store.members(&set("m")).await.unwrap().is_empty());
}

async fn it_was_born_once(backend: &dyn Backend) {
    let store = backend.store();
    let born = store.born().await.unwrap();
    backend.pass(WHOLE).await;
    store.put(&key("n"), b"one", LIFETIME).await.unwrap();
    assert!(store.take(&key("n")).await.unwrap().is_some());
    assert_eq!(store.born().await.unwrap(), born, "time and use do not change it");
}

async fn it_says_that_it_is_ready(backend: &dyn Backend) {
    let health = backend.store().ready().await.unwrap();
    assert!(!health.backend.is_empty());
    assert_eq!(health.warnings, [] as [String; 0]);
}
