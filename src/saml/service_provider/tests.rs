use super::*;
use crate::config::{AppConfig, Encrypt};
use crate::domain::{EmailAddress, EncryptedPart, EncryptionAlgorithm, KeyTransport, Username};
use crate::saml::fixtures::{
    IDP, PERSISTENT_ID_KEY, ann, app_config, aws_config, build, context, entropy, now, wiki_config,
};
use crate::saml::issuer::issue_permitted;

fn value(user: &User, config: &AppConfig, context: &IssueContext<'_>) -> String {
    build(config).issue_request(user, context).unwrap().name_id.value
}

#[test]
fn the_preset_knows_the_partitions() {
    for (partition, entity_id, acs) in [
        ("aws", "urn:amazon:webservices", "https://signin.aws.amazon.com/saml"),
        ("aws-cn", "urn:amazon:webservices:cn-north-1", "https://signin.amazonaws.cn/saml"),
        ("aws-us-gov", "urn:amazon:webservices:govcloud", "https://signin.amazonaws-us-gov.com/saml"),
    ] {
        let mut config = aws_config();
        for role in &mut config.roles {
            role.role_arn = role.role_arn.replace("arn:aws:", &format!("arn:{partition}:"));
            role.provider_arn = role.provider_arn.replace("arn:aws:", &format!("arn:{partition}:"));
        }
        let sp = build(&config);
        assert_eq!((sp.entity_id(), sp.acs()), (entity_id, [acs.to_owned()].as_slice()));
    }
}

/// One way to get an app wrong: what is changed, the key that is blamed, a part of the message.
type Case = (fn(&mut AppConfig), &'static str, &'static str);

fn check(config: &AppConfig, cases: &[Case]) {
    for (change, key, message) in cases {
        let mut config = config.clone();
        change(&mut config);
        let problems = ServiceProvider::build(&config, &Supplied::default()).expect_err(message);
        assert!(
            problems.iter().any(|p| p.key == *key && p.message.contains(message)),
            "{key} {message}: {problems:#?}"
        );
    }
}

#[test]
fn what_aws_would_refuse_is_a_problem_of_the_config() {
    let cases: [Case; 21] = [
        (|c| c.roles[0].role_arn = "arn:aws:iam::1234:role/Dev".into(), ".roles[0].role_arn", "is no role ARN"),
        (|c| c.roles[0].role_arn = "arn:aws:iam::123456789012:user/Dev".into(), ".roles[0].role_arn", "is no role ARN"),
        (|c| c.roles[0].role_arn = "arn:aws:iam::123456789012:role/a,b".into(), ".roles[0].role_arn", "is no role ARN"),
        (
            |c| c.roles[0].role_arn = " arn:aws:iam::123456789012:role/Dev".into(),
            ".roles[0].role_arn",
            "is no role ARN",
        ),
        (
            |c| c.roles[1].role_arn = c.roles[1].role_arn.replace("arn:aws:", "arn:aws-cn:"),
            ".roles[1].role_arn",
            "partition",
        ),
        (
            |c| {
                c.roles[0].role_arn =
                    "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_A_1".into()
            },
            ".roles[0].role_arn",
            "Identity Center",
        ),
        (|c| c.roles[0].provider_arn = c.roles[0].role_arn.clone(), ".roles[0].provider_arn", "identity provider"),
        (|c| c.roles[1] = c.roles[0].clone(), ".roles[1].name", "another role"),
        (|c| c.roles[1] = c.roles[0].clone(), ".roles[1].role_arn", "twice"),
        (|c| c.roles.clear(), ".id", "roles"),
        (|c| c.session_duration = Some(899), ".session_duration", "900 to 43200"),
        (|c| c.session_duration = Some(43_201), ".session_duration", "900 to 43200"),
        (|c| c.role_session_name = Some("first_name".into()), ".role_session_name", "cannot name a person"),
        (|c| c.role_session_name = Some("emial".into()), ".role_session_name", "no user field"),
        (|c| c.acs = vec!["https://signin.aws.amazon.com/sam1".into()], ".acs", "AWS has"),
        (|c| c.acs = vec!["https://eu.signin.aws.amazon.com/saml".into()], ".acs", "AWS has"),
        (|c| c.acs = vec!["https://signin.amazonaws.cn/saml".into()], ".acs", "partition"),
        (
            |c| {
                c.attributes.insert(ROLE_NAME.into(), "email".into());
            },
            ATTRIBUTE_ROLE,
            "decided by policies",
        ),
        (
            |c| {
                c.attributes.insert(format!("{TAGS}Team"), "last_name".into());
            },
            ATTRIBUTE_TEAM,
            "edit this field",
        ),
        (
            |c| {
                c.attributes.insert(format!("{TAGS}Team"), "email".into());
                c.attributes.insert(format!("{TAGS}team"), "email".into());
            },
            ATTRIBUTE_TEAM_LOWER,
            "only in case",
        ),
        (
            |c| {
                (0..51).for_each(|n| {
                    c.attributes.insert(format!("{TAGS}t{n}"), "email".into());
                })
            },
            ".attributes",
            "50 tags",
        ),
    ];
    check(&aws_config(), &cases);
}

