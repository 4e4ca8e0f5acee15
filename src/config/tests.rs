//! The files people write, right and wrong.

mod apps;
mod published;

use std::path::Path;

use super::*;

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml");

/// A file in a folder of its own, which goes away with it.
struct Written {
    folder: tempfile::TempDir,
}

impl Written {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        Self { folder }
    }

    fn load(&self, env: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(&self.folder.path().join("config.toml"), env)
    }
}

fn loaded(text: &str) -> Config {
    Written::new(text).load(&[]).unwrap_or_else(|errors| panic!("{errors}\n{text}")).config
}

/// Every problem as `line:column key: message [help]`.
fn problems(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    let errors = Written::new(text).load(env).map(drop).unwrap_err();
    told(&errors)
}

fn told(errors: &ConfigErrors) -> Vec<String> {
    errors
        .problems()
        .iter()
        .map(|located| {
            let place =
                located.line_column().map_or_else(|| located.place(), |(line, column)| format!("{line}:{column}"));
            let Problem { key, message, help } = located.problem();
            let help = help.as_ref().map(|help| format!(" [{help}]")).unwrap_or_default();
            format!("{place} {key}: {message}{help}")
        })
        .collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(problems(text, &[]), expected, "{text}");
}

#[test]
fn an_empty_file_has_every_default() {
    let written = Written::new("");
    let config = written.load(&[]).unwrap().config;
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.public_url.as_str(), "http://127.0.0.1:8080");
    assert_eq!(config.organisation.name, "cedargate");
    assert_eq!(config.server.secret_file, written.folder.path().join("var/secret"));
    assert_eq!(config.state.url, StateUrl::Embedded(written.folder.path().join("var/state.db")));
    assert_eq!((&config.state.password_file, &config.state.ca_file), (&None, &None));
    assert_eq!(config.accounts.url, AccountsUrl::Sqlite(written.folder.path().join("var/accounts.db")));
    assert_eq!(config.audit.path, written.folder.path().join("var/audit"));
    assert!(config.apps.is_empty() && config.groups.is_empty());
}

#[test]
fn the_shipped_file_holds_what_the_shipped_policies_name() {
    let config = load(Path::new(SHIPPED), []).unwrap_or_else(|errors| panic!("{errors}")).config;
    let names = |keys: Vec<&str>| keys.join(" ");
    assert_eq!(names(config.groups.keys().map(GroupName::as_str).collect()), "aws-admins aws-users contractors staff");
    assert_eq!(names(config.networks.keys().map(NetworkName::as_str).collect()), "blocked office vpn");
    assert_eq!(names(config.country_lists.keys().map(CountryListName::as_str).collect()), "blocked");
    assert_eq!(names(config.apps.iter().map(|app| app.id.as_str()).collect()), "aws wiki");
    assert_eq!(names(config.apps[0].roles.iter().map(|role| role.name.as_str()).collect()), "Dev Admin");
    assert_eq!(config.apps[1].acs, ["https://wiki.example.com/saml/acs"]);
}

#[test]
fn absolute_paths_stay_and_relative_ones_start_at_the_file() {
    let written = Written::new("[policies]\npath = \"/etc/cedargate/policies\"\n[saml]\nkeys = \"../keys\"");
    let config = written.load(&[]).unwrap().config;
    assert_eq!(config.policies.path, Path::new("/etc/cedargate/policies"));
    assert_eq!(config.saml.keys, written.folder.path().join("../keys"));
    let state = "[state]\nurl = \"rediss://cache\"\npassword_file = \"var/pw\"\nca_file = \"/etc/ca.pem\"";
    let written = Written::new(state);
    let state = written.load(&[]).unwrap().config.state;
    assert_eq!(state.password_file, Some(written.folder.path().join("var/pw")));
    assert_eq!(state.ca_file.as_deref(), Some(Path::new("/etc/ca.pem")));
}

