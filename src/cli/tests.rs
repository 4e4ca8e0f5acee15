//! What the command line says and how it ends.

use clap::CommandFactory as _;

use super::*;
use crate::policy::{SourceFile, laid_out};

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn the_config_file_may_be_named_before_and_after_the_command() {
    for line in ["cedargate --config a.toml check", "cedargate check --config a.toml"] {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(cli.config, Path::new("a.toml"), "{line}");
    }
}

#[test]
fn a_command_line_that_cannot_be_read_ends_with_2() {
    for line in ["cedargate", "cedargate frobnicate", "cedargate check --loud"] {
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(EXIT_FAILED), "{line}");
    }
}

#[test]
fn a_cause_is_told_once() {
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    let load = LoadError::Read { path: "a.cedar".into(), source: missing() };
    for (error, told) in [
        (anyhow::Error::from(load), "cedargate: can't read `a.cedar`: entity not found\n"),
        (anyhow::Error::from(missing()).context("can't read it"), "cedargate: can't read it: entity not found\n"),
    ] {
        let mut out = Vec::new();
        report(&mut out, &error);
        assert_eq!(String::from_utf8(out).unwrap(), told);
    }
}

#[test]
fn what_others_wrote_steers_no_terminal() {
    let mut out = Vec::new();
    report(&mut out, &anyhow::anyhow!("unknown variant `\u{1b}[2K\u{202e}gone\u{9b}8m`\nnext"));
    assert_eq!(String::from_utf8(out).unwrap(), "cedargate: unknown variant `�[2K�gone�8m`\nnext\n");
    let file = SourceFile { path: "a.cedar".to_owned(), text: "// \u{1b}[8m\npermit (".to_owned() };
    let problems = laid_out(&file).unwrap_err().problems;
    let mut out = Vec::new();
    write_finding(&mut out, "a.cedar:1:4", &problems[0].message, &problems[0]).unwrap();
    let told = String::from_utf8(out).unwrap();
    assert!(told.contains("�[8m") && !told.contains('\u{1b}'), "{told:?}");
}

#[test]
fn problems_are_written_with_place_message_and_the_line_itself() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "[server]\nlisen = \"127.0.0.1:1\"\n").unwrap();
    let errors = config::load(&file, []).unwrap_err();
    let mut out = Vec::new();
    write_problems(&mut out, errors.problems()).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(out.starts_with(&format!("{}:2:1: unknown key `lisen`\n", file.display())), "{out}");
    assert!(out.contains("lisen = \"127.0.0.1:1\"") && out.contains("did you mean `listen`?"), "{out}");
}

#[test]
fn a_problem_ends_with_1_and_a_missing_file_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let mut out = Vec::new();
    let missing = load_config(&file).unwrap_err();
    assert_eq!(report(&mut out, &missing.into()), ExitCode::from(EXIT_FAILED));
    std::fs::write(&file, "nonsense = 1").unwrap();
    let wrong = load_config(&file).unwrap_err();
    assert_eq!(report(&mut out, &wrong.into()), ExitCode::from(EXIT_PROBLEMS));
    let out = String::from_utf8(out).unwrap();
    assert!(out.starts_with("cedargate: cannot read `"), "{out}");
    assert!(out.contains("config.toml:1:1: unknown key `nonsense`"), "{out}");
}

#[test]
fn a_reader_that_went_away_is_told_nothing() {
    let mut out = Vec::new();
    let error = io::Error::from(io::ErrorKind::BrokenPipe);
    assert_eq!(report(&mut out, &error.into()), ExitCode::from(EXIT_FAILED));
    assert!(out.is_empty());
}
