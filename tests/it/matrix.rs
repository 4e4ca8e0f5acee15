//! Every way of signing × every algorithm × every encryption × every NameID, through the real server, before judges that others
//! wrote. What a judge cannot read is said here with its reason: a verdict that changes, either way, fails the test.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::harness::judges::{self, Case, Decryption, Expected, Verdict};
use crate::harness::people::seconds_now;
use crate::harness::repository;
use crate::harness::saml::{AuthnRequest, Delivered, NO_PASSIVE, SUCCESS};
use crate::harness::server::{Server, Setup};

const SIGN: [&str; 3] = ["assertion", "response", "both"];
const ALGORITHMS: [&str; 4] = ["rsa-sha256", "rsa-sha384", "rsa-sha512", "ecdsa-sha256"];
const NAME_IDS: [(&str, &str); 4] = [
    ("persistent", "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"),
    ("transient", "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"),
    ("emailAddress", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"),
    ("unspecified", "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"),
];
/// What is encrypted, how, and how the key travels.
const ENCRYPTION: [(&str, &str, &str); 3] = [
    ("nothing", "aes256-gcm", "rsa-oaep-mgf1p"),
    ("assertion", "aes256-gcm", "rsa-oaep-mgf1p"),
    ("name-id", "aes256-gcm", "rsa-oaep-mgf1p"),
];
const OTHER_ENCRYPTION: [(&str, &str, &str); 6] = [
    ("assertion", "aes128-gcm", "rsa-oaep-mgf1p"),
    ("assertion", "aes256-gcm", "rsa-oaep-sha256"),
    ("assertion", "aes128-gcm", "rsa-oaep-sha256"),
    ("name-id", "aes128-gcm", "rsa-oaep-mgf1p"),
    ("name-id", "aes256-gcm", "rsa-oaep-sha256"),
    ("name-id", "aes128-gcm", "rsa-oaep-sha256"),
];
const EVERYBODY: &str = r#"
@id("test.matrix") @description("Everybody may open every app of the matrix.")
permit (principal in Group::"everyone", action == Action::"signIn", resource);
"#;

/// What a judge says of an algorithm that it does not know, and its name in the table.
#[derive(Clone, Copy)]
struct Cannot(&'static str, &'static str);

/// One app of the matrix.
struct Row {
    id: String,
    entity_id: String,
    acs: String,
    sign: &'static str,
    algorithm: &'static str,
    encryption: (&'static str, &'static str, &'static str),
    name_id: (&'static str, &'static str),
}

impl Row {
    fn config(&self, certificate: &Path) -> String {
        let (what, algorithm, transport) = self.encryption;
        let mut text = format!(
            "\n[[apps]]\nid = \"{}\"\nentity_id = \"{}\"\nacs = \"{}\"\nsign = \"{}\"\nsignature_algorithm = \"{}\"\n\
             name_id = \"{}\"\nattributes = {{ mail = \"email\", groups = \"groups\" }}\n",
            self.id, self.entity_id, self.acs, self.sign, self.algorithm, self.name_id.0
        );
        if what != "nothing" {
            writeln!(
                text,
                "encrypt = \"{what}\"\nencryption_certificate = \"{}\"\nencryption_algorithm = \"{algorithm}\"\n\
                 key_transport = \"{transport}\"",
                certificate.display()
            )
            .unwrap();
        }
        text
    }

    fn encrypted(&self) -> Option<&'static str> {
        Some(self.encryption.0).filter(|what| *what != "nothing")
    }

    fn certificate(&self, server: &Server) -> PathBuf {
        match self.algorithm {
            "ecdsa-sha256" => server.path("var/keys/current-ec.crt.pem"),
            _ => server.certificate(),
        }
    }

    /// Of the release 1.2 of xmlsec, which Debian has, nobody learns what a key transport of XML Encryption 1.1 hides.
    fn needs_xmlsec13(&self) -> bool {
        self.encrypted().is_some() && self.encryption.2 == "rsa-oaep-sha256"
    }

    /// Why python3-saml refuses.
    fn python_cannot(&self) -> Option<Cannot> {
        // Its schemas are older than XML Encryption 1.1.
        self.needs_xmlsec13().then_some(Cannot("Not match the saml-schema-protocol-2.0.xsd", "rsa-oaep-sha256"))
    }

    /// Why node-saml refuses.
    fn node_cannot(&self) -> Option<Cannot> {
        match (self.algorithm, self.encrypted(), self.encryption.2) {
            // It says no more than this of an algorithm that it does not know.
            ("rsa-sha384", ..) => Some(Cannot("Error: Invalid", "rsa-sha384")),
            ("ecdsa-sha256", ..) => Some(Cannot("Error: Invalid", "ecdsa-sha256")),
            (_, Some("assertion"), "rsa-oaep-sha256") => {
                Some(Cannot("xmlenc11#rsa-oaep not supported", "rsa-oaep-sha256"))
            }
            _ => None,
        }
    }
}

fn rows() -> Vec<Row> {
    let mut all = Vec::new();
    let mut push = |sign, algorithm, encryption, name_id| {
        let id = format!("m{:03}", all.len());
        let entity_id = format!("https://{id}.example.com/saml");
        let acs = format!("https://{id}.example.com/acs?a=1&b=2");
        all.push(Row { id, entity_id, acs, sign, algorithm, encryption, name_id });
    };
    for sign in SIGN {
        for algorithm in ALGORITHMS {
            for encryption in ENCRYPTION {
                for name_id in NAME_IDS {
                    push(sign, algorithm, encryption, name_id);
                }
            }
        }
    }
    for sign in SIGN {
        for encryption in OTHER_ENCRYPTION {
            push(sign, "rsa-sha256", encryption, NAME_IDS[0]);
        }
    }
    all
}

/// A server with all of these apps and a key of each kind.
fn server(rows: &[Row], certificate: &Path) -> Server {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let own = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
    Setup::default()
        .with_config(&rows.iter().map(|row| row.config(certificate)).collect::<String>())
        .with_policies(EVERYBODY)
        .with_file("var/keys/current-ec.key.pem", &key.serialize_pem())
        .with_file("var/keys/current-ec.crt.pem", &own.pem())
        .start()
}

/// What xmlsec1 and xmllint say of one response: each signature that is there, and what they decrypt.
fn by_xmlsec1(row: &Row, xml: &str, certificate: &Path, key: &Path) -> Result<Option<String>, String> {
    judges::schema_valid(xml)?;
    let Some(what) = row.encrypted() else {
        return judges::xmlsec1_verify(xml, certificate).map(|()| None);
    };
    // Signed after it was encrypted: what leaves is what verifies.
    if what == "name-id" || row.sign != "assertion" {
        judges::xmlsec1_verify(xml, certificate)?;
    }
    let opened = match row.needs_xmlsec13() {
        true => judges::xmlsec13_decrypt(xml, key)?,
        false => judges::xmlsec1_decrypt(xml, key)?,
    };
    if what == "name-id" {
        return Ok(Some(element(&opened, "NameID")));
    }
    let assertion = element(&opened, "Assertion");
    judges::assertion_valid(&assertion)?;
    // Signed before it was encrypted: the signature is inside.
    if row.sign != "response" {
        judges::xmlsec1_verify(&assertion, certificate)?;
    }
    Ok(Some(assertion))
}

/// The text of the only element called `name`.
fn element(xml: &str, name: &str) -> String {
    let document = roxmltree::Document::parse(xml).unwrap();
    let found: Vec<_> = document.descendants().filter(|node| node.tag_name().name() == name).collect();
    assert_eq!(found.len(), 1, "{name}: {xml}");
    xml[found[0].range()].to_owned()
}

/// The verdict in the table, if it is the one that `cannot` foretells.
fn told<T>(row: &Row, judge: &str, verdict: &Result<T, String>, cannot: Option<Cannot>) -> Result<String, String> {
    Ok(match (verdict, cannot) {
        (Ok(_), None) => "accepted".to_owned(),
        (Err(why), Some(Cannot(said, name))) if why.contains(said) => format!("does not know {name}"),
        (Ok(_), Some(Cannot(_, name))) => return Err(format!("{judge} now knows `{name}`: {}", row.id)),
        (Err(why), _) => {
            let Row { sign, algorithm, encryption, name_id, .. } = row;
            return Err(format!("{judge} refuses {sign} {algorithm} {encryption:?} {name_id:?}: {why}"));
        }
    })
}

/// What a service provider read is what was meant.
fn assert_read(row: &Row, judge: &str, read: &Value, name_expected: bool) {
    assert_eq!(read["attributes"]["mail"], serde_json::json!(["ann@example.com"]), "{judge}: {read}");
    let name = read["name_id"].as_str();
    match (name_expected, row.name_id.0) {
        (false, _) => assert_eq!(name, None, "{judge}: {read}"),
        (true, "emailAddress") => assert_eq!(name, Some("ann@example.com"), "{judge}: {read}"),
        (true, "unspecified") => assert_eq!(name, Some("ann"), "{judge}: {read}"),
        (true, _) => assert_eq!(name.map(str::len), Some(43), "{judge}: {read}"),
    }
    if name_expected {
        assert_eq!(read["name_id_format"], row.name_id.1, "{judge}: {read}");
    }
}

#[tokio::test]
async fn every_way_to_sign_and_encrypt_is_read_by_other_people_s_software() {
    let (_folder, key, certificate) = judges::stranger();
    let rows = rows();
    let server = server(&rows, &certificate);
    let client = server.client();
    client.sign_in(server.person("ann")).await;
    let mut answers = Vec::new();
    for row in &rows {
        let request = AuthnRequest::of(&server, &row.entity_id, &row.acs.replace('&', "&amp;"));
        let delivered = Delivered::from_page(&client.get(&request.redirect(None)).await);
        assert_eq!((delivered.acs.as_str(), delivered.status()), (row.acs.as_str(), vec![SUCCESS.to_owned()]));
        answers.push((request.id, delivered));
    }
    let issuer = server.issuer();
    let certificates: Vec<PathBuf> = rows.iter().map(|row| row.certificate(&server)).collect();
    let cases: Vec<Case<'_>> = rows
        .iter()
        .zip(&answers)
        .zip(&certificates)
        .map(|((row, (id, delivered)), own)| Case {
            response: &delivered.response,
            expected: Expected {
                issuer: &issuer,
                certificate: own,
                audience: &row.entity_id,
                acs: &row.acs,
                request_id: Some(id),
                sign: row.sign,
                name_id: row.name_id.1,
            },
            decryption: row.encrypted().map(|what| Decryption { key: &key, certificate: &certificate, what }),
        })
        .collect();
    let (python, node) = (judges::python3_saml_all(&cases), judges::node_saml_all(&cases));

    let mut table = String::from(
        "| signed | algorithm | encrypted | NameID | xmlsec1 and schema | python3-saml | node-saml |\n|---|---|---|---|---|---|---|\n",
    );
    let mut wrong = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let delivered = &answers[index].1;
        let by_xmlsec1 = by_xmlsec1(row, &delivered.xml, &certificates[index], &key);
        match line(row, &delivered.xml, &by_xmlsec1, &python[index], &node[index]) {
            Ok(line) => table += &line,
            Err(other) => wrong.push(other),
        }
    }
    assert!(wrong.is_empty(), "verdicts that nobody foretold:\n{}", wrong.join("\n"));
    eprintln!("{table}");
    let output = repository("test-output");
    fs::create_dir_all(&output).unwrap();
    fs::write(output.join("saml-matrix.md"), table).unwrap();
}

