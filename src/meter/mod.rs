//! Every metric's name, once, with one function per event; knows nothing of how events come about.
//!
//! Labels are bounded: link, MTI class, verdict, response code. Never a card or a trace number.
//! Handles are looked up once, when a [`Meter`] or a [`LinkMeter`] is made: counting is one atomic addition.

mod registry;

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata};

use crate::iso::{Class, ResponseCode};
use registry::Registry;

/// The metrics as a page; cheap to clone.
#[derive(Clone)]
pub struct Rendering(Registry);

/// Why there is no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeterError {
    /// This process counts elsewhere already.
    #[error("the metrics of this process are already being recorded")]
    Installed,
}

/// What the switch as a whole counts. Cheap to clone.
#[derive(Clone)]
pub struct Meter(Arc<Whole>);

/// What one link counts. Cheap to clone.
#[derive(Clone)]
pub struct LinkMeter(Arc<OfLink>);

/// How a request ended for its asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The issuer said yes.
    Approved,
    /// The issuer said no.
    Declined,
    /// The issuer's answer did not fit the request.
    Mismatched,
}

/// Why a frame or a connection was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its length or its header is none.
    Malformed,
    /// Longer than the link allows.
    TooLong,
    /// Begun and not ended in time.
    Slow,
    /// Nothing came for too long.
    Idle,
    /// The peer reads too slowly: its outbox is full.
    OutboxFull,
    /// The link has as many sessions as it may.
    Sessions,
    /// An operator took the link out of service.
    OutOfService,
    /// Its handshake failed, or took too long.
    Handshake,
}

/// From here on this process counts; the rest of the room works before and without it, and then counts nothing.
pub fn install() -> Result<Rendering, MeterError> {
    let registry = Registry::default();
    metrics::set_global_recorder(registry.clone()).or(Err(MeterError::Installed))?;
    describe();
    Ok(Rendering(registry))
}

impl Rendering {
    /// Everything that was counted, in Prometheus' text format.
    pub fn render(&self) -> String {
        self.0.render()
    }
}

struct Whole {
    forwarded: Counter,
    verdicts: [Counter; 3],
    declined: Vec<(ResponseCode, Counter)>,
    declined_otherwise: Counter,
    timed_out: Counter,
    late: Counter,
    unmatched: Counter,
    replayed: Counter,
    withheld: Counter,
    overloaded: Counter,
    reversals_owed: Counter,
    owed_closed: Counter,
    owed_dead: Counter,
    in_flight: Gauge,
    owed_open: Gauge,
    listed: [Gauge; 2],
    wall_behind: Gauge,
    answered_in: Histogram,
    commits: Counter,
    records: Counter,
    bytes: Counter,
    commit_seconds: Histogram,
    files_postponed: Counter,
    disk_free: Gauge,
    queue: Gauge,
    books_lag: Gauge,
    days_unwritten: Gauge,
    limited: [Counter; 2],
    stood_in: Counter,
    late_declines: Counter,
    rerouted: Counter,
    config_refused: Counter,
}

struct OfLink {
    received: [Counter; CLASSES.len()],
    sent: [Counter; CLASSES.len()],
    undecodable: Counter,
    refusals: [Counter; REFUSALS.len()],
    keep_alives: Counter,
    accept_errors: Counter,
    dial_errors: Counter,
    sessions: Gauge,
    in_flight: Gauge,
    overflows: Counter,
    cut_off: Gauge,
    cut_offs: Counter,
}

