//! The dialects that links name: shipped with the program, or a file beside the configuration; each is read once.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::read::Section;
use super::report::{Fault, Faults, Report, Source, meant};
use crate::dialect::{self, Dialect, Version};
use crate::mapping::{self, Tongue};

/// The dialects that were asked for so far, by name or path; none for those that are no dialects.
pub(super) struct Dialects {
    home: PathBuf,
    read: BTreeMap<String, Option<Arc<Dialect>>>,
}

/// Why there is no such dialect.
enum NoDialect {
    /// No dialect of this name is shipped.
    Unknown,
    /// Its file cannot be read.
    Unreadable(io::Error),
    /// Its file has faults of its own.
    Faulty(Vec<Fault>),
}

/// A dialect that is shipped, or a file when the name has a `/` or a `.` in it.
pub fn named(name: &str) -> Result<Arc<Dialect>, Report> {
    let fault = match find(name, Path::new("")) {
        Ok(dialect) => return Ok(dialect),
        Err(NoDialect::Faulty(faults)) => return Err(Report::new(faults)),
        Err(fault) => fault,
    };
    // There is no file to point into: the name itself is the text.
    let faults = Faults::new(String::from("command line"), name.to_owned());
    faults.tell(explain(name, fault, faults.at(0..name.len(), "there is no such dialect")));
    Err(Report::new(faults.into_list()))
}

/// How a simulated peer speaks a dialect, on its own side of a link.
pub fn tongue(name: &str) -> Result<Tongue, Report> {
    let wire = named(name)?;
    Tongue::new(wire, mapping::Settings::default()).map(|tongue| tongue.of_peer()).map_err(|why| {
        let faults = Faults::new(String::from("command line"), name.to_owned());
        let title = "simulated peers cannot speak this dialect";
        faults.tell(faults.at(0..name.len(), title).label(why.to_string()));
        Report::new(faults.into_list())
    })
}

/// A dialect for load: its messages are of ISO 8583:1987.
pub fn spoken(name: &str) -> Result<Arc<Dialect>, Report> {
    let dialect = named(name)?;
    let version = match dialect.version() {
        Version::Of1987 => return Ok(dialect),
        Version::Of1993 => "1993",
        Version::Of2003 => "2003",
    };
    let faults = Faults::new(String::from("command line"), name.to_owned());
    let title = "load cannot speak this dialect: it is not one of ISO 8583:1987";
    let fault = faults.at(0..name.len(), title);
    let fault = fault.label(format!("it says that its version is {version}"));
    faults.tell(fault.help(
        "an iso87 dialect, or one that extends it; the others are for decode, encode and files",
    ));
    Err(Report::new(faults.into_list()))
}

/// Faults of a text that is not part of a configuration, so that they are drawn as its own; `name` is what people call it.
pub fn faults_of(name: &str, text: &str, faults: Vec<dialect::Fault>) -> Vec<Fault> {
    let source = Arc::new(Source { name: name.to_owned(), text: text.to_owned() });
    faults.into_iter().map(|fault| place(&source, fault)).collect()
}

impl Dialects {
    /// Relative paths begin at `home`.
    pub(super) fn new(home: &Path) -> Self {
        Self { home: home.to_owned(), read: BTreeMap::new() }
    }

    /// The dialect that a link names.
    pub(super) fn read(&mut self, section: &Section<'_>) -> Option<Arc<Dialect>> {
        let Some(text) = section.text("dialect") else {
            if section.has("dialect").is_none() {
                section.missing("dialect", "dialect = \"iso87-ascii\"");
            }
            return None;
        };
        if let Some(known) = self.read.get(text.value) {
            return known.clone();
        }
        let found = find(text.value, &self.home);
        let found = found.map_err(|fault| match fault {
            // Its own lines say what is wrong; this line is not.
            NoDialect::Faulty(faults) => {
                for fault in faults {
                    section.faults().tell(fault);
                }
            }
            fault => {
                let told = section.faults().at(text.span, "there is no such dialect");
                section.faults().tell(explain(text.value, fault, told));
            }
        });
        let found = found.ok();
        self.read.insert(text.value.to_owned(), found.clone());
        found
    }
}

fn find(name: &str, home: &Path) -> Result<Arc<Dialect>, NoDialect> {
    if !name.contains(['/', '.']) {
        return Dialect::shipped(name).map(Arc::new).ok_or(NoDialect::Unknown);
    }
    let path = home.join(name);
    let text = fs::read_to_string(&path).map_err(NoDialect::Unreadable)?;
    Dialect::parse(&text).map(Arc::new).map_err(|faults| {
        let source = Arc::new(Source { name: path.display().to_string(), text });
        NoDialect::Faulty(faults.into_iter().map(|fault| place(&source, fault)).collect())
    })
}

fn explain(name: &str, fault: NoDialect, told: Fault) -> Fault {
    let shipped = Dialect::shipped_names();
    match (fault, meant(name, shipped.iter().copied())) {
        (NoDialect::Unreadable(fault), _) => told.label(fault.to_string()),
        (_, Some(known)) => {
            told.label("none of this name is shipped").help(format!("did you mean \"{known}\"?"))
        }
        (_, None) => told.label("none of this name is shipped").help(format!(
            "shipped are {}; a file has a `/` or a `.` in its name",
            shipped.join(", ")
        )),
    }
}

fn place(source: &Arc<Source>, fault: dialect::Fault) -> Fault {
    let told = Fault::new(source, fault.offset..fault.offset + fault.len, fault.message);
    match fault.help {
        Some(help) => told.help(help),
        None => told,
    }
}
