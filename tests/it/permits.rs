//! No assertion without a permit, checked by the compiler: of these programs it takes the honest one and refuses the others for
//! what they try.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::process::run;
use crate::harness::repository;

const PROGRAMS: &str = "tests/it/permits";

/// The library that these tests are linked with: cargo has built it, and tells where it lies.
fn library() -> PathBuf {
    let mut built = Command::new(env!("CARGO"));
    built.current_dir(repository("")).args(["test", "--test", "it", "--no-run", "--message-format=json"]);
    built.args(["--locked", "--offline", "--target-dir"]).arg(target().parent().unwrap());
    if cfg!(feature = "analyze") {
        built.args(["--features", "analyze"]);
    }
    if !cfg!(debug_assertions) {
        built.arg("--release");
    }
    let said = run(&mut built, b"");
    assert!(said.ok, "{}", said.err);
    let messages = said.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ours = |message: &Value| message["target"]["name"] == "cedargate" && message["target"]["kind"][0] == "lib";
    let files = messages.filter(ours).filter_map(|message| message["filenames"].as_array().cloned()).flatten();
    let files: Vec<PathBuf> = files.filter_map(|file| file.as_str().map(PathBuf::from)).collect();
    let rlib = files.iter().find(|file| file.extension() == Some(OsStr::new("rlib")));
    rlib.unwrap_or_else(|| panic!("cargo names no library: {files:?}")).clone()
}

/// Where cargo puts what it builds in this profile.
fn target() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_cedargate")).parent().unwrap()
}

/// Each error of the compiler: its code, its line, and what it says.
fn errors(library: &Path, program: &str) -> Vec<(String, u64, String)> {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(repository("")).args([
        "--edition=2024",
        "--emit=metadata",
        "--error-format=json",
        "-A",
        "dead_code",
    ]);
    let made = TempDir::new().unwrap();
    let mut named = OsString::from("cedargate=");
    named.push(library);
    rustc.arg("--extern").arg(named).arg("-L").arg(target().join("deps")).arg("--out-dir").arg(made.path());
    let said = run(rustc.arg(format!("{PROGRAMS}/{program}.rs")), b"");
    let told = said.err.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let errors: Vec<_> = told
        .filter(|message| message["level"] == "error" && message["code"].is_object())
        .map(|message| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let mut spans = message["spans"].as_array().unwrap().iter();
            let line = spans.find(|span| span["is_primary"] == true).unwrap()["line_start"].as_u64().unwrap();
            (text(&message["code"]["code"]), line, text(&message["message"]))
        })
        .collect();
    assert_eq!(said.ok, errors.is_empty(), "{program}: {}", said.err);
    errors
}

#[test]
fn a_permit_cannot_be_made_cloned_or_used_twice() {
    let library = library();
    assert_eq!(errors(&library, "honest"), [], "a program that keeps the rules builds");
    for (program, code, line, message) in [
        ("cloned", "E0599", 6, "no method named `clone` found for struct `IssuePermit` in the current scope"),
        ("made_by_hand", "E0451", 7, "fields `permitted` and `made` of struct `IssuePermit` are private"),
        (
            "permitted_by_hand",
            "E0451",
            7,
            "fields `user_id`, `username`, `request`, `session`, `proofs` and `policy_digest` of struct \
             `cedargate::policy::Permitted` are private",
        ),
        ("step_used_twice", "E0382", 8, "use of moved value: `permit`"),
        ("used_twice", "E0382", 8, "use of moved value: `permit`"),
    ] {
        assert_eq!(errors(&library, program), [(code.to_owned(), line, message.to_owned())], "{program}");
    }
}
