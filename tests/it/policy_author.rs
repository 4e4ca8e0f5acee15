//! Writing policies: `policy check`, `fmt`, `new` and `list`, as somebody at a checkout uses them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::process::{Said, run};
use crate::harness::{checkout, judges, untested};

fn cedargate(folder: &Path, arguments: &[&str]) -> (Said, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    let said = run(command.args(arguments).current_dir(folder).env_remove("CEDARGATE_CONFIG"), b"");
    let code = said.code.expect("it ends by itself");
    (said, code)
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let (said, _) = cedargate(folder, arguments);
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}{}", said.out, said.err))
}

/// Three mistakes in three files, and a warning.
fn spoil(folder: &Path) {
    let policies = folder.join("policies");
    let warned = "@id(\"x\") @description(\"d\") @message(\"no.such\")\npermit (principal in Group::\"stafff\", action == Action::\"signIn\", resource == App::\"wiki\");\n";
    fs::write(policies.join("90-x.cedar"), warned).unwrap();
    fs::write(policies.join("91-y ü.cedar"), "permit (principal\n").unwrap();
    fs::write(policies.join("tests/x.toml"), "[[case]]\nnmae = 1\n").unwrap();
}

#[test]
fn check_tells_all_problems_with_place_and_help_and_ends_with_1() {
    let folder = checkout();
    let (said, code) = cedargate(folder.path(), &["policy", "check"]);
    assert!(said.ok && said.out.starts_with("policies: fine ("), "{said:?}");
    spoil(folder.path());
    let (said, code_now) = cedargate(folder.path(), &["policy", "check"]);
    assert_eq!((code, code_now), (0, 1));
    for wanted in [
        "policies/90-x.cedar:2:22: `Group::\"stafff\"` is not declared in config.toml\n",
        "did you mean `Group::\"staff\"`?",
        "policies/91-y ü.cedar:",
        "policies/tests/x.toml:2:1: ",
        "policies: 3 problems\n",
    ] {
        assert!(said.out.contains(wanted), "{wanted}:\n{}", said.out);
    }
    let report = json(folder.path(), &["policy", "check", "--json"]);
    assert_eq!(report["ok"], false);
    assert_eq!(report["problems"].as_array().unwrap().len(), 3, "{report:#}");
}

#[test]
fn warnings_alone_end_with_0_unless_they_are_denied() {
    let folder = untested();
    let warned = "@id(\"x\") @description(\"d\") @message(\"no.such\")\nforbid (principal is User, action == Action::\"signIn\", resource == App::\"wiki\") when { context.net.asn == 7 };\n";
    fs::write(folder.path().join("policies/90-x.cedar"), warned).unwrap();
    let (said, code) = cedargate(folder.path(), &["policy", "check"]);
    assert_eq!(code, 0, "{said:?}");
    assert!(said.out.contains("policies/90-x.cedar:1:28: warning: there is no text `no.such`"), "{}", said.out);
    let (_, denied) = cedargate(folder.path(), &["policy", "check", "--deny-warnings"]);
    let (_, nowhere) = cedargate(folder.path(), &["policy", "check", "no-such-folder"]);
    assert_eq!((denied, nowhere), (1, 2));
}

#[test]
fn the_report_for_code_hosts_is_sarif_with_places_below_the_repository() {
    let folder = untested();
    fs::create_dir(folder.path().join(".git")).unwrap();
    spoil(folder.path());
    let (said, code) = cedargate(folder.path(), &["policy", "check", "--sarif", "report.sarif"]);
    assert_eq!(code, 1, "{said:?}");
    let text = fs::read_to_string(folder.path().join("report.sarif")).unwrap();
    assert_eq!(judges::sarif(&text), None, "{text}");
    let wrong = text.replacen("\"level\": \"error\"", "\"level\": \"loud\"", 1);
    assert!(judges::sarif(&wrong).is_some(), "the judge can tell");
    let report: Value = serde_json::from_str(&text).unwrap();
    let results = report["runs"][0]["results"].as_array().unwrap();
    let place = |result: &Value| {
        let place = &result["locations"][0]["physicalLocation"];
        format!("{} {} {}", place["artifactLocation"]["uri"], place["region"]["startLine"], result["ruleId"])
    };
    assert_eq!(
        results.iter().map(place).collect::<Vec<_>>(),
        [
            "\"policies/90-x.cedar\" 2 \"name\"",
            "\"policies/91-y%20%C3%BC.cedar\" 1 \"syntax\"",
            "\"policies/tests/x.toml\" 2 \"table\"",
        ]
    );
    for result in results {
        let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(report["runs"][0]["tool"]["driver"]["rules"][rule]["id"], result["ruleId"]);
    }
}