impl Meter {
    /// Looks every handle up. Before [`install`] it counts nothing.
    pub fn new() -> Self {
        let code = |code: &ResponseCode| {
            (*code, counter(&SWITCH_DECLINES, &[("code", &code.to_string())]))
        };
        Self(Arc::new(Whole {
            forwarded: counter(&SWITCH_FORWARDED, &[]),
            verdicts: [Verdict::Approved, Verdict::Declined, Verdict::Mismatched]
                .map(|verdict| counter(&SWITCH_ANSWERS, &[("verdict", verdict.word())])),
            declined: OWN_CODES.iter().map(code).collect(),
            declined_otherwise: counter(&SWITCH_DECLINES, &[("code", "other")]),
            timed_out: counter(&SWITCH_TIMEOUTS, &[]),
            late: counter(&SWITCH_LATE, &[]),
            unmatched: counter(&SWITCH_UNMATCHED, &[]),
            replayed: counter(&SWITCH_REPLAYS, &[]),
            withheld: counter(&SWITCH_WITHHELD, &[]),
            overloaded: counter(&SWITCH_OVERLOADS, &[]),
            reversals_owed: counter(&SWITCH_REVERSALS, &[]),
            owed_closed: counter(&SWITCH_OWED_CLOSED, &[]),
            owed_dead: counter(&SWITCH_OWED_DEAD, &[]),
            in_flight: gauge(&SWITCH_IN_FLIGHT, &[]),
            owed_open: gauge(&SWITCH_OWED_OPEN, &[]),
            listed: [gauge(&SWITCH_DEAD_LETTERS, &[]), gauge(&SWITCH_ORPHANS, &[])],
            wall_behind: gauge(&SWITCH_WALL_BEHIND, &[]),
            answered_in: histogram(&SWITCH_ANSWER_SECONDS),
            commits: counter(&JOURNAL_COMMITS, &[]),
            records: counter(&JOURNAL_RECORDS, &[]),
            bytes: counter(&JOURNAL_BYTES, &[]),
            commit_seconds: histogram(&JOURNAL_COMMIT_SECONDS),
            files_postponed: counter(&JOURNAL_FILES_POSTPONED, &[]),
            disk_free: gauge(&JOURNAL_DISK_FREE, &[]),
            queue: gauge(&JOURNAL_QUEUE, &[]),
            books_lag: gauge(&BOOKS_LAG, &[]),
            days_unwritten: gauge(&DAYS_UNWRITTEN, &[]),
            stood_in: counter(&SWITCH_STOOD_IN, &[]),
            late_declines: counter(&SWITCH_LATE_DECLINES, &[]),
            rerouted: counter(&SWITCH_REROUTED, &[]),
            limited: ["link", "merchant"].map(|by| counter(&SWITCH_LIMITED, &[("by", by)])),
            config_refused: counter(&CONFIG_REFUSED, &[]),
        }))
    }

    /// The handles of one link.
    pub fn link(&self, name: &str) -> LinkMeter {
        LinkMeter::new(name)
    }

    /// A request left for its issuer.
    pub fn forwarded(&self) {
        self.0.forwarded.increment(1);
    }

    /// An issuer answered in time, `took` after the request came in.
    pub fn answered(&self, verdict: Verdict, took: Duration) {
        let [approved, declined, mismatched] = &self.0.verdicts;
        match verdict {
            Verdict::Approved => approved.increment(1),
            Verdict::Declined => declined.increment(1),
            Verdict::Mismatched => mismatched.increment(1),
        }
        self.0.answered_in.record(took);
    }

    /// A request was declined here, by this code.
    pub fn declined(&self, code: ResponseCode) {
        let known = self.0.declined.iter().find(|(listed, _)| *listed == code);
        known.map_or(&self.0.declined_otherwise, |(_, counter)| counter).increment(1);
    }

    /// A request was declined because a limit was reached.
    pub fn overloaded(&self) {
        self.0.overloaded.increment(1);
    }

    /// A request's deadline passed.
    pub fn timed_out(&self) {
        self.0.timed_out.increment(1);
    }

    /// An answer came after its request was over.
    pub fn late(&self) {
        self.0.late.increment(1);
    }

    /// A response that nothing waits for.
    pub fn unmatched(&self) {
        self.0.unmatched.increment(1);
    }

    /// A duplicate got the outcome of its original.
    pub fn replayed(&self) {
        self.0.replayed.increment(1);
    }

    /// An element that may be stored was not: the card's number stands in it.
    pub fn withheld(&self) {
        self.0.withheld.increment(1);
    }

    /// A reversal is owed from now on.
    pub fn reversal_owed(&self) {
        self.0.reversals_owed.increment(1);
    }

    /// An owed message was settled.
    pub fn owed_closed(&self) {
        self.0.owed_closed.increment(1);
    }

    /// An owed message was given up: on the operator's list.
    pub fn owed_dead(&self) {
        self.0.owed_dead.increment(1);
    }

