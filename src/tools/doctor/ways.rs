//! The framings that are tried on bytes: every length, and what the bytes themselves may have around a message.

use crate::framing::{Counts, Fixed, Head, Length, Part, Settings, Tpdu};
use crate::tools::push_hex;

/// A framing that may be the one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) settings: Settings,
    pub(super) header: Header,
}

/// What kind of header it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    None,
    Tpdu,
    Visa,
    Base24,
    /// So many bytes of nobody's.
    Opaque,
}

/// What the first frame of bytes would have before its message.
#[derive(Clone, Copy)]
struct Before {
    prefix: Fixed,
    length: Length,
    reserved: Fixed,
    header: Header,
    head: Head,
}

/// The framings in which these bytes may begin.
pub(super) fn ways(piece: &[u8]) -> Vec<Way> {
    let endings = endings(piece);
    let mut ways = Vec::new();
    for before in befores(piece) {
        for (trailer, lrc) in &endings {
            let Before { prefix, length, reserved, head, .. } = before;
            let settings = Settings {
                prefix,
                length,
                reserved,
                header: head,
                trailer: *trailer,
                lrc: *lrc,
                frame_len_max: FRAME_LEN_MAX,
                ..Settings::default()
            };
            add(&mut ways, settings, before.header);
        }
    }
    ways
}

/// The longest frame that a link can be told to take.
const FRAME_LEN_MAX: usize = 65_535;

/// Adds a framing with everything that its length may count; what cuts alike is added once, in the plainest words.
fn add(ways: &mut Vec<Way>, settings: Settings, header: Header) {
    if settings.length.is_none() {
        // Bytes before a message that reads itself would be taken for a length that is read wrongly.
        let bare = settings.trailer.is_empty() && (!settings.prefix.is_empty() || settings.lrc);
        if !bare && settings.impossible().is_empty() {
            ways.push(Way { settings, header });
        }
        return;
    }
    let mut seen = Vec::new();
    for counts in counts(&settings) {
        let settings = Settings { counts, ..settings };
        let most = settings.frame_len_most();
        if settings.impossible().is_empty() && !seen.contains(&most) {
            seen.push(most);
            ways.push(Way { settings, header });
        }
    }
}

/// What the length may count: header and message first, as most do, then more and more besides.
fn counts(settings: &Settings) -> Vec<Counts> {
    let parts = [
        (Part::Itself, true),
        (Part::Trailer, !settings.trailer.is_empty() || settings.lrc),
        (Part::Reserved, !settings.reserved.is_empty()),
        (Part::Prefix, !settings.prefix.is_empty()),
    ];
    let parts: Vec<_> = parts.iter().filter(|(_, there)| *there).map(|(part, _)| *part).collect();
    let with = |from: Counts, choice: usize| {
        let chosen = parts.iter().enumerate().filter(|(at, _)| choice >> at & 1 != 0);
        chosen.fold(from, |counts, (_, part)| counts.with(*part))
    };
    let mut choices: Vec<usize> = (0..1 << parts.len()).collect();
    choices.sort_by_key(|choice| choice.count_ones());
    let mut bases = vec![Counts::default()];
    if !settings.header.is_empty() {
        bases.push(Counts::NONE);
    }
    bases.iter().flat_map(|base| choices.iter().map(|choice| with(*base, *choice))).collect()
}

fn befores(piece: &[u8]) -> Vec<Before> {
    let mut befores = Vec::new();
    for prefix in prefixes(piece) {
        for length in Length::names().filter_map(|name| Length::from_text(name).ok()) {
            // Where nothing else says where a frame begins, only the bytes that have that name do.
            let stx = prefix.is_empty() || prefix.as_bytes() == STX;
            if length.is_none() && !stx {
                continue;
            }
            let behind = piece.get(prefix.len() + length.width()..).unwrap_or_default();
            for reserved in reserved(length, behind) {
                let rest = behind.get(reserved.len()..).unwrap_or_default();
                for (header, head) in headers(rest) {
                    befores.push(Before { prefix, length, reserved, header, head });
                }
            }
        }
    }
    befores
}

const STX: &[u8] = b"\x02";

/// None, or what the bytes begin with.
fn prefixes(piece: &[u8]) -> Vec<Fixed> {
    let begins = (1..=PREFIX_LEN_MAX).filter_map(|len| piece.get(..len)).filter_map(fixed);
    std::iter::once(Fixed::NONE).chain(begins).collect()
}

/// The longest prefix that is looked for.
const PREFIX_LEN_MAX: usize = 2;

fn reserved(length: Length, behind: &[u8]) -> Vec<Fixed> {
    let zeros = fixed(&[0, 0]).filter(|_| !length.is_none() && behind.starts_with(&[0, 0]));
    std::iter::once(Fixed::NONE).chain(zeros).collect()
}

/// The headers that may stand here; none at all is always one.
fn headers(rest: &[u8]) -> Vec<(Header, Head)> {
    let mut headers = vec![(Header::None, Head::NONE)];
    if let Some(bytes) = rest.first_chunk::<5>().filter(|tpdu| TPDU_IDS.contains(&tpdu[0])) {
        headers.push((Header::Tpdu, Head::tpdu(Tpdu::new(*bytes))));
    }
    // Its length, then the format.
    if let [len, format, ..] = rest
        && 0x16 <= *len
        && format & 0x7F == 1
    {
        let visa = Head::from_text("visa:000000:000000").ok();
        headers.extend(visa.map(|head| (Header::Visa, head)));
    }
    let base24 = rest.get(..12).and_then(|text| std::str::from_utf8(text).ok());
    let base24 = base24.and_then(|text| Head::from_text(&format!("base24:{text}")).ok());
    headers.extend(base24.map(|head| (Header::Base24, head)));
    headers
}

