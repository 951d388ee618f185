//! What stands in captures beside ISO 8583: other protocols on the port, and what is too short for any message.

/// What some bytes are instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noise {
    Tls,
    Http,
    Ssh,
    Short,
}

impl Noise {
    /// Each with what people call it.
    pub(super) const NAMES: [(Self, &str); 4] = [
        (Self::Tls, "TLS"),
        (Self::Http, "HTTP"),
        (Self::Ssh, "SSH"),
        (Self::Short, "too short for a message"),
    ];

    /// What these bytes are, if they are surely no ISO 8583.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < MESSAGE_LEN_MIN {
            return Some(Self::Short);
        }
        let begins = |with: &&[u8]| bytes.starts_with(with);
        if HTTP.iter().any(begins) {
            return Some(Self::Http);
        }
        if bytes.starts_with(b"SSH-") {
            return Some(Self::Ssh);
        }
        is_tls(bytes).then_some(Self::Tls)
    }
}

/// A packed MTI, a bitmap and a byte.
const MESSAGE_LEN_MIN: usize = 11;

const HTTP: &[&[u8]] = &[
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"CONNECT ",
    b"PRI * HTTP/",
    b"HTTP/1.",
];

/// A record of TLS, and behind it nothing or another one: a frame whose length is 1603 has no second one there.
fn is_tls(bytes: &[u8]) -> bool {
    let record = |bytes: &[u8]| match *bytes {
        [0x14..=0x17, 3, 0..=4, high, low, ..] => {
            let len = usize::from(u16::from_be_bytes([high, low]));
            (1..=TLS_RECORD_LEN_MAX).contains(&len).then_some(5 + len)
        }
        _ => None,
    };
    let Some(next) = record(bytes) else { return false };
    let rest = bytes.get(next..).unwrap_or_default();
    rest.len() < 5 || record(rest).is_some()
}

/// RFC 8446 and those before it: a fragment, and what encryption adds to it.
const TLS_RECORD_LEN_MAX: usize = (1 << 14) + 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_are_told_from_frames() {
        let hello = [&[0x16, 3, 1, 0, 16][..], &[7; 16]].concat();
        let twice = [&hello[..], &[0x14, 3, 3, 0, 1, 1]].concat();
        // A frame of 0x1603 bytes that begins with a packed MTI.
        let frame = [&[0x16, 3, 2, 0, 0x30, 0x20][..], &[0; 0x15FF]].concat();
        for (bytes, wanted) in [
            (&hello[..], Some(Noise::Tls)),
            (&twice, Some(Noise::Tls)),
            (&hello[..15], Some(Noise::Tls)),
            (&frame, None),
            (b"GET /health HTTP/1.1\r\n\r\n", Some(Noise::Http)),
            (b"HTTP/1.1 200 OK\r\n\r\n", Some(Noise::Http)),
            (b"SSH-2.0-OpenSSH_9.6\r\n", Some(Noise::Ssh)),
            (b"\0\x08\x08\0\0\0\0\0\0\0", Some(Noise::Short)),
            (b"\0\x09\x08\0\0\x20\0\0\0\0\0\0\0\0\0\x01", None),
        ] {
            assert_eq!(Noise::of(bytes), wanted, "{bytes:?}");
        }
    }
}
