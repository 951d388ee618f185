//! `[links.NAME]`: one peer each, how it is reached, how it writes, and what it may cost.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::batches;
use super::changes;
use super::dialects::Dialects;
use super::frames;
use super::load;
use super::read::{Limit, Section, Spot};
use super::reconciliation;
use super::tls::{self, Papers};
use super::{Link, Place};
use crate::dialect::{Dialect, Version};
use crate::iso::ElementNo;
use crate::mapping::Tongue;
use crate::record::LinkId;
use crate::switch::{self, AnswerOn, CutOver, NetworkCodes, NetworkSettings, OwedSettings, SignOn};

/// A link that is named, whether or not the rest of it is right.
pub(super) struct Known {
    pub(super) name: String,
    pub(super) id: LinkId,
    pub(super) answers: bool,
    /// Where it is named.
    pub(super) span: Range<usize>,
    /// The link, when nothing that it needs is missing.
    pub(super) link: Option<Link>,
    /// What it says about TLS.
    pub(super) papers: Papers,
}

/// Every link, in the order of their names.
pub(super) fn read(root: &Section<'_>, home: &Path) -> Vec<Known> {
    let mut dialects = Dialects::new(home);
    let mut links = Vec::new();
    for (name, section) in root.named_sections("links") {
        check_name(&section, &name);
        let role = section.choice("role", ROLES);
        if section.has("role").is_none() {
            section.missing("role", "role = \"asker\", \"issuer\" or \"both\"");
        }
        let (asks, answers) = role.unwrap_or((true, true));
        let place = place(&section);
        let papers = tls::read(&section, place.as_ref(), home);
        let link = read_one(&section, &name.value, (asks, answers), (place, &mut dialects));
        let has_papers = section.has("tls").is_none() || papers.tls.is_some();
        let link = link.filter(|_| has_papers).map(|link| Link {
            tls: papers.tls.clone(),
            clients: papers.clients.clone(),
            ..link
        });
        if !answers {
            useless(&section);
        } else if !asks {
            load::useless_to_issuers(&section);
        }
        section.end();
        let id = LinkId::of_name(&name.value);
        links.push(Known { name: name.value, id, answers, span: name.span, link, papers });
    }
    if links.is_empty() {
        root.missing(
            "links",
            "[links.terminals] with role = \"asker\" and listen = \"127.0.0.1:8583\"",
        );
    }
    twice(root, &links);
    editions(root, &links);
    tls::apart(root, &links);
    links
}

/// Elements beyond 128 are where the house keeps what only links of 1993 say: nobody else may have them beside such a link.
fn editions(root: &Section<'_>, known: &[Known]) {
    let version = |known: &&Known| Some(known.link.as_ref()?.tongue.wire().version());
    let Some(later) = known.iter().find(|known| version(known) == Some(Version::Of1993)) else {
        return;
    };
    for other in known {
        let Some(link) = other.link.as_ref() else { continue };
        let beyond = link.tongue.wire().defined().iter().find(|no| 128 < no.get());
        if let Some(no) = beyond {
            let title =
                format!("link `{}` has element {no} beside a link of ISO 8583:1993", other.name);
            let fault = root.faults().at(other.span.clone(), title);
            let fault =
                fault.label("elements beyond 128 are not switched beside links of that edition");
            root.faults().tell(fault.besides(later.span.clone(), "this link"));
        }
    }
}

fn check_name(section: &Section<'_>, name: &Spot<String>) {
    if !is_name(&name.value) {
        let title = format!("a link cannot be called {:?}", name.value);
        let fault = section.faults().at(name.span.clone(), title);
        section.faults().tell(fault.label(NAME));
    }
}

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=32).contains(&text.len()) && text.bytes().all(letter) && !text.starts_with(['-', '_'])
}

const NAME: &str = "1 to 32 letters, digits, `-` and `_`, a letter or a digit first";