#[test]
fn unknown_keys_are_told_with_the_nearest_known_one() {
    check("[server]\nlisen = \"127.0.0.1:1\"", &["2:1 server.lisen: unknown key `lisen` [did you mean `listen`?]"]);
    check("[network]\noffice = []", &["1:2 network: unknown key `network` [did you mean `networks`?]"]);
    check(
        "[[apps]]\nid = \"aws\"\npreset = \"aws\"\n[[apps.roles]]\nname = \"Dev\"\nrole_arm = \"x\"",
        &[
            "4:1 apps[0].roles[0].role_arn: `role_arn` is missing",
            "4:1 apps[0].roles[0].provider_arn: `provider_arn` is missing",
            "6:1 apps[0].roles[0].role_arm: unknown key `role_arm` [did you mean `role_arn`?]",
        ],
    );
}

#[test]
fn geo_files_and_zones_of_apps_are_read_and_checked() {
    let app = "[[apps]]\nid = \"aws\"\npreset = \"aws\"\n";
    let config =
        loaded(&format!("[geoip]\ncity = \"geo/city.mmdb\"\nasn = \"/geo/asn.mmdb\"\n{app}time_zone = \"Asia/Tokyo\""));
    assert!(config.geoip.city.clone().unwrap().is_absolute(), "it starts at the folder of the file");
    assert_eq!(config.geoip.asn.clone().unwrap(), std::path::Path::new("/geo/asn.mmdb"));
    assert_eq!(config.geoip.country.clone().or(config.geoip.anonymous), None);
    assert_eq!(config.apps[0].time_zone.as_ref().unwrap().to_string(), "Asia/Tokyo");
    check("[geoip]\ncity = \"\"", &["2:8 geoip.city: a path cannot be empty [leave the key out to have the default]"]);
    check(
        &format!("{app}time_zone = \"Mars/Olympus\""),
        &["4:13 apps[0].time_zone: `Mars/Olympus` is no time zone; use an IANA name, as in `Europe/Berlin`"],
    );
}

#[test]
fn sections_without_effect_yet_are_unknown() {
    for section in ["metrics", "passkeys"] {
        let problems = problems(&format!("[{section}]\nurl = \"x\""), &[]);
        assert!(
            problems[0].starts_with(&format!("1:2 {section}: unknown key `{section}` [known here: ")),
            "{problems:?}"
        );
    }
    let problems = problems("[[apps]]\nid = \"a\"\noidc = \"a\"", &[]);
    assert!(problems[0].starts_with("3:1 apps[0].oidc: unknown key `oidc`"), "{problems:?}");
}

#[test]
fn what_is_wrong_with_mail_is_told_at_its_key() {
    check(
        "[mail]\nurl = \"smtp://ann:hunter2@mail.example.com\"\ntls = \"startls\"\nsecurity_team = [\"soc\"]",
        &[
            "1:2 mail.from: `from` is missing",
            "2:7 mail.url: the address of the mail server has more than scheme, host and port; name and password stand \
             in `username` and `password_file`",
            "3:7 mail.tls: `startls` is not one of `none`, `starttls` [did you mean `starttls`?]",
            "4:18 mail.security_team[0]: `soc` is no email address: write it as name@example.com, 254 characters at most",
        ],
    );
    check(
        "[mail]\nurl = \"smtp://mail.example.com\"\nfrom = \"login@example.com\"\npassword_file = \"x\"",
        &["4:17 mail.password_file: there is no `username` to this password [add `username`]"],
    );
}

#[test]
fn every_problem_is_told_at_once_in_the_order_of_the_file() {
    check(
        "[server]\nlisten = \"here\"\npublic_url = \"http://login.example.com\"\n\n[state]\nurl = \"mongodb://:pw@cache:6379\"\n\n[groups]\nowners = \"us\"\n",
        &[
            "2:10 server.listen: `here` is no address with a port [write it as `127.0.0.1:8080`, or `[::]:8080` for every \
             address of this machine]",
            "3:14 server.public_url: `http://login.example.com` is not https; http is for loopback addresses only",
            "6:7 state.url: `mongodb://…@cache:6379` names no store of this version; write `embedded:FILE`, as in \
             `embedded:var/state.db`, or `redis://HOST:PORT`",
            "9:1 groups.owners: the group `owners` is built in [leave it out; policies may name it without declaring it]",
        ],
    );
}