/// One line of the table, when all verdicts are as foretold.
fn line(
    row: &Row,
    xml: &str,
    by_xmlsec1: &Result<Option<String>, String>,
    python: &Verdict,
    node: &Verdict,
) -> Result<String, String> {
    let verdicts = [
        told(row, "xmlsec1", by_xmlsec1, None)?,
        told(row, "python3-saml", python, row.python_cannot())?,
        told(row, "node-saml", node, row.node_cannot())?,
    ];
    if let Ok(read) = python {
        assert_read(row, "python3-saml", read, true);
        let left = read["session_end"].as_u64().unwrap() - seconds_now();
        assert!((11 * 60 * 60..=12 * 60 * 60).contains(&left), "the session ends in {left} seconds");
    }
    let named = row.encrypted() != Some("name-id");
    if let Ok(read) = node {
        // It reads encrypted names of logout requests only.
        assert_read(row, "node-saml", read, named);
    }
    if row.encrypted().is_some() {
        for secret in ["<saml2:NameID", "ann@example.com</saml2:NameID>"] {
            assert!(!xml.contains(secret), "`{secret}` can be read: {xml}");
        }
        assert_eq!(xml.contains("AttributeStatement"), row.encrypted() == Some("name-id"), "{xml}");
    }
    if let (Ok(Some(opened)), Ok(read)) = (by_xmlsec1, python) {
        let name = read["name_id"].as_str().unwrap();
        assert!(opened.contains(&format!(">{name}<")), "xmlsec1 reads another name than {name}: {opened}");
    }
    let (what, cipher, transport) = row.encryption;
    let encryption = if what == "nothing" { what.to_owned() } else { format!("{what}, {cipher}, {transport}") };
    let [mut xmlsec1, python, mut node] = verdicts;
    if row.needs_xmlsec13() {
        xmlsec1.push_str(", by xmlsec 1.3");
    }
    if node == "accepted" && !named {
        node.push_str(", without the name");
    }
    let (sign, algorithm, name_id) = (row.sign, row.algorithm, row.name_id.0);
    Ok(format!("| {sign} | {algorithm} | {encryption} | {name_id} | {xmlsec1} | {python} | {node} |\n"))
}

