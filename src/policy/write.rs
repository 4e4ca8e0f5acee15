//! Policy files as text: laid out in the usual way, or with a policy more. What a file means and what its comments say is
//! kept, or there is no new text at all.

use cedar_policy::PolicySet;
use cedar_policy_formatter::{Config, policies_str_to_pretty};

use super::bundle::{SourceFile, cedar, on_a_deep_stack};
use super::errors::{BundleError, BundleErrors, Rule};

/// The layout of the `cedar` tool and of editors when nobody tells them another, so that all of them agree on a file.
const LAYOUT: Config = Config { line_width: 80, indent_width: 2 };

/// The same policies in the usual layout.
///
/// # Errors
/// The file is no Cedar, or the layout would change what it means or lose a comment; the latter is a fault of the formatter.
pub fn laid_out(file: &SourceFile) -> Result<String, BundleErrors> {
    let before = cedar(file).map_err(BundleErrors::new)?;
    on_a_deep_stack(|| rewritten(file, &before)).unwrap_or_else(|error| {
        let message = format!("there is no thread to lay it out on: {error}");
        Err(BundleErrors::new(vec![BundleError::new(Rule::Syntax, file, (0, 0), message)]))
    })
}

fn rewritten(file: &SourceFile, before: &PolicySet) -> Result<String, BundleErrors> {
    let refused = |why: String| BundleErrors::new(vec![BundleError::new(Rule::Syntax, file, (0, 0), why)]);
    let text = policies_str_to_pretty(&file.text, &LAYOUT)
        .map_err(|error| refused(format!("this file cannot be laid out: {error}")))?;
    let text = text.trim_start_matches('\n').to_owned();
    let after: PolicySet = text.parse().map_err(|_| refused("laid out, this file would be no Cedar".to_owned()))?;
    let means = |set: &PolicySet| set.clone().to_json().map_err(|error| refused(error.to_string()));
    if means(before)? != means(&after)? {
        return Err(refused("laid out, this file would mean something else".to_owned()));
    }
    if comments(&file.text) != comments(&text) {
        return Err(refused("laid out, this file would lose a comment".to_owned()));
    }
    Ok(text)
}

/// What the comments of a Cedar text say, sorted: a layout may move one to another line.
fn comments(text: &str) -> Vec<&str> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(['"', '/']) {
        let (_, from) = rest.split_at(at);
        if let Some(comment) = from.strip_prefix("//") {
            let end = comment.find('\n').unwrap_or(comment.len());
            let (comment, behind) = comment.split_at(end);
            found.push(comment.trim());
            rest = behind;
        } else if let Some(string) = from.strip_prefix('"') {
            rest = string.get(string_end(string)..).unwrap_or_default();
        } else {
            rest = from.get(1..).unwrap_or_default();
        }
    }
    found.sort_unstable();
    found
}

/// How many bytes a string has from behind its first quote to behind its last.
fn string_end(string: &str) -> usize {
    let mut escaped = false;
    for (at, c) in string.char_indices() {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    string.len()
}

/// `file` with `policies` at its end, after an empty line.
#[must_use]
pub fn with_appended(file: &SourceFile, policies: &str) -> SourceFile {
    let joint = match file.text.as_str() {
        "" => "",
        text if text.ends_with("\n\n") => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    SourceFile { path: file.path.clone(), text: format!("{}{joint}{policies}", file.text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::samples;

    fn file(text: &str) -> SourceFile {
        SourceFile { path: "a.cedar".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_file_is_laid_out_and_then_stays_as_it_is() {
        let text = "// Who may come in.\n@id(\"a\")   @description(\"d // no comment\")\npermit(principal,action,resource)when{context.x&&!context.y}; // all of them\n// the end";
        let once = laid_out(&file(text)).unwrap();
        assert_eq!(
            once,
            "// Who may come in.\n@id(\"a\")\n@description(\"d // no comment\")\npermit (principal, action, resource)\nwhen { context.x && !context.y }; // all of them\n// the end\n"
        );
        assert_eq!(laid_out(&file(&once)).unwrap(), once);
    }

    #[test]
    fn what_is_shipped_is_laid_out() {
        for file in samples::shipped_sources().policies {
            assert_eq!(laid_out(&file).unwrap(), file.text, "`cedargate policy fmt` lays {} out", file.path);
        }
    }

    #[test]
    fn a_file_without_policies_keeps_its_comments() {
        for (text, wanted) in [("", ""), ("\n\n", ""), ("// nothing here\n", "// nothing here\n")] {
            assert_eq!(laid_out(&file(text)).unwrap(), wanted, "{text:?}");
        }
    }

    #[test]
    fn no_cedar_is_left_alone_with_its_place() {
        let errors = laid_out(&file("permit (principal, action, resource);\npermit (")).unwrap_err();
        assert_eq!(errors.problems[0].rule, Rule::Syntax);
        assert_eq!(errors.problems[0].line, 2, "{errors}");
    }

    #[test]
    fn comments_are_what_stands_behind_two_slashes_outside_strings() {
        let text = r#"// b
@d("http://x \" // no") permit (principal, action, resource); // a"#;
        assert_eq!(comments(text), ["a", "b"]);
    }

    #[test]
    fn a_policy_is_added_after_an_empty_line() {
        for (before, after) in [("", "x;\n"), ("a;", "a;\n\nx;\n"), ("a;\n", "a;\n\nx;\n"), ("a;\n\n", "a;\n\nx;\n")] {
            assert_eq!(with_appended(&file(before), "x;\n").text, after, "{before:?}");
        }
    }
}