#[test]
fn values_of_the_wrong_kind_or_form_are_told_where_they_stand() {
    for (text, expected) in [
        ("[server]\nlisten = 8080", "2:10 server.listen: expected a text in quotes, found a number"),
        ("[server]\ntrusted_proxies = \"10.0.0.1\"", "2:19 server.trusted_proxies: expected a list, found a text"),
        ("apps = 3", "1:8 apps: expected a list, found a number"),
        ("[apps]\nid = \"a\"", "1:1 apps: expected a list, found a table"),
        (
            "[networks]\noffice = [\"10.0.0.0/8\", \"10.0.0.5/8\"]",
            "2:25 networks.office[1]: `10.0.0.5/8` has bits set behind its prefix; did you mean `10.0.0.0/8`?",
        ),
        (
            "[networks]\noffice = [\"10.0.0\"]",
            "2:11 networks.office[0]: `10.0.0` is no address block; write it as `203.0.113.0/24`, `2001:db8::/32` or a \
             single address",
        ),
        (
            "[country_lists]\nblocked = [\"kp\"]",
            "2:12 country_lists.blocked[0]: `kp` is no country: use the two capital letters of ISO 3166-1, as in `DE`",
        ),
        (
            "[organisation]\ntime_zone = \"Berlin\"",
            "2:13 organisation.time_zone: `Berlin` is no time zone; use an IANA name, as in `Europe/Berlin`",
        ),
        (
            "[organisation]\nname = \" \"",
            "2:8 organisation.name: a name for people to read cannot be empty [leave the key out to have the default]",
        ),
        (
            "[server]\ntrusted_proxies = [\"0.0.0.0/0\"]",
            "2:20 server.trusted_proxies[0]: this lets everybody claim any address [list the addresses of your own proxies]",
        ),
        (
            "[accounts]\nurl = \"sqlite::memory:\"",
            "2:7 accounts.url: `sqlite::memory:` names no database of this version; write `sqlite:FILE`, as in \
             `sqlite:var/accounts.db`, or `postgres://cedargate@db.example.com/cedargate`",
        ),
        (
            "[accounts]\nurl = \"postgres://u:pw@db/p?sslmode=disable\"",
            "2:7 accounts.url: `sslmode` cannot be set in the address; only `host=FOLDER` and `port` of a Unix socket can, TLS \
             is `tls` and `ca_file`",
        ),
        (
            "[accounts]\nurl = \"postgres://u:pw@db/p\"\npassword_file = \"pw\"",
            "3:17 accounts.password_file: `url` holds a password already [keep one of the two, best the file]",
        ),
        (
            "[accounts]\ntls = \"none\"",
            "2:7 accounts.tls: `tls` has no effect on a SQLite file [leave it out, or set `url` to a `postgres://` address]",
        ),
        (
            "[accounts]\nurl = \"postgres://u@db/p\"\ntls = \"off\"",
            "3:7 accounts.tls: `off` is not one of `required`, `none`",
        ),
        (
            "[accounts]\nurl = \"postgres://u@db/p\"\ntls = \"none\"\nca_file = \"ca.pem\"",
            "4:11 accounts.ca_file: `ca_file` has no effect without TLS [add `tls = \"required\"`, or leave it out]",
        ),
        (
            "[accounts]\nurl = \"postgres://u@/p?host=/run\"\ntls = \"required\"",
            "3:7 accounts.tls: there is no TLS over a Unix socket [leave it out: the socket does not leave this machine]",
        ),
        (
            "[state]\nurl = \"redis://:pw@cache/x\"",
            "2:7 state.url: this address of a Redis server can't be read: behind the host stands at most the number of a \
             database, as in `redis://localhost:6379/0`",
        ),
        (
            "[state]\npassword_file = \"pw\"",
            "2:17 state.password_file: `password_file` has no effect on an embedded store [leave it out, or let `url` name a \
             Redis server]",
        ),
        (
            "[state]\nurl = \"redis://:pw@cache\"\npassword_file = \"pw\"",
            "3:17 state.password_file: there are two passwords: `url` holds one too [leave one of them out; a file is the \
             better place]",
        ),
        (
            "[state]\nurl = \"redis://cache\"\nca_file = \"ca.pem\"",
            "3:11 state.ca_file: `ca_file` has no effect without TLS [leave it out, or write `url` with `rediss://`]",
        ),
        (
            "[server]\nlisten = \"0.0.0.0:443\"",
            "1:2 server.public_url: `public_url` is missing [say under which https address people reach this server]",
        ),
        (
            "[devices]\ntrust_days = 366",
            "2:14 devices.trust_days: `366` is more than 365 days [30 is usual; 0 offers no trust at all]",
        ),
        (
            "[audit]\nkeep_months = 0",
            "2:15 audit.keep_months: `0` is not from 1 to 120 [leave it out to keep everything]",
        ),
        ("[devices]\ntrust_days = 70000", "2:14 devices.trust_days: `70000` is not a whole number from 0 to 65535"),
    ] {
        check(text, &[expected]);
    }
}

