use super::*;
use crate::policy::samples;

#[test]
fn the_shipped_tests_pass_and_see_each_shipped_policy_apply() {
    let report = run(&samples::shipped(), &samples::shipped_sources().tests);
    assert!(report.is_ok(), "{:#?}", report.failures);
    assert_eq!(report.untested, Vec::<String>::new());
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
    assert_eq!(failure.message, r#"expected deny, got allow by ["base.portal"]"#);
}

#[test]
fn whom_an_alert_goes_to_is_compared() {
    let case = "[[case]]\nname = \"n\"\napp = \"portal\"\nshown = [\"password\"]\nexpect = \"allow\"\n";
    let failure = failure(&format!("{case}alerts = [\"user\"]\n"));
    assert_eq!(failure.message, "alerts: expected {User}, got {}");
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
fn a_misspelt_name_fails_the_case() {
    for (line, told) in [
        ("app = \"portall\"\n", "no app is called `portall`"),
        ("app = \"aws\"\ngroups = [\"aws-user\"]\n", "no group is called `aws-user`"),
        ("app = \"aws\"\nsignals = { networks = [\"offices\"] }\n", "no network is called `offices`"),
        ("app = \"aws\"\nrole = \"Owner\"\n", "`aws` has no role `Owner`"),
        ("app = \"aws\"\nshow = [\"totp\"]\n", "unknown field `show`"),
        ("app = \"aws\"\nshown = [\"otp\"]\n", "unknown variant `otp`"),
    ] {
        let failure = failure(&format!("[[case]]\nname = \"n\"\n{line}expect = \"allow\"\n"));
        assert!(failure.message.contains(told), "{line}: {}", failure.message);
    }
}
