//! `doctor`: captured bytes in, the lines of a link that fit them out.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;

use super::messages::{Input, sources, unreadable};
use super::peer::dialect;
use super::{Failure, say};
use crate::dialect::Dialect;
use crate::tools::doctor::{self, Sample, Suspect};
use crate::tools::input::{self, Form, Options};

/// A dialect as a link names it: a configuration takes a file for one beside itself, so it is told with its whole path.
fn told(name: &str) -> Result<String, Failure> {
    if Dialect::shipped_names().contains(&name) {
        return Ok(name.to_owned());
    }
    let path = std::path::absolute(name).map_err(Failure::io(name))?;
    Ok(path.to_string_lossy().into_owned())
}

/// Find the framing and the dialect of captured bytes.
#[derive(Args)]
pub(super) struct Doctor {
    /// A dialect to try besides the shipped ones, a file with a `/` or a `.` in its name; may be repeated
    #[arg(long, value_name = "FILE")]
    dialect: Vec<String>,
    /// What the input is; recognised by its beginning without this
    #[arg(long, value_enum)]
    input: Option<Input>,
    /// Of a capture, the TCP port on either side whose streams are looked at
    #[arg(long)]
    port: Option<u16>,
    /// Files to read, all of one connection or one kind of peer; stdin without any
    files: Vec<PathBuf>,
}

impl Doctor {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let suspects = self.suspects()?;
        let options = Options {
            form: self.input.map(Form::from),
            port: self.port,
            digits_first: true,
            uncut: true,
            ..Options::default()
        };
        let mut sample = Sample::default();
        for (name, mut source) in sources(&self.files)? {
            let mut take = |piece| {
                sample.take(piece);
                Ok(())
            };
            input::read(&mut source, &options, &mut take)
                .map_err(|error| unreadable(name, error))?;
        }
        if sample.is_empty() {
            sample.faults().iter().for_each(|fault| say(fault));
            return Err(Failure::Input(String::from(
                "there are no bytes to look at\nhelp: give hexadecimal digits, base64, a dump, plain bytes or a capture; --input says which",
            )));
        }
        let found = doctor::diagnose(&sample, &suspects);
        io::stdout().lock().write_all(found.text.as_bytes()).map_err(Failure::io("stdout"))?;
        let nothing = || Failure::Input(String::from("no framing and no dialect fit"));
        found.fits.then_some(()).ok_or_else(nothing)
    }

    /// The shipped dialects, and those that are given.
    fn suspects(&self) -> Result<Vec<Suspect>, Failure> {
        let given = self.dialect.iter().map(String::as_str);
        let shipped = Dialect::shipped_names().iter().copied();
        let names =
            given.clone().chain(shipped.filter(|name| !given.clone().any(|it| it == *name)));
        names.map(|name| Ok(Suspect { name: told(name)?, dialect: dialect(name)? })).collect()
    }
}
