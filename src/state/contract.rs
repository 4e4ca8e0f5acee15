//! What every backend of [`StateStore`] does, written once. A backend's tests call [`contract`] with itself.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Bounded, Entry, Key, Kind, MAX_VALUE_BYTES, StateError, StateStore, Ttl};

/// A backend under test, empty at first, whose time the test can move.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn StateStore>;
    /// Lets time pass.
    async fn pass(&self, seconds: u32);
}

const MINUTE: Ttl = Ttl::seconds(60);

fn key(id: &str) -> Key {
    Key::new(Kind::SignIn, "owner", id)
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
}

async fn values_are_there_until_their_time_is_over(backend: &dyn Backend) {
    let store = backend.store();
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    store.put(&key("a"), b"one", MINUTE).await.unwrap();
    backend.pass(59).await;
    assert_eq!(store.get(&key("a")).await.unwrap().as_deref(), Some(b"one".as_slice()));
    store.put(&key("a"), b"two", MINUTE).await.unwrap();
    backend.pass(59).await;
    assert_eq!(store.get(&key("a")).await.unwrap().as_deref(), Some(b"two".as_slice()), "put renews the lifetime");
    backend.pass(1).await;
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    assert_eq!(store.take(&key("a")).await.unwrap(), None);
    assert!(!store.compare_and_swap(&key("a"), b"two", b"three", MINUTE).await.unwrap());
    assert!(!store.delete(&key("a")).await.unwrap());
}

async fn a_value_is_put_once_and_taken_once(backend: &dyn Backend) {
    let store = backend.store();
    assert!(store.put_if_absent(&key("b"), b"one", MINUTE).await.unwrap());
    assert!(!store.put_if_absent(&key("b"), b"two", MINUTE).await.unwrap());
    assert_eq!(store.take(&key("b")).await.unwrap().as_deref(), Some(b"one".as_slice()));
    assert_eq!(store.take(&key("b")).await.unwrap(), None);
    assert!(store.put_if_absent(&key("b"), b"three", MINUTE).await.unwrap(), "what was taken is absent");
    backend.pass(60).await;
    assert!(store.put_if_absent(&key("b"), b"four", MINUTE).await.unwrap(), "what has expired is absent");
    assert_eq!(store.get(&key("b")).await.unwrap().as_deref(), Some(b"four".as_slice()));
}

async fn a_swap_takes_the_expected_value(backend: &dyn Backend) {
    let store = backend.store();
    assert!(!store.compare_and_swap(&key("c"), b"", b"one", MINUTE).await.unwrap(), "nothing is not the empty value");
    store.put(&key("c"), b"one", MINUTE).await.unwrap();
    assert!(!store.compare_and_swap(&key("c"), b"two", b"three", MINUTE).await.unwrap());
    backend.pass(30).await;
    assert!(store.compare_and_swap(&key("c"), b"one", b"two", MINUTE).await.unwrap());
    backend.pass(45).await;
    assert_eq!(store.get(&key("c")).await.unwrap().as_deref(), Some(b"two".as_slice()), "a swap renews the lifetime");
}

async fn counters_count_from_the_first_for_its_lifetime(backend: &dyn Backend) {
    let store = backend.store();
    assert_eq!(store.count(&key("d")).await.unwrap(), 0);
    assert_eq!(store.decrement(&key("d")).await.unwrap(), 0, "nothing is not counted below nothing");
    assert_eq!(store.increment(&key("d"), MINUTE).await.unwrap(), 1);
    backend.pass(30).await;
    assert_eq!(store.increment(&key("d"), MINUTE).await.unwrap(), 2);
    assert_eq!(store.decrement(&key("d")).await.unwrap(), 1);
    assert_eq!(store.increment(&key("d"), MINUTE).await.unwrap(), 2);
    assert_eq!(store.count(&key("d")).await.unwrap(), 2);
    backend.pass(30).await;
    assert_eq!(store.count(&key("d")).await.unwrap(), 0, "the lifetime starts with the first");
    assert_eq!(store.decrement(&key("d")).await.unwrap(), 0);
    assert_eq!(store.increment(&key("d"), MINUTE).await.unwrap(), 1);
}