/// The first byte of a TPDU: 60 with most, and what is reserved beside it.
const TPDU_IDS: std::ops::RangeInclusive<u8> = 0x60..=0x6F;

/// The same framing, with each header that this frame may have: those that have a name, then so many bytes of nobody's.
pub(super) fn with_headers(way: Way, frame: &[u8]) -> Vec<Way> {
    let opaque = |len| Head::from_text(&format!("echo:{}", "00".repeat(len))).ok();
    let lens = 1..=Head::LEN_MAX.min(frame.len().saturating_sub(1));
    let named = headers(frame).into_iter().filter(|(header, _)| *header != Header::None);
    named
        .chain(lens.filter_map(opaque).map(|head| (Header::Opaque, head)))
        .map(|(header, head)| Way { settings: Settings { header: head, ..way.settings }, header })
        .collect()
}

/// What may stand behind a message, where the bytes have it somewhere.
fn endings(piece: &[u8]) -> Vec<(Fixed, bool)> {
    let known = TRAILERS.iter().filter(|bytes| contains(piece, bytes)).filter_map(|it| fixed(it));
    let trailers: Vec<_> = std::iter::once(Fixed::NONE).chain(known).collect();
    trailers.iter().flat_map(|trailer| [(*trailer, false), (*trailer, true)]).collect()
}

/// ETX, both ends of a line and one, EOT, FF.
const TRAILERS: &[&[u8]] = &[b"\x03", b"\r\n", b"\n", b"\r", b"\x04", b"\xFF"];

fn contains(piece: &[u8], bytes: &[u8]) -> bool {
    piece.windows(bytes.len()).any(|window| window == bytes)
}

fn fixed(bytes: &[u8]) -> Option<Fixed> {
    let mut digits = String::new();
    push_hex(bytes, &mut digits);
    Fixed::from_text(&digits).ok()
}

impl Way {
    /// How much it takes to say it: of framings that fit alike the plainest is meant.
    pub(super) fn cost(&self) -> usize {
        let Settings { prefix, length, counts, reserved, trailer, lrc, .. } = &self.settings;
        let header = match self.header {
            Header::None => 0,
            Header::Tpdu | Header::Visa | Header::Base24 => 1,
            Header::Opaque => 6,
        };
        let prefix = if prefix.as_bytes() == STX { 2 } else { 2 * prefix.len() };
        let usual = Counts::default();
        let unusual = Part::NAMES.iter().filter(|(_, part)| counts.has(*part) != usual.has(*part));
        prefix
            + header
            + reserved.len()
            + unusual.count()
            + trailer.len()
            + usize::from(*lrc)
            + 2 * usize::from(length.is_none())
    }

    /// The lines of a link that say it, for messages that begin with this head.
    pub(super) fn lines(&self, head: Head) -> Vec<String> {
        let options = self.options(head).into_iter();
        options
            .map(|(key, value)| match key {
                "lrc" => String::from("lrc = true"),
                "length_counts" => {
                    let parts = value.split(',').filter(|part| !part.is_empty());
                    let parts: Vec<_> = parts.map(|part| format!("\"{part}\"")).collect();
                    format!("length_counts = [{}]", parts.join(", "))
                }
                key => format!("{key} = \"{value}\""),
            })
            .collect()
    }

    /// The same as `decode` takes it.
    pub(super) fn words(&self, head: Head) -> String {
        let options = self.options(head).into_iter();
        let words = options.map(|(key, value)| match key {
            "lrc" => String::from("--lrc"),
            "length_counts" => format!("--length-counts '{value}'"),
            key => format!("--{key} {value}"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    fn options(&self, head: Head) -> Vec<(&'static str, String)> {
        let Settings { prefix, length, counts, reserved, trailer, lrc, .. } = &self.settings;
        let mut options = vec![("length", length.to_string())];
        if *counts != Counts::default() {
            let counted = Part::NAMES.iter().filter(|(_, part)| counts.has(*part));
            let counted: Vec<_> = counted.map(|(name, _)| *name).collect();
            options.push(("length_counts", counted.join(",")));
        }
        let bytes = [("prefix", prefix), ("reserved", reserved)];
        let said = |(_, bytes): &(_, &Fixed)| !bytes.is_empty();
        options.extend(bytes.into_iter().filter(said).map(|(key, bytes)| (key, bytes.to_string())));
        options.extend(self.header_option(head));
        if !trailer.is_empty() {
            options.push(("trailer", trailer.to_string()));
        }
        if *lrc {
            options.push(("lrc", String::new()));
        }
        options
    }

    fn header_option(&self, head: Head) -> Option<(&'static str, String)> {
        let hex = |bytes: &[u8]| {
            let mut digits = String::new();
            push_hex(bytes, &mut digits);
            digits
        };
        let bytes = head.as_bytes();
        match self.header {
            Header::None => None,
            Header::Tpdu => Some(("tpdu", hex(bytes))),
            Header::Visa => {
                let station = |place| hex(bytes.get(place).unwrap_or_default());
                Some(("header", format!("visa:{}:{}", station(5..8), station(8..11))))
            }
            Header::Base24 => {
                Some(("header", format!("base24:{}", String::from_utf8_lossy(bytes))))
            }
            Header::Opaque => Some(("header", format!("echo:{}", hex(bytes)))),
        }
    }
}
