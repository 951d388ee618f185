//! Dialects for people: the list of those that come with the program, and one of them whole.

use std::fmt;

use super::sheet::{Columns, Sheet, Within};
use crate::dialect::Dialect;

/// A line for each dialect that comes with the program: its name, and what it is.
pub fn list_dialects() -> String {
    let names = Dialect::shipped_names();
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let line = |name: &&str| format!("{name:<width$}  {}\n", about(name));
    names.iter().map(line).collect()
}

/// A dialect with everything that it has from the one that it extends, in the notation of its file.
pub fn show_dialect(dialect: &Dialect) -> String {
    Sheet::of(dialect).to_string()
}

/// The same as Markdown: a table of headers and a table of rows.
pub fn show_dialect_markdown(dialect: &Dialect) -> String {
    Markdown(Sheet::of(dialect)).to_string()
}

struct Markdown(Sheet);

impl fmt::Display for Markdown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(sheet) = self;
        writeln!(out, "# {}\n\n| header | value |\n|---|---|", cell(&sheet.name))?;
        for (header, value) in sheet.headers() {
            writeln!(out, "| `{header}` | {} |", cell(&value))?;
        }
        writeln!(out, "\n| no | content | length | coding | class | name |")?;
        writeln!(out, "|--:|---|---|---|---|---|")?;
        for (no, row) in &sheet.rows {
            let Columns { content, length, coding, class, name } = Columns::of(row);
            let name = cell(name);
            writeln!(out, "| {no} | {content} | {length} | {coding} | {class} | {name} |")?;
        }
        for line in sheet.within() {
            match line {
                Within::Scheme(path, scheme) => {
                    writeln!(
                        out,
                        "\n{path}: {scheme}\n\n| no | content | length | coding | class | name |"
                    )?;
                    writeln!(out, "|--:|---|---|---|---|---|")?;
                }
                Within::Part(path, row) => {
                    let Columns { content, length, coding, class, name } = row;
                    let (path, length, name) = (cell(&path), cell(&length), cell(name));
                    writeln!(
                        out,
                        "| {path} | {content} | {length} | {coding} | {class} | {name} |"
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// What would end a cell, or mean something in it, is written so that it does not.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '|' | '\\' | '`' | '*' | '_' | '<' | '[') {
            safe.push('\\');
        }
        safe.push(letter);
    }
    safe
}

/// The first statement of the comment that its file begins with.
fn about(name: &str) -> String {
    let text = Dialect::shipped_text(name).unwrap_or_default();
    let comment = text.lines().map_while(|line| line.strip_prefix('#'));
    let comment: Vec<&str> = comment.map(str::trim).collect();
    let comment = comment.join(" ");
    let end = [". ", "; ", ": "].iter().filter_map(|mark| comment.find(mark)).min();
    let first = end.and_then(|end| comment.get(..end)).unwrap_or(&comment);
    first.trim_end_matches(['.', ',']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_has_its_line() {
        let list = list_dialects();
        assert_eq!(list.lines().count(), Dialect::shipped_names().len());
        for (name, line) in Dialect::shipped_names().iter().zip(list.lines()) {
            let (first, about) = line.split_once(' ').unwrap();
            assert_eq!(first, *name);
            assert!((20..90).contains(&about.trim().len()), "{line}");
        }
    }

    #[test]
    fn what_is_inherited_is_shown() {
        let mine = "dialect mine\nextends iso87-bcd\n43 ans 40 - cp037 keep a | b\n";
        let mine = Dialect::parse(mine).unwrap();
        let shown = show_dialect(&mine);
        assert!(
            shown.starts_with("dialect  mine\nversion  1987\nmti      bcd\nbitmap   binary\n"),
            "{shown}"
        );
        assert!(shown.contains("\n   43  ans 40    -             cp037    keep       a | b\n"));
        assert!(shown.contains("\n    4  n 12      -             bcd      keep       amount"));
        assert_eq!(Dialect::parse(&shown).unwrap().rows(), mine.rows());
        let shown = show_dialect_markdown(&mine);
        assert!(shown.contains("\n| 43 | ans 40 | - | cp037 | keep | a \\| b |\n"), "{shown}");
        assert!(shown.contains("\n| `retry` | 19 91 96 |\n"), "{shown}");
        let (rows, parts) = shown.split_once("\n3: positional\n").unwrap();
        assert_eq!(rows.lines().filter(|line| line.starts_with("| ")).count(), 1 + 11 + 1 + 127);
        assert!(
            parts.contains("\n| 3.1 | n 2 | - | ascii | keep | transaction type |\n"),
            "{parts}"
        );
    }
}
