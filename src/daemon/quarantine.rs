//! Frames that broke the switch: kept by keyed tag, so that their resend does not break it again. Holds no bytes of them.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use crate::seal::{Keys, Tag};

/// The tags, as they were at the start.
#[derive(Debug)]
pub(super) struct Quarantine {
    path: PathBuf,
    keys: Arc<Keys>,
    tags: BTreeSet<Tag>,
}

impl Quarantine {
    /// Reads the list; a line that is no tag is passed over.
    pub(super) fn open(path: PathBuf, keys: Arc<Keys>) -> io::Result<Self> {
        let text = match fs::read_to_string(&path) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        let tags = text.lines().filter_map(|line| u128::from_str_radix(line, 16).ok().map(Tag));
        Ok(Self { path, keys, tags: tags.collect() })
    }

    /// How many frames are on the list.
    pub(super) fn len(&self) -> usize {
        self.tags.len()
    }

    /// Whether a frame is on the list.
    pub(super) fn holds(&self, frame: &[u8]) -> bool {
        !self.tags.is_empty() && self.tags.contains(&self.tag(frame))
    }

    /// Puts a frame on the list, durably.
    pub(super) fn add(&self, frame: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        writeln!(file, "{:032x}", self.tag(frame).0)?;
        file.sync_all()
    }

    fn tag(&self, frame: &[u8]) -> Tag {
        self.keys.tag("quarantine", &[frame])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_frame_is_known_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let open = || {
            let keys = Arc::new(Keys::new(&[7; 32]));
            Quarantine::open(directory.path().join("quarantine"), keys).unwrap()
        };
        let first = open();
        first.add(b"one").unwrap();
        first.add(b"two").unwrap();
        let second = open();
        assert_eq!(second.len(), 2);
        assert!(second.holds(b"one") && second.holds(b"two") && !second.holds(b"three"));
    }
}