#[test]
fn what_is_not_toml_is_told_at_its_line() {
    let problems = problems("[server]\nlisten = \n\n[state", &[]);
    assert!(problems[0].starts_with("2:"), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.starts_with("4:")), "{problems:?}");
}

#[test]
fn a_file_that_is_not_there_is_no_problem_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let error = load(&folder.path().join("none.toml"), []).unwrap_err();
    assert!(matches!(&error, ConfigErrors::Unreadable { .. }), "{error}");
}

#[test]
fn the_environment_beats_the_file() {
    let written = Written::new("[server]\nlisten = \"127.0.0.1:1\"\n[organisation]\nname = \"A\"");
    let config = written
        .load(&[
            ("CEDARGATE_SERVER__LISTEN", "127.0.0.1:2"),
            ("CEDARGATE_SERVER__TRUSTED_PROXIES", "10.0.0.1, 10.1.0.0/16"),
            // Raw text: neither a number nor a quoted text.
            ("CEDARGATE_ORGANISATION__NAME", "0042 \"B\""),
            ("CEDARGATE_LOG", "debug"),
            ("PATH", "/bin"),
        ])
        .unwrap()
        .config;
    assert_eq!(config.server.listen.port(), 2);
    assert_eq!(config.server.public_url.as_str(), "http://127.0.0.1:2");
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.organisation.name, "0042 \"B\"");
}

#[test]
fn problems_of_the_environment_name_the_variable() {
    let env = [("CEDARGATE_SERVER__LISTEN", "here"), ("CEDARGATE_SERVER__LISTE", "x"), ("CEDARGATE_APPS__0__ID", "x")];
    let problems = problems("", &env);
    assert_eq!(
        problems,
        [
            "CEDARGATE_SERVER__LISTE server.liste: `CEDARGATE_SERVER__LISTE` names no setting [did you mean \
             `CEDARGATE_SERVER__LISTEN`?]",
            "CEDARGATE_APPS__0__ID apps.0__id: `CEDARGATE_APPS__0__ID` names no setting [single keys of sections can be \
             set, as in `CEDARGATE_SERVER__LISTEN`]",
            "CEDARGATE_SERVER__LISTEN server.listen: `here` is no address with a port [write it as `127.0.0.1:8080`, or \
             `[::]:8080` for every address of this machine]",
        ]
    );
}

