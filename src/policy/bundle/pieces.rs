//! A file taken apart into its policies, without understanding them: so that several threads can read one file, and what did
//! not change is not read again.

/// The bytes of each policy, from its first annotation to its `;`. What is left without one at the end is the last piece.
pub(super) fn pieces(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let (mut found, mut start, mut at) = (Vec::new(), None, 0);
    while let Some(byte) = bytes.get(at) {
        let next = match byte {
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = end_of_comment(bytes, at);
                continue;
            }
            b'"' => end_of_string(bytes, at),
            // The white space of Cedar is that of Unicode; what is none begins a piece.
            _ => at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8),
        };
        let is_blank = text.get(at..next).is_some_and(|one| one.chars().all(char::is_whitespace));
        if start.is_none() && !is_blank {
            start = Some(at);
        }
        if *byte == b';'
            && let Some(start) = start.take()
        {
            found.push((start, next));
        }
        at = next;
    }
    found.extend(start.map(|start| (start, text.len())));
    found
}

fn end_of_comment(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(bytes.len(), |length| at + length)
}

/// After the closing quote; at the end of a string that is not closed.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut next = at + 1;
    while let Some(byte) = bytes.get(next) {
        match byte {
            b'\\' => next += 2,
            b'"' => return next + 1,
            _ => next += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_ends_with_its_semicolon_and_nowhere_else() {
        for (text, expected) in [
            ("", vec![]),
            ("  // nothing; here\n", vec![]),
            ("permit(a); forbid(b);", vec!["permit(a);", "forbid(b);"]),
            (
                "// why; so\n@id(\"a;\\\";\") permit(a); // more;\n\n forbid(b);\n",
                vec!["@id(\"a;\\\";\") permit(a);", "forbid(b);"],
            ),
            ("permit(a)\n// a comment; inside\n;", vec!["permit(a)\n// a comment; inside\n;"]),
            ("permit(a); forbid(", vec!["permit(a);", "forbid("]),
            ("permit(\"never closed; forbid(b);", vec!["permit(\"never closed; forbid(b);"]),
            (
                "@description(\"größer; als\") permit(ä);\u{a0}x;",
                vec!["@description(\"größer; als\") permit(ä);", "x;"],
            ),
            (";;", vec![";", ";"]),
            ("\"\\", vec!["\"\\"]),
        ] {
            let found: Vec<&str> = pieces(text).into_iter().map(|(start, end)| &text[start..end]).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
