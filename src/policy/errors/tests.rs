use miette::{GraphicalReportHandler, GraphicalTheme, NamedSource};
use proptest::prelude::*;

use super::*;
use crate::policy::SourceFile;

fn file(text: &str) -> SourceFile {
    SourceFile { path: "a.cedar".to_owned(), text: text.to_owned() }
}

/// The same problem, holding its file whole.
#[derive(Debug, thiserror::Error)]
#[error("wrong")]
struct Whole {
    file: NamedSource<String>,
    span: (usize, usize),
}

impl Diagnostic for Whole {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.file)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::new(None, self.span.0, self.span.1))))
    }
}

fn picture(of: &dyn Diagnostic) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_context_lines(1);
    let mut picture = String::new();
    handler.render_report(&mut picture, of).unwrap();
    picture
}

proptest! {
    #[test]
    fn a_problem_is_shown_as_if_it_held_its_file(
        lines in prop::collection::vec(prop::sample::select(vec!["", "permit (a);", "  größer", "日本\r"]), 1..12),
        start in 0_usize..80,
        length in 0_usize..30,
    ) {
        let text = lines.join("\n");
        let start = text.floor_char_boundary(start);
        let span = (start, text.floor_char_boundary(start + length) - start);
        let problem = BundleError::new(Rule::Syntax, &file(&text), span, "wrong");
        let whole = Whole { file: NamedSource::new("a.cedar", text.clone()), span };
        prop_assert_eq!(picture(&problem), picture(&whole));
        let before = &text[..span.0 + span.1];
        let end = (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap().chars().count() + 1);
        prop_assert_eq!(problem.end(), end);
    }
}

#[test]
fn of_a_line_without_end_a_part_is_shown() {
    let text = format!("// first\n{}permit{}\nlast", "ä".repeat(100_000), "ö".repeat(100_000));
    let at = text.find("permit").unwrap();
    for length in [6, 100_000] {
        let problem = BundleError::new(Rule::Syntax, &file(&text), (at, length), "wrong");
        let picture = picture(&problem);
        assert!(picture.contains("permit") && picture.contains("a.cedar:2:200001"), "{picture:.300}");
        assert!(picture.len() < 40_000, "{}", picture.len());
    }
}

#[test]
fn of_very_many_problems_of_one_file_the_first_are_told_and_the_others_counted() {
    let many = file(&"permit (principal, action, resource);\n".repeat(150));
    let few = SourceFile { path: "b.cedar".to_owned(), ..many.clone() };
    let problem = |file, line| BundleError::at_line(Rule::Annotation, file, line, "a policy without `@id`");
    let problems = (1..=150).rev().map(|line| problem(&many, line)).chain((1..=100).map(|line| problem(&few, line)));
    let told = BundleErrors::new(problems.collect()).problems;
    let of = |path: &str| told.iter().filter(|problem| problem.file == path).collect::<Vec<_>>();
    assert_eq!((of("a.cedar").len(), of("b.cedar").len()), (101, 100));
    let last = of("a.cedar")[100];
    assert_eq!((last.line, last.message.as_str()), (101, "and 50 more in this file, from here on"));
}