const ROLE_NAME: &str = "https://aws.amazon.com/SAML/Attributes/Role";
const TAGS: &str = "https://aws.amazon.com/SAML/Attributes/PrincipalTag:";
const ATTRIBUTE_ROLE: &str = ".attributes.\"https://aws.amazon.com/SAML/Attributes/Role\"";
const ATTRIBUTE_TEAM: &str = ".attributes.\"https://aws.amazon.com/SAML/Attributes/PrincipalTag:Team\"";
const ATTRIBUTE_TEAM_LOWER: &str = ".attributes.\"https://aws.amazon.com/SAML/Attributes/PrincipalTag:team\"";

#[test]
fn too_many_roles_for_one_response_are_a_problem_of_the_config() {
    let mut config = aws_config();
    let template = config.roles[0].clone();
    config.roles = (0..700)
        .map(|n| crate::config::RoleConfig {
            name: RoleName::parse(&format!("r{n}")).unwrap(),
            role_arn: format!("{}{n}", template.role_arn),
            ..template.clone()
        })
        .collect();
    let problems = ServiceProvider::build(&config, &Supplied::default()).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].message, "700 roles make a response larger than AWS takes");
    config.roles.truncate(400);
    let mut user = ann();
    user.email = EmailAddress::parse("ann@example.com").unwrap();
    assert_eq!(build(&config).issue_request(&user, &context()).unwrap().roles.len(), 400);
}

#[test]
fn encryption_leaves_room_for_fewer_roles() {
    let mut config = AppConfig { encrypt: Encrypt::Assertion, ..aws_config() };
    let template = config.roles[0].clone();
    config.roles = (0..400)
        .map(|n| crate::config::RoleConfig {
            name: RoleName::parse(&format!("r{n}")).unwrap(),
            role_arn: format!("{}{n}", template.role_arn),
            ..template.clone()
        })
        .collect();
    let rsa = Supplied { encryption_certificate: Some(reader(&rcgen::PKCS_RSA_SHA256)), ..Supplied::default() };
    let problems = ServiceProvider::build(&config, &rsa).unwrap_err();
    assert_eq!(problems[0].message, "400 roles make a response larger than AWS takes");
    config.roles.truncate(280);
    let request = ServiceProvider::build(&config, &rsa).unwrap().issue_request(&ann(), &context()).unwrap();
    assert!(issue_permitted(&request, &IDP, now(), &entropy()).is_ok(), "what the config may say can be sent");
}

/// A certificate that something may be encrypted for.
fn reader(kind: &'static rcgen::SignatureAlgorithm) -> Certificate {
    let key = rcgen::KeyPair::generate_for(kind).unwrap();
    let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
    Certificate::from_der(certificate.der()).unwrap()
}

