//! A directory that others put files into: each is taken when it is whole, and put away when it is dealt with. Knows no contents.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::LedgerError;

/// Where files come in. What is dealt with lies in `done` or `refused` beside the others.
#[derive(Clone, Debug)]
pub struct Inbox {
    directory: PathBuf,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was taken, whatever became of its records.
    Done,
    /// All of it was refused.
    Refused,
}

/// A file that was not renamed into its place is whole when nobody has written to it for so long.
const QUIET: Duration = Duration::from_secs(2);

impl Inbox {
    /// Makes what is missing of it. Only its owner reads and writes there: files may hold cards.
    pub fn open(directory: &Path) -> Result<Self, LedgerError> {
        for fate in [Fate::Done, Fate::Refused] {
            let path = directory.join(fate.word());
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(fault("make", &path))?;
        }
        Ok(Self { directory: directory.to_owned() })
    }

    /// The names of what is there and whole, in order. Hidden files, those that end in `.part`, and what is no plain file are left
    /// alone: who copies over a slow line writes under such a name, and renames.
    pub fn waiting(&self) -> Result<Vec<String>, LedgerError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(fault("read", &self.directory))? {
            let entry = entry.map_err(fault("read", &self.directory))?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            // Somebody may have taken it away meanwhile.
            let Ok(about) = fs::symlink_metadata(entry.path()) else { continue };
            let written = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            // A time to come is no reason to wait.
            let quiet = written.elapsed().map_or(true, |since| since >= QUIET);
            if about.is_file() && quiet && !is_passing(&name) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Opens one of them. Links are not followed.
    pub fn file(&self, name: &str) -> Result<File, LedgerError> {
        let path = self.path(name)?;
        // Nor is anything waited for: a pipe that somebody put there has no end.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = flags.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&path);
        let file = file.map_err(fault("open", &path))?;
        if file.metadata().map_err(fault("look at", &path))?.is_file() {
            return Ok(file);
        }
        let source = io::Error::new(io::ErrorKind::InvalidInput, "not a plain file");
        Err(LedgerError::Io { what: "open", path, source })
    }

    /// Puts a copy of a file in, whole, under its own name or, where that is taken, one like it; gives the name.
    pub fn put(&self, source: &Path) -> Result<String, LedgerError> {
        let name = source.file_name().and_then(|name| name.to_str()).unwrap_or("file");
        let name = self.free(&self.directory, &short(name.trim_start_matches('.')));
        let hidden = self.directory.join(format!(".{name}.part"));
        let mut from = File::open(source).map_err(fault("open", source))?;
        match fs::remove_file(&hidden) {
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
            removed => removed.map_err(fault("remove", &hidden))?,
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut to = options.open(&hidden).map_err(fault("create", &hidden))?;
        io::copy(&mut from, &mut to).map_err(fault("write", &hidden))?;
        to.sync_all().map_err(fault("sync", &hidden))?;
        let path = self.directory.join(&name);
        fs::rename(&hidden, &path).map_err(fault("rename to", &path))?;
        sync(&self.directory)?;
        Ok(name)
    }

    /// Puts a file away. One that is gone was put away before.
    pub fn put_away(&self, name: &str, fate: Fate) -> Result<(), LedgerError> {
        let from = self.path(name)?;
        let (shelf, name) = self.place(name, fate);
        let to = shelf.join(name);
        match fs::rename(&from, &to) {
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(()),
            moved => moved.map_err(fault("rename to", &to))?,
        }
        sync(&shelf)?;
        sync(&self.directory)
    }

    /// Where a file will lie when it is put away, and under which name.
    pub(super) fn place(&self, name: &str, fate: Fate) -> (PathBuf, String) {
        let shelf = self.directory.join(fate.word());
        let mut name = short(name);
        // What became of a file lies beside it: no file has such a name, so that neither takes the place of the other.
        if [".result.csv", ".result.jsonl"].iter().any(|end| name.ends_with(end)) {
            name.push_str(".file");
        }
        let name = self.free(&shelf, &name);
        (shelf, name)
    }

    /// A name is one in the directory itself, whatever somebody asks for.
    fn path(&self, name: &str) -> Result<PathBuf, LedgerError> {
        let path = self.directory.join(name);
        let plain = Path::new(name).file_name().is_some_and(|only| only == name);
        if plain && !is_passing(name) {
            return Ok(path);
        }
        let source = io::Error::new(io::ErrorKind::InvalidInput, "not a name in the inbox");
        Err(LedgerError::Io { what: "open", path, source })
    }

    /// The name, or the first one like it that nothing has: `a.csv`, `a.csv.2`, ...
    fn free(&self, directory: &Path, name: &str) -> String {
        let taken = |name: &String| {
            directory.join(name).symlink_metadata().is_ok() || self.directory.join(name).is_dir()
        };
        let mut free = name.to_owned();
        for number in 2_u32.. {
            if !taken(&free) {
                break;
            }
            free = format!("{name}.{number}");
        }
        free
    }
}

impl Fate {
    const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// A name that has room for what is put before it and behind it; of one that has not, the beginning, and a hash of all of it.
fn short(name: &str) -> String {
    if name.len() <= NAME_LEN_MAX {
        return name.to_owned();
    }
    let digest = Sha256::digest(name);
    let hash = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let kept: String = name.chars().take(NAME_LEN_MAX / 8).collect();
    format!("{kept}-{hash:016x}")
}

/// How many bytes of a name are kept. File systems take 255.
const NAME_LEN_MAX: usize = 200;

/// Whether a file of that name is still being written.
fn is_passing(name: &str) -> bool {
    name.starts_with('.')
        || Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("part"))
}

fn sync(directory: &Path) -> Result<(), LedgerError> {
    File::open(directory).and_then(|open| open.sync_all()).map_err(fault("sync", directory))
}

fn fault(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::Io { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_files_are_taken_once_and_put_away() {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("day.csv");
        fs::write(&source, "one").unwrap();
        let directory = place.path().join("in");
        let inbox = Inbox::open(&directory).unwrap();
        assert_eq!(inbox.put(&source).unwrap(), "day.csv");
        assert_eq!(inbox.put(&source).unwrap(), "day.csv.2");
        for passing in [".hidden", "slow.csv.part"] {
            fs::write(directory.join(passing), "half").unwrap();
        }
        std::os::unix::fs::symlink(&source, directory.join("link.csv")).unwrap();
        // What was written just now may not be whole.
        assert_eq!(inbox.waiting().unwrap(), [""; 0]);
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_mins(1);
        for name in ["day.csv", "day.csv.2", ".hidden", "slow.csv.part"] {
            File::open(directory.join(name)).unwrap().set_modified(long_ago).unwrap();
        }
        assert_eq!(inbox.waiting().unwrap(), ["day.csv", "day.csv.2"]);
        assert_eq!(io::read_to_string(inbox.file("day.csv").unwrap()).unwrap(), "one");
        for outside in ["../day.csv", "link.csv", ".hidden", "", "."] {
            assert!(inbox.file(outside).is_err(), "{outside}");
        }
        inbox.put_away("day.csv", Fate::Done).unwrap();
        inbox.put_away("day.csv", Fate::Done).unwrap();
        inbox.put_away("day.csv.2", Fate::Refused).unwrap();
        assert_eq!(inbox.waiting().unwrap(), [""; 0]);
        // Another of the same name overwrites nothing.
        inbox.put(&source).unwrap();
        inbox.put_away("day.csv", Fate::Done).unwrap();
        let mut done: Vec<_> = fs::read_dir(directory.join("done"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        done.sort();
        assert_eq!(done, ["day.csv", "day.csv.2"]);
        assert!(directory.join("refused/day.csv.2").exists());
    }

    #[test]
    fn no_result_takes_the_place_of_a_file_and_no_name_is_too_long() {
        let home = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(home.path()).unwrap();
        let place = |name: &str| inbox.place(name, Fate::Done).1;
        assert_eq!(place("day.csv"), "day.csv");
        assert_eq!(place("day.csv.result.csv"), "day.csv.result.csv.file");
        assert_eq!(place("day.csv.result.jsonl"), "day.csv.result.jsonl.file");
        for long in ["x".repeat(255), "\u{20ac}".repeat(85)] {
            fs::write(home.path().join(&long), "it").unwrap();
            inbox.put_away(&long, Fate::Done).unwrap();
            let kept = place(&long);
            assert!(kept.ends_with(".2") && kept.len() < 200, "{kept}: one of it is there");
            assert!(home.path().join("done").join(kept.trim_end_matches(".2")).exists());
            // A copy of it fits, too.
            let source = home.path().join("done").join(kept.trim_end_matches(".2"));
            let other = tempfile::tempdir().unwrap();
            let long = other.path().join(&long);
            fs::copy(source, &long).unwrap();
            let name = inbox.put(&long).unwrap();
            inbox.put_away(&name, Fate::Refused).unwrap();
        }
        assert_ne!(
            short(&format!("{}a", "x".repeat(254))),
            short(&format!("{}b", "x".repeat(254)))
        );
    }
}
