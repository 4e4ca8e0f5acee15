//! How much a set may hold. Cedar's parser calls itself for each level that brackets and operators open, and a stack that ends takes
//! the whole process with it: what is too deep is refused before Cedar sees it, and what is not is read on a stack that is
//! deep enough.

use std::iter::Peekable;
use std::panic::resume_unwind;
use std::str::CharIndices;
use std::thread;

use super::SourceFile;
use crate::policy::errors::{BundleError, Rule};

/// The largest file.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The most policies of one set.
pub(super) const MOST_POLICIES: usize = 50_000;
/// The longest text between two quotes.
const MOST_LITERAL_BYTES: usize = 4 * 1024;
/// The most brackets and operators that lie in one another.
const MOST_LEVELS: usize = 256;
/// Holds [`MOST_LEVELS`] with room to spare, also without optimisation. Only what is used of it takes memory.
pub(super) const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Does `work` on a stack that is deep enough for any file within the limits. Every thread that reads Cedar text has to have it.
///
/// # Errors
/// The system has no thread to give.
pub(in crate::policy) fn on_a_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, std::io::Error> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("policies".to_owned()).stack_size(STACK_BYTES);
        let running = thread.spawn_scoped(scope, work)?;
        Ok(running.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// What is too large or too deep in `file`; only the first of it, as nothing else of the file is read then.
pub(super) fn refuse(file: &SourceFile) -> Option<BundleError> {
    let at = |span: (usize, usize), message: String, help: &str| {
        Some(BundleError::new(Rule::Syntax, file, span, message).with_help(help))
    };
    if file.text.len() > MOST_BYTES {
        return at((0, 0), format!("the file is larger than {MOST_BYTES} bytes"), "split it into several");
    }
    if file.text.starts_with('\u{feff}') {
        return at(
            (0, '\u{feff}'.len_utf8()),
            "the file begins with a byte order mark".to_owned(),
            "save it as UTF-8 without one",
        );
    }
    if let Some((place, c)) = file.text.char_indices().find(|(_, c)| steers(*c)) {
        let message = format!(
            "`{}` stands here: it can show readers another text than policies are read from",
            c.escape_unicode()
        );
        return at((place, c.len_utf8()), message, "take it out");
    }
    match scan(&file.text)? {
        TooMuch::Levels(place) => at(
            (place, 1),
            format!("more than {MOST_LEVELS} brackets and operators lie in one another here"),
            "split the policy, or compare with a set: `[…].contains(…)`",
        ),
        TooMuch::Literal(place) => at(
            (place, 1),
            format!("the text that begins here is longer than {MOST_LITERAL_BYTES} bytes"),
            "a quote may be missing",
        ),
    }
}

/// Whether a character steers a terminal, or turns the direction of what stands around it.
fn steers(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[derive(Debug, PartialEq, Eq)]
enum TooMuch {
    Levels(usize),
    Literal(usize),
}

/// What stands between two brackets, or between commas there: operands joined by `&&` and `||`.
#[derive(Debug, Default, Clone, Copy)]
struct Level {
    /// The deepest of what stood before the last comma.
    done: usize,
    /// How many join the operands: each puts those before it one level down.
    joins: usize,
    /// The deepest operand so far.
    operand: usize,
    /// The other operators of this operand.
    operators: usize,
    /// The deepest pair of brackets in this operand.
    brackets: usize,
}

impl Level {
    fn depth(self) -> usize {
        self.done.max(self.joins + self.operand.max(self.operators + self.brackets))
    }

    fn join(&mut self) {
        self.operand = self.operand.max(self.operators + self.brackets);
        (self.joins, self.operators, self.brackets) = (self.joins + 1, 0, 0);
    }

    fn comma(&mut self) {
        *self = Self { done: self.depth(), ..Self::default() };
    }
}

/// Reads no more of Cedar than brackets, operators, quotes and comments, without calling itself.
fn scan(text: &str) -> Option<TooMuch> {
    let (mut outer, mut level) = (Vec::<Level>::new(), Level::default());
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        match c {
            '"' => {
                if quoted(at, &mut rest) > MOST_LITERAL_BYTES {
                    return Some(TooMuch::Literal(at));
                }
            }
            '/' if rest.next_if(|(_, next)| *next == '/').is_some() => {
                while rest.next_if(|(_, c)| *c != '\n').is_some() {}
            }
            '(' | '[' | '{' => outer.push(std::mem::take(&mut level)),
            ')' | ']' | '}' => {
                if let Some(mut around) = outer.pop() {
                    around.brackets = around.brackets.max(level.depth() + 1);
                    level = around;
                }
            }
            ',' => level.comma(),
            // A policy ends, whatever was open in it: a file that does not add up is refused by the parser.
            ';' => {
                outer.clear();
                level = Level::default();
            }
            _ => match operator(c, &mut rest) {
                Some(Operator::Join) => level.join(),
                Some(Operator::Other) => level.operators += 1,
                None => {}
            },
        }
        if outer.len() > MOST_LEVELS || level.depth() > MOST_LEVELS {
            return Some(TooMuch::Levels(at));
        }
    }
    None
}

/// Reads to the closing quote; the length in bytes.
fn quoted(start: usize, rest: &mut Peekable<CharIndices<'_>>) -> usize {
    let mut end = start;
    while let Some((place, c)) = rest.next() {
        end = place;
        match c {
            '\\' => drop(rest.next()),
            '"' => break,
            _ => {}
        }
    }
    end - start
}

enum Operator {
    Join,
    Other,
}

/// The operator that begins with `c`; reads it to its end.
fn operator(c: char, rest: &mut Peekable<CharIndices<'_>>) -> Option<Operator> {
    match c {
        '|' | '&' => {
            let _ = rest.next_if(|(_, next)| *next == c);
            Some(Operator::Join)
        }
        '=' | '<' | '>' | '!' | '-' | '+' | '*' | '.' => {
            let _ = rest.next_if(|(_, next)| *next == '=');
            Some(Operator::Other)
        }
        _ if c.is_ascii_alphabetic() || c == '_' => {
            let mut word = String::from(c);
            while let Some((_, next)) = rest.next_if(|(_, next)| next.is_ascii_alphanumeric() || *next == '_') {
                word.push(next);
            }
            match word.as_str() {
                "if" | "when" | "unless" => Some(Operator::Join),
                "in" | "has" | "like" | "is" => Some(Operator::Other),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{MethodSet, Step};
    use crate::policy::samples::{self, Sample, parse};

    fn policy(condition: &str) -> String {
        format!(
            "@id(\"a\") @description(\"d\")\npermit (principal is User, action == Action::\"signIn\", resource)\nwhen {{ {condition} }};"
        )
    }

    /// Ways to write something that lies `levels` deep.
    fn nested(levels: usize) -> [(&'static str, String); 10] {
        let many = |text: &str| text.repeat(levels);
        [
            ("or", format!("{}true", many("context.device.known || "))),
            ("plus", format!("{}1 == 3", many("1 + "))),
            ("brackets", format!("{}true{}", many("("), many(")"))),
            ("not", format!("{}true{}", many("!("), many(")"))),
            ("sets", format!("{}1{} == [1]", many("["), many("]"))),
            ("records", format!("{}1{} == 1", many("{\"a\":"), many("}"))),
            ("if", format!("{}true", many("if context.device.known then true else "))),
            ("attributes", format!("context{} == 1", many(".device"))),
            ("left first", format!("{}true{}", many("("), many(" || true || true)"))),
            ("minus", format!("{}1{} == 1", many("-("), many(")"))),
        ]
    }

    #[test]
    fn what_lies_too_deep_is_a_mistake_in_the_file_and_no_end_of_the_process() {
        for levels in [1_000, 100_000] {
            for (way, condition) in nested(levels) {
                let told = parse(&policy(&condition)).unwrap_err().to_string();
                assert!(told.starts_with("a.cedar:3:"), "{way}: {told:.200}");
                assert!(told.contains("more than 256 brackets and operators"), "{way}: {told:.200}");
            }
        }
    }

    #[test]
    fn what_is_as_deep_as_it_may_be_is_read_asked_explained_and_dropped() {
        // As deep as in a release build on the stack of a worker; without optimisation it takes the deeper one.
        let told = on_a_deep_stack(|| {
            let sample = Sample::new(&[], "portal");
            let mut read = 0;
            for (way, condition) in nested(80) {
                let Ok(bundle) = parse(&policy(&condition)) else { continue };
                let q = sample.question(MethodSet::EMPTY);
                let verdict = bundle.evaluate(Step::SignIn, None, &q);
                assert!(verdict.errors.is_empty(), "{way}: {verdict:?}");
                assert!(!crate::policy::explain::explain(&bundle, Step::SignIn, None, &q).policies.is_empty());
                read += 1;
            }
            read
        });
        assert_eq!(told.unwrap(), 7, "all but the sets, records and attributes that no type has");
    }

    #[test]
    fn what_would_show_readers_another_text_is_a_mistake() {
        for (told, c) in [("\\u{1b}", '\u{1b}'), ("\\u{7}", '\u{7}'), ("\\u{9b}", '\u{9b}'), ("\\u{202e}", '\u{202e}')]
        {
            let text = format!("// {c}[8m looks empty\n{}", policy("true"));
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.starts_with("a.cedar:1:4") && error.contains(told), "{error:?}");
        }
        let error = parse(&format!("\u{feff}{}", policy("true"))).unwrap_err().to_string();
        assert!(error.contains("a.cedar:1:1: the file begins with a byte order mark"), "{error}");
        parse(&format!("// Zoë, \u{5e9}\u{5dc}\u{5d5}\u{5dd}\r\n//\ttab\n{}", policy("true"))).unwrap();
    }

    #[test]
    fn width_is_no_depth() {
        let many = vec!["Country::\"DE\""; 5_000].join(", ");
        parse(&policy(&format!("[{many}].contains(context.net.country)"))).unwrap();
        let ranges = vec!["context.net.ip.isInRange(ip(\"10.0.0.0/8\"))"; 200].join(" || ");
        parse(&policy(&ranges)).unwrap();
        let clauses = "\nwhen { context.device.known }".repeat(100);
        parse(&policy("true").replace(';', &format!("{clauses};"))).unwrap();
        let strings = "\"((((\" == \"[[[[\"";
        assert_eq!(scan(&vec![strings; 500].join(", ")), None, "brackets in texts are none");
        assert_eq!(scan(&"// ((((\n".repeat(500)), None, "nor in comments");
        assert_eq!(scan(&")".repeat(500)), None);
    }

    #[test]
    fn texts_files_and_sets_have_an_end() {
        let told = parse(&policy(&format!("\"{}\" == \"\"", "x".repeat(5_000)))).unwrap_err().to_string();
        assert!(told.contains("longer than 4096 bytes") && told.contains("a quote may be missing"), "{told:.200}");
        let told = parse(&"// nothing\n".repeat(500_000)).unwrap_err().to_string();
        assert!(told.contains("larger than 4194304 bytes"), "{told:.200}");
        let mut sources = samples::shipped_sources();
        sources.schema.text =
            format!("{}\ntype Deep = {}Long{};", sources.schema.text, "Set<".repeat(9_000), ">".repeat(9_000));
        let told = crate::policy::Bundle::parse(&sources, samples::vocabulary(), samples::today()).unwrap_err();
        assert!(told.to_string().contains("brackets"), "{told}");
    }
}
