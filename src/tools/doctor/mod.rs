//! Bytes off a wire, and the framings and dialects in which they can be read, best first; knows no files and no options.

mod report;
mod signs;
mod trial;
mod ways;

use std::sync::Arc;

use bytes::Bytes;

use super::input::Piece;
use crate::dialect::Dialect;
use crate::framing::{Head, Settings, Tpdu};
use trial::Trial;
use ways::{Header, Way};

/// A dialect that may be the one.
#[derive(Clone, Debug)]
pub struct Suspect {
    /// As a link names it.
    pub name: String,
    /// What it says.
    pub dialect: Arc<Dialect>,
}

/// Bytes as they were found: lines, dumps, streams of a capture; as many as are looked at.
#[derive(Debug, Default)]
pub struct Sample {
    pieces: Vec<Bytes>,
    bytes: usize,
    left_out: usize,
    /// What is missing in the input, by its place.
    faults: Vec<String>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The lines of a link, with the evidence as comments; if nothing fits, comments alone.
    pub text: String,
    /// Whether a dialect and a framing fit.
    pub fits: bool,
}

impl Sample {
    /// Adds what was found of an input that is not cut.
    pub fn take(&mut self, piece: Piece) {
        match piece.found {
            Err(why) if self.faults.len() < FAULTS_MAX => {
                self.faults.push(format!("{}: {why}", piece.place));
            }
            Err(_) => {}
            Ok((_, bytes)) if bytes.is_empty() => {}
            Ok((_, bytes)) => {
                if PIECES_MAX <= self.pieces.len() || BYTES_MAX < self.bytes + bytes.len() {
                    self.left_out += 1;
                    return;
                }
                self.bytes += bytes.len();
                self.pieces.push(bytes);
            }
        }
    }

    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// What kept bytes from being found.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

/// How much is looked at: pieces, bytes, faults of the input, and messages of each attempt.
const PIECES_MAX: usize = 200;
const BYTES_MAX: usize = 4 << 20;
const FAULTS_MAX: usize = 3;
const MESSAGES_MAX: usize = 200;

/// Finds the framings and dialects that fit.
pub fn diagnose(sample: &Sample, suspects: &[Suspect]) -> Diagnosis {
    let mut trials = Vec::new();
    for (way, suspect) in screened(sample, suspects) {
        if let Some(Suspect { dialect, .. }) = suspects.get(suspect) {
            let cut = trial::cut(&way, dialect, &sample.pieces, MESSAGES_MAX);
            trials.push(cut.read(way, suspect, dialect));
        }
    }
    trials.sort_by_cached_key(Trial::rank);
    report::tell(sample, suspects, &trials)
}

/// The framings and dialects that read some message of the first pieces; if none does, those that came the furthest.
fn screened(sample: &Sample, suspects: &[Suspect]) -> Vec<(Way, usize)> {
    let (mut good, mut poor) = (Vec::new(), Vec::new());
    for piece in first(&sample.pieces) {
        for way in ways::ways(&piece) {
            for trial in tried(way, &piece, suspects) {
                let list = if trial.read == 0 { &mut poor } else { &mut good };
                let found = (without_head(trial.way), trial.suspect);
                if !list.iter().any(|(_, known)| *known == found) {
                    list.push((trial.rank(), found));
                }
            }
        }
    }
    let mut list = if good.is_empty() { poor } else { good };
    list.sort_by(|(one, _), (other, _)| one.cmp(other));
    list.into_iter().map(|(_, found)| found).take(TRIALS_MAX).collect()
}

/// The most that are tried on everything.
const TRIALS_MAX: usize = 64;

/// What the first messages are looked for in: a stream may have been captured from its middle on, so not the first alone.
fn first(pieces: &[Bytes]) -> impl Iterator<Item = Bytes> {
    let longest = 2 * usize::from(u16::MAX);
    pieces.iter().take(4).map(move |piece| piece.slice(..piece.len().min(longest)))
}

/// A framing with each dialect on the first messages of a piece. Where no dialect reads any, with a header before them.
fn tried(way: Way, piece: &Bytes, suspects: &[Suspect]) -> Vec<Trial> {
    let pieces = std::slice::from_ref(piece);
    let mut trials = Vec::new();
    let mut shared = None;
    for (number, Suspect { dialect, .. }) in suspects.iter().enumerate() {
        let settings = &way.settings;
        // A link refuses a trailer alone behind messages that may have its bytes in them.
        if settings.length.is_none() && !settings.trailer.is_empty() && dialect.writes_any_byte() {
            continue;
        }
        let trial = if settings.reads_messages() {
            trial::cut(&way, dialect, pieces, SCREEN_MESSAGES).read(way, number, dialect)
        } else {
            let cut =
                shared.get_or_insert_with(|| trial::cut(&way, dialect, pieces, SCREEN_MESSAGES));
            if cut.frames.is_empty() {
                return trials;
            }
            cut.read(way, number, dialect)
        };
        trials.push(trial);
    }
    if let (Some(cut), Header::None) = (&shared, way.header)
        && !trials.iter().any(|trial| trial.read != 0)
        && !way.settings.length.is_none()
    {
        trials.extend(behind_header(way, cut, suspects));
    }
    trials
}

const SCREEN_MESSAGES: usize = 4;

/// The first header behind which a dialect reads the first message.
fn behind_header(way: Way, cut: &trial::Cut, suspects: &[Suspect]) -> Vec<Trial> {
    let Some((_, frame, _)) = cut.frames.first() else { return Vec::new() };
    for way in ways::with_headers(way, frame) {
        let len = way.settings.header.len().min(frame.len());
        let message = trial::Cut::of_one(frame.slice(len..));
        let tried = suspects.iter().enumerate();
        let tried = tried.map(|(number, suspect)| message.read(way, number, &suspect.dialect));
        let found: Vec<_> = tried.filter(|trial| trial.read != 0 && trial.fits()).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// Two TPDUs are one framing.
fn without_head(way: Way) -> Way {
    let header = match way.header {
        Header::Tpdu => Some(Head::tpdu(Tpdu::new([0x60, 0, 0, 0, 0]))),
        Header::Base24 => Head::from_text("base24:ISO000000000").ok(),
        _ => None,
    };
    let settings = Settings { header: header.unwrap_or(way.settings.header), ..way.settings };
    Way { settings, ..way }
}

#[cfg(test)]
mod tests;