#[test]
fn encryption_needs_a_certificate_that_it_can_be_for_and_keys_without_effect_are_told() {
    let built = |config: &AppConfig, certificate: Option<Certificate>| {
        let supplied = Supplied { encryption_certificate: certificate, ..Supplied::default() };
        ServiceProvider::build(config, &supplied)
            .map_err(|problems| problems.into_iter().map(|p| (p.key, p.message)).collect::<Vec<_>>())
    };
    let problem = |key: &str, message: &str| vec![(key.to_owned(), message.to_owned())];
    let encrypting = AppConfig { encrypt: Encrypt::Assertion, ..wiki_config() };
    assert_eq!(built(&encrypting, None), Err(problem(".encrypt", "there is no certificate to encrypt for")));
    assert_eq!(
        built(&encrypting, Some(reader(&rcgen::PKCS_ECDSA_P256_SHA256))),
        Err(problem(".encryption_certificate", "nothing can be encrypted for a key on an elliptic curve"))
    );
    let rsa = reader(&rcgen::PKCS_RSA_SHA256);
    let without = |config: AppConfig, key: &str| {
        let said = built(&config, Some(rsa.clone()));
        assert_eq!(said, Err(problem(key, "has no effect: nothing is encrypted")), "{key}");
    };
    without(AppConfig { encryption_certificate: Some("wiki.pem".into()), ..wiki_config() }, ".encryption_certificate");
    let algorithm = EncryptionAlgorithm::Aes128Gcm;
    without(AppConfig { encryption_algorithm: algorithm, ..wiki_config() }, ".encryption_algorithm");
    without(AppConfig { key_transport: KeyTransport::RsaOaepSha256, ..wiki_config() }, ".key_transport");
    let request = built(&encrypting, Some(rsa.clone())).unwrap().issue_request(&ann(), &context()).unwrap();
    let expected = Encryption {
        part: EncryptedPart::Assertion,
        algorithm: EncryptionAlgorithm::Aes256Gcm,
        key_transport: KeyTransport::RsaOaepMgf1p,
        public_key: rsa.public_key().to_vec(),
    };
    assert_eq!(request.encryption, Some(expected));
}

#[test]
fn the_end_of_the_session_is_told_unless_it_would_shorten_that_of_aws() {
    let ends = now();
    let context = IssueContext { session_not_on_or_after: Some(ends), ..context() };
    let said = |config: &AppConfig| build(config).issue_request(&ann(), &context).unwrap().session_not_on_or_after;
    assert_eq!(said(&wiki_config()), Some(ends));
    assert_eq!(said(&AppConfig { session_end: Some(false), ..wiki_config() }), None);
    assert_eq!(said(&aws_config()), None);
    assert_eq!(said(&AppConfig { session_end: Some(true), ..aws_config() }), Some(ends));
}

#[test]
fn tags_that_are_handed_on_are_tags_that_are_sent() {
    let mut config = AppConfig { transitive_tags: vec!["Phone".into()], ..aws_config() };
    let problems = ServiceProvider::build(&config, &Supplied::default()).unwrap_err();
    assert_eq!(problems[0].message, "no tag `Phone` is sent");
    config.attributes.insert(format!("{TAGS}Phone"), "email".into());
    let sent = |config: &AppConfig| build(config).issue_request(&ann(), &context()).unwrap().attributes;
    let handed_on = Attribute::new(aws_lint::TRANSITIVE_TAGS, vec!["Phone".into()]);
    assert!(sent(&config).contains(&handed_on));
    config.transitive_tags.push("Phone".into());
    let problems = ServiceProvider::build(&config, &Supplied::default()).unwrap_err();
    assert_eq!(problems[0].message, "`Phone` stands there twice");
    check(&wiki_config(), &[(|c| c.transitive_tags = vec!["x".into()], ".transitive_tags", "only with")]);
}

#[test]
fn what_any_service_provider_would_refuse_is_a_problem_of_the_config() {
    let cases: [Case; 12] = [
        (|c| c.entity_id = None, ".id", "`entity_id`"),
        (|c| c.acs.clear(), ".id", "`acs`"),
        (|c| c.acs[1] = "http://wiki.example.com/acs".into(), ".acs[1]", "use https"),
        (|c| c.acs[1] = "javascript:alert(1)".into(), ".acs[1]", "use https"),
        (|c| c.acs[1] = "https://a:b@wiki.example.com/acs".into(), ".acs[1]", "user name"),
        (|c| c.acs[1] = "/acs".into(), ".acs[1]", "cannot take responses"),
        (|c| c.acs[1] = c.acs[0].clone(), ".acs[1]", "twice"),
        (|c| c.relay_state = Some("x".repeat(1025)), ".relay_state", "1024"),
        (|c| c.relay_state_override = true, ".relay_state_override", "no RelayState"),
        (|c| c.session_duration = Some(3600), ".session_duration", "only with"),
        (|c| c.name_id_field = Some("display_name".into()), ".name_id_field", "cannot name a person"),
        (
            |c| {
                c.attributes.insert("mail".into(), "mail".into());
            },
            ".attributes.mail",
            "no user field `mail`",
        ),
    ];
    check(&wiki_config(), &cases);
}

