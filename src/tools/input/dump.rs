//! Dumps as people paste them: xxd, hexdump -C, tcpdump -X, Wireshark. Offsets are checked, the column of text is dropped.

use std::io::BufRead;

use super::cut::{self, Cutter};
use super::text::Lines;
use super::{InputError, Piece, Sink, packet};
use crate::framing::Framing;
use crate::tools::byte;

/// The longest message or packet of a dump in bytes: more than any has, so that a longer one is told as too long.
pub(super) const MESSAGE_LEN_MAX: usize = 1 << 17;

/// The most bytes of a line.
const ROW_LEN_MAX: usize = 256;

/// A line of a dump.
#[derive(Debug, PartialEq, Eq)]
enum Row {
    /// Nothing, or what a program says between two packets: what stood before is complete.
    Between,
    /// `*`: the line before again, up to the offset of the next one.
    Again,
    /// An offset, if there is one, and bytes. At the end they may be text that looks like bytes.
    Bytes(Option<usize>, Vec<u8>),
}

/// The messages of a dump.
pub(super) fn read(
    input: &mut dyn BufRead,
    framing: Option<&Framing>,
    sink: &mut Sink<'_>,
) -> Result<(), InputError> {
    let mut lines = Lines::new(input);
    let mut dump = Dump::default();
    while let Some((number, line)) = lines.next()? {
        let row = row(line);
        if dump.is_broken {
            // What is left of a message with a fault is passed over.
            let begins = matches!(row, Ok(Row::Between | Row::Bytes(Some(0), _)));
            if !begins {
                continue;
            }
            dump = Dump::default();
        }
        let begins = dump.is_complete_before(row.as_ref().ok());
        if begins {
            std::mem::take(&mut dump).finish(framing, sink)?;
        }
        if let Err(fault) = row.and_then(|row| dump.add(number, row)) {
            let place = format!("line {number}");
            dump.is_broken = true;
            sink(Piece { place, found: Err(fault) }).map_err(InputError::Show)?;
        }
    }
    dump.finish(framing, sink)
}

/// A message that is being gathered.
#[derive(Debug, Default)]
struct Dump {
    /// The line that it began in.
    line: u64,
    /// The offset of its first byte, and of the last row.
    offsets: Option<(usize, usize)>,
    bytes: Vec<u8>,
    /// The last row: how long it is, the next offset tells.
    last: Vec<u8>,
    /// A `*` stood behind the last row.
    again: bool,
    is_broken: bool,
}

impl Dump {
    /// Whether this row does not belong to the message any more.
    fn is_complete_before(&self, row: Option<&Row>) -> bool {
        match row {
            Some(Row::Between) => true,
            Some(Row::Bytes(Some(offset), _)) => {
                self.offsets.is_some_and(|(_, last)| *offset <= last)
            }
            _ => false,
        }
    }

    fn add(&mut self, number: u64, row: Row) -> Result<(), String> {
        match row {
            Row::Between => {}
            Row::Again => self.again = true,
            Row::Bytes(offset, bytes) => {
                if self.line == 0 {
                    self.line = number;
                }
                match (offset, self.offsets) {
                    (Some(offset), Some((first, last))) => {
                        self.settle(offset - last)?;
                        self.offsets = Some((first, offset));
                    }
                    (Some(offset), None) => self.offsets = Some((offset, offset)),
                    (None, _) => self.bytes.append(&mut self.last),
                }
                self.last = bytes;
            }
        }
        if self.bytes.len() + self.last.len() <= MESSAGE_LEN_MAX {
            Ok(())
        } else {
            Err(format!("no message is longer than {MESSAGE_LEN_MAX} bytes"))
        }
    }

    /// The next offset is `len` behind that of the last row.
    fn settle(&mut self, len: usize) -> Result<(), String> {
        let row = std::mem::take(&mut self.last);
        if MESSAGE_LEN_MAX < self.bytes.len() + len {
            return Err(format!(
                "an offset beyond {MESSAGE_LEN_MAX} bytes, and no message is that long"
            ));
        }
        if std::mem::take(&mut self.again) && !row.is_empty() {
            self.bytes.extend(row.iter().cycle().take(len));
            return Ok(());
        }
        let Some(row) = row.get(..len) else {
            // 20 after 0 is what od writes of lines of 16 bytes.
            let octal = len == 0x20 && row.len() == 0o20;
            let cure = if octal { "; od writes octal ones: use `od -Ax -tx1`" } else { "" };
            return Err(format!(
                "the offset says that {len} bytes precede it in the line before, which has {}: is a line missing?{cure}",
                row.len()
            ));
        };
        self.bytes.extend_from_slice(row);
        Ok(())
    }

