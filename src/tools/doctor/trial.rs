//! One framing and one dialect tried on all of the bytes: how much of them they read.

use std::cmp::Reverse;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio_util::codec::Decoder as _;

use super::signs::Signs;
use super::ways::{Header, Way};
use crate::codec;
use crate::dialect::Dialect;
use crate::framing::{Framing, Head};
use crate::iso::ElementSet;
use crate::tools::meaning;

/// What a framing makes of the bytes.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// What precedes each message, the message, and how many bytes its frame took.
    pub(super) frames: Vec<(Head, Bytes, usize)>,
    /// Bytes that were looked at.
    bytes: usize,
    /// Pieces that could not be cut to their end, and the first reason.
    broken: usize,
    /// Every frame ends where the next one begins, and the last one with its piece.
    is_sound: bool,
    why: Option<String>,
    pub(super) keepalives: u64,
    /// How many frames there were at the end of each piece that was looked at.
    ends: Vec<usize>,
}

/// How well a dialect reads what a framing cut.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) way: Way,
    /// Which dialect.
    pub(super) suspect: usize,
    pub(super) read: usize,
    pub(super) all: usize,
    /// Bytes of the frames whose messages were read, and of all.
    read_bytes: usize,
    bytes: usize,
    pub(super) signs: Signs,
    pub(super) present: ElementSet,
    pub(super) keepalives: u64,
    pub(super) head: Head,
    /// Whether there is another one that may not be shown.
    pub(super) head_hidden: bool,
    pub(super) longest: usize,
    /// The first message that was not read, by its number, and why.
    pub(super) fault: Option<(usize, String)>,
    /// The pieces of which no message was read, by their place in the sample.
    pub(super) silent: Vec<usize>,
    /// Every frame ends where the next one begins.
    is_sound: bool,
    /// Whether the best of those has an MTI of the dialect's edition, and how many elements and bytes it was read to.
    reached: (bool, usize, usize),
}

/// Cuts the pieces, to a number of frames.
pub(super) fn cut(way: &Way, measure: &Arc<Dialect>, pieces: &[Bytes], frames_max: usize) -> Cut {
    let mut cut = Cut { is_sound: true, ..Cut::default() };
    for piece in pieces {
        let framing = Framing::new(way.settings);
        let mut framing = framing.measured_by(Arc::<Dialect>::clone(measure));
        let mut stream = BytesMut::from(&piece[..]);
        loop {
            if cut.frames.len() == frames_max {
                return cut;
            }
            let before = stream.len();
            match framing.decode(&mut stream) {
                Ok(Some(frame)) => {
                    let taken = before - stream.len();
                    cut.bytes += taken;
                    cut.frames.push((frame.head, frame.body, taken));
                }
                Ok(None) => {
                    cut.bytes += before;
                    // A frame that the capture cut off is no fault, unless it is all that there is.
                    if before == piece.len() {
                        cut.broken += 1;
                        cut.why.get_or_insert_with(|| String::from("the frame ends early"));
                    }
                    cut.is_sound &= before == 0;
                    break;
                }
                Err(error) => {
                    cut.bytes += before;
                    cut.broken += 1;
                    cut.is_sound = false;
                    cut.why.get_or_insert_with(|| error.to_string());
                    break;
                }
            }
        }
        cut.keepalives += framing.keepalives();
        cut.ends.push(cut.frames.len());
    }
    cut
}

impl Cut {
    /// One message, whatever stands around it.
    pub(super) fn of_one(body: Bytes) -> Self {
        let len = body.len();
        Self { frames: vec![(Head::NONE, body, len)], bytes: len, ..Self::default() }
    }

