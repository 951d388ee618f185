//! How a link cuts its stream: each setting by itself, and whether they go together.

use super::read::{Limit, Section, Spot};
use super::report::meant;
use crate::dialect::Dialect;
use crate::framing::{Counts, Fixed, Framing, Head, KeepAlive, Length, Part, Settings, Tpdu};

/// The framing of a link; what is wrong with it is told, and something else returned.
pub(super) fn read(section: &Section<'_>) -> Settings {
    let before = section.faults().count();
    let bytes = |spot: Option<Spot<Fixed>>| spot.map(|spot| spot.value).unwrap_or_default();
    let settings = Settings {
        prefix: bytes(section.word("prefix", Fixed::from_text)),
        length: length(section),
        counts: counts(section),
        reserved: bytes(section.word("reserved", Fixed::from_text)),
        header: header(section),
        trailer: bytes(section.word("trailer", Fixed::from_text)),
        lrc: section.flag("lrc", false),
        keep_alive: section.choice("keep_alive", KEEP_ALIVES).unwrap_or_default(),
        frame_len_max: section.number_usize("frame_len_max", FRAME_LEN_MAX),
    };
    // What was made of a wrong word is nobody's mistake but that one.
    let read = section.faults().count() == before;
    for impossible in settings.impossible().into_iter().filter(|_| read) {
        let span = section.has(impossible.key).unwrap_or_else(|| section.span());
        let title = format!("`{}` does not go with the rest of the framing", impossible.key);
        let fault = section.faults().at(span, title).label(impossible.why);
        section.faults().tell(fault.help(impossible.fix));
    }
    let most = settings.frame_len_most();
    if let (true, Some(span)) = (most < settings.frame_len_max, section.has("frame_len_max")) {
        let title = "`frame_len_max` is more than the length can say";
        let label = format!("{most} at most with this `length`");
        section.faults().tell(section.faults().at(span, title).label(label));
    }
    Settings { frame_len_max: settings.frame_len_max.min(most), ..settings }
}

/// Whether a trailer alone can end the messages of a dialect.
pub(super) fn fits(section: &Section<'_>, settings: Settings, dialect: &Dialect) {
    if !Framing::new(settings).delimiter().is_empty() && dialect.writes_any_byte() {
        let span = section.has("trailer").unwrap_or_else(|| section.span());
        let title = "`trailer` alone cannot end the messages of this dialect";
        let label = "it writes bitmaps or elements as bytes of any value, these among them";
        let fault = section.faults().at(span, title).label(label);
        section.faults().tell(
            fault.help(
                "a `length`; or a dialect that writes text and digits alone, like iso87-ascii",
            ),
        );
    }
}

fn length(section: &Section<'_>) -> Length {
    let Some(text) = section.text("length") else { return Length::BINARY_2 };
    Length::from_text(text.value).unwrap_or_else(|fault| {
        let near = meant(text.value, Length::names());
        unknown(section, "length", &text, (&fault.to_string(), near));
        Length::BINARY_2
    })
}

fn counts(section: &Section<'_>) -> Counts {
    if section.has("length_counts").is_none() {
        return Counts::default();
    }
    let mut counts = Counts::NONE;
    for text in section.texts("length_counts") {
        let part = Part::NAMES.iter().find(|(name, _)| *name == text.value);
        if let Some((_, part)) = part {
            counts = counts.with(*part);
        } else {
            let near = meant(text.value, Part::NAMES.iter().map(|(name, _)| *name));
            unknown(section, "length_counts", &text, (Counts::SHAPE, near));
        }
    }
    counts
}

/// A TPDU, a header of another kind, or none.
fn header(section: &Section<'_>) -> Head {
    let tpdu = section.word("tpdu", Tpdu::from_text).map(|tpdu| Head::tpdu(tpdu.value));
    let header = section.word("header", Head::from_text).map(|header| header.value);
    if let (Some(tpdu), Some(header)) = (section.has("tpdu"), section.has("header")) {
        let fault = section.faults().at(header, "a message has one header");
        let fault = fault.label("here is one").besides(tpdu, "and here").help("remove one");
        section.faults().tell(fault);
    }
    tpdu.or(header).unwrap_or_default()
}

/// A word that is none of those there are, of which one may have been meant.
fn unknown(
    section: &Section<'_>,
    key: &str,
    text: &Spot<&str>,
    (shape, near): (&str, Option<&str>),
) {
    let title = format!("`{key}` cannot be {:?}", text.value);
    let mut fault = section.faults().at(text.span.clone(), title).label(shape);
    if let Some(word) = near {
        fault = fault.help(format!("did you mean \"{word}\"?"));
    }
    section.faults().tell(fault);
}

const KEEP_ALIVES: &[(&str, KeepAlive)] =
    &[("ignore", KeepAlive::Ignore), ("echo", KeepAlive::Echo), ("close", KeepAlive::Close)];
const FRAME_LEN_MAX: Limit = Limit::new(8192, 64, 65_535);
