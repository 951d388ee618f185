//! Where a message ends in a stream: by its lengths alone, so that a message with a wrong value is still cut out whole.

use super::walk::{self, Stop};
use super::{Fault, value};
use crate::dialect::Dialect;
use crate::framing::Measure;
use crate::iso::ElementNo;

impl Measure for Dialect {
    fn end(&self, stream: &[u8]) -> Result<Option<usize>, String> {
        match end(self, stream) {
            Ok(end) => Ok(Some(end)),
            Err(Stop { fault: Fault::Truncated, .. }) => Ok(None),
            Err(Stop { element: Some(element), offset, fault }) => {
                Err(format!("element {element} at offset {offset}: {fault}"))
            }
            Err(Stop { element: None, offset, fault }) => Err(format!("offset {offset}: {fault}")),
        }
    }
}

/// Where the message ends, or the first thing that keeps it from being told.
fn end(dialect: &Dialect, stream: &[u8]) -> Result<usize, Stop> {
    // What lies beyond the longest message belongs to others.
    let stream = stream.get(..walk::BODY_LEN_MAX).unwrap_or(stream);
    let (_, present, begin) = walk::head(dialect, stream).map_err(|(_, stop)| stop)?;
    let mut at = usize::from(begin);
    for no in present.iter() {
        let stop = |fault| Stop { element: Some(ElementNo::get(no)), offset: at, fault };
        let layout = dialect.layout(no).ok_or_else(|| stop(Fault::Undefined))?;
        let rest = stream.get(at..).unwrap_or_default();
        let (_, len, behind) = value::measure(layout, rest).map_err(stop)?;
        if behind.len() < len {
            return Err(stop(Fault::Truncated));
        }
        at += rest.len() - behind.len() + len;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::codec::{Draft, decode};
    use crate::iso::{Elements, Mti};

    fn sale(dialect: &Dialect) -> Vec<u8> {
        let mut own = Elements::default();
        for (no, value) in
            [(2, "5413330000004111"), (3, "000000"), (37, "632718000123"), (70, "301"), (90, "0")]
        {
            let no = ElementNo::of(no);
            if dialect.defined().has(no) {
                own.set(no, value.as_bytes());
            }
        }
        let mut out = Vec::new();
        let mti = Mti::new(200).unwrap();
        Draft { mti, own: &own, copied: None }.encode(dialect, &mut out).unwrap();
        out
    }

    /// Whatever is there of a message and behind it, its end is told as soon as it is there.
    #[test]
    fn a_message_ends_where_it_ends() {
        for name in Dialect::shipped_names() {
            let dialect = Dialect::shipped(name).unwrap();
            let message = sale(&dialect);
            for cut in 0..message.len() {
                assert_eq!(dialect.end(&message[..cut]), Ok(None), "{name}, {cut} bytes");
            }
            for more in [&[][..], b"\0", &message, &vec![0xFF; 70_000]] {
                let stream = [&message, more].concat();
                assert_eq!(dialect.end(&stream), Ok(Some(message.len())), "{name}");
            }
        }
    }

    /// A value that its element may not have is the message's fault and not the stream's; a length is.
    #[test]
    fn a_wrong_value_is_cut_out_and_a_wrong_length_ends_the_stream() {
        let dialect = Dialect::shipped("iso87-bcd").unwrap();
        let mut message = sale(&dialect);
        // Behind the MTI, two bitmaps, and element 2 with its length.
        message[27] = 0xEE;
        assert_eq!(dialect.end(&message), Ok(Some(message.len())));
        assert!(decode(&Arc::new(dialect.clone()), Bytes::from(message)).is_err());
        for (stream, why) in [
            (&b"\x02\xA0"[..], "offset 0: the MTI is not four digits"),
            (b"\x02\0\0\0\0\0\x20\0\0\0\x4A", "element 35 at offset 10: the length is not digits"),
            (b"\x02\0\0\0\0\0\x20\0\0\0\x41", "element 35 at offset 10: length 41 exceeds 37"),
            (
                b"\x02\0\x80\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0",
                "element 65 at offset 18: the dialect has no such element",
            ),
        ] {
            assert_eq!(dialect.end(stream), Err(why.to_owned()));
        }
    }
}
