use super::*;
use crate::policy::samples;

#[test]
fn the_shipped_tests_pass_and_see_each_shipped_policy_apply() {
    let report = run(&samples::shipped(), &samples::shipped_sources().tests);
    assert!(report.is_ok(), "{:#?}", report.failures);
    let covered = coverage(&Setting::new(&samples::shipped()), &Tables::read(&samples::shipped_sources().tests));
    let unseen: Vec<_> = covered.policies.iter().filter(|one| one.applies.count == 0).map(|one| &one.policy).collect();
    assert_eq!(unseen, Vec::<&crate::domain::PolicyId>::new());
    assert!(report.passed > 40, "{} cases", report.passed);
}

fn failure(text: &str) -> Failure {
    let report = run(&samples::shipped(), &[SourceFile { path: "t.toml".to_owned(), text: text.to_owned() }]);
    assert_eq!(report.failures.len(), 1, "{text}: {report:?}");
    report.failures.into_iter().next().unwrap()
}

#[test]
fn a_wrong_expectation_is_told_with_its_line() {
    let failure =
        failure("# one\n[[case]]\nname = \"n\"\napp = \"portal\"\nshown = [\"password\"]\nexpect = \"deny\"\n");
    assert_eq!((failure.line, failure.case.as_str()), (3, "n"));
    assert_eq!(failure.message, "expected deny, got allow by base.portal");
}

#[test]
fn whom_an_alert_goes_to_is_compared() {
    let case = "[[case]]\nname = \"n\"\napp = \"portal\"\nshown = [\"password\"]\nexpect = \"allow\"\n";
    let failure = failure(&format!("{case}alerts = [\"user\"]\n"));
    assert_eq!(failure.message, "alerts: expected user, got nothing");
}

#[test]
fn cases_come_from_where_they_say() {
    let bundle = samples::parse(
        r#"
        @id("t.portal") @description("d") permit (principal, action == Action::"signIn", resource == App::"portal");
        @id("t.asn") @description("d") forbid (principal is User, action == Action::"signIn", resource)
        when { context.net.asn == 7018 };
        @id("t.country") @description("d") forbid (principal is User, action == Action::"signIn", resource)
        when { context.net.country == Country::"CN" };
        @id("t.new") @description("d") forbid (principal is User, action == Action::"signIn", resource)
        when { context.risk.new_country && !context.unknown.contains(Signal::"new_country") };
        "#,
    )
    .unwrap();
    for (signals, expect) in [
        ("asn = 7018", "expect = \"deny\"\nby = [\"t.asn\"]"),
        ("asn = 7019", "expect = \"allow\""),
        ("country = \"CN\"", "expect = \"deny\"\nby = [\"t.country\"]"),
        ("new_country = true", "expect = \"deny\"\nby = [\"t.new\"]"),
        ("new_country = true, unknown = [\"new_country\"]", "expect = \"allow\""),
    ] {
        let case = format!(
            "[[case]]\nname = \"n\"\napp = \"portal\"\nshown = [\"password\"]\nsignals = {{ {signals} }}\n{expect}\n"
        );
        let report = run(&bundle, &[SourceFile { path: "t.toml".to_owned(), text: case }]);
        assert_eq!(report.failures, Vec::new(), "{signals}");
        assert_eq!(report.passed, 1, "{signals}");
    }
}

#[test]
fn a_misspelt_name_fails_the_case_with_the_one_that_was_meant() {
    for (line, told) in [
        ("app = \"portall\"\n", "no app is called `portall`; did you mean `portal`?"),
        ("app = \"aws\"\ngroups = [\"aws-user\"]\n", "no group is called `aws-user`; did you mean `aws-users`?"),
        ("app = \"aws\"\ngroups = [\"everything\"]\n", "no group is called `everything`"),
        (
            "app = \"aws\"\nsignals = { networks = [\"offices\"] }\n",
            "no network is called `offices`; did you mean `office`?",
        ),
        ("app = \"aws\"\nrole = \"Owner\"\n", "`aws` has no role `Owner`"),
        (
            "app = \"aws\"\nby = [\"aws.second-facto\"]\n",
            "no policy is called `aws.second-facto`; did you mean `aws.second-factor`?",
        ),
        ("app = \"aws\"\nshow = [\"totp\"]\n", "unknown key `show`; did you mean `shown`?"),
        ("app = \"aws\"\nshown = [\"otp\"]\n", "unknown word `otp`; did you mean `totp`?"),
        ("app = \"aws\"\nsignals = { hours = 3 }\n", "unknown key `hours`; did you mean `hour`?"),
        ("app = \"aws\"\ndevice = \"old\"\n", "unknown word `old`; known are known, new, trusted"),
        ("app = \"aws\"\ntime = \"nine\"\n", "`nine` is no time; write it as"),
        ("app = \"aws\"\ntime = \"2026-11-25\"\n", "`2026-11-25` is no time; write it as"),
        ("app = \"aws\"\nuser = \"two\\nlines\"\n", "two"),
    ] {
        let failure = failure(&format!("[[case]]\nname = \"n\"\n{line}expect = \"allow\"\n"));
        assert!(failure.message.starts_with(told) || failure.message.contains(told), "{line}: {}", failure.message);
    }
}

#[test]
fn one_wrong_case_does_not_hide_the_others() {
    let good = "[[case]]\nname = \"good\"\napp = \"portal\"\nshown = [\"password\"]\nexpect = \"allow\"\n";
    let bad = "[[case]]\nname = \"bad\"\napp = \"portal\"\nexpekt = \"allow\"\n";
    let fails = good.replace("\"allow\"", "\"deny\"");
    let text = format!("# All of them.\n\n{good}\n{bad}\n{bad}\n{fails}");
    let report = run(&samples::shipped(), &[SourceFile { path: "t.toml".to_owned(), text }]);
    let told: Vec<_> = report.failures.iter().map(|one| (one.line, one.message.as_str())).collect();
    let key = "unknown key `expekt`; did you mean `expect`?";
    assert_eq!(told, [(12, key), (17, key), (20, "expected deny, got allow by base.portal")]);
    assert_eq!(report.passed, 1);
    // What is wrong only as a whole is told as a whole.
    for (text, line) in
        [("[[case]]\nname = \"n\"\n", 1), ("[case]\nname = \"n\"\n", 1), ("[[case]\n", 1), ("x = 1\n", 1)]
    {
        let report = run(&samples::shipped(), &[SourceFile { path: "t.toml".to_owned(), text: text.to_owned() }]);
        let told: Vec<_> = report.failures.iter().map(|one| one.line).collect();
        assert_eq!((told, report.passed), (vec![line], 0), "{text}");
    }
}