fn read_one(
    section: &Section<'_>,
    name: &str,
    (asks, answers): (bool, bool),
    (place, dialects): (Option<Place>, &mut Dialects),
) -> Option<Link> {
    let dialect = dialects.read(section);
    let timeout_ms = section.number("timeout_ms", TIMEOUT_MS);
    // Everything is read, for its own faults, before what is missing ends the reading.
    let read = |place, tongue, dialect: &Dialect| Link {
        name: name.to_owned(),
        id: LinkId::of_name(name),
        asks,
        answers,
        place,
        tls: None,
        clients: Vec::new(),
        tongue,
        framing: frames::read(section),
        network: network(section, dialect),
        timeout_ms,
        settle_ms: settle(section, timeout_ms),
        in_flight_max: section.number_u32("in_flight_max", IN_FLIGHT_MAX),
        rate: load::rate(section),
        merchant_rate: load::merchant_rate(section),
        breaker: load::breaker(section),
        outbox_bytes_max: section.number_usize("outbox_bytes_max", OUTBOX_BYTES_MAX),
        idle_ms_max: section.number("idle_ms_max", IDLE_MS_MAX),
        frame_ms_max: section.number("frame_ms_max", FRAME_MS_MAX),
        answer_on: section.choice("answer_on", ANSWER_ONS).unwrap_or(AnswerOn::Link),
        owed: owed(section),
        stamps_date: section.choice("settlement_date", DATES).unwrap_or(false),
        batches: batches::read(section, asks, Some(dialect)),
        reconciliation: reconciliation::read(section, (asks, answers), dialect),
        clearing: clearing(section, name),
        files: super::clearing::form(section),
    };
    let found = place.is_some() && dialect.is_some();
    let place = place.unwrap_or(Place::Dial { peers: Vec::new(), sessions: 0 });
    let dialect = dialect.or_else(|| Dialect::shipped("iso87-ascii").map(Arc::new))?;
    let tongue = tongue(section, &dialect);
    let sound = found && tongue.is_some();
    let link = read(place, tongue.unwrap_or_else(|| Tongue::plain(Arc::clone(&dialect))), &dialect);
    if found {
        undated(section, &link);
        frames::fits(section, link.framing, &dialect);
    }
    Some(link).filter(|_| sound)
}

/// How its peers speak: their dialect, and what stands between that and the house.
fn tongue(section: &Section<'_>, dialect: &Arc<Dialect>) -> Option<Tongue> {
    let settings = changes::read(section, dialect);
    if dialect.version() == Version::Of1987 {
        check_lengths(section, dialect);
    }
    let made = Tongue::new(Arc::clone(dialect), settings);
    let span = section.has("dialect");
    made.map_err(|why| {
        let title = "the switch cannot speak this dialect";
        let fault = section.faults().at(span.unwrap_or_else(|| section.span()), title);
        section.faults().tell(fault.label(why.to_string()).help(
            "a dialect of ISO 8583:1987 or 1993, or one that extends it; others are for decode, encode and files",
        ));
    })
    .ok()
}

/// What the switch writes and reads by itself must be as long as it is in ISO 8583:1987.
fn check_lengths(section: &Section<'_>, dialect: &Dialect) {
    let unlike = ELEMENTS_1987.iter().find_map(|(no, len, needed)| {
        match dialect.row(*no).map(|row| row.max) {
            Some(max) if max == *len => None,
            Some(max) => Some(format!("its element {no} has a length of {max}, and not of {len}")),
            None => needed.then(|| format!("it has no element {no}")),
        }
    });
    if let (Some(unlike), Some(span)) = (unlike, section.has("dialect")) {
        let title = "the switch cannot speak this dialect: it is not one of ISO 8583:1987";
        let fault = section.faults().at(span, title).label(unlike);
        section.faults().tell(
            fault.help("an iso87 dialect, or one that extends it; one of 1993 says `version 1993`"),
        );
    }
}

