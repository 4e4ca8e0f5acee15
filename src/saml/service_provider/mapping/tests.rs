use proptest::prelude::*;

use super::*;
use crate::domain::{EmailAddress, GroupName, Language, NameIdFormat, Username};
use crate::saml::fixtures::{Files, ann, app_config, aws_config, build, context, signed, wiki_config};
use crate::saml::{IssueContext, ServiceProvider, Supplied};

fn table(table: AttributeTable) -> AttributeConfig {
    table.into()
}

fn field(name: &str) -> AttributeTable {
    AttributeTable { field: Some(name.into()), ..AttributeTable::default() }
}

fn template(text: &str) -> AttributeTable {
    AttributeTable { template: Some(text.into()), ..AttributeTable::default() }
}

fn constant(values: &[&str]) -> AttributeTable {
    AttributeTable { value: values.iter().map(|value| (*value).to_owned()).collect(), ..AttributeTable::default() }
}

fn with(attribute: AttributeConfig) -> AppConfig {
    AppConfig { attributes: [("x".to_owned(), attribute)].into(), ..wiki_config() }
}

/// The values of the attribute `x` for `user`.
fn values(user: &User, attribute: AttributeConfig) -> Vec<String> {
    let request = build(&with(attribute)).issue_request(user, &context()).unwrap();
    request.attributes.into_iter().flat_map(|attribute| attribute.values).collect()
}

fn staff() -> User {
    let groups = ["wiki-admins", "wiki-editors", "aws-users"].map(|group| GroupName::parse(group).unwrap());
    User { groups: groups.into(), language: Some(Language::De), ..ann() }
}

#[test]
fn attributes_say_fields_constants_and_templates() {
    let rename = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let only = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    for (attribute, expected) in [
        ("language".into(), vec!["de"]),
        ("home_country".into(), vec![]),
        ("phone".into(), vec![]),
        (table(field("email")), vec!["ann@example.com"]),
        (table(constant(&["gold"])), vec!["gold"]),
        (table(constant(&["a", "b"])), vec!["a", "b"]),
        (table(template("{username}@corp.example")), vec!["ann@corp.example"]),
        (table(template("{{{username}}} {language}")), vec!["{ann} de"]),
        (table(template("{username}-{phone}")), vec![]),
        (table(field("groups")), vec!["aws-users", "wiki-admins", "wiki-editors"]),
        (table(AttributeTable { only: only(&["wiki-*"]), ..field("groups") }), vec!["wiki-admins", "wiki-editors"]),
        (table(AttributeTable { only: only(&["nobody"]), ..field("groups") }), vec![]),
        (
            table(AttributeTable {
                only: only(&["wiki-*"]),
                rename: rename(&[("wiki-admins", "admin")]),
                ..field("groups")
            }),
            vec!["admin", "wiki-editors"],
        ),
        (
            table(AttributeTable {
                only: only(&["wiki-*"]),
                rename: rename(&[("wiki-admins", "in"), ("wiki-editors", "in")]),
                ..field("groups")
            }),
            vec!["in"],
        ),
    ] {
        assert_eq!(values(&staff(), attribute.clone()), expected, "{attribute:?}");
    }
    assert_eq!(values(&staff(), "id".into()), [staff().id.to_string()]);
}

#[test]
fn name_formats_and_friendly_names_are_said_as_written() {
    let written = table(AttributeTable {
        name_format: Some(NameFormat::Unspecified),
        friendly_name: Some("what people read".into()),
        ..field("email")
    });
    let request = build(&with(written)).issue_request(&ann(), &context()).unwrap();
    assert_eq!(request.attributes[0].format, NameFormat::Unspecified);
    assert_eq!(request.attributes[0].friendly_name.as_deref(), Some("what people read"));
    let mut usual = with("email".into());
    usual.attributes.insert("urn:oid:2.5.4.4".into(), "last_name".into());
    let request = build(&usual).issue_request(&ann(), &context()).unwrap();
    let formats: Vec<NameFormat> = request.attributes.iter().map(|attribute| attribute.format).collect();
    assert_eq!(formats, [NameFormat::Uri, NameFormat::Basic], "by the colon");
}

#[test]
fn whatever_is_said_of_an_attribute_meets_the_schema_and_verifies() {
    let friendly = "<what> \"people\" & others read";
    let mut config = wiki_config();
    for (name, format) in
        [("urn:oid:2.5.4.4", NameFormat::Uri), ("sn", NameFormat::Basic), ("x", NameFormat::Unspecified)]
    {
        let written =
            AttributeTable { name_format: Some(format), friendly_name: Some(friendly.into()), ..field("last_name") };
        config.attributes.insert(name.into(), table(written));
    }
    let response = signed(&config, &ann(), &context());
    let document = roxmltree::Document::parse(&response.xml).unwrap();
    let told = document.descendants().filter(|node| node.attribute("FriendlyName") == Some(friendly)).count();
    assert_eq!(told, 3, "{}", response.xml);
    let files = Files::of(&response.xml);
    assert_eq!(files.schema_errors("saml-schema-protocol-2.0.xsd"), "", "{}", response.xml);
    assert!(files.xmlsec1_verifies("Assertion"), "{}", response.xml);
}