    fn finish(mut self, framing: Option<&Framing>, sink: &mut Sink<'_>) -> Result<(), InputError> {
        self.bytes.append(&mut self.last);
        if self.is_broken || self.bytes.is_empty() {
            return Ok(());
        }
        let payload = packet::payload(&self.bytes);
        let bytes = payload.unwrap_or(&self.bytes);
        if bytes.is_empty() {
            // A packet that carries nothing: an acknowledgement.
            return Ok(());
        }
        let line = self.line;
        let Some(framing) = framing else {
            let found = cut::only(None, bytes.to_vec());
            return sink(Piece { place: format!("line {line}"), found }).map_err(InputError::Show);
        };
        let mut cutter = Cutter::new(framing);
        cutter.push(bytes);
        while let Some((at, found)) = cutter.next().or_else(|| cutter.end()) {
            let place =
                if at == 0 { format!("line {line}") } else { format!("line {line}, byte {at}") };
            sink(Piece { place, found }).map_err(InputError::Show)?;
        }
        Ok(())
    }
}

/// Whether a line begins as those of a dump do, whatever is wrong with the rest of it; a line of digits alone does not.
pub(super) fn is_row(line: &[u8]) -> bool {
    let mut words = Words { line, at: 0 };
    let (Some(first), Some(second)) = (words.next(), words.next()) else { return false };
    let is_bytes =
        |text: &[u8]| text.len().is_multiple_of(2) && text.iter().all(u8::is_ascii_hexdigit);
    let is_pair = |text: &[u8]| text.len() == 2 && is_bytes(text);
    is_bytes(second.text)
        && (offset(first.text).is_some() || is_pair(first.text) && is_pair(second.text))
}

/// Reads a line; a fault says its column and what to do.
fn row(line: &[u8]) -> Result<Row, String> {
    let trimmed = line.trim_ascii();
    if trimmed.is_empty() {
        return Ok(Row::Between);
    }
    if trimmed == b"*" {
        return Ok(Row::Again);
    }
    let mut words = Words { line, at: 0 };
    let mut first = words.next().unwrap_or_default();
    let offset = offset(first.text);
    if offset.is_none() && first.text.len() != 2 {
        return if is_talk(trimmed) {
            Ok(Row::Between)
        } else {
            Err(String::from(
                "this is no line of a dump: an offset of four digits or more comes first",
            ))
        };
    }
    if offset.is_some() {
        first = words.next().unwrap_or_default();
    }
    let marked = line.contains(&b':');
    if offset.is_some()
        && !marked
        && first.text.len() == 4
        && first.text.iter().all(u8::is_ascii_hexdigit)
    {
        return Err(String::from(
            "words of hexdump and od may be swapped: make the dump with `hexdump -C` or `xxd`",
        ));
    }
    bytes(first, words).map(|bytes| Row::Bytes(offset, bytes))
}

/// The bytes of a line, up to the column of text.
fn bytes(first: Word<'_>, mut words: Words<'_>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut all_pairs = true;
    let mut next = Some(first).filter(|first| !first.text.is_empty());
    while let Some(word) = next {
        let pairs: Option<Vec<u8>> = word.text.chunks(2).map(byte).collect();
        let pairs = pairs.filter(|pairs| pairs.len() <= ROW_LEN_MAX);
        // Dumps of single bytes have a wider gap in their middle; any other one precedes the text.
        let middle = word.gap == 2 && bytes.len() == 8 && all_pairs && word.text.len() == 2;
        match pairs {
            _ if !bytes.is_empty() && 1 < word.gap && !middle => {
                let text = words.line.get(word.column - 1..).unwrap_or_default();
                if is_swapped(&bytes, first.text.len() / 2, text) {
                    return Err(String::from(
                        "xxd -e swaps the bytes of each word: make the dump with `xxd`",
                    ));
                }
                break;
            }
            Some(pairs) => {
                all_pairs &= pairs.len() == 1;
                bytes.extend(pairs);
            }
            None if word.text.starts_with(b"|") || word.text.starts_with(b">") => break,
            // Behind the middle, with no column of text to come: this is that column.
            None if 8 < bytes.len() && all_pairs && !words.any(|word| 1 < word.gap) => {
                bytes.truncate(8);
                break;
            }
            None => {
                return Err(format!(
                    "column {}: not bytes as pairs of hexadecimal digits",
                    word.column
                ));
            }
        }
        if ROW_LEN_MAX < bytes.len() {
            return Err(format!("more than {ROW_LEN_MAX} bytes in a line"));
        }
        next = words.next();
    }
    Ok(bytes)
}

