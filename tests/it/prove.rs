//! `policy prove` and `policy diff`, with the real solver where this build can use it.

use std::fs;
#[cfg(feature = "analyze")]
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::process::{Said, run};
use crate::harness::server::copy_folder;
use crate::harness::{checkout, commit, untested};

/// Whether this build can prove. Tests that take it stand under the feature, so none of them passes without having looked.
const CAN_PROVE: bool = cfg!(feature = "analyze");

fn change(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{}: {from}", file.display());
    fs::write(file, text.replace(from, to)).unwrap();
}

/// `policies`, and a copy of it where AWS can be opened from the VPN with a password alone.
fn loosened() -> (TempDir, PathBuf) {
    let folder = untested();
    let other = folder.path().join("loosened");
    copy_folder(&folder.path().join("policies"), &other);
    let more = "|| context.device.trusted || context.net.networks.contains(Network::\"vpn\")";
    change(&other.join("10-aws.cedar"), "|| context.device.trusted", more);
    (folder, other)
}

fn cedargate(folder: &Path, solver: Option<&str>, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    command.args(["policy"]).args(arguments).current_dir(folder).env_remove("CEDARGATE_CONFIG").env_remove("CVC5");
    if let Some(solver) = solver {
        command.env("CVC5", solver);
    }
    run(&mut command, b"")
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[test]
#[cfg(feature = "analyze")]
fn the_shipped_policies_do_what_the_shipped_invariants_demand() {
    let said = cedargate(checkout().path(), None, &["prove", "--json", "--time-limit", "300s"]);
    let report = json(&said);
    assert!(said.code == Some(0) && report["ok"] == true, "{report:#}");
    let lines = ["invariants", "always"].into_iter().flat_map(|key| report[key].as_array().unwrap());
    for line in lines {
        // No app of config.toml is tried out, so there is nobody to keep out.
        let expected = if line["name"] == "pilot.keeps-others-out" { "vacuous" } else { "proved" };
        assert_eq!(line["result"], expected, "{line:#}");
    }
    assert!(report["invariants"].as_array().unwrap().len() >= 16, "{report:#}");
    assert_eq!(
        (&report["never_apply"], &report["undecided"]),
        (&serde_json::json!(["app.pilot"]), &serde_json::json!([]))
    );
}

#[test]
#[cfg(feature = "analyze")]
fn a_broken_invariant_is_shown_as_a_sign_in_that_can_be_pasted_into_the_tests() {
    let (folder, other) = loosened();
    let only = ["prove", "loosened", "--only", "aws.always-second-factor"];
    let said = cedargate(folder.path(), None, &only);
    assert_eq!(said.code, Some(1), "{said:?}");
    let told = "Somebody of `aws-users` opens `aws`, having shown password, from the network `vpn`.";
    assert!(said.out.contains(told) && said.out.contains("signIn aws: allow by aws.group"), "{}", said.out);
    let case: String = said
        .out
        .lines()
        .skip_while(|line| line.trim() != "[[case]]")
        .take_while(|line| !line.is_empty())
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    assert!(case.contains("networks = [\"vpn\"]") && case.contains("expect = \"allow\""), "{case}");
    // It says what the loosened policies do, and no longer what the others do.
    fs::write(other.join("tests/found.toml"), &case).unwrap();
    fs::write(folder.path().join("policies/tests/found.toml"), &case).unwrap();
    assert_eq!(cedargate(folder.path(), None, &["test"]).code, Some(1));
    change(&folder.path().join("config.toml"), "path = \"policies\"", "path = \"loosened\"");
    let said = cedargate(folder.path(), None, &["test"]);
    assert!(!said.out.contains("found.toml") && !said.err.contains("found.toml"), "{said:?}");
}

#[test]
fn two_sets_are_compared_in_their_words_and_in_what_they_mean() {
    let (folder, other) = loosened();
    change(
        &other.join("30-devices.cedar"),
        "@id(\"device.contractors-keep\")",
        "@id(\"device.contractors-keep\") @mode(\"report\")",
    );
    let said = cedargate(folder.path(), None, &["diff", "policies", "loosened"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for told in [
        "~ aws.second-factor  forbid, in force\n",
        "\n    - { context.proofs.contains(Proof::\"second_factor\") || context.device.trusted };\n",
        "~ device.contractors-keep  forbid, in force → on trial  LOSS: a forbid is put on trial\n",
    ] {
        assert!(said.out.contains(told), "{told}: {}", said.out);
    }
    if !CAN_PROVE {
        assert!(said.out.contains("this build compares words alone"), "{}", said.out);
        return;
    }
    let report = json(&cedargate(folder.path(), None, &["diff", "policies", "loosened", "--json"]));
    let found = report["meaning"]["differences"].as_array().unwrap();
    let found: Vec<String> = found
        .iter()
        .map(|one| format!("{} {}: {} -> {}", one["scene"], one["kind"], one["before"], one["after"]).replace('"', ""))
        .collect();
    let freed = "signIn aws freed: challenge -> allow";
    let gained = "removeDevice portal gained: deny -> allow";
    assert_eq!(
        (found, &report["meaning"]["unknown"]),
        (vec![freed.to_owned(), gained.to_owned()], &serde_json::json!([]))
    );
    for told in ["FREED: asked for more before, allowed now", "Proved: nobody is locked out, nobody challenged."] {
        assert!(said.out.contains(told), "{told}: {}", said.out);
    }
}

#[test]
fn a_revision_is_compared_with_the_files_on_the_disk() {
    let folder = checkout();
    commit(folder.path());
    let said = cedargate(folder.path(), None, &["diff", "HEAD"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "The same policies, under the same names.\n"), "{said:?}");
    fs::remove_file(folder.path().join("policies/40-time-risk.cedar")).unwrap();
    let nobody = Some("no-such-solver");
    let said = cedargate(folder.path(), nobody, &["diff", "HEAD", "--json"]);
    let report = json(&said);
    let lost = report["policies"].as_array().unwrap().iter().filter(|policy| policy["loss"] == "a forbid is removed");
    let lost: Vec<&str> = lost.map(|policy| policy["id"].as_str().unwrap()).collect();
    assert_eq!(lost, ["risk.failed-many", "risk.failed-some", "time.contractor-hours"], "{report:#}");
    assert_eq!((said.code, &report["meaning"]["compared"]), (Some(0), &Value::Bool(false)), "{report:#}");
}

#[test]
fn a_changed_limit_in_config_is_a_difference_although_no_policy_changed() {
    let folder = checkout();
    commit(folder.path());
    let config = folder.path().join("config.toml");
    change(&config, "device_limit = 3 ", "device_limit = 5 ");
    change(&config, "vpn = [\"198.51.100.0/24\"]", "vpn = [\"198.51.100.0/25\"]");
    let report = json(&cedargate(folder.path(), None, &["diff", "HEAD", "--json"]));
    let name = |kind: &str, name: &str, detail: &str| serde_json::json!({ "kind": kind, "name": name, "change": "changed", "detail": detail });
    let expected = [
        name("app", "aws", "device_limit = 3 → device_limit = 5"),
        name("network", "vpn", "198.51.100.0/24 → 198.51.100.0/25"),
    ];
    assert_eq!(report["names"], serde_json::json!(expected), "{report:#}");
    assert_eq!(report["policies"], serde_json::json!([]), "{report:#}");
    let moved = serde_json::json!([{
        "name": "vpn", "added": [], "removed": ["198.51.100.128/25"],
        "policies": ["aws.contractors-office"], "invariants": ["contractors.from-our-networks"],
    }]);
    assert_eq!(report["networks"], moved, "{report:#}");
    if CAN_PROVE {
        let found = report["meaning"]["differences"].as_array().unwrap();
        let found: Vec<String> =
            found.iter().map(|one| format!("{} {}", one["scene"], one["kind"]).replace('"', "")).collect();
        assert_eq!(found, ["signIn aws freed"], "{report:#}");
    }
}

#[test]
fn addresses_that_move_from_a_network_are_told_with_whoever_names_it() {
    let folder = untested();
    let config = folder.path().join("config.toml");
    change(
        &config,
        "[\"203.0.113.0/24\", \"2001:db8:40::/48\"]",
        "[\"2001:db8:40::/48\", \"203.0.113.0/25\", \"203.0.113.128/25\"]",
    );
    commit(folder.path());
    change(&config, "vpn = [\"198.51.100.0/24\"]", "vpn = [\"198.51.100.0/25\", \"10.1.0.0/16\"]");
    let said = cedargate(folder.path(), None, &["diff", "HEAD"]);
    let expected = "\
~ network vpn
    - 198.51.100.128/25
    + 10.1.0.0/16
    named by aws.contractors-office; invariants: contractors.from-our-networks

The same policies, under the same names; but see the networks above.
";
    assert_eq!((said.code, said.out.as_str()), (Some(0), expected), "{said:?}");
    // In other blocks, the same addresses are no change.
    change(&config, "\"203.0.113.0/25\", \"203.0.113.128/25\"", "\"203.0.113.0/24\"");
    change(&config, "\"198.51.100.0/25\", \"10.1.0.0/16\"", "\"198.51.100.0/24\"");
    let report = json(&cedargate(folder.path(), None, &["diff", "HEAD", "--json"]));
    assert_eq!(report["networks"], serde_json::json!([]), "{report:#}");
}

#[test]
#[cfg(feature = "analyze")]
fn an_assumption_of_ones_own_makes_nothing_proved_unless_it_is_trusted_and_leaves_something() {
    let (folder, _) = loosened();
    let file = folder.path().join("loosened/invariants/assumptions.cedar");
    let shipped = fs::read_to_string(&file).unwrap();
    let only = ["prove", "loosened", "--only", "aws.always-second-factor"];
    let note = "note     assume.own is an assumption of your own: cedargate does not see to it\n";
    for (when, told, trusted) in [
        (
            "when { context.net.networks.contains(Network::\"vpn\") }",
            "it does not hold without assumptions of your own, which cedargate does not see to: assume.own\n",
            0,
        ),
        ("", "your own assumptions rule out everything that could be here, so nothing is proved: assume.own\n", 1),
    ] {
        let own = format!(
            "@id(\"assume.own\") @description(\"d\")\nforbid (principal, action == Action::\"signIn\", resource) {when};"
        );
        fs::write(&file, format!("{shipped}\n{own}\n")).unwrap();
        let said = cedargate(folder.path(), None, &only);
        assert_eq!(said.code, Some(1), "{said:?}");
        for told in ["assumed  aws.always-second-factor ", told, note, "0 of 1 invariant proved, 1 assumed, "] {
            assert!(said.out.contains(told), "{told}: {}", said.out);
        }
        let said = cedargate(folder.path(), None, &[&only[..], &["--trust-assumptions", "--json"]].concat());
        let report = json(&said);
        assert_eq!((said.code, report["ok"] == true), (Some(trusted), trusted == 0), "{report:#}");
        let line = &report["invariants"][0];
        assert_eq!((&line["result"], &line["assumptions"]), (&"assumed".into(), &serde_json::json!(["assume.own"])));
        assert_eq!(report["own_assumptions"], serde_json::json!(["assume.own"]));
    }
}

#[test]
fn a_diff_tells_of_invariants_assumptions_and_tests_that_went_or_came() {
    let folder = checkout();
    let other = folder.path().join("without");
    copy_folder(&folder.path().join("policies"), &other);
    fs::remove_file(other.join("invariants/apps.cedar")).unwrap();
    fs::remove_file(other.join("tests/base.toml")).unwrap();
    let tests = other.join("tests/aws.toml");
    let first = fs::read_to_string(&tests).unwrap().replacen("expect = \"allow\"", "expect = \"deny\"", 1);
    fs::write(&tests, first).unwrap();
    let assumptions = other.join("invariants/assumptions.cedar");
    let own = "\n@id(\"assume.own\") @description(\"d\") forbid (principal, action, resource);\n";
    fs::write(&assumptions, fs::read_to_string(&assumptions).unwrap() + own).unwrap();
    let nobody = Some("no-such-solver");
    let said = cedargate(folder.path(), nobody, &["diff", "policies", "without"]);
    for told in [
        "- invariant aws.always-second-factor  LOSS: it is no longer proved\n    - @id(\"aws.always-second-factor\")\n",
        "+ assumption assume.own  LOSS: what holds by it alone is not proved\n",
        "  LOSS: it is no longer tested\n",
        " more tests like these; --json names all\n",
        "\n    - expect = \"allow\"\n    + expect = \"deny\"\n",
    ] {
        assert!(said.out.contains(told), "{told}: {}", said.out);
    }
    let report = json(&cedargate(folder.path(), nobody, &["diff", "policies", "without", "--json"]));
    let told = report["yardsticks"].as_array().unwrap();
    let count =
        |kind: &str, change: &str| told.iter().filter(|one| one["kind"] == kind && one["change"] == change).count();
    assert_eq!((count("invariant", "removed"), count("assumption", "created"), count("test", "changed")), (6, 1, 1));
    assert!(count("test", "removed") > 10, "{report:#}");
}

#[test]
fn a_schema_that_changes_is_told_and_never_passes_for_no_difference() {
    let folder = untested();
    let config = folder.path().join("config.toml");
    commit(folder.path());
    let schema = folder.path().join("policies/schema.cedarschema");
    let text = fs::read_to_string(&schema).unwrap();
    let old = "action signIn, trustDevice in [step] appliesTo { principal: User, resource: App, context: SignIn };";
    let new = old.replace("trustDevice in [step]", "trustDevice");
    assert!(text.contains(old), "{text}");
    fs::write(&schema, text.replace(old, &new)).unwrap();
    change(&config, "vpn = ", "vpn-2 = [\"10.9.0.0/16\"]\nvpn = ");
    let said = cedargate(folder.path(), None, &["diff", "HEAD"]);
    for told in [format!("~ schema\n    - {old}\n    + {new}\n"), "see the schema above".to_owned()] {
        assert!(said.out.contains(&told), "{told}: {said:?}");
    }
    assert!(!said.out.contains("proved") && !said.out.contains("The same"), "{}", said.out);
}

#[test]
fn without_a_solver_nothing_is_proved_and_that_is_said() {
    let folder = checkout();
    let said = cedargate(folder.path(), Some("no-such-solver"), &["prove"]);
    let told = if CAN_PROVE { "install it (Debian: apt-get install cvc5)" } else { "--features analyze" };
    assert!(said.code == Some(3) && said.out.is_empty() && said.err.contains(told), "{said:?}");
}

#[test]
#[cfg(feature = "analyze")]
fn wrong_input_is_told() {
    let folder = checkout();
    for (arguments, code, told) in [
        (
            &["prove", "--only", "aws.always-second"][..],
            2,
            "no invariant is called `aws.always-second`; the nearest is `aws.always-second-factor`",
        ),
        (&["prove", "--time-limit", "soon"], 2, "`soon` is no time: write it as in `30s` or `500ms`"),
        (&["prove", "nowhere"], 2, "`nowhere` is neither a folder nor a revision"),
        (&["diff", "nowhere"], 2, "`nowhere` is neither a folder nor a revision"),
    ] {
        let said = cedargate(folder.path(), None, arguments);
        assert!(said.code == Some(code) && said.err.contains(told), "{arguments:?}: {said:?}");
    }
    change(&folder.path().join("policies/invariants/apps.cedar"), "Group::\"aws-users\"", "Group::\"aws-usres\"");
    let said = cedargate(folder.path(), None, &["prove"]);
    let told = "policies/invariants/apps.cedar:28:23: `Group::\"aws-usres\"` is not declared in config.toml\n  help: did you mean `Group::\"aws-users\"`?";
    assert!(said.code == Some(1) && said.err.contains(told), "{said:?}");
}

/// The solver here writes down who it is, and never answers.
#[test]
#[cfg(feature = "analyze")]
fn ctrl_c_ends_the_solvers_too() {
    let folder = checkout();
    let (solver, pipe) = (folder.path().join("solver"), folder.path().join("pipe"));
    let script = "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho $$ > \"$(dirname \"$0\")/pipe\"\nexec sleep 600\n";
    fs::write(&solver, script).unwrap();
    fs::set_permissions(&solver, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(run(Command::new("mkfifo").arg(&pipe), b"").ok);
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    command.args(["policy", "prove", "--jobs", "1"]).current_dir(folder.path()).env("CVC5", &solver);
    let mut child = command.spawn().unwrap();
    // Whoever opens the pipe waits for the solver.
    let solver = fs::read_to_string(&pipe).unwrap();
    assert!(run(Command::new("kill").args(["-INT", &child.id().to_string()]), b"").ok);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let stat = PathBuf::from(format!("/proc/{}/stat", solver.trim()));
    // Gone, or dead and not yet counted by whoever took it over.
    while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        std::thread::yield_now();
    }
}