#[test]
fn fmt_lays_out_once_and_check_says_when_it_has_to() {
    let folder = untested();
    let own = folder.path().join("policies/90-own.cedar");
    let text = "// Night.\n@id(\"own\") @description(\"d\") forbid(principal,action==Action::\"signIn\",resource==App::\"wiki\")when{context.time.hour<6}; // late\n";
    fs::write(&own, text).unwrap();
    let (said, code) = cedargate(folder.path(), &["policy", "fmt", "--check"]);
    assert_eq!(
        (code, said.out.as_str()),
        (1, "not laid out: policies/90-own.cedar\n1 file to lay out, 11 files as they should be\n")
    );
    assert_eq!(fs::read_to_string(&own).unwrap(), text, "--check changes nothing");
    let (said, code) = cedargate(folder.path(), &["policy", "fmt", "policies/90-own.cedar"]);
    assert_eq!((code, said.out.as_str()), (0, "laid out: policies/90-own.cedar\n1 file laid out\n"));
    let laid_out = fs::read_to_string(&own).unwrap();
    assert!(laid_out.starts_with("// Night.\n@id(\"own\")\n@description(\"d\")\nforbid (\n"), "{laid_out}");
    assert!(laid_out.contains("// late"), "{laid_out}");
    let (_, again) = cedargate(folder.path(), &["policy", "fmt", "--check"]);
    fs::write(&own, "permit (").unwrap();
    let (said, broken) = cedargate(folder.path(), &["policy", "fmt"]);
    assert_eq!((again, broken), (0, 1));
    assert!(said.out.contains("policies/90-own.cedar:1:") && said.out.contains("1 problem"), "{}", said.out);
}

/// Each kind, written into a set of its own: it loads, and the cases printed come out as written.
#[test]
fn each_kind_of_new_policy_loads_and_its_cases_come_out_as_printed() {
    let all = untested();
    for (line, id) in [
        ("access --app wiki --group staff --first-factor password,passkey --second-factor any --trust", "wiki.staff"),
        ("office-only --app aws --network vpn --owner Kim", "aws.office-only"),
        ("country-block --country IR --country SY --alert security", "all.country-block"),
        ("country-block --list blocked --app wiki", "wiki.country-block"),
        ("hours --app wiki --from 7 --until 19 --days mon-fri", "wiki.hours"),
        ("hours --group staff --from 22 --until 6 --days sat,sun", "staff.hours"),
        ("device-limit --app wiki --limit 2 --then deny --alert user,security", "wiki.device-limit"),
        ("device-limit --app aws --id own.limit --description Few", "own.limit"),
        ("new-device --app wiki --then challenge", "wiki.new-device"),
        ("new-device --app wiki --on-trial", "wiki.new-device"),
        ("exception --group contractors --app aws --expires 2099-01-31", "aws.exception-contractors"),
        ("exception --to time.contractor-hours --group contractors --expires 2099-01-31", "time.contractor-hours"),
    ] {
        let folder = untested();
        let own = folder.path().join("policies/tests/own.toml");
        let mut arguments = vec!["policy", "new"];
        arguments.extend(line.split(' '));
        arguments.extend(["--json", "--write"]);
        let file = if line.contains("--to") {
            // What an exception changes shows on a case that it is about.
            let stopped = "[[case]]\nname = \"late\"\napp = \"wiki\"\ngroups = [\"contractors\"]\nshown = [\"password\"]\n\
                           signals = { hour = 20 }\nexpect = \"deny\"\nmessage = \"time.outside-hours\"\n";
            fs::write(&own, stopped).unwrap();
            "40-time-risk.cedar"
        } else {
            arguments.push("90-own.cedar");
            "90-own.cedar"
        };
        let written = json(folder.path(), &arguments);
        assert_eq!(written["policies"][0], id, "{line}: {written:#}");
        let cases = written["cases"].as_str().unwrap();
        assert!(cases.starts_with("[[case]]\nname = "), "{line}: {cases}");
        fs::write(&own, cases).unwrap();
        let (said, code) = cedargate(folder.path(), &["policy", "check"]);
        assert_eq!(code, 0, "{line}:\n{cases}\n{}{}", said.out, said.err);
        let place = all.path().join(format!("policies/{file}")).with_file_name(format!("{id}-{file}"));
        fs::copy(folder.path().join("policies").join(file), place).unwrap();
    }
    let (said, code) = cedargate(all.path(), &["policy", "fmt", "--check"]);
    assert_eq!(code, 0, "{said:?}");
}

