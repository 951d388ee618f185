//! Which form an input has, by what it begins with.

use super::{InputError, dump, text};

/// How messages are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A message a line, hexadecimal digits of either case.
    Hex,
    /// A message a line, either alphabet, padded or not; lines of 64 or 76 characters go on in the next one.
    Base64,
    /// A dump with offsets and a column of text: xxd, hexdump -C, tcpdump -X, Wireshark. A blank line or offset 0 begins a message.
    HexDump,
    /// The bytes themselves: one message, or a stream of frames.
    Raw,
    /// A capture, pcap or pcapng.
    Pcap,
}

/// The form of an input that begins like this; an error for one that has to be unpacked first.
pub(super) fn recognise(head: &[u8], digits_first: bool) -> Result<Form, InputError> {
    if let Some([a, b, c, d]) = head.first_chunk() {
        let magic = u32::from_be_bytes([*a, *b, *c, *d]);
        if PCAP_MAGIC.iter().any(|known| magic == *known || magic.swap_bytes() == *known) {
            return Ok(Form::Pcap);
        }
    }
    if head.starts_with(b"\x1F\x8B\x08") || head.starts_with(b"\x28\xB5\x2F\xFD") {
        return Err(InputError::Bad {
            place: String::from("byte 0"),
            why: String::from("this is compressed"),
            cure: String::from("unpack it first: gunzip -c, or zstd -dc"),
        });
    }
    if !head.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')) {
        return Ok(Form::Raw);
    }
    let lines = || head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let mut filled = lines().filter(|line| !line.is_empty());
    let Some(first) = filled.next() else { return Ok(Form::Hex) };
    if lines().filter(|line| !line.is_empty()).take(3).any(dump::is_row) {
        return Ok(Form::HexDump);
    }
    let first = first.trim_ascii_start();
    if first.starts_with(b"unsigned char ") || first.starts_with(b"0x") && first.contains(&b',') {
        return Err(InputError::Bad {
            place: String::from("line 1"),
            why: String::from("this is an array in C, as xxd -i writes it"),
            cure: String::from("write the bytes as digits alone: xxd -p -c 0"),
        });
    }
    if is_stamped(first) {
        return Err(InputError::Bad {
            place: String::from("line 1"),
            why: String::from("a date or a time stands before the message, as in a log"),
            cure: String::from(
                "leave the message alone on its line, e.g. with `sed 's/.* //'` where it is the last word; or say --input",
            ),
        });
    }
    if first.iter().all(u8::is_ascii_hexdigit) {
        return Ok(Form::Hex);
    }
    // Digits as hexadecimal digits begin with a 3, and MTIs with another digit.
    let mti_first =
        first.first_chunk::<4>().is_some_and(|four| four.iter().all(u8::is_ascii_digit));
    if digits_first && mti_first && !first.starts_with(b"3") && PLAIN_LEN_MIN <= first.len() {
        return Ok(Form::Raw);
    }
    Ok(if text::seems_base64(first) { Form::Base64 } else { Form::Hex })
}

/// Whether a line begins with a date or a time of day, and goes on.
fn is_stamped(line: &[u8]) -> bool {
    let has = |pattern: &[u8]| {
        pattern.len() < line.len()
            && pattern.iter().zip(line).all(|(wanted, byte)| match wanted {
                b'0' => byte.is_ascii_digit(),
                other => other == byte,
            })
    };
    let line_begins =
        [&b"0000-00-00"[..], b"00:00:00", b"0000/00/00", b"[0000-00-00", b"[00:00:00"];
    line_begins.into_iter().any(has)
}

/// pcap with microseconds, with nanoseconds, pcapng; each may be written the other way round.
const PCAP_MAGIC: [u32; 3] = [0xA1B2_C3D4, 0xA1B2_3C4D, 0x0A0D_0D0A];

/// MTI and bitmap.
const PLAIN_LEN_MIN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_apart() {
        for (head, digits_first, form) in [
            (&b"\xD4\xC3\xB2\xA1\x02\0\x04\0"[..], true, Form::Pcap),
            (b"\xA1\xB2\xC3\xD4\0\x02\0\x04", true, Form::Pcap),
            (b"\x4D\x3C\xB2\xA1\x02\0\x04\0", true, Form::Pcap),
            (b"\x0A\x0D\x0D\x0A\x1C\0\0\0", true, Form::Pcap),
            (b"\x02\0\x72\x38", false, Form::Raw),
            (b"0200r8\x80\0", true, Form::Raw),
            (b"02007238000020001000TERM", true, Form::Raw),
            (b"0200723800002000zz", true, Form::Hex),
            (b"30323030zz", true, Form::Hex),
            (b"0200723800002000\n", true, Form::Hex),
            (b"\n\n30\nMDIwMA==\n", true, Form::Hex),
            (b"", true, Form::Hex),
            (b"MDIwMDcyMzgwMDAwMjAwMA==\n", true, Form::Base64),
            (b"\n AgByOAAAIAAQAA\n", false, Form::Base64),
            (b"AgByOAAAIAAQ-_8\n", false, Form::Base64),
            (b"CAAAIAAAAAAAAAABIw\n", false, Form::Base64),
            (b"CAAAIAAA==\n", false, Form::Base64),
            (b"0800002000000000000O0123\n", false, Form::Hex),
            (b"00000000: 3032 3030  0200\n", true, Form::HexDump),
            (b"00000000  30 32 30 30  |0200|\n", true, Form::HexDump),
            (b"0000   30 32 30 30   0200\n", true, Form::HexDump),
            (b"\n\t0x0000:  4500 0034  E..4\n", true, Form::HexDump),
            (
                b"10:00:00.000001 IP 10.0.0.1.4 > 10.0.0.2.5: Flags [P.]\n\t0x0000:  4500",
                true,
                Form::HexDump,
            ),
            (b"02 00 72 38\n", true, Form::HexDump),
            (b"0000  02 0G 72 38\n", true, Form::HexDump),
            (b"0000000 0002 3872\n", true, Form::HexDump),
            (b"0200 Texts\n", false, Form::Hex),
        ] {
            let found = recognise(head, digits_first).unwrap();
            assert_eq!(found, form, "{:?}", String::from_utf8_lossy(head));
        }
        let packed = recognise(b"\x1F\x8B\x08\0", true).unwrap_err().to_string();
        assert!(packed.contains("gunzip"), "{packed}");
        for (head, cure) in [
            (&b"unsigned char a_bin[] = {\n  0x30, 0x32"[..], "xxd -p -c 0"),
            (b"  0x30, 0x32, 0x30, 0x30\n", "xxd -p -c 0"),
            (b"2026-11-25 10:00:00 0200723800002000\n", "alone on its line"),
            (b"[10:00:00.123] out 0200723800002000\n", "alone on its line"),
            (b"10:00:00 0200723800002000\n", "alone on its line"),
        ] {
            let refused = recognise(head, true).unwrap_err().to_string();
            assert!(refused.starts_with("line 1: ") && refused.contains(cure), "{refused}");
        }
    }
}