/// Either `listen` or `dial`.
fn place(section: &Section<'_>) -> Option<Place> {
    let (listen, dial) = (section.has("listen"), section.has("dial"));
    let sessions = section.number_usize("sessions", SESSIONS);
    let sessions_max = section.number_usize("sessions_max", SESSIONS_MAX);
    let only = |key, span, other| {
        let fault = section.faults().at(span, format!("`{key}` is for links that {other}"));
        section.faults().tell(fault.label("this link does not").help("remove this line"));
    };
    match (listen, dial) {
        (None, None) => {
            section.missing("listen", "listen = \"0.0.0.0:8583\", or dial = [\"10.0.0.1:8583\"]");
            None
        }
        (Some(listen), Some(dial)) => {
            let fault = section.faults().at(dial, "a link either listens or dials");
            let fault = fault.label("both here").besides(listen, "and here");
            section.faults().tell(fault.help("remove one; make a second link for the other"));
            None
        }
        (Some(_), None) => {
            section.has("sessions").into_iter().for_each(|span| only("sessions", span, "dial"));
            let address = section.word("listen", |text| {
                let fault = "an IP address and a port, like 0.0.0.0:8583; port 0 is any";
                text.parse::<SocketAddr>().or(Err(fault))
            });
            address.map(|address| Place::Listen { address: address.value, sessions_max })
        }
        (None, Some(_)) => {
            section
                .has("sessions_max")
                .into_iter()
                .for_each(|span| only("sessions_max", span, "listen"));
            let peers: Vec<_> =
                section.texts("dial").into_iter().filter_map(|text| peer(section, text)).collect();
            (!peers.is_empty()).then_some(Place::Dial { peers, sessions })
        }
    }
}

/// `host:port`; the host may be a name, which is looked up each time it is dialled.
fn peer(section: &Section<'_>, text: Spot<&str>) -> Option<String> {
    let parts = text
        .value
        .rsplit_once(':')
        .filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0));
    if parts.is_none() {
        let fault = section.faults().at(text.span, format!("`dial` cannot be {:?}", text.value));
        section.faults().tell(fault.label("a host and a port, like switch.example:8583"));
    }
    parts.map(|_| text.value.to_owned())
}

/// A reversal must not overtake a request that the network still holds.
fn settle(section: &Section<'_>, timeout_ms: u64) -> u64 {
    let settle_ms = section.number("settle_ms", SETTLE_MS);
    if settle_ms < timeout_ms {
        let span = section.has("settle_ms").or_else(|| section.has("timeout_ms"));
        let title = "`settle_ms` is shorter than `timeout_ms`";
        let fault = section.faults().at(span.unwrap_or_else(|| section.span()), title);
        let fault =
            fault.label(format!("{settle_ms} ms, and answers are awaited for {timeout_ms} ms"));
        section.faults().tell(fault.help("longer than the issuer's network can hold a request"));
    }
    settle_ms
}

fn network(section: &Section<'_>, dialect: &Dialect) -> NetworkSettings {
    let later = dialect.version() == Version::Of1993;
    let usual = if later { NetworkCodes::USUAL_1993 } else { NetworkCodes::USUAL };
    NetworkSettings {
        sign_on: section.choice("sign_on", SIGN_ONS).unwrap_or(SignOn::None),
        shared: section.choice("session_state", SESSION_STATES).unwrap_or(false),
        echo_after_ms: section.number("echo_after_ms", ECHO_AFTER_MS),
        timeout_ms: section.number("network_timeout_ms", NETWORK_TIMEOUT_MS),
        codes: codes(section, usual),
        cut_over: section.choice("cut_over", CUT_OVERS).unwrap_or(CutOver::None),
    }
}

/// What element 70 says on this link: four codes, none of them twice.
fn codes(section: &Section<'_>, usual: NetworkCodes) -> NetworkCodes {
    let code = |key, usual| {
        let read = section.word(key, |text| {
            let digits = text.as_bytes().first_chunk::<3>().filter(|_| text.len() == 3);
            let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_digit));
            digits.copied().ok_or("three digits: what element 70 says")
        });
        read.map_or((usual, None), |spot| (spot.value, Some(spot.span)))
    };
    let all = [
        ("sign_on_code", code("sign_on_code", usual.sign_on)),
        ("sign_off_code", code("sign_off_code", usual.sign_off)),
        ("echo_code", code("echo_code", usual.echo)),
        ("cut_over_code", code("cut_over_code", usual.cut_over)),
    ];
    for (at, (key, (digits, span))) in all.iter().enumerate() {
        let twice = all.iter().take(at).find(|(_, (other, _))| other == digits);
        if let Some((other, (_, span_of_other))) = twice {
            let span = span.clone().or_else(|| span_of_other.clone());
            let title = format!("`{other}` and `{key}` are the same");
            let fault = section.faults().at(span.unwrap_or_else(|| section.span()), title);
            section.faults().tell(fault.label("a message with it could mean both"));
        }
    }
    let [sign_on, sign_off, echo, cut_over] = all.map(|(_, (digits, _))| digits);
    NetworkCodes { sign_on, sign_off, echo, cut_over }
}

