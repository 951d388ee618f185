//! What was found, as lines of a link: everything but the settings themselves is a comment.

use std::fmt::Write as _;

use super::filler::Cure;
use super::noise::Noise;
use super::trial::Trial;
use super::ways::Header;
use super::{Diagnosis, MESSAGES_MAX, Sample, Suspect};
use crate::dialect::{Dialect, Version};
use crate::framing::{Head, Settings};
use crate::iso::ElementSet;

/// What the trials were made of.
pub(super) struct Heard {
    /// How many pieces counted for and against.
    pub(super) pieces: usize,
    /// What the best needs so that card numbers are read as they are.
    pub(super) cure: Option<Cure>,
}

/// The best of these, which come ranked, with what speaks for it and what else there is.
pub(super) fn tell(
    sample: &Sample,
    suspects: &[Suspect],
    trials: &[Trial],
    heard: &Heard,
) -> Diagnosis {
    let mut page = Page { suspects, text: String::new() };
    page.sample(sample);
    page.noise(sample, heard.pieces);
    let best = trials.first().filter(|trial| trial.fits());
    match best {
        Some(best) => page.found(heard, best, trials),
        None => page.nothing(trials.first()),
    }
    Diagnosis { text: page.text, fits: best.is_some() }
}

struct Page<'a> {
    suspects: &'a [Suspect],
    text: String,
}

