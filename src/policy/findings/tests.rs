use super::*;
use crate::policy::samples;

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

/// The shipped set with one policy file more.
fn with(text: &str) -> PolicySources {
    let mut sources = samples::shipped_sources();
    sources.policies.push(file("90-more.cedar", text));
    sources
}

fn told(found: &[BundleError]) -> Vec<String> {
    found.iter().map(|one| format!("{}:{} {}: {}", one.file, one.line, one.rule.code(), one.message)).collect()
}

#[test]
fn the_problems_of_all_files_are_told_in_one_report() {
    let mut sources =
        with("@id(\"aws.group\") @description(\"d\")\npermit (principal, action, resource == App::\"aws\");\npermit (");
    sources.policies.push(file(
        "91-more.cedar",
        "@id(\"aws.group\") @description(\"d\") permit (principal in Group::\"nobody\", action, resource);",
    ));
    sources.tests.push(file("tests/x.toml", "[[case]]\nnmae = \"x\"\n"));
    sources
        .invariants
        .push(file("invariants/a.cedar", "@id(\"i\")\nforbid (principal, action, resource == App::\"intranet\");"));
    sources.invariants.push(file(
        "invariants/b.cedar",
        "@id(\"i\") @description(\"d\") forbid (principal is Usr, action, resource);",
    ));
    let found = look(&sources, &samples::vocabulary(), samples::today());
    let text = told(&found.problems).join("\n");
    for wanted in [
        "90-more.cedar:3 syntax",
        "91-more.cedar:1 name: `Group::\"nobody\"`",
        "tests/x.toml:2 table: unknown field `nmae`",
        "invariants/a.cedar:1 annotation: an invariant without `@description`",
        "invariants/a.cedar:2 name: `App::\"intranet\"`",
        "invariants/b.cedar:1 duplicate",
        "invariants/b.cedar:1 validation",
    ] {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }
    assert!(found.bundle.is_none());
}

#[test]
fn duplicates_and_a_pilot_group_without_a_policy_stand_in_one_report_unless_policies_cannot_be_read() {
    // Whether a policy that is wrong would read the pilot group, nobody can say: that is asked once it is mended.
    for (group, told_rules) in
        [("contractors", [Rule::Pilot, Rule::Duplicate]), ("nobody", [Rule::Name, Rule::Duplicate])]
    {
        let mut sources = with(&format!(
            "@id(\"aws.group\") @description(\"d\") permit (principal in Group::\"contractors\", action, resource);\n\
             @id(\"more\") @description(\"d\") permit (principal in Group::\"{group}\", action, resource);"
        ));
        for file in &mut sources.policies {
            file.text = file.text.replace("@id(\"app.pilot\")", "@id(\"app.pilot\")\n@mode(\"report\")");
        }
        let mut vocabulary = samples::vocabulary();
        for app in vocabulary.apps.iter_mut().filter(|app| app.id.as_str() == "wiki") {
            app.pilot = Some(samples::group("contractors"));
        }
        let found = look(&sources, &vocabulary, samples::today());
        let rules: std::collections::BTreeSet<Rule> = found.problems.iter().map(|problem| problem.rule).collect();
        assert_eq!(rules, told_rules.into(), "{:?}", told(&found.problems));
    }
}

#[test]
fn a_schema_that_cannot_be_read_hides_no_other_mistake() {
    let mut sources = with("@id(\"x\") permit (principal, action, resource);\npermit (principal");
    sources.policies.push(file("91-more.cedar", "@id(\"y\") permit (principal, action, resource);"));
    sources.schema.text.push_str("entity {");
    let found = look(&sources, &samples::vocabulary(), samples::today());
    let text = told(&found.problems).join("\n");
    for wanted in ["schema: ", "90-more.cedar:2 syntax", "91-more.cedar:1 annotation: a policy without `@description`"]
    {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }
}

#[test]
fn a_mistake_in_a_policy_about_many_actions_is_told_once() {
    let text = "@id(\"x\") @description(\"d\")\nforbid (principal, action in Action::\"step\", resource)\nwhen { context.nett.anonymous };";
    let found = look(&with(text), &samples::vocabulary(), samples::today());
    let told = told(&found.problems);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].starts_with("90-more.cedar:3 validation: attribute `nett` in context for Action::"), "{told:?}");
    assert!(told[0].ends_with(" more like this)"), "{told:?}");
}

