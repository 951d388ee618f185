//! `map`: a message of one link as another would be told it.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Failure;
use super::messages::{Input, one_input, options, unreadable};
use crate::config::{self, Config, Link};
use crate::dialect::Dialect;
use crate::framing::Framing;
use crate::tools::{self, End};

/// Show a message of one link as another would be told it.
#[derive(Args)]
pub(super) struct Map {
    /// The configuration
    config: PathBuf,
    /// The link that sends the message
    from: String,
    /// The link that would be told it
    to: String,
    /// A file, `-` for stdin, or the message itself as hexadecimal digits or base64
    message: String,
    /// What the input is; recognised by its beginning without this
    #[arg(long, value_enum)]
    input: Option<Input>,
    /// The message comes as a whole frame of its link, with length and header
    #[arg(long)]
    framed: bool,
}

impl Map {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let config = config::load(&self.config).map_err(Failure::Faults)?;
        let (from, to) = (named(&config, &self.from)?, named(&config, &self.to)?);
        let dialect = from.tongue.wire();
        let framing = self
            .framed
            .then(|| Framing::new(from.framing).measured_by(Arc::<Dialect>::clone(dialect)));
        let options = options(self.input, framing, None, dialect);
        let (name, mut input) = one_input(&self.message, "the message")?;
        let side = tools::read_side(dialect, &mut input, &options)
            .map_err(|error| unreadable(name, error))?;
        let (_, wire) = side.into_parts();
        let refused = |why: String| {
            Failure::Found(format!(
                "link {:?} is not told this message, its asker hears 30: {why}",
                to.name
            ))
        };
        let read = from.tongue.read(wire.body().clone()).map_err(|error| {
            let element = error.element.map_or_else(String::new, |no| format!("element {no}: "));
            refused(format!("{element}{}", error.fault))
        })?;
        let from = End { name: &from.name, tongue: &from.tongue };
        let to = End { name: &to.name, tongue: &to.tongue };
        let told = tools::map((from, &wire), (to, &read), crate::sim::clock::wall())
            .map_err(|error| refused(error.to_string()))?;
        io::stdout().lock().write_all(told.as_bytes()).map_err(Failure::io("stdout"))
    }
}

fn named<'c>(config: &'c Config, name: &str) -> Result<&'c Link, Failure> {
    config.links.iter().find(|link| link.name == name).ok_or_else(|| {
        let names: Vec<_> = config.links.iter().map(|link| link.name.as_str()).collect();
        Failure::Usage(format!("{name:?} is no link; those are {}", names.join(", ")))
    })
}
