//! `ipm cat|check|convert`: clearing files as text, looked through, and in another form. Needs no daemon and no key.

use std::fs::{self, OpenOptions};
use std::io::{self, BufReader, BufWriter, IsTerminal as _, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::{Failure, say};
use crate::clearing;
use crate::tools::ipm::{self, IpmError, Known, Seen};

/// Look into clearing files, and make others of them.
#[derive(Subcommand)]
pub(super) enum Ipm {
    /// Show the records of a clearing file, a JSON object a line
    Cat(Cat),
    /// Look a clearing file through: headers and trailers, numbers, sums, and what a presentment must have
    Check(Check),
    /// Write a clearing file in another character set, with or without blocks; or out of the lines of `cat --unmask`
    Convert(Convert),
}

/// The file, and what is known of it.
#[derive(Args)]
struct Given {
    /// The file; stdin without one
    file: Option<PathBuf>,
    /// Its character set; found out without this
    #[arg(long, value_enum)]
    charset: Option<Charset>,
    /// Whether it is cut into blocks of 1,014 bytes; found out without this
    #[arg(long, value_enum)]
    blocks: Option<YesNo>,
}

/// Show records.
#[derive(Args)]
pub(super) struct Cat {
    #[command(flatten)]
    given: Given,
    /// Show card numbers in clear: whoever reads the output reads them
    #[arg(long)]
    unmask: bool,
}

/// Look a file through.
#[derive(Args)]
pub(super) struct Check {
    #[command(flatten)]
    given: Given,
}

/// Write a file of another form.
#[derive(Args)]
pub(super) struct Convert {
    #[command(flatten)]
    given: Given,
    /// The character set to write
    #[arg(long, value_enum, default_value = "latin-1")]
    out_charset: Charset,
    /// Whether to cut into blocks of 1,014 bytes
    #[arg(long, value_enum, default_value = "yes")]
    out_blocks: YesNo,
    /// The file to write, readable by its owner alone; it appears when it is whole. stdout without this
    #[arg(long)]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Charset {
    #[value(name = "latin-1")]
    Latin1,
    Cp500,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum YesNo {
    Yes,
    No,
}

impl Ipm {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Cat(cat) => {
                let (name, mut input, known) = cat.given.open()?;
                let mut out = BufWriter::new(io::stdout().lock());
                let seen = ipm::cat(&mut input, known, cat.unmask, &mut out);
                out.flush().map_err(Failure::io("stdout"))?;
                ended(seen, &name)
            }
            Self::Check(check) => {
                let (name, mut input, known) = check.given.open()?;
                let mut out = BufWriter::new(io::stdout().lock());
                let seen = ipm::check(&mut input, known, &mut out);
                out.flush().map_err(Failure::io("stdout"))?;
                ended(seen, &name)
            }
            Self::Convert(convert) => convert.run(),
        }
    }
}

impl Convert {
    fn run(&self) -> Result<(), Failure> {
        let (name, mut input, known) = self.given.open()?;
        let form = (self.out_charset.into(), self.out_blocks == YesNo::Yes);
        let Some(path) = &self.output else {
            if io::stdout().is_terminal() {
                return Err(Failure::Usage(String::from(
                    "a clearing file is not for a terminal\nhelp: name a file with --output, or send it on",
                )));
            }
            let mut out = BufWriter::new(io::stdout().lock());
            let seen = ipm::convert(&mut input, known, form, &mut out, say);
            out.flush().map_err(Failure::io("stdout"))?;
            return ended(seen, &name);
        };
        let mut unborn = path.clone().into_os_string();
        unborn.push(".part");
        let unborn = PathBuf::from(unborn);
        let seen = written(&unborn, |out| ipm::convert(&mut input, known, form, out, say));
        match seen {
            Ok(Ok(seen)) => {
                fs::rename(&unborn, path).map_err(Failure::io(path.display().to_string()))?;
                ended(Ok(seen), &name)
            }
            Ok(Err(fault)) => ended(Err(fault), &name),
            Err(fault) => Err(fault),
        }
    }
}

/// Writes a file that is whole on the disk when this returns.
fn written<T>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<fs::File>) -> Result<T, IpmError>,
) -> Result<Result<T, IpmError>, Failure> {
    let io = || Failure::io(path.display().to_string());
    // What an earlier call left there may be readable by others, or lead elsewhere.
    match fs::remove_file(path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(io()(fault)),
        Ok(()) | Err(_) => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut out = BufWriter::new(file.map_err(io())?);
    let written = write(&mut out);
    let whole = out.flush().and_then(|()| out.get_ref().sync_all());
    if written.is_err() || whole.is_err() {
        drop(fs::remove_file(path));
    }
    whole.map_err(io())?;
    Ok(written)
}

/// What came of it: all, or how many were bad.
fn ended(seen: Result<Seen, IpmError>, name: &str) -> Result<(), Failure> {
    match seen {
        Ok(Seen { bad: 0, .. }) => Ok(()),
        Ok(Seen { records, bad }) => Err(Failure::Data { bad, all: records, what: "records" }),
        Err(IpmError::Write(source)) => Err(Failure::Io { what: "the output".to_owned(), source }),
        Err(IpmError::Read(source)) => Err(Failure::Io { what: name.to_owned(), source }),
        Err(fault @ (IpmError::Frame(_) | IpmError::Foreign)) => {
            Err(Failure::Input(format!("{name}: {fault}")))
        }
    }
}

impl Given {
    fn open(&self) -> Result<(String, Box<dyn Read>, Known), Failure> {
        let known = Known {
            charset: self.charset.map(clearing::Charset::from),
            blocked: self.blocks.map(|blocks| blocks == YesNo::Yes),
        };
        let Some(path) = &self.file else {
            return Ok(("stdin".to_owned(), Box::new(io::stdin()), known));
        };
        let name = path.display().to_string();
        let file = fs::File::open(path).map_err(Failure::io(name.clone()))?;
        Ok((name, Box::new(BufReader::new(file)), known))
    }
}

impl From<Charset> for clearing::Charset {
    fn from(charset: Charset) -> Self {
        match charset {
            Charset::Latin1 => Self::Latin1,
            Charset::Cp500 => Self::Cp500,
        }
    }
}
