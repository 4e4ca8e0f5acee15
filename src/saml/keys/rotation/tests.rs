//! The steps, and each instant at which one may be interrupted.

use std::fs;

use super::*;
use crate::clock::FixedEntropy;
use crate::saml::keys::KeyStore;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-22T10:00:00Z")
}

struct Made {
    dir: tempfile::TempDir,
    folder: KeyFolder,
}

/// A folder with a current RSA key.
fn folder() -> Made {
    let dir = tempfile::tempdir().unwrap();
    let folder = KeyFolder::new(dir.path());
    folder.ensure(now(), &FixedEntropy::seeded(1)).unwrap();
    Made { dir, folder }
}

impl Made {
    fn new_key(&self, new: NewKey) -> Result<Done, KeysError> {
        self.folder.make_next(new, now(), &FixedEntropy::seeded(2))
    }

    fn fingerprint(&self, slot: Slot, key_type: KeyType) -> Option<String> {
        let certificate = self.folder.certificate(Place::new(slot, key_type)).unwrap()?;
        Some(certificate.fingerprint())
    }

    /// Fingerprints of current, next and previous.
    fn slots(&self, key_type: KeyType) -> [Option<String>; 3] {
        Slot::ALL.map(|slot| self.fingerprint(slot, key_type))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn rsa() -> NewKey {
    NewKey::Rsa(RsaBits::default())
}

#[test]
fn a_key_is_published_before_it_signs_and_until_it_is_retired() {
    let made = folder();
    let [first, ..] = made.slots(KeyType::Rsa);
    let second = made.new_key(rsa()).unwrap();
    assert_eq!((second.place.slot, second.resumed), (Slot::Next, false));
    let second = Some(second.fingerprint);
    assert_eq!(made.slots(KeyType::Rsa), [first.clone(), second.clone(), None]);

    made.folder.promote(KeyType::Rsa, now()).unwrap();
    assert_eq!(made.slots(KeyType::Rsa), [second.clone(), None, first.clone()]);
    let store = KeyStore::open(made.dir.path()).unwrap();
    assert_eq!(Some(store.certificate().fingerprint()), second);
    assert_eq!(store.signing_keys().certificates().count(), 2);

    made.folder.retire(Place::new(Slot::Previous, KeyType::Rsa), now()).unwrap();
    assert_eq!(made.slots(KeyType::Rsa), [second.clone(), None, None]);
    assert!(!made.path("previous.key.pem").exists(), "the private key is gone");
    let kept = made.path(&format!("retired/{}.crt.pem", first.clone().unwrap()));
    assert!(kept.exists(), "the certificate is kept");

    let listed = made.folder.list().unwrap();
    let places: Vec<_> = listed.iter().map(|listed| listed.place.map(Place::name)).collect();
    assert_eq!(places, [Some("current".to_owned()), None]);
    assert_eq!(listed[1].entry.retired, Some(now()));
    assert!(listed[1].certificate.is_some());
}

#[test]
fn the_first_ecdsa_key_signs_at_once_and_the_second_waits() {
    let made = folder();
    assert_eq!(made.new_key(NewKey::Ecdsa).unwrap().place.slot, Slot::Current);
    assert_eq!(made.new_key(NewKey::Ecdsa).unwrap().place.slot, Slot::Next);
    assert_eq!(KeyStore::open(made.dir.path()).unwrap().published().len(), 3);
    made.folder.promote(KeyType::Ecdsa, now()).unwrap();
    let [current, next, previous] = made.slots(KeyType::Ecdsa).map(|slot| slot.is_some());
    assert_eq!([current, next, previous], [true, false, true]);
    assert!(made.fingerprint(Slot::Previous, KeyType::Rsa).is_none(), "the other kind is left alone");
}

#[test]
fn an_ecdsa_key_that_was_made_before_the_first_start_leaves_the_rsa_key_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = KeyFolder::new(dir.path());
    folder.make_next(NewKey::Ecdsa, now(), &FixedEntropy::seeded(1)).unwrap();
    folder.ensure(now(), &FixedEntropy::seeded(2)).unwrap();
    assert_eq!(KeyStore::open(dir.path()).unwrap().published().len(), 2);
    // But one that was there once is not replaced.
    for name in ["current.key.pem", "current.crt.pem"] {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    folder.ensure(now(), &FixedEntropy::seeded(3)).unwrap();
    assert!(KeyStore::open(dir.path()).is_err());
}

#[test]
fn steps_that_make_no_sense_say_what_to_do_instead() {
    let made = folder();
    let error = |result: Result<Done, KeysError>| result.err().unwrap().to_string();
    let place = |slot| Place::new(slot, KeyType::Rsa);
    assert_eq!(
        error(made.folder.promote(KeyType::Rsa, now())),
        "there is no next RSA key to promote: `cedargate keys new --kind rsa` makes one"
    );
    assert!(error(made.folder.retire(place(Slot::Previous), now())).starts_with("there is no previous RSA key"));
    assert!(error(made.folder.retire(place(Slot::Current), now())).starts_with("the current RSA key signs"));
    made.new_key(rsa()).unwrap();
    assert!(error(made.new_key(rsa())).starts_with("there is a next RSA key already: `cedargate keys promote"));
    made.folder.promote(KeyType::Rsa, now()).unwrap();
    made.new_key(rsa()).unwrap();
    assert_eq!(
        error(made.folder.promote(KeyType::Rsa, now())),
        "the previous RSA key is still published: `cedargate keys retire --kind rsa` takes it out; then promote"
    );
    made.folder.retire(place(Slot::Previous), now()).unwrap();
    let error = error(made.folder.promote(KeyType::Rsa, at("2032-01-01T00:00:00Z")));
    assert!(error.starts_with("the certificate of the next RSA key ended on 2031-11-22"), "{error}");
    made.folder.retire(place(Slot::Next), now()).unwrap();
    assert_eq!(KeyStore::open(made.dir.path()).unwrap().published().len(), 1);
}

/// Stops `step` after each number of changes; `again` then has to come to the same end as a step that was not stopped.
fn survives_every_stop(
    before: impl Fn(&Made),
    plan: impl Fn(&Made) -> Unfinished,
    again: impl Fn(&Made) -> Result<Done, KeysError>,
    key_type: KeyType,
) {
    let mut stops = 0;
    loop {
        let made = folder();
        before(&made);
        let plan = plan(&made);
        let mut ledger = Ledger::read(made.dir.path()).unwrap();
        made.folder.note(plan.clone(), &mut ledger).unwrap();
        let moved = plan.moves.iter().take(stops);
        moved.for_each(|(from, to)| fs::rename(made.path(from), made.path(to)).unwrap());
        let removed = plan.removes.iter().take(stops.saturating_sub(plan.moves.len()));
        removed.for_each(|name| fs::remove_file(made.path(name)).unwrap());

        let error = KeyStore::open(made.dir.path()).err().unwrap();
        assert!(matches!(error, KeysError::Unfinished { step, .. } if step == plan.step), "{stops}: {error}");
        let done = again(&made).unwrap();
        assert!(done.resumed, "{stops}");
        assert_eq!(done.fingerprint, plan.fingerprint, "{stops}");
        let store = KeyStore::open(made.dir.path()).unwrap();
        let signs = store.published().iter().find(|one| one.place == Place::new(Slot::Current, key_type)).unwrap();
        if plan.step == Step::Promote {
            assert_eq!(signs.certificate.fingerprint(), plan.fingerprint, "{stops}");
        }
        assert!(plan.moves.iter().all(|(_, to)| made.path(to).exists()), "{stops}");
        assert!(plan.removes.iter().all(|name| !made.path(name).exists()), "{stops}");
        assert_eq!(Ledger::read(made.dir.path()).unwrap().unfinished, None, "{stops}");
        if stops == plan.moves.len() + plan.removes.len() {
            assert!(stops >= 2, "the step has changes to stop between");
            return;
        }
        stops += 1;
    }
}

#[test]
fn a_promotion_that_was_interrupted_is_carried_to_its_end() {
    survives_every_stop(
        |made| drop(made.new_key(NewKey::Ecdsa).and_then(|_| made.new_key(NewKey::Ecdsa)).unwrap()),
        |made| made.folder.plan_promotion(KeyType::Ecdsa, now()).unwrap(),
        |made| made.folder.promote(KeyType::Ecdsa, now()),
        KeyType::Ecdsa,
    );
}

#[test]
fn a_new_key_that_was_interrupted_is_the_same_key_afterwards() {
    survives_every_stop(
        |made| drop(made.new_key(NewKey::Ecdsa).unwrap()),
        |made| made.folder.plan_new(NewKey::Ecdsa, Slot::Next, now(), &FixedEntropy::seeded(5)).unwrap(),
        |made| made.new_key(NewKey::Ecdsa),
        KeyType::Ecdsa,
    );
}

#[test]
fn a_retirement_that_was_interrupted_is_carried_to_its_end() {
    let next = Place::new(Slot::Next, KeyType::Ecdsa);
    survives_every_stop(
        |made| drop(made.new_key(NewKey::Ecdsa).and_then(|_| made.new_key(NewKey::Ecdsa)).unwrap()),
        |made| made.folder.plan_retirement(next).unwrap(),
        |made| made.folder.retire(next, now()),
        KeyType::Ecdsa,
    );
}

#[test]
fn a_start_carries_an_interrupted_step_to_its_end_and_another_step_does_so_first() {
    let interrupted = || {
        let made = folder();
        made.new_key(rsa()).unwrap();
        let plan = made.folder.plan_promotion(KeyType::Rsa, now()).unwrap();
        made.folder.note(plan.clone(), &mut Ledger::read(made.dir.path()).unwrap()).unwrap();
        (made, plan.fingerprint)
    };
    let (made, promoted) = interrupted();
    made.folder.ensure(now(), &FixedEntropy::seeded(6)).unwrap();
    assert_eq!(made.fingerprint(Slot::Current, KeyType::Rsa), Some(promoted));

    let (made, promoted) = interrupted();
    let retired = made.folder.retire(Place::new(Slot::Previous, KeyType::Rsa), now()).unwrap();
    assert!(!retired.resumed);
    assert_eq!(made.slots(KeyType::Rsa), [Some(promoted), None, None]);
}

#[test]
fn what_root_makes_belongs_to_the_owner_of_the_folder() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let made = folder();
    let own = fs::metadata(made.dir.path()).unwrap().uid();
    // Only root can give files away; anybody else finds that all is as it was.
    let owner = if chown(made.dir.path(), Some(own + 4711), None).is_ok() { own + 4711 } else { own };
    fs::remove_file(made.path(LOCK)).unwrap();
    made.new_key(NewKey::Ecdsa).unwrap();
    made.new_key(NewKey::Ecdsa).unwrap();
    made.folder.retire(Place::new(Slot::Next, KeyType::Ecdsa), now()).unwrap();
    for name in ["current-ec.key.pem", "current-ec.crt.pem", "keys.toml", LOCK, RETIRED] {
        assert_eq!(fs::metadata(made.path(name)).unwrap().uid(), owner, "{name}");
    }
}

#[test]
fn two_at_once_do_not_both_change_the_folder() {
    let made = folder();
    let lock = made.folder.lock_file().unwrap();
    lock.try_lock().unwrap();
    assert!(matches!(made.new_key(rsa()), Err(KeysError::Locked { .. })));
    drop(lock);
    assert!(made.new_key(rsa()).is_ok());
}

#[test]
fn a_ledger_moves_nothing_outside_its_folder() {
    let made = folder();
    for name in ["../x", "/etc/passwd", "retired/../x", ".hidden", ""] {
        let step = Unfinished {
            step: Step::Retire,
            kind: KeyType::Rsa,
            slot: Slot::Next,
            fingerprint: "00".to_owned(),
            moves: vec![("current.key.pem".to_owned(), name.to_owned())],
            removes: Vec::new(),
        };
        made.folder.note(step, &mut Ledger::default()).unwrap();
        let error = KeyStore::open(made.dir.path()).err().unwrap().to_string();
        assert!(error.ends_with(&format!("is no ledger of keys: `{name}` is no file of this folder")), "{error}");
        assert!(made.folder.promote(KeyType::Rsa, now()).is_err());
    }
}

#[test]
fn keys_that_were_there_before_the_ledger_are_as_old_as_their_certificates() {
    let made = folder();
    fs::remove_file(made.path("keys.toml")).unwrap();
    let listed = made.folder.list().unwrap();
    let certificate = listed[0].certificate.clone().unwrap();
    assert_eq!(listed[0].entry.created, certificate.not_before());
    made.new_key(rsa()).unwrap();
    assert_eq!(made.folder.list().unwrap()[0].entry.created, certificate.not_before());
}

#[test]
fn no_step_goes_through_a_link_that_leads_out_of_the_folder() {
    use std::os::unix::fs::symlink;
    let (made, outside) = (folder(), tempfile::tempdir().unwrap());
    let target = outside.path().join("shadow");
    fs::write(&target, "theirs").unwrap();
    made.new_key(rsa()).unwrap();
    symlink(outside.path(), made.path("retired")).unwrap();
    made.folder.retire(Place::new(Slot::Next, KeyType::Rsa), now()).unwrap_err();
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    fs::remove_file(made.path("retired")).unwrap();
    fs::remove_file(made.path("keys.lock")).unwrap();
    symlink(&target, made.path("keys.lock")).unwrap();
    let error = made.folder.retire(Place::new(Slot::Next, KeyType::Rsa), now()).unwrap_err();
    assert!(matches!(error, KeysError::Io { .. }), "{error}");
    assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
}
