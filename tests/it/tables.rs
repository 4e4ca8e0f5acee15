//! `cedargate policy test` as its users have it, and Cedar's own command line as the judge of what it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::process::{Process, Said, run};
use crate::harness::server::copy_folder;
use crate::harness::{checkout, commit, judges, repository, untested};

/// How long a run may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn cedargate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    command.current_dir(folder).env_remove("CEDARGATE_CONFIG").args(["policy", "test"]);
    command
}

fn test(folder: &Path, arguments: &[&str]) -> Said {
    run(cedargate(folder).args(arguments), b"")
}

fn table(folder: &TempDir, text: &str) {
    fs::write(folder.path().join("policies/tests/own.toml"), text).unwrap();
}

/// Cedar's own command line. It is an example of this package: `make test` builds it, `cargo test --test it` does not.
fn cedar() -> Command {
    let built = Path::new(env!("CARGO_BIN_EXE_cedargate")).with_file_name("examples").join("cedar");
    assert!(
        built.is_file(),
        "{} is missing: run `cargo build --features analyze --example cedar` first",
        built.display()
    );
    Command::new(built)
}

#[test]
fn a_failure_shows_what_was_expected_beside_what_came() {
    let folder = checkout();
    let said = test(folder.path(), &[]);
    assert!(said.ok && said.err.is_empty(), "{said:?}");
    let all = Regex::new(r"^(\d+) passed, 0 failed; (\d+) of (\d+) policies seen both ways\n$").unwrap();
    let found = all.captures(&said.out).unwrap_or_else(|| panic!("passes are quiet: {}", said.out));
    assert_eq!(found[2], found[3], "{}", said.out);

    table(
        &folder,
        r#"
[[case]]
name = "the wiki asks for a code"
app = "wiki"
shown = ["password"]
enrolled = ["password", "totp"]
expect = "challenge"
offers = ["totp"]

[[case]]
name = "AWS by another policy"
app = "aws"
groups = ["aws-users"]
shown = ["password"]
expect = "deny"
by = ["aws.first-factor-type"]
message = "network.abroad"

[[case]]
name = "nobody of that group"
app = "wiki"
groups = ["stafff"]
expect = "allow"

[[case]]
name = "a key that is none"
app = "wiki"
expected = "allow"
"#,
    );
    let said = test(folder.path(), &["--only", "own.toml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let expected = "\
policies/tests/own.toml:3: the wiki asks for a code
            expected   got
  decision  challenge  allow
  offers    totp       nothing
  decided by wiki.everyone

policies/tests/own.toml:11: AWS by another policy
            expected               got
  by        aws.first-factor-type  aws.second-factor
  message   network.abroad         second-factor.required

policies/tests/own.toml:20: nobody of that group
  no group is called `stafff`; did you mean `staff`?

policies/tests/own.toml:28: unknown key `expected`; did you mean `expect`?

0 passed, 4 failed
";
    assert_eq!(said.out, expected);

    // `check` and a start run the same tests.
    let said = run(
        Command::new(env!("CARGO_BIN_EXE_cedargate"))
            .current_dir(folder.path())
            .env_remove("CEDARGATE_CONFIG")
            .arg("check"),
        b"",
    );
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("own.toml:28: unknown key `expected`; did you mean `expect`?"), "{}", said.out);
}

#[test]
fn a_case_says_where_and_when_in_the_words_of_config() {
    let folder = untested();
    let contractor = "app = \"aws\"\ngroups = [\"aws-users\", \"contractors\"]\nshown = [\"password\", \"totp\"]";
    let case = |name: &str, lines: &str, expect: &str| {
        format!("[[case]]\nname = \"{name}\"\n{contractor}\n{lines}\n{expect}\n\n")
    };
    let hours = "expect = \"deny\"\nby = [\"time.contractor-hours\"]\nmessage = \"time.outside-hours\"";
    let cases = [
        case("office", "address = \"203.0.113.9\"", "expect = \"allow\""),
        case("office in the new addresses", "address = \"2001:db8:40::1\"", "expect = \"allow\""),
        case("home", "address = \"203.0.114.9\"", "expect = \"deny\"\nby = [\"aws.contractors-office\"]"),
        case("blocked", "address = \"192.0.2.66\"", "expect = \"deny\"\nalerts = [\"security\"]"),
        // The organisation's clocks show Berlin's time.
        case("in time", "address = \"203.0.113.9\"\ntime = \"2026-11-25T16:59Z\"", "expect = \"allow\""),
        case("too late", "address = \"203.0.113.9\"\ntime = \"2026-11-25T17:00Z\"", hours),
        case("too late there", "address = \"203.0.113.9\"\ntime = \"2026-11-25T18:00\"", hours),
        case("Sunday", "address = \"203.0.113.9\"\ntime = \"2026-11-29T12:00+01:00\"", hours),
        case(
            "second device",
            "address = \"203.0.113.9\"\ndevice = \"new\"\ndevices = 1",
            "expect = \"deny\"\nalerts = [\"security\", \"user\"]",
        ),
    ];
    table(&folder, &cases.concat());
    let said = test(folder.path(), &["--only", "own.toml"]);
    assert!(said.ok, "{}{}", said.out, said.err);
    assert!(said.out.starts_with("9 passed, 0 failed"), "{}", said.out);
    // A geo file is asked when a case wants it, and only then.
    let config = fs::read_to_string(folder.path().join("config.toml")).unwrap();
    fs::write(folder.path().join("config.toml"), format!("{config}\n[geoip]\ncity = \"no-such.mmdb\"\n")).unwrap();
    assert!(test(folder.path(), &["--only", "own.toml"]).ok);
    table(&folder, &case("placed", "address = \"203.0.113.9\"\ncountry = \"by-address\"", "expect = \"allow\""));
    let said = test(folder.path(), &[]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("no-such.mmdb"), "{said:?}");
    fs::write(folder.path().join("config.toml"), config).unwrap();
    let said = test(folder.path(), &["--only", "own.toml"]);
    assert!(said.out.contains("no geo file of this server tells the country of 203.0.113.9"), "{said:?}");
}

#[test]
fn of_a_part_of_the_cases_the_coverage_tells_what_that_part_sees() {
    let folder = untested();
    table(
        &folder,
        "[[case]]\nname = \"the wiki opens\"\napp = \"wiki\"\nshown = [\"password\"]\nexpect = \"allow\"\n\n\
         [[case]]\nname = \"suspended\"\napp = \"portal\"\nstatus = \"suspended\"\nexpect = \"deny\"\n",
    );
    let said = test(folder.path(), &["--only", "wiki", "--coverage"]);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], "what the 1 case with `wiki` sees; other cases may see more", "{said:?}");
    let cells = |id: &str| lines.iter().find(|line| line.starts_with(id)).map(|line| line.split_whitespace().collect());
    assert_eq!(cells("wiki.everyone "), Some(vec!["wiki.everyone", "1", "own.toml:2", "no", "condition"]), "{said:?}");
    assert_eq!(cells("base.suspended "), Some(vec!["base.suspended", "-", "1", "own.toml:2"]), "{said:?}");
    assert_eq!(cells("aws.group ").as_deref(), None::<&[&str]>, "{said:?}");
    assert!(said.ok && !said.out.contains("MISSING"), "{said:?}");
    assert!(said.out.ends_with(" more policies are in none of them\n\n1 passed, 0 failed\n"), "{said:?}");
    let json: Value = serde_json::from_str(&test(folder.path(), &["--only", "wiki", "--json"]).out).unwrap();
    assert_eq!(json["only"], "wiki");
    assert!(json["coverage"].as_array().unwrap().iter().all(|one| one["missing"].is_null()), "{json:#}");
}