/// Whether the column of text has the bytes of each word the other way round.
fn is_swapped(bytes: &[u8], word_len: usize, text: &[u8]) -> bool {
    let shown = |byte: u8| if matches!(byte, b' '..=b'~') { byte } else { b'.' };
    let is_text = |bytes: &[u8]| bytes.iter().zip(text).all(|(byte, text)| shown(*byte) == *text);
    let swapped: Vec<u8> =
        bytes.chunks(word_len.max(1)).flat_map(|word| word.iter().rev().copied()).collect();
    text.len() == bytes.len() && is_text(&swapped) && !is_text(bytes)
}

/// `00000010`, `0x0010:`, `0010`.
fn offset(word: &[u8]) -> Option<usize> {
    let bare = word.strip_suffix(b":").unwrap_or(word);
    let digits = bare.strip_prefix(b"0x").unwrap_or(bare);
    let enough = if digits.len() < word.len() { 1 } else { 4 };
    if !(enough..=16).contains(&digits.len()) {
        return None;
    }
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// What tcpdump says of a packet before its bytes.
fn is_talk(line: &[u8]) -> bool {
    let has = |text: &[u8]| line.windows(text.len()).any(|window| window == text);
    has(b" > ") || has(b" IP ") || has(b" IP6 ") || has(b"cap") && has(b"bytes")
}

/// A word of a line.
#[derive(Clone, Copy, Default)]
struct Word<'a> {
    text: &'a [u8],
    /// How many blanks precede it.
    gap: usize,
    /// Its first character, from 1 on.
    column: usize,
}