#[test]
fn a_test_that_fails_is_a_problem_at_its_line() {
    let mut sources = samples::shipped_sources();
    sources.tests =
        vec![file("tests/x.toml", "# a comment\n[[case]]\nname = \"all may\"\napp = \"aws\"\nexpect = \"allow\"\n")];
    let found = look(&sources, &samples::vocabulary(), samples::today());
    let text = told(&found.problems);
    assert!(
        text.len() == 1 && text[0].starts_with("tests/x.toml:3 test: all may: expected allow, got deny"),
        "{text:?}"
    );
    assert!(found.bundle.is_some());
}

#[test]
fn the_shipped_set_has_no_problems_and_no_warnings() {
    let found = look(&samples::shipped_sources(), &samples::vocabulary(), samples::today());
    assert!(
        found.problems.is_empty() && found.warnings.is_empty(),
        "{:?} {:?}",
        told(&found.problems),
        told(&found.warnings)
    );
    assert!(found.passed > 50);
}

#[test]
fn what_ends_within_fourteen_days_is_a_warning_where_it_is_written() {
    let permit = |date: &str| {
        format!(
            "@id(\"x\")\n@description(\"d\")\n@expires(\"{date}\")\npermit (principal in Group::\"contractors\", action == Action::\"signIn\", resource == App::\"aws\");"
        )
    };
    let exception = |date: &str| {
        format!(
            "@id(\"x\")\n@description(\"d\")\nforbid (principal is User, action == Action::\"signIn\", resource == App::\"wiki\") when {{ context.net.anonymous }}\nunless {{ principal == User::\"ann\" && context.time.now < datetime(\"{date}\") }};"
        )
    };
    for (text, warning) in [
        (permit("2026-12-06"), None),
        (permit("2026-12-05"), Some("90-more.cedar:3 expires: `x` expires on 2026-12-05, in 14 days")),
        (permit("2026-11-22"), Some("90-more.cedar:3 expires: `x` expires tomorrow, on 2026-11-22")),
        (permit("2026-11-21"), Some("90-more.cedar:3 expires: `x` expired on 2026-11-21 and permits nothing any more")),
        (exception("2027-01-31"), None),
        (exception("2026-11-30"), Some("90-more.cedar:4 expires: an exception of `x` ends on 2026-11-30, in 9 days")),
        (exception("2026-11-20T08:00:00Z"), Some("90-more.cedar:4 expires: an exception of `x` ended on 2026-11-20")),
    ] {
        let found = look(&with(&text), &samples::vocabulary(), samples::today());
        assert!(found.problems.is_empty(), "{:?}", told(&found.problems));
        assert_eq!(told(&found.warnings), warning.into_iter().collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn a_message_without_a_text_is_a_warning() {
    let text = "@id(\"x\") @description(\"d\")\n@message(\"network.blokced\")\nforbid (principal is User, action == Action::\"signIn\", resource) when { context.net.anonymous && context.net.asn == 7 };";
    let found = look(&with(text), &samples::vocabulary(), samples::today());
    assert_eq!(told(&found.warnings).len(), 1);
    assert!(told(&found.warnings)[0].starts_with("90-more.cedar:2 message: there is no text `network.blokced`"));
}

#[test]
fn an_app_or_role_that_nobody_is_permitted_and_a_list_of_the_unknown_are_told() {
    let mut sources = samples::shipped_sources();
    sources.tests.clear();
    for file in &mut sources.policies {
        file.text = file.text.replace("resource == Role::\"aws/Admin\"\n);", "resource == Role::\"aws/Dev\"\n);");
    }
    // On trial it permits nobody.
    sources.policies.push(file("15-wiki.cedar", "@id(\"wiki\") @description(\"d\") @mode(\"report\") permit (principal is User, action == Action::\"signIn\", resource == App::\"wiki\");"));
    let mut vocabulary = samples::vocabulary();
    for countries in vocabulary.country_lists.values_mut() {
        countries.insert(Country::unknown());
    }
    let found = look(&sources, &vocabulary, samples::today());
    assert!(found.problems.is_empty(), "{:?}", told(&found.problems));
    let closed: Vec<String> = found
        .declared
        .iter()
        .map(|declared| match declared {
            Declared::Closed(closed) => format!("{} {:?}", closed.app, closed.role.as_ref().map(ToString::to_string)),
            Declared::UnknownCountry { list, country, by } => format!("{list} {country} {by}"),
        })
        .collect();
    assert_eq!(closed, ["aws Some(\"Admin\")", "wiki None", "blocked ZZ net.blocked-country"]);
}

#[test]
fn each_rule_has_a_name_of_its_own_and_a_sentence() {
    let codes: std::collections::BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.code()).collect();
    assert_eq!(codes.len(), Rule::ALL.len());
    assert!(Rule::ALL.iter().all(|rule| rule.sentence().ends_with('.')));
}