    /// How many requests wait for an answer.
    pub fn in_flight(&self, requests: usize) {
        set(&self.0.in_flight, requests);
    }

    /// How many messages are owed.
    pub fn owed_open(&self, messages: usize) {
        set(&self.0.owed_open, messages);
    }

    /// How many transactions have a dead letter, and how many approvals answer nothing, that nobody has decided about.
    pub fn listed(&self, counts: [u64; 2]) {
        for (gauge, count) in self.0.listed.iter().zip(counts) {
            set(gauge, usize::try_from(count).unwrap_or(usize::MAX));
        }
    }

    /// How far the wall clock is behind the last record; zero when it is not.
    pub fn wall_behind(&self, by: Duration) {
        self.0.wall_behind.set(by.as_secs_f64());
    }

    /// A commit is durable.
    pub fn committed(&self, records: u32, bytes: usize, took: Duration) {
        self.0.commits.increment(1);
        self.0.records.increment(u64::from(records));
        self.0.bytes.increment(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.0.commit_seconds.record(took);
    }

    /// A journal file that was due was not begun.
    pub fn file_postponed(&self) {
        self.0.files_postponed.increment(1);
    }

    /// Free space where the journal lies.
    pub fn disk_free(&self, bytes: u64) {
        set(&self.0.disk_free, usize::try_from(bytes).unwrap_or(usize::MAX));
    }

    /// How many bytes wait for a commit.
    pub fn queue(&self, bytes: usize) {
        set(&self.0.queue, bytes);
    }

    /// How many records the books are behind the journal.
    pub fn books_lag(&self, records: u64) {
        set(&self.0.books_lag, usize::try_from(records).unwrap_or(usize::MAX));
    }

    /// How many days are cut without their files.
    pub fn days_unwritten(&self, days: usize) {
        set(&self.0.days_unwritten, days);
    }

    /// A request was approved in its issuer's place.
    pub fn stood_in(&self) {
        self.0.stood_in.increment(1);
    }

    /// An issuer declined late what was approved in its place.
    pub fn declined_late(&self) {
        self.0.late_declines.increment(1);
    }

    /// A request that never left went to another session or link.
    pub fn rerouted(&self) {
        self.0.rerouted.increment(1);
    }

    /// A request was one too many of this second, by its link's limit or by its merchant's.
    pub fn limited(&self, of_merchant: bool) {
        let [link, merchant] = &self.0.limited;
        if of_merchant { merchant } else { link }.increment(1);
    }

    /// A new configuration was refused, and the old one is still in force.
    pub fn config_refused(&self) {
        self.0.config_refused.increment(1);
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

impl LinkMeter {
    /// Looks the handles of a link up. Before [`install`] it counts nothing.
    pub fn new(link: &str) -> Self {
        let of_class = |family: &Family| {
            CLASSES.map(|class| counter(family, &[("link", link), ("class", class)]))
        };
        Self(Arc::new(OfLink {
            received: of_class(&LINK_RECEIVED),
            sent: of_class(&LINK_SENT),
            undecodable: counter(&LINK_UNDECODABLE, &[("link", link)]),
            refusals: REFUSALS
                .map(|refusal| counter(&LINK_REFUSALS, &[("link", link), ("why", refusal.word())])),
            keep_alives: counter(&LINK_KEEP_ALIVES, &[("link", link)]),
            accept_errors: counter(&LINK_ACCEPT_ERRORS, &[("link", link)]),
            dial_errors: counter(&LINK_DIAL_ERRORS, &[("link", link)]),
            sessions: gauge(&LINK_SESSIONS, &[("link", link)]),
            in_flight: gauge(&LINK_IN_FLIGHT, &[("link", link)]),
            cut_off: gauge(&LINK_CUT_OFF, &[("link", link)]),
            cut_offs: counter(&LINK_CUT_OFFS, &[("link", link)]),
            overflows: counter(&LINK_OVERFLOWS, &[("link", link)]),
        }))
    }

    /// A message came in.
    pub fn received(&self, class: Class) {
        of_class(&self.0.received, class).increment(1);
    }

    /// A message was handed to a socket.
    pub fn sent(&self, class: Class) {
        of_class(&self.0.sent, class).increment(1);
    }

    /// A frame that is no message of this link's dialect.
    pub fn undecodable(&self) {
        self.0.undecodable.increment(1);
    }

    /// A frame or a connection was given up.
    pub fn refused(&self, why: Refusal) {
        let found = REFUSALS.iter().zip(&self.0.refusals).find(|(listed, _)| **listed == why);
        if let Some((_, counter)) = found {
            counter.increment(1);
        }
    }

    /// Frames of length zero came in.
    pub fn keep_alives(&self, frames: u64) {
        self.0.keep_alives.increment(frames);
    }

    /// The listener could not accept, and goes on.
    pub fn accept_failed(&self) {
        self.0.accept_errors.increment(1);
    }

    /// A dialled peer did not answer, and is dialled again.
    pub fn dial_failed(&self) {
        self.0.dial_errors.increment(1);
    }

    /// The link is cut off, since its issuer does not answer, or is so no more.
    pub fn cut_off(&self, is: bool) {
        self.0.cut_off.set(if is { 1.0 } else { 0.0 });
        self.0.cut_offs.increment(u64::from(is));
    }

    /// A session is up.
    pub fn session_up(&self) {
        self.0.sessions.increment(1.0);
    }

    /// A session is over.
    pub fn session_down(&self) {
        self.0.sessions.decrement(1.0);
    }

    /// How many requests wait for this link's answer.
    pub fn in_flight(&self, requests: usize) {
        set(&self.0.in_flight, requests);
    }

    /// A message found its session's outbox full.
    pub fn outbox_overflowed(&self) {
        self.0.overflows.increment(1);
    }
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Mismatched => "mismatched",
        }
    }
}

impl Refusal {
    const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::Slow => "slow",
            Self::Idle => "idle",
            Self::OutboxFull => "outbox_full",
            Self::Sessions => "sessions",
            Self::OutOfService => "out_of_service",
            Self::Handshake => "handshake",
        }
    }
}

