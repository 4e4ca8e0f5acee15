//! Software that others wrote, asked about what we issue.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{Said, run};
use super::repository;

/// The OASIS schema of messages with what it lacks; in `tests/judges`.
const PROTOCOL_SCHEMA: &str = "protocol.xsd";
const ASSERTION_SCHEMA: &str = "/usr/share/xml/opensaml/saml-schema-assertion-2.0.xsd";
const METADATA_SCHEMA: &str = "/usr/share/xml/opensaml/saml-schema-metadata-2.0.xsd";

/// What a service provider knows when it judges a response.
#[derive(Debug, Clone)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) certificate: &'a Path,
    pub(crate) audience: &'a str,
    pub(crate) acs: &'a str,
    /// The ID of the AuthnRequest it sent; none when nobody asked.
    pub(crate) request_id: Option<&'a str>,
    /// `assertion`, `response` or `both`.
    pub(crate) sign: &'a str,
    pub(crate) name_id: &'a str,
}

/// The keys that a service provider has what it gets encrypted for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decryption<'a> {
    pub(crate) key: &'a Path,
    pub(crate) certificate: &'a Path,
    /// `assertion` or `name-id`: what has to be encrypted.
    pub(crate) what: &'a str,
}

/// One response, and who receives it.
#[derive(Debug, Clone)]
pub(crate) struct Case<'a> {
    pub(crate) response: &'a str,
    pub(crate) expected: Expected<'a>,
    pub(crate) decryption: Option<Decryption<'a>>,
}

/// What it read, or why it refused.
pub(crate) type Verdict = Result<Value, String>;

/// The verdict of python3-saml, strict.
pub(crate) fn python3_saml(response: &str, expected: &Expected<'_>) -> Verdict {
    python3_saml_all(&[Case { response, expected: expected.clone(), decryption: None }]).remove(0)
}

