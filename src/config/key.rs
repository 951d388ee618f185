//! The secret that seals cards: where it lies, whether only we can read it, and what it must look like.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::seal::Keys;
use crate::systemd;

/// Why there is no key. Says nothing of what the file holds.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("neither `credential:NAME` nor `file:PATH`")]
    Shape,
    #[error("no credentials here: this process was not started by systemd with LoadCredential=")]
    NoCredentials,
    #[error("{path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} may be read by everyone: its mode is {mode:03o}")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{path} holds no key: 64 hexadecimal digits, or 32 bytes")]
    NoKey { path: PathBuf },
}

impl KeyError {
    /// How it is put right.
    pub(super) fn fix(&self) -> String {
        match self {
            Self::Shape => String::from(
                "key = \"credential:pan-key\", or key = \"file:/etc/iso8583d/pan.key\"",
            ),
            Self::NoCredentials => String::from("to try it without systemd: key = \"file:PATH\""),
            Self::Unreadable { path, source } if source.kind() == io::ErrorKind::NotFound => {
                format!(
                    "a new key, for a new state directory: (umask 077; openssl rand -hex 32 > {})",
                    path.display()
                )
            }
            Self::Unreadable { .. } => {
                String::from("let the user read it that the switch runs as, and nobody else")
            }
            Self::NoKey { .. } => String::from(
                "put the key back from its copy: no other opens the state directory that it belongs to. For a new one, make another file",
            ),
            Self::Exposed { path, .. } => format!("chmod 600 {}", path.display()),
        }
    }
}

/// The keys that a configuration's `key` names. Relative paths begin at `home`.
pub(super) fn load(name: &str, home: &Path) -> Result<Keys, KeyError> {
    let (path, text) = read(name, home, 128)?;
    secret(&text).map(|secret| Keys::new(&secret)).ok_or(KeyError::NoKey { path })
}

/// The file that holds a secret, and what it holds. Whatever is longer than `len_max` is none, and is not read to its end.
pub(super) fn read(
    name: &str,
    home: &Path,
    len_max: usize,
) -> Result<(PathBuf, Zeroizing<Vec<u8>>), KeyError> {
    let path = if let Some(name) = name.strip_prefix("credential:") {
        systemd::credential(name).ok_or(KeyError::NoCredentials)?
    } else if let Some(path) = name.strip_prefix("file:").filter(|path| !path.is_empty()) {
        home.join(path)
    } else {
        return Err(KeyError::Shape);
    };
    let unreadable = |source| KeyError::Unreadable { path: path.clone(), source };
    let file = fs::File::open(&path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(KeyError::Exposed { path, mode });
    }
    // All of its room at once: a buffer that grows leaves copies of a secret behind.
    let mut text = Zeroizing::new(Vec::with_capacity(len_max + 32));
    let len_max = u64::try_from(len_max).unwrap_or(u64::MAX);
    file.take(len_max).read_to_end(&mut text).map_err(unreadable)?;
    Ok((path, text))
}

/// 32 bytes as they are, or 64 hexadecimal digits with white space around them.
fn secret(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    if let Ok(bytes) = <[u8; 32]>::try_from(text) {
        return Some(Zeroizing::new(bytes));
    }
    let digits = <&[u8; 64]>::try_from(text.trim_ascii()).ok()?;
    let mut bytes = Zeroizing::new([0; 32]);
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        for digit in pair {
            *byte = (*byte << 4) | u8::try_from(char::from(*digit).to_digit(16)?).ok()?;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(dir: &Path, text: &[u8], mode: u32) -> String {
        let path = dir.join("pan.key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        String::from("file:pan.key")
    }

    #[test]
    fn keys_and_what_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let hex = "0a".repeat(32);
        let raw = load(&keep(dir.path(), &[10; 32], 0o600), dir.path()).unwrap();
        for text in [hex.clone(), format!("{hex}\n"), hex.to_uppercase()] {
            let keys = load(&keep(dir.path(), text.as_bytes(), 0o640), dir.path()).unwrap();
            assert_eq!(keys.id(), raw.id());
        }
        for text in
            ["", "0a0a", &"0a".repeat(31), &format!("{}zz", "0a".repeat(31)), &"0".repeat(4000)]
        {
            let fault = load(&keep(dir.path(), text.as_bytes(), 0o600), dir.path()).unwrap_err();
            assert!(matches!(fault, KeyError::NoKey { .. }), "{fault}");
        }
        let fault = load(&keep(dir.path(), hex.as_bytes(), 0o604), dir.path()).unwrap_err();
        assert!(matches!(fault, KeyError::Exposed { mode: 0o604, .. }), "{fault}");
        assert!(!fault.to_string().contains("0a0a"));
        for (name, part) in [
            ("file:nowhere", "cannot be read"),
            ("file:", "neither"),
            ("pan.key", "neither"),
            ("credential:../pan.key", "no credentials here"),
        ] {
            let fault = load(name, dir.path()).unwrap_err();
            assert!(fault.to_string().contains(part), "{name}: {fault}");
            assert!(!fault.fix().is_empty());
        }
    }
}
