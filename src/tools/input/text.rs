//! A message a line: hexadecimal digits or base64.

use std::io::{BufRead, Read as _};

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};
use bytes::Bytes;

use super::{InputError, Piece, Sink, cut};
use crate::framing::{Framing, Head};
use crate::tools::byte;

/// The longest line in bytes, its end apart: far more than any message needs.
const LINE_LEN_MAX: u64 = 1 << 20;

/// Numbered lines, one in memory.
pub(super) struct Lines<'a> {
    input: &'a mut dyn BufRead,
    line: Vec<u8>,
    number: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn new(input: &'a mut dyn BufRead) -> Self {
        Self { input, line: Vec::new(), number: 0 }
    }

    /// The next line, from 1 on, without its end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &[u8])>, InputError> {
        self.line.clear();
        let mut limited = (&mut *self.input).take(LINE_LEN_MAX + 1);
        let len = limited.read_until(b'\n', &mut self.line).map_err(InputError::Read)?;
        self.number += 1;
        match self.line.as_slice() {
            [] => Ok(None),
            [line @ .., b'\n'] => Ok(Some((self.number, line))),
            line if u64::try_from(len).is_ok_and(|len| len <= LINE_LEN_MAX) => {
                Ok(Some((self.number, line)))
            }
            _ => Err(InputError::Bad {
                place: format!("line {}", self.number),
                why: format!("it is longer than {LINE_LEN_MAX} bytes"),
                cure: String::from("a message a line; for plain bytes say --input raw"),
            }),
        }
    }
}

/// A message a line, or a whole frame.
pub(super) fn hex(
    input: &mut dyn BufRead,
    framing: Option<&Framing>,
    sink: &mut Sink<'_>,
) -> Result<(), InputError> {
    let mut lines = Lines::new(input);
    while let Some((number, line)) = lines.next()? {
        let line = line.trim_ascii();
        if !line.is_empty() {
            let found = hex_frame(framing, line);
            sink(Piece { place: format!("line {number}"), found }).map_err(InputError::Show)?;
        }
    }
    Ok(())
}

/// The message of a line of hexadecimal digits.
pub(in crate::tools) fn hex_frame(
    framing: Option<&Framing>,
    line: &[u8],
) -> Result<(Head, Bytes), String> {
    let bytes: Option<Vec<u8>> = line.chunks(2).map(byte).collect();
    let bytes = bytes.ok_or("not an even number of hexadecimal digits")?;
    cut::only(framing, bytes)
}

/// Whether there is a whole line, and it is digits: there is no need to look any further.
pub(super) fn is_hex_line(head: &[u8]) -> bool {
    let Some(end) = head.iter().position(|byte| *byte == b'\n') else { return false };
    let line = head.get(..end).unwrap_or_default().trim_ascii();
    !line.is_empty() && line.iter().all(u8::is_ascii_hexdigit)
}

/// A message a line, or a whole frame; a line as long as encoders wrap it goes on in the next one.
pub(super) fn base64(
    input: &mut dyn BufRead,
    framing: Option<&Framing>,
    sink: &mut Sink<'_>,
) -> Result<(), InputError> {
    let mut lines = Lines::new(input);
    let (mut whole, mut first) = (Vec::new(), 1);
    loop {
        let next = lines.next()?;
        let (number, line) = next.map_or((0, &b""[..]), |(number, line)| (number, line));
        let line = line.trim_ascii();
        if whole.is_empty() {
            first = number;
        }
        whole.extend_from_slice(line);
        let goes_on = matches!(line.len(), 64 | 76) && !line.ends_with(b"=");
        if whole.is_empty() || goes_on && whole.len() <= WRAPPED_LEN_MAX {
            if number == 0 {
                return Ok(());
            }
            continue;
        }
        let found = unbase64(&whole).and_then(|bytes| cut::only(framing, bytes));
        sink(Piece { place: format!("line {first}"), found }).map_err(InputError::Show)?;
        whole.clear();
        if number == 0 {
            return Ok(());
        }
    }
}

/// The longest message in lines that were wrapped, in characters.
const WRAPPED_LEN_MAX: usize = 1 << 20;

