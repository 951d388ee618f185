//! How a link cuts its stream, axis by axis, and which axes do not go together.

use super::{Counts, Fixed, Head, Length, Part};

/// How a link cuts its stream into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The bytes with which each frame begins.
    pub prefix: Fixed,
    /// How the length before each message is written.
    pub length: Length,
    /// What the length counts besides the message.
    pub counts: Counts,
    /// The bytes between the length and the header.
    pub reserved: Fixed,
    /// The header of the messages that we begin; it says what kind of header all messages have.
    pub header: Head,
    /// The bytes behind each message.
    pub trailer: Fixed,
    /// Whether each frame ends with the exclusive or of all of its bytes behind the prefix.
    pub lrc: bool,
    /// What is done about frames without a message.
    pub keep_alive: KeepAlive,
    /// The longest frame from the header on, in bytes, 1 to 65,535.
    pub frame_len_max: usize,
}

/// What is done about a frame without a message. It is never taken for a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeepAlive {
    /// It is skipped.
    #[default]
    Ignore,
    /// It goes back as it came.
    Echo,
    /// The connection is closed.
    Close,
}

/// Settings that do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impossible {
    /// The setting that has to change, as people write it.
    pub key: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
    /// How it is put right.
    pub fix: &'static str,
}

impl Settings {
    /// The longest frame unless the configuration says otherwise.
    pub const FRAME_LEN_MAX: usize = 8192;

    /// Whether a message has to be read to find where it ends, because neither a length nor a trailer says so.
    pub const fn reads_messages(&self) -> bool {
        self.length.is_none() && self.trailer.is_empty()
    }

    /// The most bytes from the header on that the length can say; without a length nothing is limited.
    pub fn frame_len_most(&self) -> usize {
        self.length.max().saturating_add(self.uncounted()).saturating_sub(self.counted_before())
    }

    /// Bytes before the header that the length counts.
    pub(super) fn counted_before(&self) -> usize {
        let parts = [
            (Part::Prefix, self.prefix.len()),
            (Part::Itself, self.length.width()),
            (Part::Reserved, self.reserved.len()),
        ];
        parts.iter().filter(|(part, _)| self.counts.has(*part)).map(|(_, len)| len).sum()
    }

    /// Bytes from the header on that the length does not count.
    pub(super) fn uncounted(&self) -> usize {
        let parts = [(Part::Header, self.header.len()), (Part::Trailer, self.behind())];
        parts.iter().filter(|(part, _)| !self.counts.has(*part)).map(|(_, len)| len).sum()
    }

    /// Everything in which the settings contradict each other.
    pub fn impossible(&self) -> Vec<Impossible> {
        if self.length.is_none() { self.wrong_without_length() } else { self.wrong_with_length() }
    }

    fn wrong_without_length(&self) -> Vec<Impossible> {
        let header = if self.header.is_tpdu() { "tpdu" } else { "header" };
        let ends_in_header = !self.trailer.is_empty()
            && (self.header.is_binary() || self.trailer.cuts(self.header.as_bytes()));
        let empty = self.reads_messages() && self.keep_alive != KeepAlive::Ignore;
        [
            (self.counts != Counts::default(), "length_counts", "there is no length to count", REMOVE),
            (
                !self.reserved.is_empty(),
                "reserved",
                "there is no length before these bytes",
                "make them the end of `prefix`, or the beginning of `header`",
            ),
            (
                ends_in_header,
                header,
                "the header may have the trailer's bytes in it, and only the trailer says where a message ends",
                "a length, or another trailer",
            ),
            (
                self.reads_messages() && self.header.says_its_length(),
                header,
                "a header of this kind needs a length before it",
                "a length, e.g. binary-2",
            ),
            (
                empty,
                "keep_alive",
                "without a length and a trailer nothing can be a frame without a message",
                REMOVE,
            ),
        ]
        .into_iter()
        .filter(|(wrong, ..)| *wrong)
        .map(|(_, key, why, fix)| Impossible { key, why, fix })
        .collect()
    }

    fn wrong_with_length(&self) -> Vec<Impossible> {
        let counted = |part, missing| self.counts.has(part) && missing;
        [
            (
                counted(Part::Prefix, self.prefix.is_empty()),
                "\"prefix\" is counted, and there is none",
                OUT,
            ),
            (
                counted(Part::Reserved, self.reserved.is_empty()),
                "\"reserved\" is counted, and there are no such bytes",
                OUT,
            ),
            (
                counted(Part::Trailer, self.behind() == 0),
                "\"trailer\" is counted, and there is none",
                OUT,
            ),
            (
                self.header.says_its_length() && !self.counts.has(Part::Header),
                "a header of this kind may be longer, so the length has to count it",
                "add \"header\" to the list",
            ),
        ]
        .into_iter()
        .filter(|(wrong, ..)| *wrong)
        .map(|(_, why, fix)| Impossible { key: "length_counts", why, fix })
        .collect()
    }

    /// Bytes behind a message.
    pub(super) const fn behind(&self) -> usize {
        self.trailer.len() + self.lrc as usize
    }
}

const REMOVE: &str = "leave it out";
const OUT: &str = "leave it out of the list";

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefix: Fixed::NONE,
            length: Length::BINARY_2,
            counts: Counts::default(),
            reserved: Fixed::NONE,
            header: Head::NONE,
            trailer: Fixed::NONE,
            lrc: false,
            keep_alive: KeepAlive::default(),
            frame_len_max: Self::FRAME_LEN_MAX,
        }
    }
}
