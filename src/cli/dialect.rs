//! `dialect check|show|list`: dialects without a configuration.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Failure, say};
use crate::config::{self, Report};
use crate::{dialect, tools};

/// Dialects.
#[derive(Subcommand)]
pub(super) enum Dialect {
    /// Look dialect files through, and tell everything that is wrong with them
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Show a dialect whole, what it has from the one that it extends included
    Show(Show),
    /// List the dialects that come with the program
    List,
}

/// Which dialect, and how.
#[derive(Args)]
pub(super) struct Show {
    /// A shipped dialect, or a file with a `/` or a `.` in its name
    dialect: String,
    /// As Markdown, for a document
    #[arg(long)]
    markdown: bool,
}

/// How much of a file is read: far more than a dialect has, or what one can be made of.
const FILE_BYTES_MAX: u64 = 4 << 20;

impl Dialect {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Check { files } => check(files),
            Self::Show(show) => show.run(),
            Self::List => print(&tools::list_dialects()),
        }
    }
}

impl Show {
    fn run(&self) -> Result<(), Failure> {
        let dialect = config::dialect(&self.dialect).map_err(Failure::Dialect)?;
        print(&if self.markdown {
            tools::show_dialect_markdown(&dialect)
        } else {
            tools::show_dialect(&dialect)
        })
    }
}

/// Says what each file is, or the faults of all of them in one report.
fn check(files: &[PathBuf]) -> Result<(), Failure> {
    let mut all = Vec::new();
    for path in files {
        let name = path.display().to_string();
        let bytes = read(path)?;
        let text = String::from_utf8_lossy(&bytes);
        match dialect::Dialect::parse(&text) {
            Ok(dialect) => {
                let elements = dialect.defined().len();
                say(&format!("{name} is good: {}, {elements} elements", dialect.name()));
            }
            Err(faults) => all.extend(config::faults_of(&name, &text, faults)),
        }
    }
    if all.is_empty() { Ok(()) } else { Err(Failure::Dialect(Report::new(all))) }
}

/// A file up to its limit.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Failure::io(name.clone()))?;
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    let read = read.map_err(Failure::io(name.clone()))?;
    if FILE_BYTES_MAX < u64::try_from(read).unwrap_or(u64::MAX) {
        let limit = io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {FILE_BYTES_MAX} bytes, which no such file is"),
        );
        return Err(Failure::Io { what: name, source: limit });
    }
    Ok(bytes)
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::io("stdout"))
}