/// The bytes of base64 in either alphabet, padded or not.
fn unbase64(text: &[u8]) -> Result<Vec<u8>, String> {
    let standard: Vec<u8> = text
        .iter()
        .map(|letter| match letter {
            b'-' => b'+',
            b'_' => b'/',
            letter => *letter,
        })
        .collect();
    ENGINE.decode(standard).map_err(|fault| match fault {
        DecodeError::InvalidByte(at, _) => {
            format!(
                "character {} is not one of base64; if this is another form, say --input",
                at + 1
            )
        }
        DecodeError::InvalidLength(_)
        | DecodeError::InvalidLastSymbol(..)
        | DecodeError::InvalidPadding => String::from("base64 that is cut off or padded wrongly"),
    })
}

/// Padding is left off as often as not.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether a line is base64 rather than hexadecimal digits with a slip of the pen.
pub(super) fn seems_base64(line: &[u8]) -> bool {
    let body = line.trim_ascii();
    let is_padded = body.ends_with(b"=");
    let body = body.strip_suffix(b"=").unwrap_or(body);
    let body = body.strip_suffix(b"=").unwrap_or(body);
    let in_alphabet =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    let beyond_hex = body.iter().filter(|byte| !byte.is_ascii_hexdigit()).count();
    // Bytes of zero are `AAAA`: not every letter tells.
    let told = SEEMS_LEN_MIN <= body.len() && body.len() <= 8 * beyond_hex;
    body.iter().all(in_alphabet) && (is_padded || told)
}

/// The shortest base64 without padding that is taken for it: an MTI and a bitmap.
const SEEMS_LEN_MIN: usize = 14;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::{Form, Options, read};
    use super::*;
    use crate::framing::Settings;

    fn found(
        form: Form,
        framing: Option<Framing>,
        text: &str,
    ) -> Vec<(String, Result<Vec<u8>, String>)> {
        let mut found = Vec::new();
        let options = Options { form: Some(form), framing, ..Options::default() };
        read(&mut Cursor::new(text), &options, &mut |piece| {
            found.push((piece.place, piece.found.map(|(_, body)| body.to_vec())));
            Ok(())
        })
        .unwrap();
        found
    }

    #[test]
    fn base64_in_its_varieties() {
        let long: Vec<u8> = (0..=255).collect();
        for (text, wanted) in [
            ("MDIwMA==\n", vec![&b"0200"[..]]),
            ("MDIwMA\n\n  +/8=\r\n", vec![b"0200", b"\xFB\xFF"]),
            ("-_8", vec![b"\xFB\xFF"]),
            (&wrapped(&long, 76), vec![&long]),
            (&wrapped(&long, 64), vec![&long]),
            // 57 bytes fill a line: the blank one ends it.
            (&format!("{}\n\nMDIwMA", wrapped(&long[..57], 76)), vec![&long[..57], b"0200"]),
            ("", vec![]),
        ] {
            let bodies: Vec<_> = found(Form::Base64, None, text)
                .into_iter()
                .map(|(_, body)| body.unwrap())
                .collect();
            assert_eq!(bodies, wanted, "{text}");
        }
    }

    fn wrapped(bytes: &[u8], width: usize) -> String {
        let text = ENGINE.encode(bytes);
        let lines: Vec<_> =
            text.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
        lines.join("\n")
    }

    #[test]
    fn faults_have_their_line() {
        let frames = Some(Framing::new(Settings::default()));
        for (form, framing, text, place, why) in [
            (Form::Base64, None, "MDIwMA==\nMDI!", "line 2", "character 4 is not one of base64"),
            (Form::Base64, None, "MDIwM", "line 1", "cut off or padded wrongly"),
            (Form::Base64, frames.clone(), "\nAAUwMjAw", "line 2", "the frame ends early"),
            (Form::Hex, None, "30\n\nzz", "line 3", "not an even number of hexadecimal digits"),
            (Form::Hex, frames, "0001303030", "line 1", "2 bytes behind the frame"),
        ] {
            let pieces = found(form, framing, text);
            let (at, fault) = pieces.last().unwrap();
            assert_eq!(at, place);
            assert!(fault.as_ref().unwrap_err().contains(why), "{fault:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused_in_time() {
        let mut endless = std::io::BufReader::new(std::io::repeat(b'3'));
        let error = read(&mut endless, &Options::default(), &mut |_| Ok(())).unwrap_err();
        assert!(
            error.to_string().starts_with("line 1: it is longer than 1048576 bytes"),
            "{error}"
        );
    }
}
