//! Places in a packager file, as its text's faults and remarks need them.

use std::ops::Range;

use crate::dialect::Fault;

/// The text of a packager file.
#[derive(Clone, Copy)]
pub(super) struct Text<'t>(pub(super) &'t str);

impl<'t> Text<'t> {
    /// Where a part of the text begins, in bytes; 0 for what is none of it.
    pub(super) fn offset(self, part: &str) -> usize {
        let offset = part.as_ptr().addr().wrapping_sub(self.0.as_ptr().addr());
        if offset <= self.0.len() { offset } else { 0 }
    }

    /// Where a part of the text lies, at most to the end of its first line, for a caret.
    pub(super) fn span(self, part: &str) -> Range<usize> {
        let start = self.offset(part);
        let line = part.lines().next().unwrap_or_default();
        start..start + line.len()
    }

    /// The line of a place, from 1.
    pub(super) fn line(self, at: usize) -> usize {
        self.before(at).matches('\n').count() + 1
    }

    /// The place in bytes of a line and a column, both from 1; the column in characters.
    pub(super) fn at(self, line: usize, column: usize) -> usize {
        let mut rest = self.0;
        for _ in 1..line {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
        let within = rest.char_indices().nth(column.saturating_sub(1));
        let start = self.0.len() - rest.len();
        within.map_or(self.0.len(), |(within, _)| start + within)
    }

    /// Something wrong at a place; no help when it is empty.
    pub(super) fn fault(self, span: Range<usize>, message: String, help: &str) -> Fault {
        let start = self.before(span.start).len();
        let line_start = self.before(start).rfind('\n').map_or(0, |at| at + 1);
        let end = self.before(span.end).len().max(start);
        Fault {
            line: self.line(start),
            column: self.0.get(line_start..start).map_or(0, |before| before.chars().count()) + 1,
            offset: start,
            len: end - start,
            message,
            help: Some(help.to_owned()).filter(|help| !help.is_empty()),
        }
    }

    /// The text before a place, or before the character that it is in.
    fn before(self, at: usize) -> &'t str {
        let end = self.0.len();
        let whole = (0..=at.min(end)).rev().find_map(|at| self.0.get(..at));
        whole.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let text = Text("a\nb\u{e4}c\nd");
        for (line, column, offset) in [(1, 1, 0), (2, 1, 2), (2, 3, 5), (3, 1, 7), (9, 9, 8)] {
            assert_eq!(text.at(line, column), offset);
        }
        let fault = text.fault(5..6, "wrong".to_owned(), "");
        assert_eq!((fault.line, fault.column, fault.offset, fault.len), (2, 3, 5, 1));
        let fault = text.fault(4..99, "within a letter".to_owned(), "help");
        assert_eq!((fault.line, fault.column, fault.offset, fault.len), (2, 2, 3, 5));
        let part = text.0.get(2..).unwrap();
        assert_eq!((text.offset(part), text.span(part)), (2, 2..6));
        assert_eq!(text.offset("elsewhere"), 0);
    }
}
