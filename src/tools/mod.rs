//! What people do with messages, journals and dialects without running a switch.

pub mod doctor;
pub mod input;
pub mod ipm;
pub mod journal;

mod decode;
mod dialects;
mod diff;
mod encode;
mod explain;
mod fuzz;
mod import;
mod map;
mod meaning;
mod route;
mod sheet;
mod show;
mod wrong;

pub use decode::{Show, decode_line, decode_piece};
pub use dialects::{list_dialects, show_dialect, show_dialect_markdown};
pub use diff::{Side, diff, read_side};
pub use encode::encode_line;
pub use explain::{Style, explain};
#[doc(hidden)]
pub use fuzz::fuzz_messages_shown;
pub use import::{
    IMPORT_BYTES_MAX, Imported, Product, Remark, fuzz_import_jpos, fuzz_import_moov,
    fuzz_import_pyiso8583, import_dialect,
};
pub use map::{End, map};
pub use route::{NotRouted, Roads, explain_route};

/// One line of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether it is what was asked for. If not, `decode` still says why as JSON, for stdout; `encode` says it in words, for stderr.
    pub ok: bool,
    /// The line, without its end.
    pub text: String,
}

/// The byte of two hexadecimal digits of either case.
fn byte(pair: &[u8]) -> Option<u8> {
    let [high, low] = pair else { return None };
    let digit =
        |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// Appends bytes as upper-case hexadecimal digits.
fn push_hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.extend(
                char::from_digit(u32::from(nibble), 16).map(|digit| digit.to_ascii_uppercase()),
            );
        }
    }
}