/// The verdicts of python3-saml, strict.
pub(crate) fn python3_saml_all(cases: &[Case<'_>]) -> Vec<Verdict> {
    verdicts("python3-saml", cases, python("saml_judge.py", &written_down(cases)))
}

/// The verdicts of node-saml.
pub(crate) fn node_saml_all(cases: &[Case<'_>]) -> Vec<Verdict> {
    let mut command = Command::new("node");
    command.arg(repository("tests/judges/saml_judge.cjs"));
    command.env("NODE_PATH", repository(".node/node_modules"));
    let said = run(&mut command, written_down(cases).to_string().as_bytes());
    verdicts("node-saml", cases, if said.ok { Ok(serde_json::from_str(&said.out).unwrap()) } else { Err(said.err) })
}

/// What is wrong with a report by the schema of SARIF 2.1.0; nothing when it is well formed.
pub(crate) fn sarif(report: &str) -> Option<String> {
    let mut command = Command::new("node");
    command.arg(repository("tests/judges/sarif_judge.cjs"));
    command.env("NODE_PATH", repository(".node/node_modules"));
    let said = run(&mut command, report.as_bytes());
    (!said.ok).then(|| format!("{}{}", said.out, said.err))
}

/// What junitparser reads in a report of tests: its counts, and the cases of each suite. An error says what is wrong.
pub(crate) fn junit(report: &str) -> Result<Value, String> {
    python("junit_judge.py", &json!({ "report": report }))
}

fn written_down(cases: &[Case<'_>]) -> Value {
    let text = |path: &Path| fs::read_to_string(path).unwrap();
    let case = |Case { response, expected, decryption }: &Case<'_>| {
        json!({
            "response": response,
            "issuer": expected.issuer,
            "certificate": text(expected.certificate),
            "audience": expected.audience,
            "acs": expected.acs,
            "request_id": expected.request_id,
            "sign": expected.sign,
            "name_id": expected.name_id,
            "decryption_key": decryption.map(|with| text(with.key)),
            "decryption_certificate": decryption.map(|with| text(with.certificate)),
            "encrypted": decryption.map_or("nothing", |with| with.what),
        })
    };
    cases.iter().map(case).collect()
}

fn verdicts(judge: &str, cases: &[Case<'_>], said: Result<Value, String>) -> Vec<Verdict> {
    let said = said.unwrap_or_else(|error| panic!("{judge} reached no verdict (`make tools` installs it): {error}"));
    let verdicts = said.as_array().unwrap();
    assert_eq!(verdicts.len(), cases.len(), "{judge} judges each case");
    let verdict = |verdict: &Value| {
        if verdict["accepted"] == true { Ok(verdict.clone()) } else { Err(verdict["reason"].to_string()) }
    };
    verdicts.iter().map(verdict).collect()
}

/// The credentials that moto's STS gives boto3 for one role.
pub(crate) fn moto_sts(response: &str, role_arn: &str, provider_arn: &str) -> Result<Value, String> {
    python("sts_judge.py", &json!({ "response": response, "role_arn": role_arn, "provider_arn": provider_arn }))
}

/// What xmlsec 1.3 reads in place of the first EncryptedData of `xml`: it knows more than the 1.2 of [`xmlsec1_decrypt`].
pub(crate) fn xmlsec13_decrypt(xml: &str, key: &Path) -> Result<String, String> {
    let said = python_says("decrypt_judge.py", &json!({ "xml": xml, "key": fs::read_to_string(key).unwrap() }));
    if said.ok { Ok(said.out) } else { Err(said.err) }
}

/// What is wrong with each of these events by the schema of OCSF; nothing when it is well formed.
pub(crate) fn ocsf(events: &[Value]) -> Vec<Vec<String>> {
    let said = python("ocsf_judge.py", &json!(events));
    let said = said.unwrap_or_else(|error| panic!("OCSF reached no verdict (`make tools` installs it): {error}"));
    serde_json::from_value(said).unwrap()
}

/// What python3-saml does as a service provider in single logout; see `tests/judges/logout_judge.py`.
pub(crate) fn python3_saml_logout(case: &Value) -> Value {
    python("logout_judge.py", case).unwrap_or_else(|error| panic!("python3-saml reached no verdict: {error}"))
}

fn python(script: &str, case: &Value) -> Result<Value, String> {
    let said = python_says(script, case);
    if said.ok { Ok(serde_json::from_str(&said.out).unwrap()) } else { Err(said.err) }
}

fn python_says(script: &str, case: &Value) -> Said {
    let mut command = Command::new(repository(".venv/bin/python"));
    command.arg(repository("tests/judges").join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    run(&mut command, case.to_string().as_bytes())
}

/// Whether xmlsec1 finds every signature right for `certificate`, and at least one. It trusts no key inside the document.
pub(crate) fn xmlsec1_verify(xml: &str, certificate: &Path) -> Result<(), String> {
    let signatures = xml.matches("SignatureValue").count() / 2;
    if signatures == 0 {
        return Err("there is no signature".to_owned());
    }
    let (_folder, file) = written(xml);
    for number in 1..=signatures {
        let said = xmlsec1(&[
            "--verify",
            "--enabled-key-data",
            "rsa,ecdsa",
            "--enabled-reference-uris",
            "same-doc",
            "--pubkey-cert-pem",
            &certificate.to_string_lossy(),
            "--node-xpath",
            &format!("(//*[local-name()='Signature'])[{number}]"),
            &file.to_string_lossy(),
        ]);
        if !said.ok {
            return Err(format!("signature {number}: {}{}", said.out, said.err));
        }
    }
    Ok(())
}

/// Signs the first signature skeleton of `xml` with the private key in `key`.
pub(crate) fn xmlsec1_sign(xml: &str, key: &Path) -> String {
    let (_folder, file) = written(xml);
    let said = xmlsec1(&["--sign", "--privkey-pem", &key.to_string_lossy(), &file.to_string_lossy()]);
    assert!(said.ok, "{}", said.err);
    said.out
}

/// What xmlsec1 reads in place of the first EncryptedData of `xml`, with the private key in `key`.
pub(crate) fn xmlsec1_decrypt(xml: &str, key: &Path) -> Result<String, String> {
    let (_folder, file) = written(xml);
    let said = xmlsec1(&["--decrypt", "--privkey-pem", &key.to_string_lossy(), &file.to_string_lossy()]);
    if said.ok { Ok(said.out) } else { Err(format!("{}{}", said.out, said.err)) }
}

/// Makes a MAC of the first signature skeleton of `xml`, whose secret is what stands in `secret`.
pub(crate) fn xmlsec1_mac(xml: &str, secret: &Path) -> String {
    let (_folder, file) = written(xml);
    let said = xmlsec1(&["--sign", "--hmackey", &secret.to_string_lossy(), &file.to_string_lossy()]);
    assert!(said.ok, "{}", said.err);
    said.out
}

fn xmlsec1(arguments: &[&str]) -> Said {
    let (command, rest) = arguments.split_first().unwrap();
    let mut xmlsec1 = Command::new("xmlsec1");
    xmlsec1.arg(command);
    for element in [
        "assertion:Assertion",
        "protocol:Response",
        "protocol:AuthnRequest",
        "protocol:LogoutRequest",
        "protocol:LogoutResponse",
    ] {
        xmlsec1.args(["--id-attr:ID", &format!("urn:oasis:names:tc:SAML:2.0:{element}")]);
    }
    xmlsec1.args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor"]);
    run(xmlsec1.args(rest), b"")
}

/// Whether a protocol message is valid against the OASIS schema.
pub(crate) fn schema_valid(xml: &str) -> Result<(), String> {
    xmllint(xml, &repository("tests/judges").join(PROTOCOL_SCHEMA))
}

/// Whether an assertion by itself is valid against the OASIS schema.
pub(crate) fn assertion_valid(xml: &str) -> Result<(), String> {
    xmllint(xml, Path::new(ASSERTION_SCHEMA))
}

/// Whether metadata is valid against the OASIS schema.
pub(crate) fn metadata_valid(xml: &str) -> Result<(), String> {
    xmllint(xml, Path::new(METADATA_SCHEMA))
}

fn xmllint(xml: &str, schema: &Path) -> Result<(), String> {
    assert!(schema.exists(), "{} is missing; `make tools` installs what tests call", schema.display());
    let (_folder, file) = written(xml);
    let mut command = Command::new("xmllint");
    command.args(["--nonet", "--noout", "--schema"]).arg(schema).arg(file);
    command.env("XML_CATALOG_FILES", repository("tests/judges/catalog.xml"));
    let said = run(&mut command, b"");
    if said.ok { Ok(()) } else { Err(said.err) }
}

fn written(xml: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("message.xml");
    fs::write(&file, xml).unwrap();
    (folder, file)
}

/// A key and a certificate of their own, as PEM files: for somebody who is not the identity provider.
pub(crate) fn stranger() -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["stranger.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (key_file, certificate_file) = (folder.path().join("key.pem"), folder.path().join("crt.pem"));
    fs::write(&key_file, key.serialize_pem()).unwrap();
    fs::write(&certificate_file, certificate.pem()).unwrap();
    (folder, key_file, certificate_file)
}
