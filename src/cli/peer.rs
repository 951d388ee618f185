//! Options by which a command says how a peer writes and cuts its stream.

use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::Failure;
use crate::config;
use crate::dialect::Dialect;
use crate::framing::{self, Tpdu};

/// How a peer writes and cuts its stream.
#[derive(Args)]
pub(super) struct Speech {
    /// A shipped dialect (iso87-ascii, iso87-ascii-binary-bitmap, iso87-bcd, iso87-ebcdic), or a file with a `/` or a `.` in its name
    #[arg(long, default_value = "iso87-ascii")]
    dialect: String,
    #[command(flatten)]
    cut: Cut,
}

/// How a peer cuts its stream.
#[derive(Args)]
pub(super) struct Cut {
    /// How the length before each message is written
    #[arg(long, value_enum, default_value = "binary-2")]
    length: Length,
    /// The TPDU before each message, ten hexadecimal digits; none without this
    #[arg(long, value_parser = Tpdu::from_text)]
    tpdu: Option<Tpdu>,
}

/// The length field.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Length {
    /// Two bytes, high byte first
    #[value(name = "binary-2")]
    Binary2,
    /// Four digits
    #[value(name = "ascii-4")]
    Ascii4,
}

impl Speech {
    pub(super) fn dialect(&self) -> Result<Arc<Dialect>, Failure> {
        dialect(&self.dialect)
    }

    pub(super) fn framing(&self) -> framing::Settings {
        self.cut.framing()
    }
}

impl Cut {
    pub(super) fn framing(&self) -> framing::Settings {
        framing::Settings {
            length: self.length.into(),
            tpdu: self.tpdu,
            ..framing::Settings::default()
        }
    }
}

impl From<Length> for framing::Length {
    fn from(length: Length) -> Self {
        match length {
            Length::Binary2 => Self::Binary2,
            Length::Ascii4 => Self::Ascii4,
        }
    }
}

/// A dialect by its name or its file.
pub(super) fn dialect(name: &str) -> Result<Arc<Dialect>, Failure> {
    config::dialect(name).map_err(Failure::Faults)
}