/// The classes that are told apart, by the second digit of the MTI.
const CLASSES: [&str; 5] = ["1", "2", "4", "8", "other"];

fn of_class(counters: &[Counter; CLASSES.len()], class: Class) -> &Counter {
    let [authorization, financial, reversal, network, other] = counters;
    match class {
        Class::Authorization => authorization,
        Class::Financial => financial,
        Class::Reversal => reversal,
        Class::Network => network,
        Class::Other(_) => other,
    }
}

/// Every reason, in the order of the handles.
const REFUSALS: [Refusal; 8] = [
    Refusal::Malformed,
    Refusal::TooLong,
    Refusal::Slow,
    Refusal::Idle,
    Refusal::OutboxFull,
    Refusal::Sessions,
    Refusal::OutOfService,
    Refusal::Handshake,
];

/// The codes by which the switch itself declines.
const OWN_CODES: [ResponseCode; 8] = [
    ResponseCode::INVALID,
    ResponseCode::NOT_FOUND,
    ResponseCode::FORMAT,
    ResponseCode::NOT_PERMITTED,
    ResponseCode::UNAVAILABLE,
    ResponseCode::NO_ROUTE,
    ResponseCode::DUPLICATE,
    ResponseCode::MALFUNCTION,
];

/// The metrics of one name.
struct Family {
    name: &'static str,
    help: &'static str,
}

macro_rules! families {
    ($($kind:ident $id:ident $name:literal $help:literal)*) => {
        $(const $id: Family = Family { name: concat!("iso8583d_", $name), help: $help };)*

        /// Tells the recorder what every name means.
        fn describe() {
            metrics::with_recorder(|recorder| {
                $(recorder.$kind(KeyName::from_const_str($id.name), None, $id.help.into());)*
            });
        }

        #[cfg(test)]
        const NAMES: &[&str] = &[$($id.name),*];
    };
}