#[test]
fn addresses_of_this_machine_may_be_plain_http() {
    for acs in ["http://localhost:8081/acs", "http://127.0.0.1:8081/acs", "http://[::1]/acs"] {
        build(&AppConfig { acs: vec![acs.into()], ..aws_config() });
    }
}

#[test]
fn values_that_aws_would_refuse_name_the_user_the_app_and_the_rule() {
    let mut config = aws_config();
    config.attributes.insert("https://aws.amazon.com/SAML/Attributes/SourceIdentity".into(), "username".into());
    let sp = build(&config);
    for (username, email, rule) in [
        ("ann", "ann!x@example.com", "RoleSessionName `ann!x@example.com` must have"),
        ("ann", &format!("{}@example.com", "a".repeat(60)), "RoleSessionName"),
        ("zoë", "zoe@example.com", "SourceIdentity `zoë` must have"),
    ] {
        let user =
            User { username: Username::parse(username).unwrap(), email: EmailAddress::parse(email).unwrap(), ..ann() };
        let error = sp.issue_request(&user, &context()).unwrap_err();
        assert!(error.rule.starts_with(rule), "{error}");
        assert!(error.to_string().starts_with(&format!("no assertion for user `{username}` and app `aws`: ")));
    }
}

#[test]
fn persistent_names_differ_per_app_and_stay_per_user() {
    let (wiki, aws) = (wiki_config(), aws_config());
    let ann_at_wiki = value(&ann(), &wiki, &context());
    let renamed = User { email: EmailAddress::parse("new@example.com").unwrap(), ..ann() };
    assert_eq!(value(&renamed, &wiki, &context()), ann_at_wiki);
    assert_ne!(value(&ann(), &aws, &context()), ann_at_wiki);
    assert_ne!(value(&ann(), &wiki, &IssueContext { persistent_id_key: &[8; 32], ..context() }), ann_at_wiki);
}

#[test]
fn transient_names_differ_per_session() {
    let wiki = AppConfig { name_id: Some(NameIdFormat::Transient), ..wiki_config() };
    let other = IssueContext { session_index: "_s2", ..context() };
    assert_ne!(value(&ann(), &wiki, &context()), value(&ann(), &wiki, &other));
}

#[test]
fn name_ids_come_from_the_field_that_config_names() {
    for (format, field, expected) in [
        (NameIdFormat::EmailAddress, None, "ann@example.com"),
        (NameIdFormat::Unspecified, None, "ann"),
        (NameIdFormat::Unspecified, Some("email"), "ann@example.com"),
        (NameIdFormat::Persistent, Some("username"), "ann"),
    ] {
        let config = AppConfig { name_id: Some(format), name_id_field: field.map(Into::into), ..wiki_config() };
        assert_eq!(value(&ann(), &config, &context()), expected, "{format:?} {field:?}");
    }
}

#[test]
fn a_subject_is_matched_by_the_name_the_app_knows() {
    let email = build(&AppConfig { name_id: Some(NameIdFormat::EmailAddress), ..wiki_config() });
    let subject = |format: Option<NameIdFormat>, value: &str| Subject {
        format: format.map(|format| format.uri().to_owned()),
        value: value.to_owned(),
    };
    for (format, value, expected) in [
        (None, "ann@example.com", true),
        (Some(NameIdFormat::EmailAddress), "ann@example.com", true),
        (Some(NameIdFormat::Unspecified), "ann@example.com", true),
        (Some(NameIdFormat::Persistent), "ann@example.com", false),
        (None, "bob@example.com", false),
        (None, "", false),
    ] {
        assert_eq!(
            email.is_subject(&ann(), &subject(format, value), &PERSISTENT_ID_KEY),
            expected,
            "{format:?} {value}"
        );
    }
}