#[test]
fn patterns_fit_as_a_whole() {
    for (pattern, value, fits) in [
        ("*", "", true),
        ("*", "anything", true),
        ("wiki-*", "wiki-admins", true),
        ("wiki-*", "a-wiki-admins", false),
        ("*-admins", "wiki-admins", true),
        ("*-admins", "wiki-admins-2", false),
        ("a*b*c", "a-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("a*a", "a", false),
        ("wiki", "wiki", true),
        ("wiki", "wiki2", false),
        ("", "x", false),
    ] {
        assert_eq!(is_match(pattern, value), fits, "{pattern} {value}");
    }
}

/// What is wrong with an app, as `key: message`.
fn told(config: &AppConfig) -> Vec<String> {
    let problems = ServiceProvider::build(config, &Supplied::default()).expect_err("a problem");
    problems.into_iter().map(|problem| format!("{}: {}", problem.key, problem.message)).collect()
}

#[test]
fn attributes_that_make_no_sense_are_problems_of_the_config() {
    let only = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>();
    for (attribute, expected) in [
        (AttributeTable::default(), ".attributes.x: this attribute says nothing"),
        (
            AttributeTable { template: Some("a".into()), ..field("email") },
            ".attributes.x: this attribute says more than one thing",
        ),
        (
            AttributeTable { field: Some("email".into()), ..constant(&["a"]) },
            ".attributes.x: this attribute says more than one thing",
        ),
        (field("emial"), ".attributes.x.field: there is no user field `emial`"),
        (template("{emial}"), ".attributes.x.template: `emial` is no field of a user"),
        (template("{groups}"), ".attributes.x.template: `groups` has several values, and a template makes one"),
        (template("{email"), ".attributes.x.template: a `{` that is not closed"),
        (template("email}"), ".attributes.x.template: a `}` that closes nothing"),
        (template(""), ".attributes.x.template: a template has 1 to 512 characters on one line"),
        (
            AttributeTable { only: only(&["a"]), ..constant(&["a"]) },
            ".attributes.x.only: `only` has no effect without `field`",
        ),
        (
            AttributeTable { rename: [("a".into(), "b".into())].into(), ..template("{email}") },
            ".attributes.x.rename: `rename` has no effect without `field`",
        ),
        (
            AttributeTable { only: only(&["b*"]), rename: [("a".into(), "b".into())].into(), ..field("groups") },
            ".attributes.x.rename: `a` is left out by `only`",
        ),
        (
            AttributeTable { only: vec!["a".to_owned(); 501], ..field("groups") },
            ".attributes.x.only: `only` has at most 500 entries",
        ),
    ] {
        let problems = told(&with(attribute.clone().into()));
        assert!(problems.contains(&expected.to_owned()), "{attribute:?}: {problems:?}");
    }
}

#[test]
fn what_names_a_person_is_shared_by_nobody_and_edited_by_nobody() {
    for (name, refused) in [
        ("{username}@corp.example", false),
        ("{id}", false),
        ("x-{email}", false),
        ("{first_name}.{username}", true),
        ("{display_name}", true),
        ("{home_country}", true),
        ("{username}{email}", true),
        ("everybody", true),
    ] {
        let naming = || NameConfig::Template(crate::config::NameTemplate { template: name.into() });
        let wiki = AppConfig { name_id_field: Some(naming()), ..wiki_config() };
        let aws = AppConfig { role_session_name: Some(naming()), ..aws_config() };
        for (config, key) in [(wiki, ".name_id_field.template"), (aws, ".role_session_name.template")] {
            if refused {
                let problems = told(&config);
                assert!(problems[0].starts_with(&format!("{key}: a template that names a person")), "{problems:?}");
            } else {
                build(&config);
            }
        }
    }
    for own in ["first_name", "last_name", "display_name", "phone", "language", "groups", "home_country", "time_zone"] {
        let wiki = AppConfig { name_id_field: Some(own.into()), ..wiki_config() };
        assert!(told(&wiki)[0].contains("cannot name a person"), "{own}");
    }
}

#[test]
fn a_template_gives_the_name_at_the_app() {
    let naming = |text: &str| Some(NameConfig::Template(crate::config::NameTemplate { template: text.into() }));
    let config = AppConfig {
        name_id: Some(NameIdFormat::EmailAddress),
        name_id_field: naming("{username}@corp.example"),
        ..wiki_config()
    };
    let request = build(&config).issue_request(&ann(), &context()).unwrap();
    assert_eq!(request.name_id.value, "ann@corp.example");
    let config = AppConfig { name_id_field: naming("{username}"), ..config };
    let error = build(&config).issue_request(&ann(), &context()).unwrap_err();
    assert_eq!(error.rule, "the NameID `ann` is no mail address");
    let aws = AppConfig { role_session_name: naming("{username}@corp"), ..aws_config() };
    let request = build(&aws).issue_request(&ann(), &context()).unwrap();
    assert_eq!(request.attributes[0].values, ["ann@corp"]);
}

const TAGS: &str = "https://aws.amazon.com/SAML/Attributes/PrincipalTag:";
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/SAML/Attributes/SourceIdentity";

#[test]
fn tags_and_source_identity_of_aws_take_nothing_people_edit() {
    let with = |name: &str, attribute: AttributeTable| AppConfig {
        attributes: [(name.to_owned(), attribute.into())].into(),
        ..aws_config()
    };
    let team = format!("{TAGS}Team");
    for good in [constant(&["core"]), field("home_country"), template("{username}/x"), field("groups")] {
        build(&with(&team, good));
    }
    for own in [field("last_name"), template("{username} {phone}"), field("language")] {
        assert!(told(&with(&team, own))[0].contains("people may edit this field"));
    }
    for shared in [constant(&["us"]), field("home_country"), template("x")] {
        assert!(told(&with(SOURCE_IDENTITY, shared))[0].contains("names one person"));
    }
    build(&with(SOURCE_IDENTITY, template("{username}")));
    // Whether somebody has one group or two is not known before they come.
    let sp = build(&with(&team, field("groups")));
    let error = sp.issue_request(&staff(), &context()).unwrap_err();
    assert_eq!(error.rule, "PrincipalTag:Team must have exactly one value, not 3");
}

#[test]
fn values_that_no_message_can_carry_name_user_app_and_attribute() {
    let (broken, long) =
        (User { last_name: "Bob\u{0}by".into(), ..ann() }, User { last_name: "x".repeat(2049), ..ann() });
    for (user, rule) in [
        (broken, "attribute `x` holds the character U+0000, which a SAML message cannot carry"),
        (long, "attribute `x` has more than 2048 characters"),
    ] {
        let error = build(&with("last_name".into())).issue_request(&user, &context()).unwrap_err();
        assert_eq!(error.to_string(), format!("no assertion for user `ann` and app `wiki`: {rule}"));
    }
}

/// The persistent NameID of `user` at an app of this entity id, under this key.
fn persistent(user: &User, entity_id: &str, key: [u8; 32]) -> String {
    let config = AppConfig { entity_id: Some(entity_id.into()), acs: wiki_config().acs, ..app_config("wiki") };
    let context = IssueContext { persistent_id_key: &key, ..context() };
    build(&config).issue_request(user, &context).unwrap().name_id.value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn persistent_names_stay_with_the_person_and_tell_nothing_of_them(
        app in "[a-z]{1,12}",
        other in "[a-z]{1,12}",
        name in "[a-z]{8,20}",
        key in any::<[u8; 32]>(),
        other_key in any::<[u8; 32]>(),
    ) {
        prop_assume!(app != other && key != other_key);
        let first = persistent(&ann(), &app, key);
        // All that can change about somebody: names, address, groups. The id stays.
        let changed = User {
            username: Username::parse(&name).unwrap(),
            email: EmailAddress::parse(&format!("{name}@example.org")).unwrap(),
            first_name: name.clone(),
            groups: BTreeSet::new(),
            ..ann()
        };
        prop_assert_eq!(persistent(&changed, &app, key), first.clone());
        prop_assert_ne!(persistent(&ann(), &other, key), first.clone(), "another app");
        prop_assert_ne!(persistent(&ann(), &app, other_key), first.clone(), "another installation");
        // 256 bits in base64url: nothing of the input is left in it.
        prop_assert_eq!(first.len(), 43);
        prop_assert!(!first.contains(&ann().id.to_string()) && !first.contains(&name));
    }

    #[test]
    fn templates_read_back_what_was_written_around_the_fields(before in "[^{}\\p{Cc}]{0,20}", after in "[^{}\\p{Cc}]{0,20}") {
        let written = format!("{before}{{username}}{{{{{after}}}}}");
        let read = Template::parse(&written).unwrap();
        prop_assert_eq!(read.of(&ann()), Some(format!("{before}ann{{{after}}}")));
    }

    #[test]
    fn no_template_makes_the_reader_fall_over(text in "\\PC{0,40}|[{}a-z]{0,20}") {
        if let Ok(template) = Template::parse(&text) {
            let is_empty = template.fields().any(|field| field.of(&ann()).is_empty());
            prop_assert_eq!(template.of(&ann()).is_none(), is_empty);
        }
    }
}
