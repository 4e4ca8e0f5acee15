//! How long does metadata take to read: one service provider, and a set of 1,000 apps from 1,000 files, or from one file of a
//! federation?

#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;

use cedargate::clock::{Clock as _, SystemClock};
use cedargate::config::{Loaded, load};
use cedargate::runtime::metadata_of;
use cedargate::saml::SpMetadata;
use criterion::{Criterion, criterion_group, criterion_main};

const AWS: &str = include_str!("../tests/data/saml/aws-sp-metadata.xml");
const APPS: usize = 1_000;

fn entity(number: usize) -> String {
    let certificate = AWS
        .split_once("<ds:X509Certificate>")
        .and_then(|(_, rest)| rest.split_once("</ds:X509Certificate>"))
        .map(|(certificate, _)| certificate)
        .expect("AWS has a certificate");
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" \
         xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" entityID=\"https://app{number}.example.com/saml\">\
         <md:SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:KeyDescriptor>\
         <ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
         </md:KeyDescriptor><md:AssertionConsumerService index=\"1\" \
         Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://app{number}.example.com/acs\"/>\
         </md:SPSSODescriptor></md:EntityDescriptor>"
    )
}

fn settings(folder: &Path, app: impl Fn(usize) -> String) -> Loaded {
    let mut text = String::new();
    for number in 0..APPS {
        write!(text, "[[apps]]\nid = \"app{number}\"\n{}\n", app(number)).expect("room");
    }
    let file = folder.join("config.toml");
    fs::write(&file, text).expect("a file");
    load(&file, []).expect("good settings")
}

fn reading(c: &mut Criterion) {
    c.bench_function("saml_metadata/one, of AWS", |bench| {
        bench.iter(|| SpMetadata::parse(black_box(AWS)).expect("good metadata"));
    });
    let today = SystemClock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut group = c.benchmark_group("saml_metadata");
    group.sample_size(10);

    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..APPS {
        fs::write(folder.path().join(format!("{number}.xml")), entity(number)).expect("a file");
    }
    let apps = settings(folder.path(), |number| format!("metadata = \"{number}.xml\""));
    group.bench_function("1,000 apps of 1,000 files", |bench| {
        bench.iter(|| assert_eq!(metadata_of(&apps, today).expect("good apps").0.len(), APPS));
    });

    let all: String = (0..APPS).map(entity).collect();
    let one = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{all}</md:EntitiesDescriptor>"
    );
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("all.xml"), one).expect("a file");
    let named = |number: usize| format!("metadata = \"all.xml\"\nentity_id = \"https://app{number}.example.com/saml\"");
    let apps = settings(folder.path(), named);
    group.bench_function("1,000 apps of one file", |bench| {
        bench.iter(|| assert_eq!(metadata_of(&apps, today).expect("good apps").0.len(), APPS));
    });
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
