//! Bytes off a wire, and the framings and dialects in which they can be read, best first; knows no files and no options.

mod filler;
mod noise;
mod report;
mod signs;
mod trial;
mod ways;

use std::sync::Arc;

use bytes::Bytes;

use super::input::Piece;
use crate::dialect::Dialect;
use crate::framing::{Head, Settings, Tpdu};
use noise::Noise;
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
    /// What is no ISO 8583, and is not looked at.
    noise: Vec<Noise>,
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
                if let Some(noise) = Noise::of(&bytes) {
                    self.noise.push(noise);
                    return;
                }
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
        self.pieces.is_empty() && self.noise.is_empty()
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
    let screened = screened(sample, suspects);
    let mut pieces = sample.pieces.clone();
    let mut trials = on_all(&screened.good, suspects, &pieces);
    // Streams of something else count neither for a framing nor against it, as long as messages outnumber them.
    if let Some(best) = trials.first()
        && !best.silent.is_empty()
        && best.silent.len() <= best.read
    {
        let heard = pieces.iter().enumerate().filter(|(at, _)| !best.silent.contains(at));
        pieces = heard.map(|(_, piece)| piece.clone()).collect();
        trials = on_all(&screened.good, suspects, &pieces);
    }
    if !trials.first().is_some_and(Trial::fits) {
        trials.extend(on_all(&screened.poor, suspects, &pieces));
        trials.sort_by_cached_key(Trial::rank);
    }
    let cure =
        trials.first().and_then(|best| filler::cure(best, suspects.get(best.suspect)?, &pieces));
    report::tell(sample, suspects, &trials, &report::Heard { pieces: pieces.len(), cure })
}

/// Each of these on all of the pieces, the best first.
fn on_all(candidates: &[Candidate], suspects: &[Suspect], pieces: &[Bytes]) -> Vec<Trial> {
    let tried = candidates.iter().filter_map(|(way, number)| {
        let Suspect { dialect, .. } = suspects.get(*number)?;
        Some(trial::cut(way, dialect, pieces, MESSAGES_MAX).read(*way, *number, dialect))
    });
    let mut trials: Vec<_> = tried.collect();
    trials.sort_by_cached_key(Trial::rank);
    trials
}

/// A framing, and the number of a dialect.
type Candidate = (Way, usize);

/// What is tried on everything, the best first.
struct Screened {
    /// What reads some message as it is likely to be meant.
    good: Vec<Candidate>,
    /// What came the furthest of the others.
    poor: Vec<Candidate>,
}

/// The framings and dialects that read the first messages of the pieces, wherever in the sample those stand.
fn screened(sample: &Sample, suspects: &[Suspect]) -> Screened {
    let (mut good, mut poor) = (Vec::new(), Vec::new());
    let mut telling = 0;
    for piece in longest_first(&sample.pieces) {
        let mut trials: Vec<_> =
            ways::ways(&piece).into_iter().flat_map(|way| tried(way, &piece, suspects)).collect();
        trials.sort_by_cached_key(Trial::rank);
        let (some_good, some_poor): (Vec<_>, Vec<_>) =
            trials.iter().partition(|trial| trial.is_likely());
        for (list, some) in [(&mut good, &some_good), (&mut poor, &some_poor)] {
            let best = some.iter().take(TRIALS_MAX);
            list.extend(best.map(|it| (it.rank(), (without_head(it.way), it.suspect))));
        }
        telling += usize::from(!some_good.is_empty());
        if telling == TELLING_MAX {
            break;
        }
    }
    let [good, poor] = [good, poor].map(|mut list| {
        list.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut best: Vec<Candidate> = Vec::new();
        for (_, candidate) in list {
            if best.len() < TRIALS_MAX && !best.contains(&candidate) {
                best.push(candidate);
            }
        }
        best
    });
    Screened { good, poor }
}

/// The most that are tried on everything.
const TRIALS_MAX: usize = 64;

/// How many pieces are screened that some framing cuts into messages: a stream may have been captured from its middle on.
const TELLING_MAX: usize = 4;

/// The beginnings of the longest pieces: what was first on the port is no better than what came later.
fn longest_first(pieces: &[Bytes]) -> impl Iterator<Item = Bytes> {
    let longest = 2 * usize::from(u16::MAX);
    let mut pieces: Vec<_> = pieces.iter().collect();
    pieces.sort_by(|one, other| (other.len(), one).cmp(&(one.len(), other)));
    pieces.into_iter().take(SCREENED_MAX).map(move |it| it.slice(..it.len().min(longest)))
}

const SCREENED_MAX: usize = 16;

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
