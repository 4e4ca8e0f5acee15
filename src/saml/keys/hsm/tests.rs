//! On SoftHSM, a real module whose tokens are files. Where those are, it is told by a variable of the process: each test runs
//! itself again in a process of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512};

use super::*;
use crate::clock::{Clock as _, FixedEntropy, SystemClock};
use crate::saml::keys::{KeyFolder, KeyStore, KeysError, NewKey, RsaBits};

const FOLDER: &str = "CEDARGATE_TEST_TOKENS";
const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";

fn softhsm(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("softhsm2-util");
    let output = command.args(arguments).env("SOFTHSM2_CONF", folder.join("softhsm2.conf")).output();
    let output = output.expect("the tests need SoftHSM: apt-get install softhsm2");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs `inside` in a process that finds a token `cedargate` with the key `idp`, whose certificate is in `keys`.
fn with_token(test: &str, inside: impl Fn(&Path)) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return inside(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::create_dir(path.join("tokens")).unwrap();
    let tokens = path.join("tokens").display().to_string();
    fs::write(path.join("softhsm2.conf"), format!("directories.tokendir = {tokens}\nobjectstore.backend = file\n"))
        .unwrap();
    KeyStore::ensure(&path.join("keys"), &SystemClock, &FixedEntropy::seeded(1)).unwrap();
    softhsm(path, &["--init-token", "--free", "--label", "cedargate", "--so-pin", "12345678", "--pin", "8765"]);
    let key = path.join("keys/current.key.pem").display().to_string();
    softhsm(path, &["--import", &key, "--token", "cedargate", "--label", "idp", "--id", "01", "--pin", "8765"]);
    fs::remove_file(path.join("keys/current.key.pem")).unwrap();
    write_pin(path, "8765");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("saml::keys::hsm::tests::{test}"), "--nocapture"])
        .env(FOLDER, path)
        .env("SOFTHSM2_CONF", path.join("softhsm2.conf"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

fn write_pin(folder: &Path, pin: &str) {
    fs::write(folder.join("pin"), pin).unwrap();
    fs::set_permissions(folder.join("pin"), fs::Permissions::from_mode(0o600)).unwrap();
}

fn settings(folder: &Path) -> Pkcs11 {
    let (token, key) = ("cedargate".to_owned(), "idp".to_owned());
    Pkcs11 { module: LIBRARY.into(), token, key, pin_file: folder.join("pin") }
}

fn saml(folder: &Path) -> crate::config::Saml {
    crate::config::Saml { keys: folder.join("keys"), pkcs11: Some(settings(folder)), ..Default::default() }
}

fn certificate(folder: &Path) -> Certificate {
    Certificate::from_pem(&fs::read_to_string(folder.join("keys/current.crt.pem")).unwrap()).unwrap()
}

#[test]
fn a_key_in_a_module_signs_also_after_its_login_is_lost() {
    with_token("a_key_in_a_module_signs_also_after_its_login_is_lost", |folder| {
        let store = KeyStore::configured(&saml(folder)).unwrap();
        let (keys, certificate) = (store.signing_keys(), certificate(folder));
        let verified = |algorithm: SignatureAlgorithm| {
            let by = match algorithm {
                SignatureAlgorithm::RsaSha384 => &RSA_PKCS1_2048_8192_SHA384,
                SignatureAlgorithm::RsaSha512 => &RSA_PKCS1_2048_8192_SHA512,
                _ => &RSA_PKCS1_2048_8192_SHA256,
            };
            let signature = keys.key(algorithm).unwrap().sign(algorithm, b"octets").unwrap();
            let public = UnparsedPublicKey::new(by, certificate.public_key());
            public.verify(b"octets", &signature).is_ok() && public.verify(b"others", &signature).is_err()
        };
        for algorithm in [SignatureAlgorithm::RsaSha256, SignatureAlgorithm::RsaSha384, SignatureAlgorithm::RsaSha512] {
            assert!(verified(algorithm), "{algorithm:?}");
        }
        let key = keys.key(SignatureAlgorithm::RsaSha256).unwrap();
        assert_eq!(key.sign(SignatureAlgorithm::EcdsaSha256, b"octets"), Err(KeyFailed));

        // A logout ends the login of all sessions of a process.
        let module = module(Path::new(LIBRARY)).unwrap();
        let slot = module.get_slots_with_initialized_token().unwrap()[0];
        module.open_ro_session(slot).unwrap().logout().unwrap();
        assert!(verified(SignatureAlgorithm::RsaSha256), "after a logout");
        module.open_ro_session(slot).unwrap();
        std::thread::scope(|scope| {
            let signers: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..5).all(|_| verified(SignatureAlgorithm::RsaSha256)))).collect();
            assert!(signers.into_iter().all(|signer| signer.join().unwrap()), "several at once");
        });
    });
}