families! {
    describe_counter LINK_RECEIVED "link_messages_received_total" "Messages that came in, by link and second digit of the MTI."
    describe_counter LINK_SENT "link_messages_sent_total" "Messages handed to a socket, by link and second digit of the MTI."
    describe_counter LINK_UNDECODABLE "link_undecodable_total" "Frames that are no message of the link's dialect."
    describe_counter LINK_REFUSALS "link_refusals_total" "Frames and connections given up, by reason."
    describe_counter LINK_KEEP_ALIVES "link_keep_alives_total" "Frames of length zero that came in."
    describe_counter LINK_ACCEPT_ERRORS "link_accept_errors_total" "Failures to accept a connection; the listener went on."
    describe_counter LINK_DIAL_ERRORS "link_dial_errors_total" "Failures to reach a dialled peer; it is dialled again."
    describe_gauge LINK_SESSIONS "link_sessions_open" "Sessions that are up."
    describe_gauge LINK_IN_FLIGHT "link_requests_in_flight" "Requests that wait for an answer of this link."
    describe_counter LINK_OVERFLOWS "link_outbox_overflows_total" "Messages that found their session's outbox full."
    describe_gauge LINK_CUT_OFF "link_breaker_open" "1 from when a link is cut off, since its issuer does not answer, until it answers again."
    describe_counter LINK_CUT_OFFS "link_cut_offs_total" "How often a link was cut off, a failed trial counted too."
    describe_counter SWITCH_FORWARDED "switch_requests_forwarded_total" "Requests that left for an issuer."
    describe_counter SWITCH_ANSWERS "switch_answers_total" "Answers that came in time, by how they were taken."
    describe_histogram SWITCH_ANSWER_SECONDS "switch_answer_seconds" "From a request's arrival to its issuer's answer."
    describe_counter SWITCH_DECLINES "switch_declines_total" "Requests declined by the switch itself, by response code."
    describe_counter SWITCH_OVERLOADS "switch_overload_declines_total" "Requests declined because a limit was reached."
    describe_counter SWITCH_STOOD_IN "switch_stand_in_approvals_total" "Requests approved in place of their issuer, which is owed an advice of each."
    describe_counter SWITCH_REROUTED "switch_requests_rerouted_total" "Requests that never left before their session ended, and went to another session or link."
    describe_counter SWITCH_LIMITED "switch_rate_declines_total" "Requests declined because their link, or their merchant, asked too many a second."
    describe_counter SWITCH_TIMEOUTS "switch_timeouts_total" "Requests whose deadline passed."
    describe_counter SWITCH_LATE_DECLINES "switch_stand_in_late_declines_total" "Requests approved in place of their issuer that it declined late: the approvals stand."
    describe_counter SWITCH_LATE "switch_late_answers_total" "Answers that came after their request was over."
    describe_counter SWITCH_UNMATCHED "switch_unmatched_answers_total" "Responses that nothing waited for."
    describe_counter SWITCH_REPLAYS "switch_duplicates_replayed_total" "Duplicates that got the outcome of their original."
    describe_counter SWITCH_WITHHELD "switch_elements_withheld_total" "Messages with an element that may be stored and was not, since the card's number stands in it."
    describe_counter SWITCH_REVERSALS "switch_reversals_owed_total" "Reversals that became owed."
    describe_counter SWITCH_OWED_CLOSED "switch_owed_closed_total" "Owed messages that were settled."
    describe_counter SWITCH_OWED_DEAD "switch_owed_dead_total" "Owed messages that were given up: see `iso8583d ctl owed`."
    describe_gauge SWITCH_OWED_OPEN "switch_owed_open" "Messages that are owed now; dead letters are none of them."
    describe_gauge SWITCH_DEAD_LETTERS "switch_dead_letters_open" "Transactions with an owed message that was given up, and that nobody has decided about: see `iso8583d ctl owed`."
    describe_gauge SWITCH_ORPHANS "switch_orphans_open" "Approvals that answer nothing we know of, and that nobody has decided about: see `iso8583d ctl owed`."
    describe_gauge SWITCH_IN_FLIGHT "switch_requests_in_flight" "Requests that wait for an answer."
    describe_gauge SWITCH_WALL_BEHIND "switch_wall_clock_behind_seconds" "How far the wall clock is behind the last record; more than zero is an alarm."
    describe_counter JOURNAL_COMMITS "journal_commits_total" "Durable commits."
    describe_counter JOURNAL_RECORDS "journal_records_total" "Durable records."
    describe_counter JOURNAL_BYTES "journal_bytes_total" "Bytes of durable records."
    describe_histogram JOURNAL_COMMIT_SECONDS "journal_commit_seconds" "How long a commit took."
    describe_counter JOURNAL_FILES_POSTPONED "journal_files_postponed_total" "Journal files that were due and could not be begun: the old one went on."
    describe_gauge JOURNAL_DISK_FREE "journal_disk_free_bytes" "Free space where the journal lies."
    describe_gauge JOURNAL_QUEUE "journal_queue_bytes" "Records and messages that wait for a commit."
    describe_gauge BOOKS_LAG "books_lag_records" "How many records the books are behind the journal."
    describe_gauge DAYS_UNWRITTEN "books_unwritten_days" "Days that are cut and whose files are not written: see `iso8583d ctl day`."
    describe_counter CONFIG_REFUSED "config_refused_total" "New configurations that were refused."
}

