//! Text on its way into XML.

use std::fmt;

/// Text that XML can hold and every parser reads back unchanged: no control characters, which parsers normalise or refuse,
/// and no code points that are not XML characters (XML 1.0 §2.2).
///
/// samael writes element text as it gets it and escapes attribute values itself. Hence two ways out of this type, and
/// each field of samael's model takes the one that fits: [`Text::element`] or [`Text::attribute`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::saml) struct Text(String);

/// Text with a character that XML cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} holds the character U+{code:04X}, which a SAML message cannot carry")]
pub struct TextError {
    /// Whose text.
    what: String,
    /// Which character.
    code: u32,
}

impl Text {
    /// Takes text; `what` names it in the error.
    pub(in crate::saml) fn new(what: impl fmt::Display, raw: &str) -> Result<Self, TextError> {
        match raw.chars().find(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
            Some(c) => Err(TextError { what: what.to_string(), code: u32::from(c) }),
            None => Ok(Self(raw.to_owned())),
        }
    }

    /// As it was given.
    pub(in crate::saml) fn raw(&self) -> &str {
        &self.0
    }

    /// For a field that samael writes as it is: escaped here.
    pub(in crate::saml) fn element(&self) -> String {
        escape(&self.0)
    }

    /// For a field that samael writes as an attribute: escaped there.
    pub(in crate::saml) fn attribute(&self) -> String {
        self.0.clone()
    }
}

/// The five characters that mean something in XML, as entities.
pub(in crate::saml) fn escape(raw: &str) -> String {
    let mut escaped = String::with_capacity(raw.len() + 16);
    for c in raw.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_parsers_would_change_or_refuse_is_no_text() {
        for bad in ["a\0", "a\tb", "a\nb", "a\rb", "\u{85}", "\u{7f}", "\u{fffe}", "\u{ffff}", "\u{1b}[31m"] {
            assert!(Text::new("name", bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            Text::new("first_name", "a\nb").unwrap_err().to_string(),
            "first_name holds the character U+000A, which a SAML message cannot carry"
        );
    }

    #[test]
    fn markup_is_escaped() {
        let text = Text::new("name", "R&D <\"x\"> 'y' ]]>").unwrap();
        assert_eq!(text.element(), "R&amp;D &lt;&quot;x&quot;&gt; &apos;y&apos; ]]&gt;");
    }
}
