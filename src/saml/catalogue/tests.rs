use std::collections::BTreeSet;

use super::*;
use crate::domain::AppId;
use crate::saml::fixtures::{ann, context};
use crate::saml::{ServiceProvider, Supplied};

fn catalogue() -> Catalogue {
    Catalogue::read().unwrap()
}

fn site() -> Site {
    Site { base: "https://login.example.com".into(), certificate: "var/keys/current.crt.pem".into() }
}

fn examples(entry: &Entry) -> Answers {
    entry.answer(entry.default_id().unwrap(), &entry.examples(), &site()).unwrap()
}

#[test]
fn each_block_is_an_app_that_assertions_can_be_written_for() {
    let catalogue = catalogue();
    assert!(catalogue.entries().count() > 20);
    for entry in catalogue.entries() {
        let app = entry.app(&examples(entry)).unwrap();
        let provider = ServiceProvider::build(&app, &Supplied::default())
            .unwrap_or_else(|problems| panic!("{}: {problems:#?}", entry.name()));
        assert_eq!(provider.app().id.as_str(), entry.name());
        assert!(provider.icon().is_some_and(|icon| crate::config::APP_ICONS.contains(&icon)), "{}", entry.name());
        provider.issue_request(&ann(), &context()).unwrap();
    }
}

#[test]
fn the_blocks_of_aws_are_of_their_partition() {
    for (name, entity_id) in [
        ("aws", "urn:amazon:webservices"),
        ("aws-us-gov", "urn:amazon:webservices:govcloud"),
        ("aws-cn", "urn:amazon:webservices:cn-north-1"),
    ] {
        let catalogue = catalogue();
        let entry = catalogue.entry(name).unwrap();
        let provider = ServiceProvider::build(&entry.app(&examples(entry)).unwrap(), &Supplied::default()).unwrap();
        assert_eq!(provider.entity_id(), entity_id);
        let acs = provider.acs()[0].as_str();
        assert!(entry.steps(&examples(entry)).unwrap().iter().any(|step| step.contains(acs)), "{name}: {acs}");
    }
}

#[test]
fn each_entry_says_what_a_reader_needs() {
    let catalogue = catalogue();
    for entry in catalogue.entries() {
        let name = entry.name();
        assert!(!entry.title.is_empty() && entry.summary.ends_with('.'), "{name}");
        assert!(entry.steps(&examples(entry)).unwrap().len() >= 3, "{name}");
        assert!(entry.facts.iter().any(|fact| fact.what == "single logout"), "{name} says nothing of logout");
        assert!(entry.facts.iter().any(|fact| fact.source.is_some()), "{name} has a source");
        let sources = entry.facts.iter().map(|fact| &fact.source).chain(entry.errors.iter().map(|error| &error.source));
        for source in sources.flatten() {
            assert!(source.starts_with("https://"), "{name}: {source}");
        }
        if let Some(other) = &entry.same_errors_as {
            assert!(!catalogue.entry(other).unwrap().errors.is_empty(), "{name}: {other}");
        }
        let names: BTreeSet<&str> = entry.placeholders.iter().map(|placeholder| placeholder.name.as_str()).collect();
        assert_eq!(names.len(), entry.placeholders.len(), "{name} asks twice");
        for placeholder in &entry.placeholders {
            let asked = format!("{{{{{}}}}}", placeholder.name);
            assert!(entry.block.contains(&asked), "{name} asks for `{}` for nothing", placeholder.name);
        }
        // A cell of a table ends at this letter.
        let cells = entry.facts.iter().map(|fact| &fact.says).chain(entry.errors.iter().map(|error| &error.text));
        assert!(cells.into_iter().all(|cell| !cell.contains('|')), "{name}");
    }
}

/// Metadata that is fetched names its end, and what was uploaded by hand is never fetched again.
#[test]
fn who_saves_metadata_gets_the_one_without_an_end() {
    let (mut by_hand, mut fetched) = (0, 0);
    for entry in catalogue().entries() {
        for step in &entry.steps {
            let uploads = step.matches("{{idp.metadata_url}}?upload").count();
            let bare = step.matches("{{idp.metadata_url}}").count() - uploads;
            let words = step.to_lowercase();
            let is_by_hand = ["save", "upload ", "paste"].iter().any(|word| words.contains(word));
            // One that offers both names the address for software first.
            let or_by_hand = words.contains(", or paste");
            if uploads + bare > 0 {
                assert_eq!(uploads, usize::from(is_by_hand), "{}: {step}", entry.name());
                assert_eq!(bare, usize::from(!is_by_hand || or_by_hand), "{}: {step}", entry.name());
            }
            (by_hand, fetched) = (by_hand + uploads, fetched + bare);
        }
    }
    assert!(by_hand >= 8 && fetched >= 3, "{by_hand} {fetched}");
}

#[test]
fn a_command_that_is_shown_is_one_word_of_a_shell_for_each_answer() {
    let catalogue = catalogue();
    let page = |name: &str| catalogue.entry(name).unwrap().page(&catalogue).unwrap();
    assert!(page("aws").contains(" --set account=123456789012 "));
    assert!(page("tableau").contains("='https://sso.online.tableau.com/public/sp/metadata?alias="));
}