#[test]
fn an_exception_stands_in_the_forbid_with_its_end_and_the_rest_of_the_file_is_as_it_was() {
    let folder = untested();
    let file = folder.path().join("policies/40-time-risk.cedar");
    let before = format!("// Hours.\n{}", fs::read_to_string(&file).unwrap());
    fs::write(&file, &before).unwrap();
    let line =
        ["policy", "new", "exception", "--to", "time.contractor-hours", "--user", "ann", "--expires", "2099-01-31"];
    let (said, code) = cedargate(folder.path(), &line);
    assert_eq!(code, 0, "{said:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), before, "it was only shown");
    let (said, code) = cedargate(folder.path(), &[&line[..], &["--write"]].concat());
    assert_eq!(code, 0, "{said:?}");
    let after = fs::read_to_string(&file).unwrap();
    let clause = "\nunless\n{ principal == User::\"ann\" && context.time.now < datetime(\"2099-01-31\") };";
    assert!(after.contains(clause), "{after}");
    assert_eq!(after.replacen(clause, ";", 1), before);
    let (said, code) = cedargate(folder.path(), &["policy", "check"]);
    assert_eq!(code, 0, "{}", said.out);
}

#[test]
fn what_cannot_be_written_is_refused_with_a_way_on() {
    let folder = untested();
    for (line, code, told) in [
        ("access --app wiki", 2, "`--group NAME`"),
        ("hours --network office", 2, "`--network` is for `office-only`"),
        ("office-only --network offce", 1, "did you mean `Network::\"office\"`?"),
        ("country-block --country ZZ", 2, "everybody"),
        ("exception --to aws.group --user ann --expires 2099-01-31", 2, "is a permit"),
        ("exception --to no.such --user ann --expires 2099-01-31", 2, "no policy is called `no.such`"),
        ("access --app aws --group aws-users --id aws.group", 1, "another policy is called `aws.group`"),
        ("new-device --write other/x.cedar", 2, "nothing would read it"),
        ("access --app wiki --group staff --second-factor topt", 2, "did you mean `totp`?"),
    ] {
        let (said, got) =
            cedargate(folder.path(), &[&["policy", "new"][..], &line.split(' ').collect::<Vec<_>>()].concat());
        assert_eq!(got, code, "{line}: {said:?}");
        assert!(said.err.contains(told), "{line}: {}", said.err);
    }
    let (_, unchanged) = cedargate(folder.path(), &["policy", "fmt", "--check"]);
    assert_eq!(unchanged, 0);
}

#[test]
fn list_shows_all_policies_with_standing_end_and_owner() {
    let folder = untested();
    let line =
        "policy new exception --group contractors --app aws --expires 2099-01-31 --owner Kim --write 90-own.cedar";
    let (said, code) = cedargate(folder.path(), &line.split(' ').collect::<Vec<_>>());
    assert_eq!(code, 0, "{said:?}");
    let (said, _) = cedargate(folder.path(), &["policy", "list"]);
    let rows: Vec<Vec<&str>> = said
        .out
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(rows[0], ["POLICY", "EFFECT", "STANDING", "EXPIRES", "OWNER"]);
    for row in [
        ["aws.group", "permit", "in force", "-", "-"],
        ["risk.travel", "forbid", "on trial", "-", "-"],
        ["aws.exception-contractors", "permit", "in force", "2099-01-31", "Kim"],
    ] {
        assert!(rows.contains(&row.to_vec()), "{row:?}:\n{}", said.out);
    }
    let list = json(folder.path(), &["policy", "list", "--json"]);
    assert_eq!(list["policies"].as_array().unwrap().len(), rows.len() - 1);
}
