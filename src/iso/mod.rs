//! The nouns of the trade, parsed once and valid ever after; knows no bytes on a wire.

mod amount;
mod card;
mod code;
mod element;
mod mti;
mod time;

pub use amount::{Amount, Currency};
pub use card::{MaskedPan, Pan, Track2, has_card, has_check_digit, looks_like_a_card};
pub use code::{ResponseCode, Rrn, Stan};
pub use element::{ElementNo, ElementSet, Elements};
pub use mti::{Class, Function, Mti};
pub use time::{BusinessDate, Mono, Now, Transmission, Wall};

/// Why a text is not the noun it was taken for. Carries no part of the text: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {expected}")]
pub struct NotOne {
    /// What the text should have been, with its article and range.
    pub expected: &'static str,
}
