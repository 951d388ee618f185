//! Options by which a command says which state directory it is about.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use crate::config;

/// Where the configuration is that nobody named.
const DEFAULT: &str = "/etc/iso8583d/iso8583d.toml";

/// A state directory.
#[derive(Args)]
pub(super) struct Home {
    /// The configuration that names the state directory
    #[arg(long, default_value = DEFAULT)]
    config: PathBuf,
    /// The state directory itself
    #[arg(long, conflicts_with = "config")]
    state: Option<PathBuf>,
}

impl Home {
    /// The configuration itself, wherever it is read; none when the state directory was named.
    pub(super) fn file(&self) -> Option<PathBuf> {
        let named = self.state.is_none().then_some(&self.config)?;
        Some(std::path::absolute(named).unwrap_or_else(|_| named.clone()))
    }

    pub(super) fn state(&self) -> Result<PathBuf, Failure> {
        match &self.state {
            Some(state) => Ok(state.clone()),
            None if self.config == Path::new(DEFAULT) && !self.config.exists() => {
                Err(Failure::Usage(format!(
                    "there is no {DEFAULT}\nhelp: give --config FILE, or --state DIRECTORY"
                )))
            }
            None => config::state(&self.config).map_err(Failure::Faults),
        }
    }
}