struct Words<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let rest = self.line.get(self.at..)?;
        let gap = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let word = rest.get(gap..)?;
        let len = word.iter().position(u8::is_ascii_whitespace).unwrap_or(word.len());
        let column = self.at + gap + 1;
        self.at += gap + len;
        Some(Word { text: word.get(..len)?, gap, column })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::framing::Settings;

    /// What is found: place, and the bytes as digits or the fault.
    fn found(framing: Option<&Framing>, text: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        read(&mut Cursor::new(text), framing, &mut |piece| {
            let shown = match piece.found {
                Ok((_, body)) => {
                    let mut digits = String::new();
                    crate::tools::push_hex(&body, &mut digits);
                    digits.to_lowercase()
                }
                Err(fault) => fault,
            };
            found.push((piece.place, shown));
            Ok(())
        })
        .unwrap();
        found
    }

    /// `0` to `9`, then `a` to `s`: 29 bytes.
    const WHOLE: &str = "303132333435363738396162636465666768696a6b6c6d6e6f70717273";

    #[test]
    fn dumps_of_other_programs_are_refused_with_the_way_out() {
        for (dump, cure) in [
            ("00000000: 33323130 37363534 62613938 66656463  0123456789abcdef\n", "xxd -e swaps"),
            ("00000000: 3130 3332 3534 3736  01234567\n", "xxd -e swaps"),
            (
                "0000000 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66\n\
                 0000020 67 68 69 6a\n0000024\n",
                "od -Ax -tx1",
            ),
        ] {
            let [(_, fault)] = &found(None, dump)[..] else { panic!("one fault: {dump}") };
            assert!(fault.contains(cure), "{fault}");
        }
        let words = "00000000: 30313233 34353637 38396162 63646566  0123456789abcdef\n";
        assert_eq!(found(None, words)[0].1, WHOLE.get(..32).unwrap());
    }

    const XXD: &str = "\
00000000: 3031 3233 3435 3637 3839 6162 6364 6566  0123456789abcdef
00000010: 6768 696a 6b6c 6d6e 6f70 7172 73         ghijklmnopqrs
";
    const HEXDUMP_C: &str = "\
00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|
00000010  67 68 69 6a 6b 6c 6d 6e  6f 70 71 72 73           |ghijklmnopqrs|
0000001d
";
    const TCPDUMP: &str = "\
10:00:00.000001 IP 10.0.0.1.40000 > 10.0.0.2.8583: Flags [P.], seq 1:30, length 29
\t0x0000:  3031 3233 3435 3637 3839 6162 6364 6566  0123456789abcdef
\t0x0010:  6768 696a 6b6c 6d6e 6f70 7172 73         ghijklmnopqrs
";
    const WIRESHARK: &str = "\
0000   30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66   0123456789abcdef
0010   67 68 69 6a 6b 6c 6d 6e 6f 70 71 72 73            ghijklmnopqrs
";
    const BARE: &str =
        "30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66\n67 68 69 6a 6b 6c 6d 6e 6f 70 71 72 73\n";

    #[test]
    fn each_style_gives_its_bytes() {
        for text in [XXD, HEXDUMP_C, TCPDUMP, WIRESHARK, BARE] {
            assert!(text.lines().any(|line| is_row(line.as_bytes())), "{text}");
            let [(place, bytes)] = &found(None, text)[..] else { panic!("one message in\n{text}") };
            assert_eq!(bytes, WHOLE, "{text}");
            assert_eq!(place, if text == TCPDUMP { "line 2" } else { "line 1" });
            let twice = format!("{text}\n{text}");
            assert_eq!(found(None, &twice).len(), 2, "{twice}");
        }
        // Without a blank line, an offset of zero begins a message.
        assert_eq!(found(None, &format!("{XXD}{XXD}")).len(), 2);
    }

    #[test]
    fn text_that_looks_like_bytes_is_none() {
        for (text, bytes) in [
            (
                "00000000: 3032 3030 6162 6364 3132 3334 3536 3738  0200abcd12345678\n",
                "30323030616263643132333435363738",
            ),
            ("00000000: 3032                                     02\n", "3032"),
            ("00000000: 30                                       0\n", "30"),
            (
                "0000   30 32 30 30 30 30 30 32                           02 00002\n",
                "3032303030303032",
            ),
            (
                "00000000  30 32 30 30 30 30 30 32                           |02 00002|\n",
                "3032303030303032",
            ),
            ("00000000: 30 32 30 30 61 62 63 64  02 00abc\n00000008: 31\n", "303230306162636431"),
            ("000000 30 31 32  >012<\n000003\n", "303132"),
        ] {
            assert_eq!(found(None, text), [("line 1".to_owned(), bytes.to_owned())], "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_lines_that_are_alike() {
        let text = "00000000  30 31 32 33  |0123|\n*\n0000000c  34  |4|\n0000000d\n";
        assert_eq!(
            found(None, text),
            [("line 1".to_owned(), "30313233303132333031323334".to_owned())]
        );
    }

    #[test]
    fn faults_say_where_and_what_to_do() {
        for (text, place, fault) in [
            ("0000  30 3G 32\n", "line 1", "column 10: not bytes as pairs"),
            ("0000  30 31\n0010  32\n", "line 2", "which has 2: is a line missing?"),
            ("\n0000000 3130 3332\n", "line 2", "hexdump -C"),
            ("0000  30\nnothing\n", "line 2", "this is no line of a dump"),
            ("0000  30\n*\nffffffff  30\n", "line 3", "no message is that long"),
        ] {
            let pieces = found(None, text);
            assert_eq!(pieces.len(), 1, "{pieces:?}");
            assert!(pieces[0].0 == place && pieces[0].1.contains(fault), "{pieces:?}");
        }
        // What stands behind a message that is broken is read.
        let text = format!("0000  3G\n0001  30\n\n{XXD}");
        assert_eq!(found(None, &text)[1], ("line 4".to_owned(), WHOLE.to_owned()));
    }

    #[test]
    fn frames_in_a_dump_are_cut() {
        let framing = Framing::new(Settings::default());
        let text = "0000  00 01 61 00 02 62 63 00\n";
        assert_eq!(
            found(Some(&framing), text),
            [
                ("line 1".to_owned(), "61".to_owned()),
                ("line 1, byte 3".to_owned(), "6263".to_owned()),
                ("line 1, byte 7".to_owned(), "the frame ends early, after 1 bytes".to_owned()),
            ]
        );
    }

    #[test]
    fn of_a_packet_only_what_it_carries() {
        // IPv4 and TCP headers of 20 bytes each, then three bytes; and the same as an acknowledgement.
        let packet = "\
\t0x0000:  4500 002b 0001 4000 4006 0000 0a00 0001  E..+..@.@.......
\t0x0010:  0a00 0002 9c40 2187 0000 0001 0000 0001  .....@!.........
\t0x0020:  5018 0100 0000 0000 6162 63              P.......abc
\t0x0000:  4500 0028 0001 4000 4006 0000 0a00 0001  E..(..@.@.......
\t0x0010:  0a00 0002 9c40 2187 0000 0001 0000 0001  .....@!.........
\t0x0020:  5010 0100 0000 0000                      P.......
";
        assert_eq!(found(None, packet), [("line 1".to_owned(), "616263".to_owned())]);
    }
}