/// Element 15 is written by the switch itself, so its network must have it as a date.
fn undated(section: &Section<'_>, link: &Link) {
    let span = section.has("settlement_date").filter(|_| link.stamps_date);
    if let Some(span) = span.filter(|_| !switch::has_date(link.tongue.house())) {
        let title =
            "its dialect has no element 15 of four digits: there is nowhere to put the date";
        let fault = section.faults().at(span, title).label("a date like 1123 belongs there");
        section.faults().tell(fault.help(
            "settlement_date = \"pass\", or a row for element 15 in the dialect: 15 n 4 - ascii keep date",
        ));
    }
}

fn owed(section: &Section<'_>) -> OwedSettings {
    OwedSettings {
        in_flight_max: section.number_u32("owed_in_flight_max", OWED_IN_FLIGHT_MAX),
        repeat_ms: section.number("owed_repeat_ms", OWED_REPEAT_MS),
        attempts_max: section.number_u32("owed_attempts_max", OWED_ATTEMPTS_MAX),
        age_ms_max: section.number("owed_age_hours_max", OWED_AGE_HOURS_MAX) * 3_600_000,
        advices_max: section.number_usize("owed_max", OWED_MAX),
    }
}

/// The name in this issuer's clearing files; the link's own name unless it says otherwise.
fn clearing(section: &Section<'_>, name: &str) -> String {
    let chosen = section
        .word("clearing", |text| if is_name(text) { Ok(text.to_owned()) } else { Err(NAME) });
    chosen.map_or_else(|| name.to_owned(), |chosen| chosen.value)
}

/// Keys that do nothing on a link that is never asked.
fn useless(section: &Section<'_>) {
    for key in [
        "timeout_ms",
        "settle_ms",
        "answer_on",
        "breaker_timeouts",
        "breaker_probe_ms",
        "owed_in_flight_max",
        "owed_repeat_ms",
        "owed_attempts_max",
        "owed_age_hours_max",
        "owed_max",
        "clearing",
        "clearing_format",
        "clearing_charset",
        "clearing_blocks",
    ] {
        if let Some(span) = section.has(key) {
            let title = format!("`{key}` is for links that answer requests");
            let fault = section.faults().at(span, title).label("this link only asks");
            section.faults().tell(fault.help("remove this line, or give the link another role"));
        }
    }
}

/// Two links with one address, one number or one file; each is told against the first that has it.
fn twice(root: &Section<'_>, known: &[Known]) {
    let (mut ids, mut files) = (HashMap::new(), HashMap::new());
    let mut addresses: HashMap<u16, Vec<(SocketAddr, &Known)>> = HashMap::new();
    for later in known {
        let same = |earlier: &Known, title: String| {
            let fault = root.faults().at(later.span.clone(), title).label("this link");
            root.faults().tell(fault.besides(earlier.span.clone(), "and this one"));
        };
        let first: &Known = ids.entry(later.id).or_insert(later);
        if !std::ptr::eq(first, later) {
            same(first, String::from("two links whose names have the same number: rename one"));
        }
        let Some(link) = &later.link else { continue };
        if let Some(address) = link.place.listens_on().filter(|address| address.port() != 0) {
            let others: &mut Vec<(SocketAddr, &Known)> =
                addresses.entry(address.port()).or_default();
            match others.iter().find(|(other, _)| collide(*other, address)) {
                Some((other, first)) if *other == address => {
                    same(first, format!("two links listen on {address}"));
                }
                Some((other, first)) => {
                    same(
                        first,
                        format!(
                            "two links listen on {other} and {address}, of which one takes the other, too"
                        ),
                    );
                }
                None => others.push((address, later)),
            }
        }
        if link.answers {
            let first: &Known = files.entry(&link.clearing).or_insert(later);
            if !std::ptr::eq(first, later) {
                same(first, format!("two issuers with one clearing file, `{}`", link.clearing));
            }
        }
    }
}

