//! `decode` and `encode`: lines in, lines out.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;

use super::peer::{Length, dialect};
use super::{Failure, say};
use crate::framing::{self, Framing, Tpdu};
use crate::tools::{self, Line};

/// Show messages.
#[derive(Args)]
pub(super) struct Decode {
    #[command(flatten)]
    lines: Lines,
    /// Show card numbers, tracks and PIN blocks in clear
    #[arg(long)]
    unmask: bool,
}

/// Write messages.
#[derive(Args)]
pub(super) struct Encode {
    #[command(flatten)]
    lines: Lines,
}

/// Where the lines come from, and how messages are written.
#[derive(Args)]
struct Lines {
    /// A shipped dialect (iso87-ascii, iso87-ascii-binary-bitmap, iso87-bcd, iso87-ebcdic), or a file with a `/` or a `.` in its name
    #[arg(long, default_value = "iso87-ascii")]
    dialect: String,
    /// Each line is a whole frame, and this is how its length is written
    #[arg(long, value_enum)]
    length: Option<Length>,
    /// Frames have a TPDU; this one is written by `encode` where the object names none
    #[arg(long, value_parser = Tpdu::from_text, requires = "length")]
    tpdu: Option<Tpdu>,
    /// Files to read; stdin without any
    files: Vec<PathBuf>,
}

impl Decode {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let dialect = dialect(&self.lines.dialect)?;
        let framing = self.lines.framing();
        self.lines.each(|line, out| {
            let line = tools::decode_line(&dialect, framing.as_ref(), line, self.unmask);
            writeln!(out, "{}", line.text).map(|()| line.ok)
        })
    }
}

impl Encode {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let dialect = dialect(&self.lines.dialect)?;
        let framing = self.lines.framing();
        let mut number = 0_u64;
        self.lines.each(|line, out| {
            number += 1;
            let Line { ok, text } = tools::encode_line(&dialect, framing.as_ref(), line);
            if ok {
                writeln!(out, "{text}")?;
            } else {
                say(&format!("message {number}: {text}"));
            }
            Ok(ok)
        })
    }
}

impl Lines {
    fn framing(&self) -> Option<Framing> {
        let length = self.length?.into();
        let settings =
            framing::Settings { length, tpdu: self.tpdu, ..framing::Settings::default() };
        Some(Framing::new(settings))
    }

    /// Every line that is not blank, of every file; fails at the end when some were bad.
    fn each(
        &self,
        mut show: impl FnMut(&str, &mut dyn Write) -> io::Result<bool>,
    ) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        let (mut all, mut bad) = (0_u64, 0_u64);
        for (name, input) in self.inputs()? {
            for line in input.lines() {
                let line = line.map_err(Failure::io(name.clone()))?;
                if line.trim().is_empty() {
                    continue;
                }
                all += 1;
                bad += u64::from(!show(&line, &mut out).map_err(Failure::io("stdout"))?);
            }
        }
        out.flush().map_err(Failure::io("stdout"))?;
        if bad == 0 { Ok(()) } else { Err(Failure::Data { bad, all }) }
    }

    fn inputs(&self) -> Result<Vec<Input>, Failure> {
        if self.files.is_empty() {
            return Ok(vec![(String::from("stdin"), Box::new(BufReader::new(io::stdin())))]);
        }
        let open = |path: &PathBuf| -> Result<Input, Failure> {
            let name = path.display().to_string();
            let file = File::open(path).map_err(Failure::io(name.clone()))?;
            Ok((name, Box::new(BufReader::new(file))))
        };
        self.files.iter().map(open).collect()
    }
}

/// What lines are read from, and what people call it.
type Input = (String, Box<dyn BufRead>);