/// The app of `row` in a browser where Ann has signed in.
async fn answer(server: &Server, row: &Row) -> (String, Delivered) {
    let client = server.client();
    client.sign_in(server.person("ann")).await;
    let request = AuthnRequest::of(server, &row.entity_id, &row.acs.replace('&', "&amp;"));
    let delivered = Delivered::from_page(&client.get(&request.redirect(None)).await);
    (request.id, delivered)
}

#[tokio::test]
async fn what_is_encrypted_is_for_one_reader_and_not_to_be_changed() {
    let (_folder, key, certificate) = judges::stranger();
    let (_other_folder, other_key, other_certificate) = judges::stranger();
    let row = rows().into_iter().find(|row| row.encrypted() == Some("assertion")).unwrap();
    let server = server(std::slice::from_ref(&row), &certificate);
    let (id, delivered) = answer(&server, &row).await;
    let (issuer, own) = (server.issuer(), row.certificate(&server));
    let expected = Expected {
        issuer: &issuer,
        certificate: &own,
        audience: &row.entity_id,
        acs: &row.acs,
        request_id: Some(&id),
        sign: row.sign,
        name_id: row.name_id.1,
    };
    let reader = Decryption { key: &key, certificate: &certificate, what: "assertion" };
    let stranger = Decryption { key: &other_key, certificate: &other_certificate, what: "assertion" };
    // One letter in the key, and letters from the nonce to the tag.
    let values: Vec<(usize, &str)> = delivered.xml.match_indices("<xenc:CipherValue>").collect();
    let end = delivered.xml.rfind("</xenc:CipherValue>").unwrap();
    let [(wrapped, tag), (content, _)] = values[..] else { panic!("{}", delivered.xml) };
    let start = content + tag.len();
    let places = [wrapped + tag.len() + 20, start + 2, start + 40, (start + end) / 2, end - 12];
    let changed: Vec<String> =
        places.iter().map(|at| BASE64.encode(with_another_letter(&delivered.xml, *at))).collect();
    let case = |response, decryption| Case { response, expected: expected.clone(), decryption: Some(decryption) };
    let mut cases = vec![case(&delivered.response, reader), case(&delivered.response, stranger)];
    cases.extend(changed.iter().map(|response| case(response, reader)));
    for (judge, verdicts) in
        [("python3-saml", judges::python3_saml_all(&cases)), ("node-saml", judges::node_saml_all(&cases))]
    {
        let accepted: Vec<usize> = (0..verdicts.len()).filter(|index| verdicts[*index].is_ok()).collect();
        assert_eq!(accepted, [0], "{judge}: {verdicts:?}");
    }
    assert!(judges::xmlsec1_decrypt(&delivered.xml, &other_key).is_err());
}

