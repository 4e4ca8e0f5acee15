//! What a folder has to be like.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::clock::{FixedEntropy, SystemClock};
use crate::domain::SignatureAlgorithm;

const KEY: &str = "current.key.pem";
const CERTIFICATE: &str = "current.crt.pem";

fn made() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    KeyStore::ensure(dir.path(), &SystemClock, &FixedEntropy::seeded(1)).unwrap();
    dir
}

fn refused(dir: &Path) -> String {
    KeyStore::open(dir).err().unwrap().to_string()
}

#[test]
fn a_first_start_makes_a_key_and_the_next_keeps_it() {
    let dir = made();
    let first = KeyStore::open(dir.path()).unwrap().certificate().clone();
    let again = KeyStore::ensure(dir.path(), &SystemClock, &FixedEntropy::seeded(2)).unwrap();
    assert_eq!(again.certificate(), &first);
    for file in [KEY, CERTIFICATE, "keys.toml"] {
        assert_eq!(fs::metadata(dir.path().join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_folder_that_can_only_be_read_is_enough_once_there_is_a_key() {
    let dir = made();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let before = fs::metadata(dir.path()).unwrap().modified().unwrap();
    KeyStore::ensure(dir.path(), &SystemClock, &FixedEntropy::seeded(2)).unwrap();
    assert_eq!(fs::metadata(dir.path()).unwrap().modified().unwrap(), before, "nothing is written");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_certificate_of_ours_says_that_it_ends_in_five_years() {
    let dir = made();
    let not_after = KeyStore::open(dir.path()).unwrap().certificate().not_after();
    let years = (not_after.as_second() - SystemClock.now().as_second()) / (365 * 24 * 60 * 60);
    assert!((4..=5).contains(&years), "{not_after}");
}

#[test]
fn a_key_that_was_there_is_never_replaced_by_a_new_one() {
    for gone in [&[KEY][..], &[CERTIFICATE], &[KEY, CERTIFICATE]] {
        let dir = made();
        for file in gone {
            fs::remove_file(dir.path().join(file)).unwrap();
        }
        assert!(KeyStore::ensure(dir.path(), &SystemClock, &FixedEntropy::seeded(2)).is_err(), "{gone:?}");
        assert!(gone.iter().all(|file| !dir.path().join(file).exists()), "{gone:?}");
    }
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let dir = made();
    KeyFolder::new(dir.path()).make_next(NewKey::Ecdsa, SystemClock.now(), &FixedEntropy::seeded(3)).unwrap();
    for file in [KEY, "current-ec.key.pem"] {
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(dir.path().join(file), fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(KeyStore::open(dir.path()), Err(KeysError::Permissions { mode: m, .. }) if m == mode));
        }
        fs::set_permissions(dir.path().join(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert!(KeyStore::open(dir.path()).is_ok());
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let dir = made();
    for mode in [0o770, 0o702, 0o777] {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(KeyStore::open(dir.path()), Err(KeysError::Folder { mode: m, .. }) if m == mode));
        let step = KeyFolder::new(dir.path()).promote(KeyType::Rsa, SystemClock.now());
        assert!(matches!(step, Err(KeysError::Folder { .. })));
    }
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let (dir, other) = (made(), made());
    fs::copy(other.path().join(CERTIFICATE), dir.path().join(CERTIFICATE)).unwrap();
    let error = refused(dir.path());
    assert!(error.ends_with("is not the key that the certificate beside it certifies"), "{error}");
    for (text, problem) in [
        ("", "holds not exactly one `-----BEGIN CERTIFICATE-----` block"),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "is no PEM: not base64"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no X.509 certificate"),
    ] {
        fs::write(dir.path().join(CERTIFICATE), text).unwrap();
        let error = refused(dir.path());
        assert!(error.ends_with(problem), "{error}");
    }
    fs::remove_file(dir.path().join(CERTIFICATE)).unwrap();
    assert!(refused(dir.path()).contains("current.crt.pem` is not: restore it, or remove both"));
}

#[test]
fn the_other_slots_are_held_to_the_same() {
    let dir = made();
    let copy = |from: &str, to: &str| {
        fs::copy(dir.path().join(from), dir.path().join(to)).unwrap();
    };
    copy(CERTIFICATE, "next.crt.pem");
    assert!(refused(dir.path()).contains("next.key.pem` is not"), "{}", refused(dir.path()));
    copy(KEY, "next.key.pem");
    assert!(refused(dir.path()).ends_with("is the certificate of the current RSA key too"), "{}", refused(dir.path()));
    fs::remove_file(dir.path().join("next.crt.pem")).unwrap();
    fs::remove_file(dir.path().join("next.key.pem")).unwrap();
    copy(CERTIFICATE, "current-ec.crt.pem");
    assert!(refused(dir.path()).ends_with("certifies no key on the curve P-256"), "{}", refused(dir.path()));
    // What signed until lately needs no private key any more.
    let other = made();
    fs::remove_file(dir.path().join("current-ec.crt.pem")).unwrap();
    fs::copy(other.path().join(CERTIFICATE), dir.path().join("previous.crt.pem")).unwrap();
    assert_eq!(KeyStore::open(dir.path()).unwrap().published().len(), 2);
}

#[test]
fn an_extension_that_stands_there_twice_is_refused() {
    let dir = made();
    let pem = fs::read_to_string(dir.path().join(KEY)).unwrap();
    let key = rcgen::KeyPair::from_pem(&pem).unwrap();
    let mut params = rcgen::CertificateParams::default();
    let twice = || rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
    params.custom_extensions = vec![twice(), twice()];
    fs::write(dir.path().join(CERTIFICATE), params.self_signed(&key).unwrap().pem()).unwrap();
    assert!(refused(dir.path()).ends_with("has an extension twice, which AWS and others refuse"));
}

#[test]
fn each_kind_signs_its_own_algorithms() {
    let dir = made();
    assert!(KeyStore::open(dir.path()).unwrap().signing_keys().key(SignatureAlgorithm::EcdsaSha256).is_err());
    KeyFolder::new(dir.path()).make_next(NewKey::Ecdsa, SystemClock.now(), &FixedEntropy::seeded(3)).unwrap();
    let store = KeyStore::open(dir.path()).unwrap();
    let keys = store.signing_keys();
    for (algorithm, bytes) in [
        (SignatureAlgorithm::RsaSha256, 256),
        (SignatureAlgorithm::RsaSha384, 256),
        (SignatureAlgorithm::RsaSha512, 256),
        (SignatureAlgorithm::EcdsaSha256, 64),
    ] {
        let key = keys.key(algorithm).unwrap();
        assert_eq!(key.sign(algorithm, b"text").unwrap().len(), bytes, "{algorithm:?}");
        let other = KeyType::ALL.into_iter().find(|other| *other != KeyType::of(algorithm)).unwrap();
        let foreign = match other {
            KeyType::Rsa => SignatureAlgorithm::RsaSha256,
            KeyType::Ecdsa => SignatureAlgorithm::EcdsaSha256,
        };
        assert!(key.sign(foreign, b"text").is_err(), "{algorithm:?}");
    }
}

#[test]
fn only_what_signs_is_warned_of_and_only_near_its_end() {
    let dir = made();
    let current = KeyStore::open(dir.path()).unwrap().published()[0].clone();
    let end = current.certificate.not_after();
    let before = |days: i64| Timestamp::from_second(end.as_second() - days * 24 * 60 * 60).unwrap();
    let date = end.strftime("%Y-%m-%d");
    assert_eq!(current.warning(before(30)), None);
    let warning = format!("the certificate of the current RSA key ends on {date}, in 29 days");
    assert_eq!(current.warning(before(29)), Some(warning));
    let warning = format!("the certificate of the current RSA key ended on {date}");
    assert_eq!(current.warning(before(-1)), Some(warning));
    let previous = Published { place: Place::new(Slot::Previous, KeyType::Rsa), ..current };
    assert_eq!(previous.warning(before(-1)), None);
}
