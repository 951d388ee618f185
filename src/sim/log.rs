//! What a peer swears by: JSON lines, written before the deed. Knows no network.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Serialize;

use super::SimError;

/// A file of JSON lines. A line is with the operating system before the call returns, so that it
/// outlives a kill of any process, though not of the machine.
#[derive(Debug)]
pub struct Log {
    file: Mutex<File>,
    path: PathBuf,
}

impl Log {
    /// Begins, or continues, the file.
    pub fn open(path: &Path) -> Result<Self, SimError> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|source| SimError::File { path: path.to_owned(), source })?;
        Ok(Self { file: Mutex::new(file), path: path.to_owned() })
    }

    /// Appends one line for each value, all with one call of the system.
    pub fn write<T: Serialize>(&self, lines: &[T]) -> Result<(), SimError> {
        if lines.is_empty() {
            return Ok(());
        }
        let fault = |source| SimError::File { path: self.path.clone(), source };
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).map_err(|error| fault(error.into()))?;
            text.push(b'\n');
        }
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(&text).map_err(fault)
    }
}
