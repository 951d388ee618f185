//! `dialect check|show|list|import`: dialects without a configuration, and out of other products' packager files.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};

use super::{Failure, counted, say};
use crate::config::{self, Report};
use crate::dialect;
use crate::tools::{self, Product, Remark};

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
    /// Make a dialect of another product's packager file
    ///
    /// What cannot be taken over is told, and named in a comment of the dialect. Nothing but the file itself is read.
    Import(Import),
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

/// What becomes a dialect, and where it goes.
#[derive(Args)]
pub(super) struct Import {
    /// Whose packager file it is
    #[arg(value_enum)]
    product: Source,
    /// The packager file
    file: PathBuf,
    /// The file to write; stdout without it
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Overwrite the file to write
    #[arg(long, requires = "output")]
    force: bool,
    /// The shipped dialect that fills in what the file leaves open: echo, response codes, classes, the version
    #[arg(long, value_name = "NAME", default_value = "iso87-ascii")]
    base: String,
    /// The dialect's name; without it, that of the file to write, or else of the packager file
    #[arg(long)]
    name: Option<String>,
}

/// Who has packager files.
#[derive(Clone, Copy, ValueEnum)]
enum Source {
    /// A specification of pyiso8583, as JSON
    Pyiso8583,
    /// A message specification of moov's iso8583, as JSON
    Moov,
    /// A `GenericPackager` of jPOS, as XML
    Jpos,
}

impl Dialect {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Check { files } => check(files),
            Self::Show(show) => show.run(),
            Self::List => print(&tools::list_dialects()),
            Self::Import(import) => import.run(),
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

impl Import {
    fn run(&self) -> Result<(), Failure> {
        let path = self.file.display().to_string();
        let bytes = read(&self.file)?;
        let file = self.file.file_name().unwrap_or_default().to_string_lossy();
        let base = config::dialect(&self.base).map_err(Failure::Dialect)?;
        let (product, name) = (self.product.into(), self.name());
        let made =
            tools::import_dialect(product, Some(Arc::unwrap_or_clone(base)), &name, &file, &bytes);
        let made = made.map_err(|faults| {
            let text = String::from_utf8_lossy(&bytes);
            Failure::Dialect(Report::new(config::faults_of(&path, &text, faults)))
        })?;
        for Remark { line, about, left_out, message } in &made.remarks {
            let what = if *left_out { "left out" } else { "look at this" };
            say(&format!("{path}:{line}: {about}: {what}: {message}"));
        }
        match &self.output {
            None => print(&made.text)?,
            Some(output) => self.write(output, &made.text)?,
        }
        let look = made.remarks.iter().filter(|remark| !remark.left_out).count();
        let look = if look == 0 { String::new() } else { format!(", {look} to look at") };
        let taken = counted(made.elements, "element");
        say(&format!("{taken} taken over, {} left out{look}", made.left_out));
        Ok(())
    }

    /// What a link will call the dialect.
    fn name(&self) -> String {
        let stem = self.output.as_ref().unwrap_or(&self.file).file_stem();
        let stem = || stem.unwrap_or_default().to_string_lossy().into_owned();
        self.name.clone().unwrap_or_else(stem)
    }

    fn write(&self, output: &Path, text: &str) -> Result<(), Failure> {
        let name = output.display().to_string();
        let mut options = OpenOptions::new();
        options.write(true).truncate(self.force).create(self.force).create_new(!self.force);
        let written = options.open(output).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Failure::Found(format!("{name} is there already; --force overwrites it"))
            }
            _ => Failure::io(name)(error),
        })
    }
}

impl From<Source> for Product {
    fn from(source: Source) -> Self {
        match source {
            Source::Pyiso8583 => Self::Pyiso8583,
            Source::Moov => Self::Moov,
            Source::Jpos => Self::Jpos,
        }
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
                let elements = counted(dialect.defined().iter().count(), "element");
                say(&format!("{name} is good: {}, {elements}", dialect.name()));
            }
            Err(faults) => all.extend(config::faults_of(&name, &text, faults)),
        }
    }
    if all.is_empty() { Ok(()) } else { Err(Failure::Dialect(Report::new(all))) }
}

/// A file that is not longer than any that describes a dialect.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    const MAX: usize = tools::IMPORT_BYTES_MAX;
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Failure::io(name.clone()))?;
    let limit = u64::try_from(MAX).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(Failure::io(name.clone()))?;
    if bytes.len() <= MAX {
        return Ok(bytes);
    }
    let message = format!("longer than {MAX} bytes, which no file that describes a dialect is");
    let fault = dialect::Fault { line: 1, column: 1, offset: 0, len: 0, message, help: None };
    Err(Failure::Dialect(Report::new(config::faults_of(&name, "", vec![fault]))))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::io("stdout"))
}