#[test]
fn what_is_missing_unknown_twice_or_wrong_is_told_at_once() {
    let catalogue = catalogue();
    let aws = catalogue.entry("aws").unwrap();
    let given = [("account", "1234"), ("role", "Dev"), ("role", "Admin"), ("tenant", "acme")];
    let given: Vec<_> = given.into_iter().map(|(name, answer)| (name.to_owned(), answer.to_owned())).collect();
    let told = aws.answer(AppId::parse("aws").unwrap(), &given, &site()).unwrap_err().to_string();
    assert_eq!(
        told,
        "`1234` is no `account`: an AWS account has twelve digits\n\
         `--set role=…` stands there twice\n\
         it asks for no `tenant`, but for `account`, `role`, `provider`\n\
         `--set provider=…` is missing: what the identity provider is called in IAM, as in `--set provider=cedargate`"
    );
}

#[test]
fn no_answer_breaks_out_of_its_quotes() {
    let hostile = ["a\"\nroles = []", "a'b", "a\\b", "a b", "{{id}}", "a`b", "<b>", "ä", "", &"a".repeat(1025)];
    for entry in catalogue().entries() {
        for placeholder in entry.placeholders() {
            for answer in hostile {
                let mut given = entry.examples();
                given.retain(|(name, _)| *name != placeholder.name);
                given.push((placeholder.name.clone(), answer.to_owned()));
                let answered = entry.answer(entry.default_id().unwrap(), &given, &site());
                assert!(answered.is_err(), "{} {}={answer}", entry.name(), placeholder.name);
            }
        }
    }
}

#[test]
fn addresses_are_taken_as_people_copy_them() {
    let catalogue = catalogue();
    let grafana = catalogue.entry("grafana").unwrap();
    let block = |url: &str| {
        let given = vec![("url".to_owned(), url.to_owned())];
        let answers = grafana.answer(AppId::parse("g").unwrap(), &given, &site()).ok()?;
        grafana.app(&answers).unwrap().entity_id
    };
    let expected = Some("https://grafana.example.com/saml/metadata".to_owned());
    assert_eq!(block("https://grafana.example.com"), expected);
    assert_eq!(block("https://grafana.example.com/"), expected);
    for refused in ["http://grafana.example.com", "grafana.example.com", "https://grafana.example.com/?a=b"] {
        assert_eq!(block(refused), None, "{refused}");
    }
}

#[test]
fn a_name_that_is_not_there_leads_to_one_that_is() {
    let catalogue = catalogue();
    assert_eq!(catalogue.nearest("github"), ["github-enterprise", "github-organization"]);
    assert_eq!(catalogue.nearest("slak"), ["slack"]);
    assert_eq!(catalogue.nearest("Google"), ["google-workspace"]);
    assert!(catalogue.nearest("something else entirely").is_empty());
}

#[test]
fn the_pages_are_made_from_the_data() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/apps");
    let catalogue = catalogue();
    let mut pages: Vec<(String, String)> =
        catalogue.entries().map(|entry| (format!("{}.md", entry.name()), entry.page(&catalogue).unwrap())).collect();
    pages.push(("README.md".to_owned(), index(&catalogue)));
    for (name, page) in &pages {
        let written = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(written == *page, "docs/apps/{name} differs: cargo run -q -- app show --into docs/apps");
    }
    let there: BTreeSet<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(there, pages.into_iter().map(|(name, _)| name.into()).collect(), "pages of apps that are gone");
}

/// The texts of AWS that people bring most, as they bring them: whole, in part, or with what stands around them.
#[test]
fn error_texts_are_found() {
    let catalogue = catalogue();
    for (text, expected) in [
        (
            "Error: Your request included an invalid SAML response. To logout, click here.",
            "Your request included an invalid",
        ),
        (
            "Response signature invalid (service: AWSSecurityTokenService; status code: 400; error code: InvalidIdentityToken)",
            "Response signature invalid",
        ),
        (
            "RoleSessionName is required in AuthnResponse (Service: AWSSecurityTokenService)",
            "RoleSessionName is required",
        ),
        ("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}", "RoleSessionName in AuthnResponse"),
        ("Not authorized to perform sts:AssumeRoleWithSAML", "Not authorized"),
        ("not authorised to perform: AssumeRoleWithSAML", "Not authorized"),
        ("Specified provider doesn't exist", "Specified provider"),
        ("specified provider doesnt exist.", "Specified provider"),
        ("Could not parse metadata", "Could not parse metadata"),
        ("Issuer not present in specified provider", "Failed to assume role: Issuer"),
        ("The requested DurationSeconds exceeds the MaxSessionDuration", "The requested DurationSeconds"),
        ("Response does not contain the required audience", "Response does not contain"),
        (
            "The SAML response does not contain the correct Audience. Please make sure",
            "The SAML response does not contain the correct Audience",
        ),
        ("Arf! SAML NO HANDLE ERROR", "SAML NO HANDLE"),
    ] {
        match catalogue.explain(text) {
            Found::Sure(_, error) => assert!(error.text.starts_with(expected), "{text}: {}", error.text),
            Found::Near(near) => panic!("{text}: {near:#?}"),
        }
    }
}

#[test]
fn every_known_text_is_found_by_itself() {
    let catalogue = catalogue();
    for (entry, error) in catalogue.errors() {
        assert_eq!(catalogue.explain(&error.text), Found::Sure(entry, error));
    }
}

#[test]
fn a_text_nobody_knows_is_not_explained() {
    for text in ["", "the printer is on fire", "404 page not found", &"saml ".repeat(10_000)] {
        match catalogue().explain(text) {
            Found::Sure(entry, error) => panic!("{text}: {} {}", entry.name(), error.text),
            Found::Near(near) => assert!(near.len() <= 3),
        }
    }
}