#[test]
fn problems_of_other_modules_find_their_place() {
    let written = Written::new("[[apps]]\nid = \"aws\"\npreset = \"aws\"\n  role_session_name = \"email\"\n");
    let loaded = written.load(&[("CEDARGATE_SAML__KEYS", "keys")]).unwrap();
    let errors = loaded.report(vec![
        Problem::new(".role_session_name", "may not match").under("apps[0]"),
        Problem::new("apps[0].session_duration", "missing key: its table"),
        Problem::new("saml.keys", "is loose"),
        Problem::new("policies.path", "no place at all: the start"),
    ]);
    assert_eq!(
        told(&errors),
        [
            "1:1 apps[0].session_duration: missing key: its table",
            "1:1 policies.path: no place at all: the start",
            "4:23 apps[0].role_session_name: may not match",
            "CEDARGATE_SAML__KEYS saml.keys: is loose",
        ]
    );
}

#[test]
fn an_error_shows_file_line_column_and_a_caret() {
    let written = Written::new("[server]\nlisten = \"here\"\n");
    let errors = written.load(&[]).unwrap_err();
    let file = written.folder.path().join("config.toml");
    assert_eq!(errors.to_string(), format!("{}:2:10: `here` is no address with a port", file.display()));
    let mut picture = String::new();
    let theme = miette::GraphicalTheme::none();
    miette::GraphicalReportHandler::new_themed(theme).render_report(&mut picture, &errors.problems()[0]).unwrap();
    assert!(picture.contains("listen = \"here\"") && picture.contains("^^^"), "{picture}");
    let json = serde_json::to_value(&errors).unwrap();
    assert_eq!(json[0]["line"], 2);
    assert_eq!(json[0]["column"], 10);
    assert_eq!(json[0]["key"], "server.listen");
}

#[test]
fn public_urls_are_an_origin_over_https_or_loopback() {
    for (input, origin) in [
        ("https://login.example.com", "https://login.example.com"),
        ("https://login.example.com/", "https://login.example.com"),
        ("https://LOGIN.example.com:443", "https://login.example.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
    ] {
        assert_eq!(PublicUrl::parse(input).unwrap().as_str(), origin);
    }
    for input in [
        "",
        "login.example.com",
        "http://login.example.com",
        "http://127.0.0.1.example.com",
        "https://login.example.com/sso",
        "https://login.example.com/?a",
        "https://login.example.com/#a",
        "https://ann@login.example.com",
        "ftp://127.0.0.1",
        "javascript:alert(1)",
    ] {
        assert!(PublicUrl::parse(input).is_err(), "{input}");
    }
}

#[test]
fn a_port_of_zero_becomes_the_port_that_was_taken() {
    let config = loaded("[server]\nlisten = \"127.0.0.1:0\"");
    let bound = "127.0.0.1:50123".parse().unwrap();
    assert_eq!(config.server.public_url_at(bound).as_str(), "http://127.0.0.1:50123");
    let named = loaded("[server]\nlisten = \"0.0.0.0:0\"\npublic_url = \"https://login.example.com\"");
    assert_eq!(named.server.public_url_at(bound).as_str(), "https://login.example.com");
}

proptest::proptest! {
    // Fewer cases than usual: each writes a file.
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(128))]

    #[test]
    fn no_damage_to_a_file_makes_the_loader_fall_over(
        at in 0_usize..4000,
        cut in 0_usize..40,
        insert in "\\PC{0,12}|[\\[\\]{}\"'=\n#.,]{0,8}",
    ) {
        let shipped: Vec<char> = std::fs::read_to_string(SHIPPED).unwrap().chars().collect();
        let at = at % shipped.len();
        let rest = shipped.iter().skip(at + cut);
        let damaged: String = shipped.iter().take(at).copied().chain(insert.chars()).chain(rest.copied()).collect();
        if let Err(errors) = Written::new(&damaged).load(&[]) {
            proptest::prop_assert!(!errors.problems().is_empty());
            proptest::prop_assert!(errors.problems().iter().all(|problem| problem.line_column().is_some()));
            let mut picture = String::new();
            for problem in errors.problems() {
                miette::GraphicalReportHandler::new().render_report(&mut picture, problem).unwrap();
            }
        }
    }
}
