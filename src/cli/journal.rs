//! `journal verify|cat|export`: a journal as text. Needs no daemon and no key.

use std::io::{self, BufWriter, Write as _};

use clap::{Args, Subcommand};

use super::Failure;
use super::home::Home;
use crate::record::Lsn;
use crate::tools;

/// Look into a journal.
#[derive(Subcommand)]
pub(super) enum Journal {
    /// Read all of it and say whether it is in order
    Verify {
        #[command(flatten)]
        home: Home,
    },
    /// Show its records, a line each, for people
    Cat(Span),
    /// Show its records, a JSON object each, for programs
    Export(Span),
}

/// Which records.
#[derive(Args)]
pub(super) struct Span {
    #[command(flatten)]
    home: Home,
    /// The first position to show
    #[arg(long, default_value_t = 0)]
    from: u64,
}

impl Journal {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        let directory = |home: &Home| Ok::<_, Failure>(home.state()?.join("journal"));
        match self {
            Self::Verify { home } => tools::journal::verify(&directory(home)?, &mut out)?,
            Self::Cat(span) => {
                tools::journal::cat(&directory(&span.home)?, Lsn(span.from), &mut out)?;
            }
            Self::Export(span) => {
                tools::journal::export(&directory(&span.home)?, Lsn(span.from), &mut out)?;
            }
        }
        out.flush().map_err(Failure::io("stdout"))
    }
}