fn counter(family: &Family, labels: &[(&'static str, &str)]) -> Counter {
    metrics::with_recorder(|recorder| recorder.register_counter(&key(family, labels), &ABOUT))
}

fn gauge(family: &Family, labels: &[(&'static str, &str)]) -> Gauge {
    metrics::with_recorder(|recorder| recorder.register_gauge(&key(family, labels), &ABOUT))
}

fn histogram(family: &Family) -> Histogram {
    metrics::with_recorder(|recorder| recorder.register_histogram(&key(family, &[]), &ABOUT))
}

fn key(family: &Family, labels: &[(&'static str, &str)]) -> Key {
    let labels = labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned()));
    Key::from_parts(family.name, labels.collect::<Vec<_>>())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is read by eyes; above 2^53 the last digits are noise"
)]
fn set(gauge: &Gauge, value: usize) {
    gauge.set(value as f64);
}

const ABOUT: Metadata<'static> = Metadata::new("iso8583d", Level::INFO, None);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_says_its_room_and_its_unit() {
        for name in NAMES {
            let rest = name.strip_prefix("iso8583d_").unwrap();
            let room = ["link_", "switch_", "journal_", "books_", "config_"];
            assert!(room.iter().any(|room| rest.starts_with(room)), "{name}");
            let unit = ["_total", "_seconds", "_bytes", "_records", "_open", "_in_flight", "_days"];
            assert!(unit.iter().any(|unit| rest.ends_with(unit)), "{name}");
        }
    }

    #[test]
    fn counted_and_rendered() {
        let registry = Registry::default();
        metrics::with_local_recorder(&registry, || {
            describe();
            let meter = Meter::new();
            let link = meter.link("pos");
            link.received(Class::Financial);
            link.received(Class::Other(6));
            link.session_up();
            link.session_up();
            link.session_down();
            link.refused(Refusal::Slow);
            meter.answered(Verdict::Approved, Duration::from_millis(3));
            meter.declined(ResponseCode::NO_ROUTE);
            meter.declined(ResponseCode::PARTIAL);
            meter.committed(3, 400, Duration::from_micros(200));
            meter.disk_free(1 << 40);
        });
        let page = Rendering(registry).render();
        for line in [
            "iso8583d_link_messages_received_total{link=\"pos\",class=\"2\"} 1",
            "iso8583d_link_messages_received_total{link=\"pos\",class=\"other\"} 1",
            "iso8583d_link_sessions_open{link=\"pos\"} 1",
            "iso8583d_link_refusals_total{link=\"pos\",why=\"slow\"} 1",
            "iso8583d_switch_answers_total{verdict=\"approved\"} 1",
            "iso8583d_switch_declines_total{code=\"92\"} 1",
            "iso8583d_switch_declines_total{code=\"other\"} 1",
            "iso8583d_journal_records_total 3",
            "iso8583d_journal_disk_free_bytes 1099511627776",
            "iso8583d_switch_answer_seconds_bucket{le=\"0.005\"} 1",
        ] {
            assert!(page.lines().any(|have| have == line), "{line}\nis not in\n{page}");
        }
        for name in NAMES {
            assert!(page.contains(&format!("# HELP {name} ")), "{name} is not on the page");
        }
    }
}
