//! A hasher with a fixed start, so that a run can be repeated. Its keys are ours or keyed hashes: nobody outside picks them.

use std::hash::{BuildHasherDefault, Hasher};

/// For maps that are never iterated.
pub type Spread = BuildHasherDefault<Fold>;

/// Multiplies and rotates each word into the sum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        // An odd constant with bits all over: 2^64 divided by the golden ratio.
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u128(&mut self, value: u128) {
        let [low, high] = [value, value >> 64]
            .map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0));
        self.write_u64(low);
        self.write_u64(high);
    }

    fn finish(&self) -> u64 {
        // The map looks at the highest seven bits and at the lowest ones.
        self.0 ^ (self.0 >> 29)
    }
}
