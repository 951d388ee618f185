//! `diff`: two messages compared.

use std::io::{self, Write as _};

use clap::Args;

use super::Failure;
use super::messages::{Input, one_input, options, unreadable};
use super::peer::{Frames, dialect};
use crate::tools::{self, Side};

/// Compare two messages.
#[derive(Args)]
pub(super) struct Diff {
    /// A file, `-` for stdin, or the message itself as hexadecimal digits or base64
    a: String,
    /// The other one
    b: String,
    /// How both are written: a shipped dialect, or a file with a `/` or a `.` in its name
    #[arg(long, default_value = "iso87-ascii")]
    dialect: String,
    /// How A is written, where that is otherwise
    #[arg(long)]
    dialect_a: Option<String>,
    /// How B is written, where that is otherwise
    #[arg(long)]
    dialect_b: Option<String>,
    /// What both inputs are; recognised by their beginnings without this
    #[arg(long, value_enum)]
    input: Option<Input>,
    #[command(flatten)]
    frames: Frames,
    /// Show card numbers, tracks and PIN blocks in clear
    #[arg(long)]
    unmask: bool,
}

impl Diff {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let a = self.side("A", &self.a, self.dialect_a.as_deref())?;
        let b = self.side("B", &self.b, self.dialect_b.as_deref())?;
        let told = tools::diff(&a, &b, self.unmask);
        io::stdout().lock().write_all(told.as_bytes()).map_err(Failure::io("stdout"))?;
        if told.is_empty() { Ok(()) } else { Err(Failure::Differ) }
    }

    fn side(&self, side: &str, given: &str, own: Option<&str>) -> Result<Side, Failure> {
        let dialect = dialect(own.unwrap_or(&self.dialect))?;
        if matches!(self.input, Some(Input::Pcap)) {
            return Err(Failure::Input(String::from(
                "a capture is not one message\nhelp: decode it, and compare two of its messages",
            )));
        }
        let options = options(self.input, self.frames.framing(&dialect)?, None, &dialect);
        let (name, mut input) = one_input(given, side)?;
        tools::read_side(&dialect, &mut input, &options).map_err(|error| unreadable(name, error))
    }
}
