//! Options by which a command says how a peer writes and cuts its stream.

use std::sync::Arc;

use clap::Args;

use super::Failure;
use crate::config;
use crate::dialect::Dialect;
use crate::framing::{self, Counts, Fixed, Framing, Head, Impossible, Length, Tpdu};
use crate::mapping::Tongue;

/// How a peer writes and cuts its stream.
#[derive(Args)]
pub(super) struct Speech {
    /// A shipped dialect of ISO 8583:1987 or 1993 (iso87-ascii, iso93-bcd and others), or a file with a `/` or a `.` in its name
    #[arg(long, default_value = "iso87-ascii")]
    dialect: String,
    #[command(flatten)]
    cut: Cut,
}

/// How a peer cuts its stream, in the words of a link's configuration.
#[derive(Args)]
struct Cut {
    /// How the length before each message is written, e.g. binary-2, binary-2-le, ascii-4, ebcdic-4, hex-4, bcd-2, none
    #[arg(long, value_parser = Length::from_text, default_value = "binary-2")]
    length: Length,
    #[command(flatten)]
    around: Around,
}

/// How frames are cut, where messages come as whole frames.
#[derive(Args)]
pub(super) struct Frames {
    /// Messages come as whole frames, and this is how the length of each is written, e.g. binary-2, binary-2-le, ascii-4,
    /// ebcdic-4, hex-4, bcd-2, none
    #[arg(long, visible_alias = "framing", value_parser = Length::from_text)]
    length: Option<Length>,
    #[command(flatten)]
    around: Around,
}

/// What stands around a message besides its length, in the words of a link's configuration.
#[derive(Args)]
struct Around {
    /// What the length counts besides the message: prefix, itself, reserved, header, trailer, with commas between; header
    /// without this
    #[arg(long, value_name = "PARTS", value_parser = Counts::from_text)]
    length_counts: Option<Counts>,
    /// The bytes with which each frame begins, in hexadecimal digits
    #[arg(long, value_name = "BYTES", value_parser = Fixed::from_text)]
    prefix: Option<Fixed>,
    /// The bytes between the length and the header, in hexadecimal digits
    #[arg(long, value_name = "BYTES", value_parser = Fixed::from_text)]
    reserved: Option<Fixed>,
    /// The TPDU before each message, ten hexadecimal digits; none without this
    #[arg(long, value_parser = Tpdu::from_text, conflicts_with = "header")]
    tpdu: Option<Tpdu>,
    /// Another header before each message: visa:DESTINATION:SOURCE, base24:ISO025000050, echo:BYTES or constant:BYTES
    #[arg(long, value_parser = Head::from_text)]
    header: Option<Head>,
    /// The bytes behind each message, in hexadecimal digits
    #[arg(long, value_name = "BYTES", value_parser = Fixed::from_text)]
    trailer: Option<Fixed>,
    /// Each frame ends with an LRC
    #[arg(long)]
    lrc: bool,
}

impl Speech {
    /// How a simulated peer speaks, on its own side of the link.
    pub(super) fn tongue(&self) -> Result<Tongue, Failure> {
        config::tongue(&self.dialect).map_err(Failure::Faults)
    }

    pub(super) fn framing(&self) -> Result<framing::Settings, Failure> {
        self.cut.around.framing(self.cut.length)
    }
}

impl Frames {
    /// The framing of messages of this dialect, if they have any.
    pub(super) fn framing(&self, dialect: &Arc<Dialect>) -> Result<Option<Framing>, Failure> {
        let Some(length) = self.length else {
            let bare = "without --length there is nothing around a message; add --length, which may be none";
            let given = self.around.is_given();
            return if given { Err(Failure::Usage(bare.to_owned())) } else { Ok(None) };
        };
        let framing = Framing::new(self.around.framing(length)?);
        Ok(Some(framing.measured_by(Arc::<Dialect>::clone(dialect))))
    }
}

impl Around {
    /// Whether any of it is said.
    const fn is_given(&self) -> bool {
        self.length_counts.is_some()
            || self.prefix.is_some()
            || self.reserved.is_some()
            || self.tpdu.is_some()
            || self.header.is_some()
            || self.trailer.is_some()
            || self.lrc
    }

    /// The framing with this length.
    fn framing(&self, length: Length) -> Result<framing::Settings, Failure> {
        let settings = framing::Settings {
            prefix: self.prefix.unwrap_or_default(),
            length,
            counts: self.length_counts.unwrap_or_default(),
            reserved: self.reserved.unwrap_or_default(),
            header: self.tpdu.map(Head::tpdu).or(self.header).unwrap_or_default(),
            trailer: self.trailer.unwrap_or_default(),
            lrc: self.lrc,
            ..framing::Settings::default()
        };
        match settings.impossible().first() {
            None => Ok(settings),
            Some(Impossible { key, why, fix }) => {
                let option = key.replace('_', "-");
                Err(Failure::Usage(format!("--{option}: {why}; {fix}")))
            }
        }
    }
}

/// A dialect by its name or its file.
pub(super) fn dialect(name: &str) -> Result<Arc<Dialect>, Failure> {
    config::dialect(name).map_err(Failure::Faults)
}

/// The same for load, whose messages are of ISO 8583:1987.
pub(super) fn spoken(name: &str) -> Result<Arc<Dialect>, Failure> {
    config::spoken(name).map_err(Failure::Faults)
}