    /// Reads the messages.
    pub(super) fn read(&self, way: Way, suspect: usize, dialect: &Arc<Dialect>) -> Trial {
        let heads: Vec<_> = self.frames.iter().map(|(head, ..)| *head).collect();
        let mut trial = Trial {
            way,
            suspect,
            read: 0,
            all: self.frames.len() + self.broken,
            read_bytes: 0,
            bytes: self.bytes,
            signs: Signs::default(),
            present: ElementSet::EMPTY,
            keepalives: self.keepalives,
            head: shown(way, &heads).unwrap_or(way.settings.header),
            head_hidden: shown(way, &heads).is_none(),
            longest: 0,
            fault: None,
            silent: Vec::new(),
            is_sound: self.is_sound,
            reached: (false, 0, 0),
        };
        let mut heard = vec![false; self.ends.len()];
        for (number, (head, body, taken)) in self.frames.iter().enumerate() {
            trial.longest = trial.longest.max(head.len() + body.len());
            let before = trial.read;
            trial.add(number + 1, body, *taken, dialect);
            let piece = self.ends.partition_point(|end| *end <= number);
            if let Some(heard) = heard.get_mut(piece) {
                *heard |= before < trial.read;
            }
        }
        trial.silent = heard.iter().enumerate().filter(|(_, it)| !**it).map(|(at, _)| at).collect();
        if let Some(why) = &self.why {
            trial.fault.get_or_insert_with(|| (self.frames.len() + 1, why.clone()));
        }
        trial
    }
}

/// The head that may be shown, none where it may hold a card number: bytes that nobody knows only where every message has the same.
fn shown(way: Way, heads: &[Head]) -> Option<Head> {
    let first = heads.first().copied().unwrap_or_default();
    if way.header != Header::Opaque {
        return Some(first);
    }
    if heads.len() < 2 || heads.iter().any(|head| *head != first) {
        return Some(way.settings.header);
    }
    (!holds_digits(first.as_bytes())).then_some(first)
}

/// Whether as many digits stand in a row as a card number has, in ASCII, EBCDIC or packed; one digit over and over is none.
fn holds_digits(bytes: &[u8]) -> bool {
    let letters = |zero: u8| bytes.iter().map(move |byte| byte.wrapping_sub(zero)).collect();
    let packed = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]).collect();
    let codings: [Vec<u8>; 3] = [letters(b'0'), letters(0xF0), packed];
    codings
        .iter()
        .flat_map(|digits| digits.split(|digit| 9 < *digit))
        .any(|run| DIGITS_MAX < run.len() && run.windows(2).any(|pair| pair.first() != pair.last()))
}

/// No card number has so few digits.
const DIGITS_MAX: usize = 11;

impl Trial {
    fn add(&mut self, number: usize, body: &Bytes, taken: usize, dialect: &Arc<Dialect>) {
        let message = match codec::decode(dialect, body.clone()) {
            Ok(message) => message,
            Err(error) => {
                let meant = error.mti.is_some_and(|mti| meaning::is_edition(mti, dialect));
                let reached = (meant, error.salvaged.spans.len(), error.offset);
                if self.reached < reached || self.fault.is_none() {
                    self.reached = self.reached.max(reached);
                    self.fault = Some((number, error.to_string()));
                }
                return;
            }
        };
        let [_, class, function, _] = message.mti().ascii();
        let known = matches!(class, b'1'..=b'8') && function <= b'7';
        if !known || message.present().is_empty() {
            let why = String::from("the MTI is of no class, or no element is there");
            self.fault.get_or_insert((number, why));
            return;
        }
        self.read += 1;
        self.read_bytes += taken;
        self.present = self.present.or(message.present());
        self.signs.see(&message);
    }

    /// How many of a thousand bytes are of messages that were read.
    pub(super) fn share(&self) -> usize {
        (1000 * self.read_bytes).checked_div(self.bytes).unwrap_or(0)
    }

    /// Whether it is worth a link.
    pub(super) fn fits(&self) -> bool {
        500 <= self.share() && self.is_likely()
    }

    /// Whether the messages that were read say what messages say.
    pub(super) fn is_likely(&self) -> bool {
        500 <= self.signs.weight()
    }

    /// What ranks it, the first best: what it reads, what speaks for it, how plain it is.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        let fits = self.fits();
        let near = (!fits).then_some((self.is_sound, self.reached));
        // Messages of which the values are not what they have to be were read as something that they are not.
        let is_meant = fits || self.is_likely() && self.signs.are_sound();
        let (share, weight) = if is_meant { (self.share(), self.signs.weight()) } else { (0, 0) };
        let best_first = Reverse((fits, share, weight, near));
        // Zeros before a longer length are no keep-alives.
        (best_first, self.way.cost(), self.keepalives, self.suspect)
    }

    /// Whether nothing in the bytes speaks for one of both.
    pub(super) fn ties(&self, other: &Self) -> bool {
        self.share() == other.share()
            && self.signs.weight() == other.signs.weight()
            && self.keepalives == other.keepalives
    }
}