async fn sets_hold_their_limit_of_living_members(backend: &dyn Backend) {
    let store = backend.store();
    let insert = async |member: &str, limit| store.insert_bounded(&key("e"), member, limit, MINUTE).await.unwrap();
    assert_eq!(insert("one", 0).await, Bounded::Full(0));
    assert_eq!(insert("one", 2).await, Bounded::Inserted(1));
    backend.pass(30).await;
    assert_eq!(insert("two", 2).await, Bounded::Inserted(2));
    assert_eq!(insert("three", 2).await, Bounded::Full(2));
    assert_eq!(insert("two", 1).await, Bounded::Present(2), "who is in stays in");
    assert_eq!(store.members(&key("e")).await.unwrap(), ["one", "two"]);
    backend.pass(30).await;
    assert_eq!(store.members(&key("e")).await.unwrap(), ["two"], "each member has its own lifetime");
    assert_eq!(insert("two", 2).await, Bounded::Present(1));
    backend.pass(45).await;
    assert_eq!(insert("three", 2).await, Bounded::Inserted(2), "coming again renews the lifetime");
    assert!(store.remove_member(&key("e"), "two").await.unwrap());
    assert!(!store.remove_member(&key("e"), "two").await.unwrap(), "it is out already");
    assert_eq!(store.members(&key("e")).await.unwrap(), ["three"], "the others stay");
    assert_eq!(insert("four", 2).await, Bounded::Inserted(2), "there is room again");
    backend.pass(60).await;
    assert!(!store.remove_member(&key("e"), "four").await.unwrap(), "what has expired is not there");
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
        store.put(&Key::new(kind, owner, id), id.as_bytes(), MINUTE).await.unwrap();
    }
    let entry = |id: &str| Entry { id: id.to_owned(), value: id.as_bytes().to_vec() };
    assert_eq!(store.list(Kind::Device, "ann", 10).await.unwrap(), [entry("1"), entry("2"), entry("3")]);
    assert_eq!(store.list(Kind::Device, "ann", 2).await.unwrap(), [entry("1"), entry("2")]);
    assert_eq!(store.list(Kind::Session, "ann", 10).await.unwrap(), []);
    backend.pass(60).await;
    assert_eq!(store.list(Kind::Device, "ann", 10).await.unwrap(), []);
}

async fn deleting_removes_whatever_a_key_names(backend: &dyn Backend) {
    let store = backend.store();
    store.put(&key("f"), b"one", MINUTE).await.unwrap();
    assert!(store.delete(&key("f")).await.unwrap());
    store.increment(&key("f"), MINUTE).await.unwrap();
    assert!(store.delete(&key("f")).await.unwrap());
    store.insert_bounded(&key("f"), "one", 1, MINUTE).await.unwrap();
    assert!(store.delete(&key("f")).await.unwrap());
    assert!(!store.delete(&key("f")).await.unwrap());
    assert_eq!(store.count(&key("f")).await.unwrap(), 0);
    assert!(store.members(&key("f")).await.unwrap().is_empty());
}

async fn too_long_values_are_refused(backend: &dyn Backend) {
    let store = backend.store();
    let (longest, longer) = (vec![7; MAX_VALUE_BYTES], vec![7; MAX_VALUE_BYTES + 1]);
    store.put(&key("g"), &longest, MINUTE).await.unwrap();
    for refused in [
        store.put(&key("g"), &longer, MINUTE).await,
        store.put_if_absent(&key("new"), &longer, MINUTE).await.map(drop),
        store.compare_and_swap(&key("g"), &longest, &longer, MINUTE).await.map(drop),
    ] {
        assert!(matches!(refused, Err(StateError::TooLong { .. })), "{refused:?}");
    }
    assert_eq!(store.get(&key("g")).await.unwrap(), Some(longest));
}

async fn bytes_come_back_as_they_were(backend: &dyn Backend) {
    let store = backend.store();
    for value in [vec![], vec![0], (0..=255).collect(), b"'; DROP TABLE entries; --".to_vec()] {
        store.put(&key("h"), &value, MINUTE).await.unwrap();
        assert_eq!(store.get(&key("h")).await.unwrap(), Some(value));
    }
    let hostile = "') OR 1=1 --\u{0}\n{}";
    let set = Key::new(Kind::AppDevices, hostile, hostile);
    store.insert_bounded(&set, "a'b\"c", 1, MINUTE).await.unwrap();
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
        async move { store.increment(&key("i"), MINUTE).await.unwrap() == 100 }
    };
    assert_eq!(race(100, counted).await, 1, "a hundred counts, each number once");
    assert_eq!(store.count(&key("i")).await.unwrap(), 100);

    let put = |caller: usize| {
        let store = Arc::clone(&store);
        async move { store.put_if_absent(&key("j"), &caller.to_be_bytes(), MINUTE).await.unwrap() }
    };
    assert_eq!(race(50, put).await, 1);

    store.put(&key("k"), b"0", MINUTE).await.unwrap();
    let swapped = |caller: usize| {
        let store = Arc::clone(&store);
        async move { store.compare_and_swap(&key("k"), b"0", format!("by {caller}").as_bytes(), MINUTE).await.unwrap() }
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
            let bounded = store.insert_bounded(&key("l"), &member, 3, MINUTE).await.unwrap();
            matches!(bounded, Bounded::Inserted(1..=3))
        }
    };
    assert_eq!(race(50, inserted).await, 3);
    assert_eq!(store.members(&key("l")).await.unwrap().len(), 3);
}
