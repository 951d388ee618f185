//! Words of a text, each with its place.

use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::space0;
use nom::combinator::opt;
use nom::sequence::preceded;
use nom::{IResult, Parser};

use crate::dialect::Fault;
use crate::dialect::fault::meant;

/// A word of the text, and where it stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) offset: usize,
}

/// The words of one line that are still to be read.
pub(super) struct Words<'a, 'w> {
    pub(super) last: Word<'a>,
    pub(super) rest: &'w [Word<'a>],
}

/// The words of a line, up to its comment.
pub(super) fn words(line: &str, number: usize, offset: usize) -> Vec<Word<'_>> {
    let mut rest = line;
    let mut words = Vec::new();
    while let Ok((after, text)) = word(rest) {
        if text.starts_with('#') {
            break;
        }
        let at = line.len() - after.len() - text.len();
        let column = line.get(..at).map_or(0, |before| before.chars().count()) + 1;
        words.push(Word { text, line: number, column, offset: offset + at });
        rest = after;
    }
    words
}

/// One word and the blanks before it.
fn word(text: &str) -> IResult<&str, &str> {
    let blanks = preceded(space0, opt(tag("\r")));
    preceded(blanks, take_while1(|letter: char| !letter.is_ascii_whitespace())).parse(text)
}

impl Word<'_> {
    pub(super) fn fault(self, message: impl Into<String>, help: Option<String>) -> Fault {
        let Word { text, line, column, offset } = self;
        Fault { line, column, offset, len: text.len(), message: message.into(), help }
    }
}

impl<'a> Words<'a, '_> {
    pub(super) fn next(&mut self) -> Option<Word<'a>> {
        let (first, rest) = self.rest.split_first()?;
        (self.last, self.rest) = (*first, rest);
        Some(*first)
    }

    /// The place behind the last word, where one is missing.
    pub(super) fn missing(&self, what: &str) -> Fault {
        let mut place = self.last;
        place.offset += place.text.len();
        place.column += place.text.chars().count();
        place.text = "";
        place.fault(format!("{what} is missing"), None)
    }

    /// The next word, one of `choices`.
    pub(super) fn choose<T: Copy>(
        &mut self,
        what: &str,
        choices: &[(&str, T)],
    ) -> Result<T, Fault> {
        let names = || choices.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let Some(word) = self.next() else {
            let mut fault = self.missing(what);
            fault.help = Some(format!("one of: {}", names().join(" ")));
            return Err(fault);
        };
        let choice = choices.iter().find(|(name, _)| *name == word.text);
        choice.map(|(_, choice)| *choice).ok_or_else(|| {
            let message = format!("\"{}\" is not {what}", word.text);
            word.fault(message, Some(meant(word.text, &names())))
        })
    }

    /// Takes the next word if it is this one.
    pub(super) fn take(&mut self, wanted: &str) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if first.text == wanted => {
                (self.last, self.rest) = (*first, rest);
                true
            }
            _ => false,
        }
    }

    /// The line must be over.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        self.next().map_or(Ok(()), |word| {
            Err(word.fault(format!("\"{}\" is one word too many", word.text), None))
        })
    }
}
