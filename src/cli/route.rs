//! `route`: where a message goes by a configuration, and why.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Failure;
use super::messages::{Input, one_input, options, unreadable};
use crate::config::{self, Config, Link};
use crate::dialect::Dialect;
use crate::framing::Framing;
use crate::switch::{Arrival, SessionId};
use crate::tools::{self, Roads};

/// Tell where a message goes.
#[derive(Args)]
pub(super) struct Route {
    /// The configuration
    config: PathBuf,
    /// A file, `-` for stdin, or the message itself as hexadecimal digits or base64
    message: String,
    /// The link that asks, whose dialect the message is in; the only one that asks without this
    #[arg(long, value_name = "NAME")]
    link: Option<String>,
    /// What the input is; recognised by its beginning without this
    #[arg(long, value_enum)]
    input: Option<Input>,
    /// The message comes as a whole frame of its link, with length and header
    #[arg(long)]
    framed: bool,
}

impl Route {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let config = config::load(&self.config).map_err(Failure::Faults)?;
        let link = self.asker(&config)?;
        let dialect = link.tongue.wire();
        let framing = self
            .framed
            .then(|| Framing::new(link.framing).measured_by(Arc::<Dialect>::clone(dialect)));
        let options = options(self.input, framing, None, dialect);
        let (name, mut input) = one_input(&self.message, "the message")?;
        let side = tools::read_side(dialect, &mut input, &options)
            .map_err(|error| unreadable(name, error))?;
        let (head, message) = side.into_parts();
        let message = link.tongue.read(message.body().clone()).map_err(|error| {
            let element = error.element.map_or_else(String::new, |no| format!("element {no}: "));
            Failure::Input(format!("this message is refused with 30: {element}{}", error.fault))
        })?;
        let arrival = Arrival::new(SessionId(0), link.id, head, message, &config.keys);
        let names: Vec<_> = config.links.iter().map(|link| (link.id, link.name.as_str())).collect();
        let (rules, lines) = (&config.routes, &config.route_lines);
        let (told, found) = tools::explain_route(&arrival, &Roads { rules, lines, names: &names })
            .map_err(|not| Failure::Input(not.to_string()))?;
        io::stdout().lock().write_all(told.as_bytes()).map_err(Failure::io("stdout"))?;
        let nowhere = || Failure::Found(String::from("no route takes this message"));
        found.then_some(()).ok_or_else(nowhere)
    }

    /// The link that sends the message.
    fn asker<'c>(&self, config: &'c Config) -> Result<&'c Link, Failure> {
        let asks: Vec<&Link> = config.links.iter().filter(|link| link.asks).collect();
        let names = || asks.iter().map(|link| link.name.as_str()).collect::<Vec<_>>().join(", ");
        match (&self.link, asks.as_slice()) {
            (None, [only]) => Ok(only),
            (None, []) => Err(Failure::Usage(String::from("no link of this configuration asks"))),
            (None, _) => Err(Failure::Usage(format!(
                "several links ask: say which with --link, one of {}",
                names()
            ))),
            (Some(name), _) => {
                asks.iter().find(|link| link.name == *name).copied().ok_or_else(|| {
                    Failure::Usage(format!(
                        "--link {name:?} is no link that asks; those are {}",
                        names()
                    ))
                })
            }
        }
    }
}