#[test]
fn what_does_not_fit_is_told_and_a_wrong_pin_is_tried_once() {
    with_token("what_does_not_fit_is_told_and_a_wrong_pin_is_tried_once", |folder| {
        let certificate = certificate(folder);
        let refused =
            |settings: &Pkcs11, certificate: &Certificate| open(settings, certificate).err().unwrap().to_string();
        let settings = settings(folder);

        write_pin(folder, "0000");
        let error = refused(&settings, &certificate);
        assert!(error.starts_with("the token `cedargate` refuses the PIN of `saml.pkcs11.pin_file`"), "{error}");
        let key = HardwareKey {
            module: module(Path::new(LIBRARY)).unwrap(),
            settings: settings.clone(),
            certificate: certificate.clone(),
            idle: Mutex::default(),
            refused: AtomicBool::new(false),
        };
        assert_eq!(key.sign(SignatureAlgorithm::RsaSha256, b"octets"), Err(KeyFailed));
        write_pin(folder, "8765");
        assert_eq!(key.sign(SignatureAlgorithm::RsaSha256, b"octets"), Err(KeyFailed), "it is not tried again");

        assert!(open(&settings, &certificate).is_ok());
        let other = Pkcs11 { token: "other".to_owned(), ..settings.clone() };
        let error = refused(&other, &certificate);
        assert_eq!(error, "the PKCS#11 module has 0 tokens called `other`; it has `cedargate`");
        let error = refused(&Pkcs11 { key: "other".to_owned(), ..settings.clone() }, &certificate);
        assert_eq!(error, "the token `cedargate` has 0 private RSA keys called `other`: it has to be one");
        let error = refused(&Pkcs11 { module: folder.join("pin"), ..settings.clone() }, &certificate);
        assert!(error.starts_with(&format!("can't load the PKCS#11 module `{}/pin`", folder.display())), "{error}");
        let error = refused(&Pkcs11 { pin_file: folder.join("none"), ..settings.clone() }, &certificate);
        assert!(error.starts_with("`saml.pkcs11.pin_file`: cannot read"), "{error}");

        let another = tempfile::tempdir().unwrap();
        let another = KeyStore::ensure(another.path(), &SystemClock, &FixedEntropy::seeded(2)).unwrap();
        let error = refused(&settings, another.certificate());
        assert_eq!(error, "the key `idp` of the PKCS#11 module is not the one that `current.crt.pem` certifies");
    });
}

#[test]
fn beside_a_module_certificates_alone_are_moved_and_no_rsa_key_is_made() {
    with_token("beside_a_module_certificates_alone_are_moved_and_no_rsa_key_is_made", |folder| {
        let (saml, now) = (saml(folder), SystemClock.now());
        let steps = KeyFolder::configured(&saml);
        let made = steps.make_next(NewKey::Rsa(RsaBits::default()), now, &FixedEntropy::seeded(3));
        assert!(matches!(made, Err(KeysError::Step { .. })));
        steps.make_next(NewKey::Ecdsa, now, &FixedEntropy::seeded(3)).unwrap();
        let other = tempfile::tempdir().unwrap();
        KeyStore::ensure(other.path(), &SystemClock, &FixedEntropy::seeded(4)).unwrap();
        fs::copy(other.path().join("current.crt.pem"), folder.join("keys/next.crt.pem")).unwrap();
        assert_eq!(KeyStore::configured(&saml).unwrap().published().len(), 3);

        steps.promote(crate::saml::keys::KeyType::Rsa, now).unwrap();
        assert!(matches!(KeyStore::configured(&saml), Err(KeysError::Hardware(HardwareError::OtherKey(_)))));
        assert!(folder.join("keys/previous.crt.pem").exists() && !folder.join("keys/current.key.pem").exists());

        fs::copy(other.path().join("current.key.pem"), folder.join("keys/current.key.pem")).unwrap();
        let error = KeyStore::configured(&saml).err().unwrap().to_string();
        assert!(error.contains("the RSA key lives in the module of `saml.pkcs11`: remove one of them"), "{error}");
    });
}
