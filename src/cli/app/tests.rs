use std::fs;
use std::path::{Path, PathBuf};

use super::*;

const CONFIG: &str = "# The settings of a test.\n[server]\npublic_url = \"https://login.example.com\"\n\n\
                      [[apps]] # the wiki\nid = \"wiki\"\nentity_id = \"https://wiki.example.com\"\nacs = \"https://wiki.example.com/acs\"";

fn settings(folder: &Path) -> PathBuf {
    let file = folder.join("config.toml");
    fs::write(&file, CONFIG).unwrap();
    file
}

fn add(file: &Path, name: &str, id: Option<&str>, set: &[(&str, &str)], write: bool) -> anyhow::Result<String> {
    let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let args = add::Args { name: name.to_owned(), id: id.map(str::to_owned), set, write };
    let mut out = Vec::new();
    add::run(&mut out, &Catalogue::read().unwrap(), &args, file)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn without_write_nothing_changes_and_all_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path());
    let told = add(&file, "slack", Some("chat"), &[("workspace", "acme")], false).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), CONFIG);
    for part in [
        "id = \"chat\"",
        "acs = \"https://acme.slack.com/sso/saml\"",
        "chat-users = \"May open Slack\"",
        "permit (principal in Group::\"chat-users\", action == Action::\"signIn\", resource == App::\"chat\");",
        "SAML 2.0 Endpoint (HTTP): https://login.example.com/saml/sso",
        "Identity Provider Issuer: https://login.example.com/saml/metadata",
        "current.crt.pem",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("{{"), "{told}");
}

#[test]
fn what_is_written_loads_and_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path());
    add(&file, "slack", None, &[("workspace", "acme")], true).unwrap();
    add(&file, "dropbox", None, &[], true).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with(CONFIG), "{text}");
    let apps = crate::config::load(&file, []).unwrap().config.apps;
    assert_eq!(apps.iter().map(|app| app.id.as_str()).collect::<Vec<_>>(), ["wiki", "slack", "dropbox"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_link_stays_a_link_and_the_mode_stays() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.path().join("link.toml");
    symlink(&file, &link).unwrap();
    add(&link, "dropbox", None, &[], true).unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(&file).unwrap().contains("saml_login"));
}

#[test]
fn an_app_that_is_there_already_is_not_added_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path());
    let told = add(&file, "slack", Some("wiki"), &[("workspace", "acme")], true).unwrap_err().to_string();
    assert!(told.contains("there is an app `wiki` already"), "{told}");
    add(&file, "dropbox", None, &[], true).unwrap();
    let before = fs::read_to_string(&file).unwrap();
    let told = add(&file, "dropbox", Some("dropbox-2"), &[], true).unwrap_err().to_string();
    assert_eq!(told, "`dropbox` has this entity id: edit that block");
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
}

#[test]
fn settings_that_cannot_take_a_block_stay_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let inline = "server.public_url = \"https://login.example.com\"\napps = []\n";
    fs::write(&file, inline).unwrap();
    add(&file, "dropbox", None, &[], true).unwrap_err();
    assert_eq!(fs::read_to_string(&file).unwrap(), inline);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_unknown_name_leads_to_one_that_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path());
    let told = add(&file, "github", None, &[], false).unwrap_err().to_string();
    assert_eq!(told, "the catalogue has no app `github`: did you mean `github-enterprise` or `github-organization`?");
}

#[test]
fn the_policies_that_are_shown_name_each_role() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path());
    let set = [("account", "123456789012"), ("role", "Ops"), ("provider", "cedargate")];
    let told = add(&file, "aws", None, &set, false).unwrap();
    assert!(told.contains("action == Action::\"assumeRole\", resource == Role::\"aws/Ops\");"), "{told}");
    assert!(!told.contains("everyone"), "nobody gets a role by a line that was only copied: {told}");
}

#[test]
fn an_entity_id_that_is_taken_ends_nothing_but_the_writing() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path());
    let set = [("account", "123456789012"), ("role", "Ops"), ("provider", "cedargate")];
    add(&file, "aws", None, &set, true).unwrap();
    // The id is taken, too: another one would not help.
    let refused = add(&file, "aws", None, &set, true).unwrap_err().to_string();
    assert_eq!(refused, "`aws` has this entity id: add an `[[apps.roles]]` to it, or edit that block");
    let told = add(&file, "aws", None, &set, false).unwrap();
    assert!(told.contains(&refused) && told.contains("[[apps]]") && told.contains("# On the other side:"), "{told}");
}

#[test]
fn all_pages_go_into_a_folder_that_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("new/pages");
    let args = show::Args { name: None, into: Some(into.clone()) };
    show::run(&mut Vec::new(), &Catalogue::read().unwrap(), &args).unwrap();
    assert!(into.join("README.md").is_file() && into.join("aws.md").is_file());
}

#[test]
fn a_single_word_of_a_text_finds_it_and_no_text_is_asked_for_one() {
    let (told, known) = explained("rolesessionname", false);
    assert!(!known && told.contains("The nearest:") && told.contains("RoleSessionName"), "{told}");
    let args = explain_error::Args { text: " ".to_owned(), json: false };
    let error = explain_error::run(&mut Vec::new(), &Catalogue::read().unwrap(), &args).unwrap_err();
    assert!(error.to_string().contains("give the text"), "{error}");
}

fn explained(text: &str, json: bool) -> (String, bool) {
    let args = explain_error::Args { text: text.to_owned(), json };
    let mut out = Vec::new();
    let code = explain_error::run(&mut out, &Catalogue::read().unwrap(), &args).unwrap();
    (String::from_utf8(out).unwrap(), format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS))
}

#[test]
fn an_error_text_is_told_with_cause_and_cure() {
    let (told, known) = explained("Response signature invalid", false);
    assert!(known && told.starts_with("Amazon Web Services: Response signature invalid\n  because  "), "{told}");
    assert!(told.contains("\n  do       ") && told.contains("troubleshoot_saml.html"), "{told}");
    let (told, known) = explained("Response signature invalid", true);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(known && told["error"]["app"] == "aws" && told["near"] == serde_json::json!([]), "{told}");
}

#[test]
fn an_error_text_that_nobody_knows_shows_the_nearest_or_all() {
    let (told, known) = explained("the provider does not exist", false);
    assert!(!known && told.contains("The nearest:") && told.contains("Specified provider doesn't exist."), "{told}");
    let (told, known) = explained("the printer is on fire", false);
    assert!(!known && told.contains("none comes near") && told.contains("Response signature invalid"), "{told}");
    let (told, known) = explained("the printer is on fire", true);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(!known && told["error"].is_null(), "{told}");
}

#[test]
fn both_lists_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path());
    let listed = |json: bool| {
        let mut out = Vec::new();
        list::run(&mut out, &Catalogue::read().unwrap(), &list::Args { json }, &file).unwrap();
        String::from_utf8(out).unwrap()
    };
    let text = listed(false);
    assert!(text.contains("wiki (https://wiki.example.com)") && text.contains("slack                Slack"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&listed(true)).unwrap();
    assert_eq!(json["configured"][0]["id"], "wiki");
    assert!(json["catalogue"].as_array().unwrap().iter().any(|app| app["set"] == serde_json::json!(["workspace"])));
}