impl Page<'_> {
    fn say(&mut self, text: &str) {
        for line in text.lines() {
            self.text.push_str("# ");
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    fn sample(&mut self, sample: &Sample) {
        let Sample { pieces, bytes, left_out, .. } = sample;
        let mut said =
            format!("looked at: {}, {}", count(pieces.len(), "piece"), count(*bytes, "byte"));
        if *left_out != 0 {
            write!(said, "; {} more left out", count(*left_out, "piece")).ok();
        }
        self.say(&said);
        for fault in &sample.faults {
            self.say(&format!("not read: {fault}"));
        }
    }

    /// What was left out, and what it is.
    fn noise(&mut self, sample: &Sample, heard: usize) {
        let Sample { pieces, noise, .. } = sample;
        let known = Noise::NAMES
            .iter()
            .map(|(kind, name)| (noise.iter().filter(|noise| *noise == kind).count(), *name));
        let unknown = (pieces.len() - heard, "no message was read of it");
        let told: Vec<_> = known
            .chain([unknown])
            .filter(|(number, _)| *number != 0)
            .map(|(number, name)| format!("{name} ({number})"))
            .collect();
        if !told.is_empty() {
            let all = pieces.len() + noise.len();
            let left_out = noise.len() + unknown.0;
            let told = told.join(", ");
            self.say(&format!(
                "left out, for they are not ISO 8583: {left_out} of {}: {told}",
                count(all, "piece")
            ));
        }
    }

    /// The dialect of a trial.
    fn dialect(&self, trial: &Trial) -> (&str, Option<&Dialect>) {
        let suspect = self.suspects.get(trial.suspect);
        suspect.map_or(("", None), |suspect| (&suspect.name, Some(&suspect.dialect)))
    }

    fn found(&mut self, heard: &Heard, best: &Trial, trials: &[Trial]) {
        self.say(&format!("what fits: {}", self.title(best, best.head)));
        for sign in best.signs.told() {
            self.say(&format!("  {sign}"));
        }
        if let Some((number, why)) = &best.fault {
            self.say(&format!("  message {number} was not read: {why}"));
        }
        if best.all == MESSAGES_MAX {
            self.say(&format!("  only the first {MESSAGES_MAX} messages were looked at"));
        }
        self.notes(heard.pieces, best);
        self.dialect_line(best, heard.cure.as_ref());
        for line in best.way.lines(best.head) {
            self.text.push_str(&line);
            self.text.push('\n');
        }
        if Settings::FRAME_LEN_MAX < best.longest {
            let most = best.way.settings.frame_len_most().min(65_535);
            writeln!(self.text, "frame_len_max = {most}").ok();
        }
        self.others(best, trials);
    }

    /// The dialect; where card numbers need another filler, the file that says so.
    fn dialect_line(&mut self, best: &Trial, cure: Option<&Cure>) {
        let name = self.dialect(best).0.to_owned();
        let is_file = !Dialect::shipped_names().contains(&name.as_str());
        let line = match cure {
            Some(Cure { row, coding, passed: (passed, all) }) => {
                self.say(&format!(
                    "card numbers of odd length are filled otherwise than in this dialect: with the coding `{coding}` for element 2\n\
                     {passed} of {all} pass Luhn's check"
                ));
                if is_file {
                    self.say(&format!("write this row in the dialect:\n{row}"));
                    name
                } else {
                    self.say(&format!(
                        "write these lines to {OWN_DIALECT}, beside the configuration:\n  \
                         dialect  peer\n  extends  {name}\n{row}"
                    ));
                    OWN_DIALECT.to_owned()
                }
            }
            None => name,
        };
        let line = line.replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(self.text, "dialect = \"{line}\"").ok();
    }

    /// What whoever pastes the lines should know.
    fn notes(&mut self, heard: usize, best: &Trial) {
        match best.way.header {
            Header::Tpdu | Header::Visa | Header::Base24 => self.say(
                "the header is that of the first message; in a link it is that of messages which the link begins",
            ),
            Header::Opaque if best.head_hidden => self.say(&format!(
                "{} before each message hold 12 digits or more in a row, maybe a card number: zeros stand in their place\n\
                 if the link begins messages, write what its peer wants there; what it answers has the request's own bytes",
                count(best.head.len(), "byte")
            )),
            Header::Opaque => self.say("nothing is known of the bytes before each message but how many there are"),
            Header::None => {}
        }
        if best.way.settings.reads_messages() && best.all == heard {
            self.say(
                "nothing stands around the messages: if these bytes were taken out of their frames, they do not say how\n\
                 frames are cut, and `length` is a guess; give doctor a capture of the connection instead",
            );
        }
        if best.keepalives != 0 {
            let frames = count(usize::try_from(best.keepalives).unwrap_or(usize::MAX), "frame");
            self.say(&format!(
                "{frames} without a message: `keep_alive` says what is done about them"
            ));
        }
        let version = self.dialect(best).1.map(Dialect::version);
        if version.is_some_and(|version| version != Version::Of1987) {
            self.say("links speak ISO 8583:1987 only; this dialect is for `decode` and `encode`");
        }
    }

    /// What fits as well, and what fits less.
    fn others(&mut self, best: &Trial, trials: &[Trial]) {
        let same = |trial: &Trial| {
            trial.suspect != best.suspect
                && trial.way.settings == best.way.settings
                && best.ties(trial)
        };
        let alike: Vec<_> = trials.iter().filter(|trial| same(trial)).collect();
        for trial in &alike {
            let said = self.tells_apart(best, trial);
            self.say(&said);
        }
        let known =
            |suspect| suspect == best.suspect || alike.iter().any(|one| one.suspect == suspect);
        // Longer words for the same cuts help nobody.
        let plain = |trial: &&Trial| trial.way.cost() <= best.way.cost() + 1;
        let recut = trials.iter().skip(1).filter(plain).filter(|trial| {
            trial.suspect == best.suspect && trial.way != best.way && best.ties(trial)
        });
        for trial in recut.take(OTHERS_MAX) {
            let lines = trial.way.lines(trial.head).join(", ");
            self.say(&format!("these bytes are cut alike by: {lines}"));
        }
        let mut seen = Vec::new();
        for trial in trials.iter().filter(|trial| !known(trial.suspect) && trial.read != 0) {
            if seen.len() < OTHERS_MAX && !seen.contains(&trial.suspect) {
                seen.push(trial.suspect);
                self.say(&format!("fits less: {}", self.title(trial, trial.way.settings.header)));
                for sign in trial.signs.against() {
                    self.say(&format!("  {sign}"));
                }
                if let Some((number, why)) = &trial.fault {
                    self.say(&format!("  message {number} was not read: {why}"));
                }
            }
        }
    }

    /// Two dialects that read everything, and what would tell them apart.
    fn tells_apart(&self, best: &Trial, other: &Trial) -> String {
        let ((name, one), (other_name, two)) = (self.dialect(best), self.dialect(other));
        let (Some(one), Some(two)) = (one, two) else { return String::new() };
        let unlike = one.defined().or(two.defined()).minus(one.same_rows(two));
        let (here, missing) = (unlike.and(best.present), unlike.minus(best.present));
        let mut said = format!("fits as well: dialect = \"{other_name}\"");
        if unlike.is_empty() {
            said.push_str("\n  both write every element alike");
            return said;
        }
        if !here.is_empty() {
            let which = elements(here);
            write!(
                said,
                "\n  {name} writes {which} otherwise, and the values here read as well either way"
            )
            .ok();
        }
        if !missing.is_empty() {
            write!(said, "\n  a message with one of these tells them apart: {}", elements(missing))
                .ok();
        }
        said
    }

    /// A dialect and a framing, and how much they read. Of a trial that may be wrong the bytes before its messages are not shown: they may be anything.
    fn title(&self, trial: &Trial, head: Head) -> String {
        let (name, _) = self.dialect(trial);
        let Trial { read, all, .. } = trial;
        let share = trial.share();
        let words = trial.way.words(head);
        format!(
            "{name}, {words}: {read} of {} read whole, {}.{} % of the bytes",
            count(*all, "message"),
            share / 10,
            share % 10
        )
    }

    /// Nothing fits: how far the best came.
    fn nothing(&mut self, best: Option<&Trial>) {
        self.say("nothing fits");
        let Some(best) = best else {
            self.say(
                "no framing cuts a message out of these bytes, and no dialect reads them as one\n\
                 try: `--input` if they were taken for something else, more of the connection, or another dialect: `--dialect FILE`",
            );
            return;
        };
        let (name, _) = self.dialect(best);
        let words = best.way.words(best.way.settings.header);
        let attempt = format!("iso8583d decode --explain --dialect {name} {words}");
        self.say(&format!("closest: {}", self.title(best, best.way.settings.header)));
        if let Some((number, why)) = &best.fault {
            self.say(&format!("  message {number} was not read: {why}"));
        }
        for sign in best.signs.told() {
            self.say(&format!("  {sign}"));
        }
        self.say(&format!(
            "try: {attempt} FILE\n\
             It shows where the first wrong byte is. `--dialect FILE` adds a dialect of your own; docs/dialects.md has the language."
        ));
    }
}

/// A dialect that is to be written yet.
const OWN_DIALECT: &str = "./peer.dialect";

/// How many others are told.
const OTHERS_MAX: usize = 3;

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Elements as people write them, runs put together.
fn elements(set: ElementSet) -> String {
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for no in set.iter().map(crate::iso::ElementNo::get) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == no => *last = no,
            _ => runs.push((no, no)),
        }
    }
    let runs = runs.into_iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        _ => format!("{first}-{last}"),
    });
    let runs: Vec<_> = runs.collect();
    format!("element{} {}", if set.len() == 1 { "" } else { "s" }, runs.join(" "))
}
