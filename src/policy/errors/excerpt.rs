//! What is shown of a file around a problem.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// The most bytes kept before the place of a problem, and from there on.
const MOST_BYTES: (usize, usize) = (1024, 4096);

/// The lines of a problem, the one before and three after. A problem does not keep its file: of a large one there may be
/// thousands.
#[derive(Debug, Clone)]
pub(super) struct Excerpt {
    file: String,
    text: String,
    /// How many lines stand before it, and how many bytes before it in its first line.
    before: (usize, usize),
    /// The place of the problem within it.
    span: (usize, usize),
}

impl Excerpt {
    /// `line` is that of `span`, from 1.
    pub(super) fn of(file: &str, text: &str, span: (usize, usize), line: usize) -> Self {
        let at = text.floor_char_boundary(span.0);
        let end = text.floor_char_boundary(at + span.1);
        let (head, tail) = (text.get(..at).unwrap_or_default(), text.get(end..).unwrap_or_default());
        let line_start = head.rfind('\n').map_or(0, |newline| newline + 1);
        let start = head.get(..line_start.saturating_sub(1)).map_or(0, |above| above.rfind('\n').map_or(0, |n| n + 1));
        // A line that is too long is cut, whatever stands on it.
        let start = text.ceil_char_boundary(start.max(at.saturating_sub(MOST_BYTES.0)));
        let stop = end + tail.match_indices('\n').nth(3).map_or(tail.len(), |(newline, _)| newline);
        let stop = text.floor_char_boundary(stop.min(at + MOST_BYTES.1));
        let kept = text.get(start..stop).unwrap_or_default();
        let above = text.get(start..at).unwrap_or_default();
        let lines = above.matches('\n').count();
        let cut = if lines == 0 { start.saturating_sub(line_start) } else { 0 };
        Self {
            file: file.to_owned(),
            text: kept.to_owned(),
            before: (line.saturating_sub(1 + lines), cut),
            span: (at - start, end.min(stop) - at),
        }
    }

    pub(super) fn span(&self) -> (usize, usize) {
        self.span
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let read = self.text.read_span(span, lines_before, lines_after)?;
        let column = read.column() + if read.line() == 0 { self.before.1 } else { 0 };
        let (line, count) = (read.line() + self.before.0, read.line_count());
        let contents = MietteSpanContents::new_named(self.file.clone(), read.data(), *read.span(), line, column, count);
        Ok(Box::new(contents))
    }
}