#[test]
fn programs_read_the_result_as_json_and_build_servers_as_junit() {
    let folder = checkout();
    table(&folder, "[[case]]\nname = \"a <case> & more\"\napp = \"wiki\"\nexpect = \"allow\"\n\n[[case]]\nnam = 1\n");
    let said = test(folder.path(), &["--json", "--junit", "result.xml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["ok"], false);
    assert_eq!(json["failed"], 2);
    assert_eq!(json["failures"][0]["file"], "policies/tests/own.toml");
    assert_eq!(json["failures"][0]["line"], 2);
    assert_eq!(json["failures"][0]["differences"][0]["what"], "decision");
    assert_eq!(json["failures"][0]["differences"][0]["got"], "deny");
    assert_eq!(json["failures"][0]["by"][0], "base.first-factor");
    let covered = json["coverage"].as_array().unwrap();
    let of = |id: &str| covered.iter().find(|one| one["policy"] == id).unwrap_or_else(|| panic!("{id} is not told"));
    assert!(of("aws.second-factor")["applies"]["count"].as_u64() > Some(5));
    assert!(of("aws.second-factor")["stays_out"]["first"]["case"].is_string());
    assert_eq!(of("aws.second-factor")["missing"], serde_json::json!([]));
    assert!(of("aws.group")["stays_out"].is_null(), "a policy without a condition");
    assert_eq!(of("console.local")["is_unasked"], true);

    // Somebody else's reader finds the same in the report, and its counts are those it comes to itself.
    let report = judges::junit(&fs::read_to_string(folder.path().join("result.xml")).unwrap()).unwrap();
    let all = json["passed"].as_u64().unwrap() + 2;
    assert_eq!(report["tests"], all);
    assert_eq!((&report["failures"], &report["errors"], &report["skipped"]), (&1.into(), &1.into(), &0.into()));
    let files = fs::read_dir(folder.path().join("policies/tests")).unwrap().count();
    assert_eq!(report["suites"].as_array().unwrap().len(), files);
    let own = report["suites"].as_array().unwrap().iter().find(|suite| suite["name"] == "policies/tests/own.toml");
    let message = "expected allow, got deny by base.first-factor";
    let expected = serde_json::json!([
        { "name": "a <case> & more", "classname": "policies/tests/own.toml", "result": "failure", "message": message },
        {
            "name": "line 7", "classname": "policies/tests/own.toml", "result": "error",
            "message": "unknown key `nam`; did you mean `name`?"
        },
    ]);
    assert_eq!(own.unwrap()["cases"], expected, "{own:#?}");
    // A judge that agrees with everything would prove nothing.
    let text = fs::read_to_string(folder.path().join("result.xml")).unwrap();
    for (from, to) in [("failures=\"1\"", "failures=\"0\""), ("<testcase ", "<test "), ("</testsuites>", "")] {
        assert!(judges::junit(&text.replace(from, to)).is_err(), "{from} as {to}");
    }
}

#[test]
fn other_policies_are_tested_by_their_own_tests_under_their_own_names() {
    let folder = untested();
    let holds = "[[case]]\nname = \"it opens\"\napp = \"wiki\"\nshown = [\"password\"]\nexpect = \"allow\"\n";
    fs::write(folder.path().join("policies/tests/wiki.toml"), holds).unwrap();
    commit(folder.path());
    // Today the office moved, and a case says so. The revision knows nothing of it.
    let config = fs::read_to_string(folder.path().join("config.toml")).unwrap();
    fs::write(folder.path().join("config.toml"), config.replace("203.0.113.0/24", "203.0.112.0/24")).unwrap();
    table(&folder, "[[case]]\nname = \"moved\"\napp = \"aws\"\nexpect = \"allow\"\n");
    assert_eq!(test(folder.path(), &[]).code, Some(1));
    let said = test(folder.path(), &["HEAD"]);
    assert!(said.ok && said.out.contains("1 passed, 0 failed"), "{said:?}");
    copy_folder(&folder.path().join("policies"), &folder.path().join("elsewhere"));
    fs::remove_file(folder.path().join("elsewhere/tests/own.toml")).unwrap();
    assert!(test(folder.path(), &["elsewhere"]).ok);
    for (arguments, code, told) in [
        (&["no-such-revision"][..], 2, "neither a folder nor a revision"),
        (&["--only", "no case has this"], 2, "no case has `no case has this` in its name, its app or its file"),
        (&["--watch", "HEAD"], 2, "`HEAD` is no folder"),
        (&["--junit", "no/such/folder/x.xml"], 2, "no/such/folder/x.xml"),
        (&["--export", "policies"], 2, "is the folder of the policies"),
    ] {
        let said = test(folder.path(), arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {said:?}");
        assert!(said.err.contains(told), "{arguments:?}: {}", said.err);
    }
    fs::write(folder.path().join("policies/90-broken.cedar"), "permit (principal, action, ;").unwrap();
    let said = test(folder.path(), &[]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("90-broken.cedar:1:"), "{}", said.err);
}

#[test]
fn a_watched_folder_is_tested_again_with_each_change() {
    let folder = untested();
    table(&folder, "[[case]]\nname = \"own\"\napp = \"wiki\"\nshown = [\"password\"]\nexpect = \"allow\"\n");
    let watched =
        Process::start("policy test --watch", cedargate(folder.path()).args(["--watch", "--only", "own.toml"]));
    let line = |marker: &str| watched.wait_for(marker, LIMIT).unwrap_or_else(|error| panic!("{error}"));
    line(" 1 passed, 0 failed");
    table(&folder, "[[case]]\nname = \"own\"\napp = \"wiki\"\nshown = [\"password\"]\nexpect = \"deny\"\n");
    line("decision  deny      allow");
    line(" 0 passed, 1 failed");
    let own = folder.path().join("policies/90-own.cedar");
    fs::write(&own, "forbid (principal, action, resource").unwrap();
    line(" the policies do not load");
    let closed = "@id(\"own.closed\") @description(\"d\")\nforbid (principal, action == Action::\"signIn\", resource == App::\"wiki\");";
    fs::write(&own, closed).unwrap();
    line(" 1 passed, 0 failed");
    let config = folder.path().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[groups]", "[groupz]")).unwrap();
    line(" nothing was tested");
    fs::write(&config, text).unwrap();
    line(" 1 passed, 0 failed");
}

#[test]
fn cedar_itself_answers_every_question_of_every_case_as_the_engine_does() {
    let folder = checkout();
    let said = test(folder.path(), &["--export", "export"]);
    assert!(said.ok, "{said:?}");
    let export = folder.path().join("export");
    let tests: Value = serde_json::from_str(&fs::read_to_string(export.join("tests.json")).unwrap()).unwrap();
    let asked = tests.as_array().unwrap().len();
    assert!(asked > 300, "{asked} questions");
    assert!(said.out.starts_with(&format!("{asked} questions for Cedar")), "{}", said.out);
    let judge = || {
        let arguments =
            ["run-tests", "--policies", "policies.cedar", "--tests", "tests.json", "--schema", "schema.cedarschema"];
        run(cedar().args(arguments).current_dir(&export), b"")
    };
    let said = judge();
    assert!(said.ok && said.out.contains(&format!("results: {asked} passed, 0 failed")), "{}", said.out);

    // A judge that agrees with everything would prove nothing.
    let mut wrong = tests.clone();
    for test in wrong.as_array_mut().unwrap() {
        test["decision"] = if test["decision"] == "allow" { "deny".into() } else { "allow".into() };
    }
    fs::write(export.join("tests.json"), wrong.to_string()).unwrap();
    let said = judge();
    assert!(!said.ok && said.out.contains(&format!("results: 0 passed, {asked} failed")), "{}", said.out);
}

#[test]
fn cedar_itself_reads_every_shipped_policy_file() {
    let mut files: Vec<PathBuf> =
        fs::read_dir(repository("policies")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "cedar"));
    assert!(files.len() > 5, "the policies are found");
    // All in one, which is what Cedar makes of a folder: it is asked once.
    let folder = TempDir::new().unwrap();
    let all: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    fs::write(folder.path().join("all.cedar"), all.join("\n")).unwrap();
    let mut validate = cedar();
    validate.args(["validate", "--deny-warnings", "--level", "1", "--schema"]);
    validate.arg(repository("policies/schema.cedarschema")).arg("--policies").arg(folder.path().join("all.cedar"));
    let valid = run(&mut validate, b"");
    assert!(valid.ok, "{valid:?}");
}
