use cedar_policy::Validator;
use proptest::prelude::*;

use super::super::pieces::pieces;
use super::*;
use crate::policy::errors::in_order;
use crate::policy::samples::{self, SCHEMA};

/// Policies, good and bad, and what may stand around them. The `#` becomes a number, so that ids differ.
const PARTS: [&str; 20] = [
    "@id(\"a#\") @description(\"d\") permit (principal, action, resource);",
    "@id(\"b#\") @description(\"größer; als // 日本\") forbid (principal, action == Action::\"signIn\", resource)\n// why; so\n\
     unless { context.proofs.contains(Proof::\"second_factor\") };",
    "@id(\"c#\")\r\n@description(\"a \\\"quote\\\"; more\")\r\n@mode(\"report\") permit (principal is User, action, resource);",
    "@id(\"d#\") @description(\"d\") @expires(\"2026-01-01\") permit (principal in Group::\"contractors\", action, resource);",
    "@id(\"e#\") @description(\"d\") forbid (principal is User, action == Action::\"signIn\", resource)\n\
     when { context.device.known } unless { context.fresh.containsAny([Proof::\"totp\", Proof::\"push\"]) };",
    "@id(\"f#\") @description(\"d\") permit (principal, action == Action::\"signIn\", resource == App::\"aws\");",
    "// nothing; here\n",
    "\u{a0}\t\n\n",
    "permit (principal, action, resource);",
    "@id(\"g#\") @description(\"d\") permit (principal in Group::\"aws-user\", action, resource);",
    "@id(\"h#\") @description(\"d\") permit (principal == ?principal, action, resource);",
    "@id(\"i#\") @description(\"d\") permit (principal is User, action, resource) when { context.nett.anonymous };",
    "@id(\"j#\") @description(\"d\") permit (principal, action == Action::\"signin\", resource);",
    "@id(\"k#\") @description(\"d\") @sevrity(\"high\") permit (principal, action, resource);",
    "@id(\"l#\") @description(\"d\") forbid (principal is User, action == Action::\"signIn\", resource)\n\
     when { context.proofs.contains(Proof::\"totp\") };",
    "@id(\"m#\") @description(\"d\") permit (principal, action, resource) when { \"раypal\" == \"раypal\" };",
    "@id(\"n#\") @id(\"n#\") @description(\"d\") permit (principal, action, resource);",
    ";",
    "permit (principal, action, resource",
    "@description(\"never closed",
];
/// The first of them with which nothing is wrong.
const GOOD: usize = 8;

fn texts() -> impl Strategy<Value = String> {
    // Mostly nothing is wrong.
    let part = prop_oneof![9 => 0..GOOD, 1 => 0..PARTS.len()];
    prop::collection::vec(part, 0..24).prop_map(|parts| {
        let written = |(number, part): (usize, usize)| PARTS[part].replace('#', &number.to_string());
        parts.into_iter().enumerate().map(written).collect::<Vec<_>>().join("\n")
    })
}

fn with_reader<T>(texts: &[String], act: impl FnOnce(&Reader<'_>, &[Piece]) -> T) -> T {
    let file = |(i, text): (usize, &String)| SourceFile { path: format!("{i}.cedar"), text: text.clone() };
    let files: Vec<SourceFile> = texts.iter().enumerate().map(file).collect();
    let files: Vec<&SourceFile> = files.iter().collect();
    let validator = Validator::new(schema(&SourceFile { path: "schema".to_owned(), text: SCHEMA.to_owned() }).unwrap());
    let vocabulary = samples::vocabulary();
    let reader = Reader { files: &files, validator: &validator, vocabulary: &vocabulary, today: samples::today() };
    let spans = files.iter().enumerate().flat_map(|(file, source)| {
        pieces(&source.text).into_iter().map(move |(start, end)| (file, (start, end - start)))
    });
    let pieces: Vec<Piece> = spans.enumerate().map(|(place, (file, span))| Piece { file, span, place }).collect();
    act(&reader, &pieces)
}

/// All that came of a piece.
fn told(read: &Read) -> String {
    // Cedar tells them in any order.
    let problems = |kind: &str, problems: &[BundleError]| {
        let problems = in_order(problems.to_vec());
        let all = problems.iter().map(|problem| format!("{problem:?}"));
        format!("{kind}: {}", all.collect::<Vec<_>>().join("\n"))
    };
    match read {
        Read::Good(stored) => {
            let Stored { notes, standing, policy, text, file, span, condition, needs } = &**stored;
            let json = policy.to_json().unwrap();
            format!("{notes:?} {standing:?} {policy} {json} {text} {file} {span:?} {condition} {needs:?}")
        }
        Read::Wrong(wrong) => problems("wrong", wrong),
        Read::NoCedar(wrong) => problems("no Cedar", wrong),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn neighbours_that_are_read_together_come_out_as_if_each_were_read_alone(
        texts in prop::collection::vec(texts(), 1..3), left_out in 0_usize..30,
    ) {
        with_reader(&texts, |reader, pieces| {
            // One of them was known before: those around it are no neighbours.
            let pieces: Vec<Piece> = pieces.iter().filter(|piece| piece.place != left_out).copied().collect();
            let together: Vec<String> = reader.all(&pieces).iter().map(told).collect();
            let alone: Vec<String> =
                pieces.iter().map(|piece| told(&reader.alone(piece, &mut HashSet::new()))).collect();
            prop_assert_eq!(together, alone);
            Ok(())
        })?;
    }
}

#[test]
fn what_nothing_is_wrong_with_is_read_together() {
    let text = PARTS[..GOOD].join("\n");
    with_reader(&[text], |reader, pieces| {
        let policies = reader.sound(pieces).unwrap();
        assert_eq!((policies.len(), pieces.len()), (6, 6));
        for (policy, piece) in policies.iter().zip(pieces) {
            assert_eq!(Some(policy.to_string().as_str()), reader.text(piece));
        }
    });
}

#[test]
fn a_policy_is_parsed_once_more_unless_its_words_rule_proofs_out() {
    for (condition, may) in [
        ("principal in Group::\"interns\"", false),
        ("context.net.anonymous || context.time.hour < 6", false),
        ("context.net.anonymous || context.proofs.contains(Proof::\"totp\")", true),
        ("context.sign_in.fresh.contains(Proof::\"totp\")", true),
        ("context.proofs_of_old", false),
        ("context . proofs.isEmpty()", true),
        ("context // so\n.fresh.isEmpty()", true),
        ("context[\"proofs\"].isEmpty()", true),
        ("context has proofs", true),
        ("{\"a\": context} == {\"a\": context}", true),
        ("contextcontext.device.known || context.", true),
    ] {
        assert_eq!(may_read_proofs(condition), may, "{condition}");
    }
}