#[test]
fn relay_states_follow_the_rules() {
    let carried = RelayState::parse("https://wiki.example.com/page").unwrap();
    let own = "https://wiki.example.com/home";
    let echo = AppConfig {
        relay_state: Some(own.into()),
        relay_states: [("docs".to_owned(), "https://wiki.example.com/docs".to_owned())].into(),
        ..wiki_config()
    };
    let replace = build(&AppConfig { relay_state_override: true, ..echo.clone() });
    let echo = build(&echo);
    assert_eq!(echo.relay_state_for_request(Some(&carried)), Some(&carried));
    assert_eq!(echo.relay_state_for_request(None), None);
    assert_eq!(replace.relay_state_for_request(Some(&carried)).unwrap().as_str(), own);
    assert_eq!(echo.relay_state_for_launch(None).unwrap().unwrap().as_str(), own);
    assert_eq!(echo.relay_state_for_launch(Some("docs")).unwrap().unwrap().as_str(), "https://wiki.example.com/docs");
    let stranger = "https://evil.example.com";
    assert_eq!(echo.relay_state_for_launch(Some(stranger)), Err(UnknownTarget(stranger.into())));
    assert_eq!(
        build(&aws_config()).relay_state_for_launch(None).unwrap().unwrap().as_str(),
        "https://console.aws.amazon.com"
    );
}

proptest::proptest! {
    #[test]
    fn only_what_config_names_ever_replaces_a_relay_state(
        carried in "[^\\p{Cc}]{0,60}|https://[a-z]{1,9}\\.example/[a-z/?=&]{0,30}",
        page in "[^\\p{Cc}]{0,60}|docs|https://[a-z]{1,9}\\.example/",
    ) {
        let config = AppConfig {
            relay_state: Some("/home".into()),
            relay_states: [("docs".to_owned(), "/docs".to_owned())].into(),
            ..wiki_config()
        };
        let state = RelayState::parse(&carried).unwrap();
        let echo = build(&config);
        proptest::prop_assert_eq!(echo.relay_state_for_request(Some(&state)), Some(&state), "as it came, to the byte");
        proptest::prop_assert_eq!(echo.relay_state_for_request(None), None);
        let replace = build(&AppConfig { relay_state_override: true, ..config });
        proptest::prop_assert_eq!(replace.relay_state_for_request(Some(&state)).map(RelayState::as_str), Some("/home"));
        match echo.relay_state_for_launch(Some(&page)) {
            Ok(found) => proptest::prop_assert_eq!((page.as_str(), found.map(RelayState::as_str)), ("docs", Some("/docs"))),
            Err(unknown) => proptest::prop_assert!(unknown.0 == page && page != "docs"),
        }
    }

    #[test]
    fn a_relay_state_is_taken_whole_or_not_at_all(text in "\\PC{0,1100}|[\\x00-\\x20a]{0,20}") {
        let good = text.len() <= RelayState::MAX_BYTES && !text.chars().any(char::is_control);
        proptest::prop_assert_eq!(RelayState::parse(&text).ok().map(String::from), good.then_some(text));
    }
}

#[test]
fn only_the_chosen_role_is_asked_about() {
    let sp = build(&aws_config());
    let admin = RoleName::parse("Admin").unwrap();
    let request = sp.issue_request(&ann(), &IssueContext { role: Some(&admin), ..context() }).unwrap();
    assert_eq!(request.roles.iter().map(|role| &role.name).collect::<Vec<_>>(), [&admin]);
    let unknown = RoleName::parse("Root").unwrap();
    assert!(sp.issue_request(&ann(), &IssueContext { role: Some(&unknown), ..context() }).is_err());
}

#[test]
fn responses_go_to_registered_addresses_alone() {
    let sp = build(&wiki_config());
    let context = IssueContext { acs: Some("https://evil.example.com/acs"), ..context() };
    assert!(sp.issue_request(&ann(), &context).is_err());
}

#[test]
fn an_app_without_anything_lists_all_that_is_missing() {
    assert_eq!(ServiceProvider::build(&app_config("x"), &Supplied::default()).unwrap_err().len(), 2);
}