/// Whether two addresses of one port cannot both be listened on: they are the same, or one is all addresses. `[::]` takes those
/// of the fourth version, too.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let takes = |all: SocketAddr, other: SocketAddr| {
        all.ip().is_unspecified() && (all.is_ipv6() || other.is_ipv4())
    };
    one.ip() == other.ip() || takes(one, other) || takes(other, one)
}

/// A link that would take the console's address.
pub(super) fn apart_from_console(root: &Section<'_>, known: &[Known], console: Option<SocketAddr>) {
    for known in known {
        let listens = known.link.as_ref().and_then(|link| link.place.listens_on());
        let collides = |address: &SocketAddr| {
            let console = console.filter(|console| console.port() == address.port());
            console.is_some_and(|console| collide(console, *address))
        };
        let taken = listens.filter(|address| address.port() != 0 && collides(address));
        if let Some(address) = taken {
            let title = format!("this link and the console listen on {address}");
            let fault = root.faults().at(known.span.clone(), title).label("this link");
            root.faults().tell(fault.help("another port here, or another `console` in [daemon]"));
        }
    }
}

const ROLES: &[(&str, (bool, bool))] =
    &[("asker", (true, false)), ("issuer", (false, true)), ("both", (true, true))];
/// An element, its length, and whether every link needs it.
const ELEMENTS_1987: [(ElementNo, u16, bool); 5] = [
    (ElementNo::AMOUNT, 12, false),
    (ElementNo::TRANSMISSION, 10, false),
    (ElementNo::STAN, 6, true),
    (ElementNo::RESPONSE_CODE, 2, true),
    (ElementNo::ORIGINAL, 42, false),
];
const SIGN_ONS: &[(&str, SignOn)] =
    &[("none", SignOn::None), ("send", SignOn::Send), ("await", SignOn::Await)];
const SESSION_STATES: &[(&str, bool)] = &[("own", false), ("shared", true)];
const CUT_OVERS: &[(&str, CutOver)] =
    &[("none", CutOver::None), ("accept", CutOver::Accept), ("send", CutOver::Send)];
const DATES: &[(&str, bool)] = &[("pass", false), ("stamp", true)];
const ANSWER_ONS: &[(&str, AnswerOn)] = &[("link", AnswerOn::Link), ("session", AnswerOn::Session)];

const SESSIONS: Limit = Limit::new(1, 1, 1024);
const SESSIONS_MAX: Limit = Limit::new(1024, 1, 65_536);
/// 0 is never.
const ECHO_AFTER_MS: Limit = Limit::new(0, 0, 3_600_000);
const NETWORK_TIMEOUT_MS: Limit = Limit::new(10_000, 50, 600_000);
/// Card schemes allow the whole way 15 to 30 s.
const TIMEOUT_MS: Limit = Limit::new(15_000, 50, 600_000);
const SETTLE_MS: Limit = Limit::new(60_000, 50, 86_400_000);
const IN_FLIGHT_MAX: Limit = Limit::new(4096, 1, 1_000_000);
const OUTBOX_BYTES_MAX: Limit = Limit::new(1 << 20, 1 << 14, 1 << 30);
/// 0 is never: the system's own keep-alives find the dead.
const IDLE_MS_MAX: Limit = Limit::new(0, 0, 86_400_000);
const FRAME_MS_MAX: Limit = Limit::new(10_000, 10, 600_000);
const OWED_IN_FLIGHT_MAX: Limit = Limit::new(16, 1, 4096);
const OWED_REPEAT_MS: Limit = Limit::new(15_000, 50, 3_600_000);
const OWED_ATTEMPTS_MAX: Limit = Limit::new(1000, 1, 1_000_000);
/// A few hundred megabytes in memory, journal and books.
const OWED_MAX: Limit = Limit::new(100_000, 1, 10_000_000);
/// Three days, as long as most schemes take reversals.
const OWED_AGE_HOURS_MAX: Limit = Limit::new(72, 1, 24 * 365);