/// With another letter of base64 at a place.
fn with_another_letter(xml: &str, at: usize) -> String {
    let letter = if &xml[at..=at] == "A" { "B" } else { "A" };
    format!("{}{letter}{}", &xml[..at], &xml[at + 1..])
}

#[tokio::test]
async fn refusals_are_signed_with_the_key_that_the_app_knows() {
    let (_folder, _key, certificate) = judges::stranger();
    let row = rows().into_iter().find(|row| row.algorithm == "ecdsa-sha256").unwrap();
    let server = server(std::slice::from_ref(&row), &certificate);
    let request = AuthnRequest::of(&server, &row.entity_id, &row.acs.replace('&', "&amp;"));
    let page = server.client().get(&request.asking("IsPassive=\"true\"").redirect(None)).await;
    let delivered = Delivered::from_page(&page);
    assert_eq!(delivered.status().last().map(String::as_str), Some(NO_PASSIVE));
    judges::schema_valid(&delivered.xml).unwrap();
    judges::xmlsec1_verify(&delivered.xml, &row.certificate(&server)).unwrap();
    assert!(judges::xmlsec1_verify(&delivered.xml, &server.certificate()).is_err(), "it is not the RSA key's");
}

#[test]
fn an_app_that_is_to_get_ecdsa_waits_for_a_key() {
    let (_folder, _key, certificate) = judges::stranger();
    let row = rows().into_iter().find(|row| row.algorithm == "ecdsa-sha256").unwrap();
    let said = Setup::default().with_config(&row.config(&certificate)).fails_to_start();
    for part in
        ["signature_algorithm = \"ecdsa-sha256\"", "there is no ECDSA key in", "cedargate keys new --kind ecdsa"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}
