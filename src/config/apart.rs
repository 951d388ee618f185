//! Directories that must not be one another: who puts files into an inbox must not find the switch's own there, and what the switch
//! takes away must be what came in.

use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use super::read::Section;

/// A directory with what it is for.
pub(super) struct Place {
    /// As a person calls it.
    pub(super) what: &'static str,
    pub(super) path: PathBuf,
    /// Where the configuration says so, if it does.
    pub(super) span: Option<Range<usize>>,
}

/// Tells of each inbox that is, has in it, or lies in what something else is kept in. `around` may have inboxes in it.
pub(super) fn inboxes(
    section: &Section<'_>,
    inboxes: &[Place],
    around: &[Place],
    others: &[Place],
) {
    for (at, inbox) in inboxes.iter().enumerate() {
        let path = resolved(&inbox.path);
        let holds = |other: &&Place| resolved(&other.path).starts_with(&path);
        let meets = |other: &&Place| holds(other) || path.starts_with(resolved(&other.path));
        let before = inboxes.iter().take(at);
        let found = around.iter().find(holds).or_else(|| others.iter().chain(before).find(meets));
        if let Some(other) = found {
            let span = inbox.span.clone().or_else(|| other.span.clone());
            let title = format!("{} and {} are not apart", inbox.what, other.what);
            let label = format!("{} and {}", inbox.path.display(), other.path.display());
            let fault = section.faults().at(span.unwrap_or_else(|| section.span()), title);
            let help = "whatever lies in an inbox is taken and put away: give it a directory in which nothing else is kept";
            section.faults().tell(fault.label(label).help(help));
        }
    }
}

/// A path without detours: the links of what is there of it are followed.
fn resolved(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    let whole = if plain.is_absolute() { plain } else { Path::new(".").join(plain) };
    let mut missing = Vec::new();
    let mut there = whole.as_path();
    loop {
        if let Ok(real) = there.canonicalize() {
            return missing.iter().rev().fold(real, |path, name| path.join(name));
        }
        match (there.parent(), there.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name);
                there = parent;
            }
            _ => return whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{GOOD, home};

    #[test]
    fn an_inbox_is_a_directory_of_its_own() {
        let home = home();
        let told = |lines: &str| {
            let text = format!("{GOOD}\n{lines}");
            crate::config::parse("c.toml", text, home.path()).err().map(|report| report.to_string())
        };
        for (lines, what) in [
            ("[clearing.captures]\ninbox = \".\"", "the directory of the configuration"),
            ("[clearing.captures]\ninbox = \"../\"", "the directory of the configuration"),
            ("[clearing.answers]\ninbox = \"state/../state\"", "the state directory"),
            ("[clearing.captures]\ninbox = \"state/clearing\"", "the directory of clearing files"),
            ("[clearing.captures]\ninbox = \"state/payouts/in\"", "the directory of payouts"),
            ("[clearing.answers]\ninbox = \"state/reports\"", "the directory of reports"),
            ("[clearing.captures]\ninbox = \"state/journal\"", "the directory of the journal"),
            (
                "[clearing]\ndirectory = \"out\"\n[clearing.answers]\ninbox = \"out/back\"",
                "the directory of clearing files",
            ),
            (
                "[clearing.captures]\ninbox = \"in\"\n[clearing.answers]\ninbox = \"in\"",
                "the inbox of captures",
            ),
            ("[clearing.captures]\ninbox = \"state/answers/bank\"", "the inbox of captures"),
        ] {
            let told = told(lines).unwrap_or_else(|| panic!("{lines} is taken"));
            assert!(told.contains("are not apart") && told.contains(what), "{lines}: {told}");
            assert!(told.contains("c.toml:"), "it says where: {told}");
        }
        let apart = "[clearing]\ndirectory = \"out\"\n[clearing.captures]\ninbox = \"in/shops\"\n[clearing.answers]\ninbox = \"in/banks\"";
        assert_eq!(told(apart), None);
        assert_eq!(told(""), None);
    }
}
