//! What is wrong with a dialect's text, where, and what would be right; pictures of it are drawn elsewhere.

use std::fmt;

/// One thing that is wrong with a dialect's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// Where in the text it begins, in bytes.
    pub offset: usize,
    /// How many bytes of the text are wrong; 0 where something is missing.
    pub len: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right, where that can be said.
    pub help: Option<String>,
}

/// `12:5: unknown coding "bdc"; did you mean "bcd"?`
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

impl std::error::Error for Fault {}

/// What somebody probably meant by `word`, as a help text: the closest choice, or else all of them.
pub(super) fn meant(word: &str, choices: &[&str]) -> String {
    let close = |choice: &&&str| distance(word, choice) <= word.len().max(choice.len()) / 2;
    let closest = choices.iter().filter(close).min_by_key(|choice| distance(word, choice));
    match closest {
        Some(choice) => format!("did you mean \"{choice}\"?"),
        None => format!("one of: {}", choices.join(" ")),
    }
}

/// How many letters must be put in, taken out, replaced or swapped with their neighbour to make one word of the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, letter) in from.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let cost =
                |costs: &[usize], at: usize| costs.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut best = (cost(&last, column) + usize::from(letter != *other))
                .min(cost(&last, column + 1) + 1)
                .min(cost(&current, column) + 1);
            let swapped =
                0 < column && previous == Some(*other) && to.get(column - 1) == Some(&letter);
            if swapped {
                best = best.min(cost(&before_last, column - 1) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_word_is_meant() {
        for (word, help) in [
            ("bdc", "did you mean \"bcd\"?"),
            ("asci", "did you mean \"ascii\"?"),
            ("Hex", "did you mean \"hex\"?"),
            ("ebcdic500", "one of: ascii bcd raw hex"),
        ] {
            assert_eq!(meant(word, &["ascii", "bcd", "raw", "hex"]), help);
        }
        assert_eq!(distance("accpet", "accept"), 1);
    }
}
