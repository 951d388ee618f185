//! Cards at rest: PANs encrypted, tokens keyed; keys come in and never go out.

use std::fmt;

use aes_gcm_siv::aead::{Aead, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::iso::Pan;

/// The keys of a state directory, all derived from one secret of 32 bytes.
pub struct Keys {
    cipher: Aes256GcmSiv,
    tags: Hmac<Sha256>,
    id: u32,
}

/// A PAN that only its key opens (AES-256-GCM-SIV, RFC 8452).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Which key: the first four bytes of a keyed hash of nothing.
    pub key: u32,
    /// The nonce: the position of the record that first held it.
    pub position: u64,
    /// 24 to 35 bytes: the digits encrypted, and the tag.
    pub text: Vec<u8>,
}

/// Keyed hash of 128 bits over named parts (HMAC-SHA-256, cut): equal only for equal parts under one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u128);

/// Why a sealed PAN does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Another key sealed it.
    #[error(
        "sealed with key {sealed:08x}, and the key at hand is {held:08x}: is it the credential file of this state directory?"
    )]
    OtherKey {
        /// The key that sealed it.
        sealed: u32,
        /// The key at hand.
        held: u32,
    },
    /// The bytes were changed, or never were a PAN.
    #[error("a sealed PAN does not open: its bytes were changed")]
    Forged,
}

impl Keys {
    /// From a secret of 32 random bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        let derive = |name: &[u8]| {
            let mut mac = keyed(secret);
            mac.update(name);
            Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()))
        };
        let cipher = Aes256GcmSiv::new((&*derive(b"iso8583d pan")).into());
        let tags = keyed(&derive(b"iso8583d tag"));
        let id = tags.clone().finalize().into_bytes();
        let id = id.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        Self { cipher, tags, id }
    }

    /// Which key this is; says nothing about it.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Seals a PAN. `position` is never used for another PAN that becomes durable.
    pub fn seal(&self, pan: &Pan, position: u64) -> Sealed {
        let text = self.cipher.encrypt(&nonce(position), pan.expose()).unwrap_or_default();
        Sealed { key: self.id, position, text }
    }

    /// Opens a sealed PAN.
    pub fn open(&self, sealed: &Sealed) -> Result<Pan, SealError> {
        if sealed.key != self.id {
            return Err(SealError::OtherKey { sealed: sealed.key, held: self.id });
        }
        let clear = self.cipher.decrypt(&nonce(sealed.position), sealed.text.as_slice());
        let clear = Zeroizing::new(clear.or(Err(SealError::Forged))?);
        Pan::new(&clear).or(Err(SealError::Forged))
    }

    /// The keyed hash of parts, each counted with its length, so that no two lists of parts run together.
    pub fn tag(&self, name: &'static str, parts: &[&[u8]]) -> Tag {
        let mut mac = self.tags.clone();
        mac.update(name.as_bytes());
        mac.update(&[0]);
        for part in parts {
            mac.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
            mac.update(part);
        }
        let hash = mac.finalize().into_bytes();
        Tag(hash.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes)))
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    <Hmac<Sha256> as Mac>::new((&*block).into())
}

fn nonce(position: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes.iter_mut().zip(position.to_be_bytes()).for_each(|(to, from)| *to = from);
    bytes.into()
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({:08x})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_and_opened() {
        let keys = Keys::new(&[7; 32]);
        let pan = Pan::new(b"5413330000004111").unwrap();
        let sealed = keys.seal(&pan, 42);
        assert!(!sealed.text.windows(6).any(|bytes| bytes == b"541333"));
        assert_eq!(keys.open(&sealed).unwrap(), pan);
        assert_eq!(keys.seal(&pan, 42), sealed);
        assert_ne!(keys.seal(&pan, 43).text, sealed.text);
        let other = Keys::new(&[8; 32]);
        assert!(matches!(other.open(&sealed), Err(SealError::OtherKey { .. })));
        let moved = Sealed { position: 43, ..sealed };
        assert_eq!(keys.open(&moved), Err(SealError::Forged));
        assert_eq!(format!("{keys:?}").len(), "Keys(00000000)".len());
    }

    #[test]
    fn parts_do_not_run_together() {
        let keys = Keys::new(&[7; 32]);
        let tag = |name, parts: &[&[u8]]| keys.tag(name, parts);
        assert_eq!(tag("a", &[b"12", b"3"]), tag("a", &[b"12", b"3"]));
        assert_ne!(tag("a", &[b"12", b"3"]), tag("a", &[b"1", b"23"]));
        assert_ne!(tag("a", &[b"12", b"3"]), tag("b", &[b"12", b"3"]));
    }
}
