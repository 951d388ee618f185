//! What one seed draws: who is connected, how everything is set, which faults are on and how strong. Knows no event.
//!
//! Each fault is often off, sometimes rare and sometimes all over the place: even mixes hide mistakes.

use std::sync::Arc;

use crate::dialect::{Dialect, Version};
use crate::framing::{self, Framing, Head, Length, Tpdu};
use crate::iso::ResponseCode;
use crate::mapping::{self, Tongue};
use crate::record::LinkId;
use crate::route::{CardRange, Rule, Table};
use crate::switch::{
    AnswerOn, BreakerSettings, CutOver, DaySettings, Duplicate, LinkSettings, NetworkCodes,
    NetworkSettings, OwedSettings, Rate, Settings, SignOn, Undelivered,
};

use super::batches;
use super::reconcile;
use super::rng::Rng;

/// A network that does not repeat element 7 in its answers.
const WITHOUT_TRANSMISSION: &str = "dialect  without-transmission
extends  iso87-ascii
echo     2 3 4 11 12 13 32 37 41 42 49
";

/// How many links ask; they come first.
pub(super) const ASKERS: usize = 2;

/// The dialects that a world is made of, parsed once for all seeds.
#[derive(Clone, Debug)]
pub(super) struct Dialects {
    ascii: Arc<Dialect>,
    binary_bitmap: Arc<Dialect>,
    bcd: Arc<Dialect>,
    untimed: Arc<Dialect>,
    later_ascii: Tongue,
    later_bcd: Tongue,
}

impl Dialects {
    /// The shipped ones, and one that does not repeat element 7; none when one of them does not parse.
    pub(super) fn new() -> Option<Self> {
        Some(Self {
            ascii: Arc::new(Dialect::shipped("iso87-ascii")?),
            binary_bitmap: Arc::new(Dialect::shipped("iso87-ascii-binary-bitmap")?),
            bcd: Arc::new(Dialect::shipped("iso87-bcd")?),
            untimed: Arc::new(Dialect::parse(WITHOUT_TRANSMISSION).ok()?),
            later_ascii: later("iso93-ascii")?,
            later_bcd: later("iso93-bcd")?,
        })
    }
}

/// A dialect of 1993, with what makes it one of the house's.
fn later(name: &str) -> Option<Tongue> {
    let wire = Arc::new(Dialect::shipped(name)?);
    Tongue::new(wire, mapping::Settings::default()).ok()
}

/// One link as the world builds it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// What the engine is told.
    pub(super) settings: LinkSettings,
    /// How its peers speak.
    pub(super) tongue: Tongue,
    /// How frames are cut, at both ends.
    pub(super) framing: Framing,
    /// How many connections it has when all is well.
    pub(super) sessions: usize,
}

impl Plan {
    /// Whether its peers are of 1993.
    pub(super) fn speaks_later(&self) -> bool {
        self.tongue.wire().version() == Version::Of1993
    }
}

/// How the network misbehaves.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// How long a segment travels, milliseconds.
    pub(super) latency_ms: (u64, u64),
    /// How often a segment travels much longer, in a thousand.
    pub(super) spike: u64,
    /// How much longer.
    pub(super) spike_ms: u64,
    /// How often a write arrives in several segments, in a thousand.
    pub(super) torn: u64,
    /// How often a connection breaks: mean life, milliseconds; 0 is never.
    pub(super) life_ms: u64,
    /// How long an end may not notice a broken connection, milliseconds.
    pub(super) unnoticed_ms: u64,
    /// How long until a broken connection is replaced, milliseconds.
    pub(super) redial_ms: u64,
    /// How often a writer waits before it writes, in a thousand.
    pub(super) stall: u64,
    /// How long it waits.
    pub(super) stall_ms: u64,
}

/// How the machine misbehaves.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// How often the process dies around a commit, in ten thousand.
    pub(super) crash: u64,
    /// How often it dies around the first commits after a crash, in a thousand.
    pub(super) crash_again: u64,
    /// How often in all.
    pub(super) crashes_max: u32,
    /// How often it is stopped cleanly instead, in a thousand.
    pub(super) clean: u64,
    /// How long a commit takes, milliseconds.
    pub(super) sync_ms: (u64, u64),
    /// How often a commit takes seconds, in a thousand.
    pub(super) slow_sync: u64,
    /// How far the books are behind, milliseconds.
    pub(super) lag_ms: u64,
    /// Mean time between jumps of the wall clock, milliseconds; 0 is never.
    pub(super) wall_ms: u64,
    /// How many cuts are ordered while faults are on.
    pub(super) cuts: u64,
    /// Mean time between the disk's getting full, milliseconds; 0 is never.
    pub(super) full_ms: u64,
}

/// How issuers misbehave, in a thousand each.
#[derive(Clone, Debug)]
pub(super) struct Issuing {
    /// Says no.
    pub(super) decline: u64,
    /// Approves a lower amount.
    pub(super) partial: u64,
    /// Decides and says nothing.
    pub(super) silent: u64,
    /// Answers after the time-out.
    pub(super) late: u64,
    /// Takes a while before it decides.
    pub(super) slow: u64,
    /// Answers twice.
    pub(super) twice: u64,
    /// Answers with another trace number.
    pub(super) wrong_stan: u64,
    /// Answers with another amount, or without the card.
    pub(super) other_content: u64,
    /// Says more than its asker may have room for.
    pub(super) wordy: u64,
    /// Answers without a readable code.
    pub(super) no_code: u64,
    /// Answers over another issuer's link.
    pub(super) other_link: u64,
    /// Refuses an owed message for good.
    pub(super) refuse: u64,
    /// Asks for an owed message again.
    pub(super) retry: u64,
    /// Says 25 rather than 00 to a reversal whose original it does not know.
    pub(super) not_found: u64,
    /// Mean time between outages of a whole link, milliseconds; 0 is never.
    pub(super) outage_ms: u64,
}

/// How askers misbehave, in a thousand each.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    /// Mean time between two purchases of a link, milliseconds.
    pub(super) gap_ms: u64,
    /// How long an answer is waited for, milliseconds.
    pub(super) patience_ms: (u64, u64),
    /// Sends a copy at once, on another connection.
    pub(super) hasty: u64,
    /// Sends a copy without a repeat digit.
    pub(super) plain: u64,
    /// Sends a copy with another amount.
    pub(super) altered: u64,
    /// Sends a copy long after the answer.
    pub(super) old: u64,
    /// Reverses instead of repeating, or after the answer.
    pub(super) undo: u64,
    /// Sends the reversal together with its original.
    pub(super) undo_first: u64,
    /// Sends an advice instead of a request.
    pub(super) advice: u64,
    /// Sends something that is no good.
    pub(super) garbage: u64,
}

/// Everything that a seed draws.
#[derive(Clone, Debug)]
pub(super) struct Mix {
    /// How many purchases.
    pub(super) txns: u32,
    /// What the engine is told.
    pub(super) settings: Settings,
    /// The links: askers first.
    pub(super) plans: Vec<Plan>,
    pub(super) network: Network,
    pub(super) machine: Machine,
    pub(super) issuing: Issuing,
    pub(super) asking: Asking,
    /// The last trace number that each issuer's link gave before the world begins; all far apart, unless there were none.
    pub(super) stans: Vec<u32>,
}

/// How strong a fault is: off in two of five seeds, else weak, middling or strong.
fn swarm(rng: &mut Rng, strong: u64) -> u64 {
    match rng.below(5) {
        0 | 1 => 0,
        2 => strong / 20 + 1,
        3 => strong / 5 + 1,
        _ => strong,
    }
}

/// A mean time between faults: none in two of five seeds.
fn between(rng: &mut Rng, shortest: u64) -> u64 {
    match rng.below(5) {
        0 | 1 => 0,
        2 => shortest * 10,
        3 => shortest * 3,
        _ => shortest,
    }
}

impl Mix {
    /// What this stream draws.
    pub(super) fn draw(rng: &mut Rng, txns: u32, dialects: &Dialects) -> Self {
        let issuers = 2 + rng.index(2);
        let plans = plans(rng, issuers, dialects);
        let settings = Settings {
            links: plans.iter().map(|plan| plan.settings.clone()).collect(),
            routes: routes(&plans),
            window_ms: rng.between((2_000, 30_000)),
            entries_max: 20 + rng.index(181),
            duplicate: if rng.chance(250) { Duplicate::Refuse } else { Duplicate::Replay },
            undelivered: if rng.chance(250) { Undelivered::Reverse } else { Undelivered::Leave },
            timeout_code: ResponseCode::UNAVAILABLE,
            carry_every: rng.between((40, 400)),
            in_flight_max: u32::try_from(rng.pick(&[4, 20, 200, 1000]).unwrap_or(200))
                .unwrap_or(200),
            day: DaySettings::default(),
            stand_in: Vec::new(),
        };
        Self {
            txns,
            settings,
            plans,
            network: Network::draw(rng),
            machine: Machine::draw(rng),
            issuing: Issuing::draw(rng),
            asking: Asking::draw(rng),
            stans: stans(rng, issuers),
        }
    }

    /// In half of all worlds an issuer is of 1993, an asker, or both. Seeds decide by themselves: the others go on as they did
    /// where all were of 1987.
    pub(super) fn in_editions(mut self, seed: u64, dialects: &Dialects) -> Self {
        const LONGER: usize = 60;
        let later = [
            ("shops", &dialects.later_ascii, matches!(seed % 8, 1 | 5)),
            ("bank-north", &dialects.later_bcd, matches!(seed % 8, 1 | 2)),
            ("bank-west", &dialects.later_ascii, seed % 8 == 5),
        ];
        for (name, tongue, _) in later.into_iter().filter(|(.., speaks)| *speaks) {
            let Some(plan) = self.plans.iter_mut().find(|plan| plan.settings.name == name) else {
                continue;
            };
            plan.tongue = tongue.of_peer();
            let longest = plan.settings.frame_len_max;
            if longest < framing::Settings::FRAME_LEN_MAX {
                // The same says more in these, and what found room is to find it still.
                let settings = *plan.framing.settings();
                let frame_len_max = settings.frame_len_max + LONGER;
                plan.framing = Framing::new(framing::Settings { frame_len_max, ..settings });
            }
            plan.settings.tongue = tongue.clone();
            plan.settings.frame_len_max = plan.framing.message_len_max();
            plan.settings.network.codes = NetworkCodes::USUAL_1993;
        }
        self.settings.links = self.plans.iter().map(|plan| plan.settings.clone()).collect();
        self
    }

    /// Faults off: from now on everything that is still open must come to rest.
    pub(super) fn heal(&mut self) {
        self.network.spike = 0;
        self.network.life_ms = 0;
        self.network.stall = 0;
        self.network.redial_ms = 200;
        self.machine.crash = 0;
        self.machine.crash_again = 0;
        self.machine.slow_sync = 0;
        self.machine.lag_ms = self.machine.lag_ms.min(500);
        self.machine.wall_ms = 0;
        self.machine.full_ms = 0;
        let kept = (self.issuing.decline, self.issuing.not_found);
        self.issuing = Issuing {
            decline: kept.0,
            not_found: kept.1,
            partial: 0,
            silent: 0,
            late: 0,
            slow: 0,
            twice: 0,
            wrong_stan: 0,
            other_content: 0,
            wordy: 0,
            no_code: 0,
            other_link: 0,
            refuse: 0,
            retry: 0,
            outage_ms: 0,
        };
    }

    /// The settle time that the network and the issuers keep to.
    pub(super) fn settle_ms(&self) -> u64 {
        self.settings.links.iter().map(|link| link.settle_ms).min().unwrap_or(0)
    }

    /// The issuers' links, with their places.
    pub(super) fn issuers(&self) -> impl Iterator<Item = (usize, &Plan)> {
        self.plans.iter().enumerate().skip(ASKERS)
    }
}

impl Network {
    fn draw(rng: &mut Rng) -> Self {
        let slowest = rng.pick(&[5, 50, 400]).unwrap_or(50);
        Self {
            latency_ms: (1, slowest),
            spike: swarm(rng, 200),
            spike_ms: rng.between((500, 4_000)),
            torn: swarm(rng, 500),
            life_ms: between(rng, 3_000),
            unnoticed_ms: rng.pick(&[10, 300, 4_000]).unwrap_or(10),
            redial_ms: rng.pick(&[50, 500, 3_000]).unwrap_or(50),
            stall: swarm(rng, 200),
            stall_ms: rng.pick(&[20, 500, 3_000]).unwrap_or(20),
        }
    }
}

impl Machine {
    fn draw(rng: &mut Rng) -> Self {
        Self {
            crash: rng.pick(&[0, 0, 10, 50, 200]).unwrap_or(0),
            crash_again: rng.pick(&[0, 100, 400]).unwrap_or(0),
            crashes_max: 8,
            clean: rng.pick(&[0, 200, 500]).unwrap_or(0),
            sync_ms: (0, rng.pick(&[1, 5, 40]).unwrap_or(1)),
            slow_sync: swarm(rng, 50),
            lag_ms: rng.pick(&[0, 100, 1_500, 6_000]).unwrap_or(0),
            wall_ms: between(rng, 8_000),
            cuts: rng.below(4),
            full_ms: between(rng, 20_000),
        }
    }
}

impl Issuing {
    fn draw(rng: &mut Rng) -> Self {
        Self {
            decline: rng.pick(&[50, 300]).unwrap_or(50),
            partial: swarm(rng, 200),
            silent: swarm(rng, 300),
            late: swarm(rng, 400),
            slow: swarm(rng, 400),
            twice: swarm(rng, 300),
            wrong_stan: swarm(rng, 150),
            other_content: swarm(rng, 150),
            wordy: swarm(rng, 200),
            no_code: swarm(rng, 150),
            other_link: swarm(rng, 150),
            refuse: swarm(rng, 150),
            retry: swarm(rng, 400),
            not_found: rng.pick(&[0, 500, 1000, 1000]).unwrap_or(1000),
            outage_ms: between(rng, 10_000),
        }
    }
}

impl Asking {
    fn draw(rng: &mut Rng) -> Self {
        Self {
            gap_ms: rng.pick(&[20, 100, 400]).unwrap_or(100),
            patience_ms: rng.pick(&[(200, 2_000), (4_000, 9_000)]).unwrap_or((4_000, 9_000)),
            hasty: swarm(rng, 400),
            plain: swarm(rng, 400),
            altered: swarm(rng, 200),
            old: swarm(rng, 300),
            undo: swarm(rng, 400),
            undo_first: swarm(rng, 300),
            advice: rng.pick(&[0, 100, 300, 600]).unwrap_or(100),
            garbage: swarm(rng, 50),
        }
    }
}

/// Where trace numbers begin: nowhere, or far apart and one of them shortly before the end.
fn stans(rng: &mut Rng, issuers: usize) -> Vec<u32> {
    if rng.chance(100) {
        return Vec::new();
    }
    let ending = 999_999 - u32::try_from(rng.below(60)).unwrap_or(0);
    let mut stans = vec![ending, 250_000, 700_000];
    stans.rotate_left(rng.index(3));
    stans.truncate(issuers);
    stans
}

/// The longest frame of a link: mostly more than anybody says. An asker that may send everything of its own has sometimes no
/// room for a wordy answer; an issuer's link sometimes none for a long request, or for a reversal.
fn frame_len_max(rng: &mut Rng, dialect: &Dialect, asks: bool) -> usize {
    let packed = dialect.name() == "iso87-bcd";
    let small = match (asks, packed) {
        (true, false) => 240,
        (true, true) => 200,
        (false, false) => 140,
        (false, true) => 95,
    };
    let often = if asks { 400 } else { 50 };
    if rng.chance(often) { small } else { framing::Settings::FRAME_LEN_MAX }
}

/// Two askers and some issuers, each writing in its own way.
fn plans(rng: &mut Rng, issuers: usize, dialects: &Dialects) -> Vec<Plan> {
    let four = framing::Settings { length: Length::ASCII_4, ..framing::Settings::default() };
    let tpdu = framing::Settings {
        header: Tpdu::from_text("6000010002").map(Head::tpdu).unwrap_or_default(),
        ..framing::Settings::default()
    };
    let plain = framing::Settings::default();
    let ways = [
        ("shops", &dialects.ascii, &four, true),
        ("terminals", &dialects.bcd, &tpdu, true),
        ("bank-north", &dialects.binary_bitmap, &plain, false),
        ("bank-south", &dialects.bcd, &four, false),
        ("bank-west", &dialects.untimed, &plain, false),
    ];
    ways.into_iter()
        .take(ASKERS + issuers)
        .map(|(name, dialect, framing, asks)| {
            let frame_len_max = frame_len_max(rng, dialect, asks);
            let framing = Framing::new(framing::Settings { frame_len_max, ..*framing });
            let tongue = Tongue::plain(Arc::clone(dialect));
            Plan {
                settings: link(rng, name, (&tongue, &framing), asks),
                tongue,
                framing,
                sessions: 1 + rng.index(3),
            }
        })
        .collect()
}

fn link(
    rng: &mut Rng,
    name: &str,
    (tongue, framing): (&Tongue, &Framing),
    asks: bool,
) -> LinkSettings {
    let sign_on = if asks {
        SignOn::None
    } else {
        rng.pick(&[SignOn::None, SignOn::Send, SignOn::Await]).unwrap_or(SignOn::None)
    };
    LinkSettings {
        id: LinkId::of_name(name),
        name: name.to_owned(),
        tongue: tongue.clone(),
        head: framing.head(),
        frame_len_max: framing.message_len_max(),
        delimiter: framing.delimiter(),
        asks,
        answers: !asks,
        network: NetworkSettings {
            sign_on,
            shared: false,
            echo_after_ms: rng.pick(&[0, 0, 5_000]).unwrap_or(0),
            timeout_ms: 10_000,
            codes: NetworkCodes::USUAL,
            cut_over: CutOver::None,
        },
        timeout_ms: rng.between((1_000, 4_000)),
        settle_ms: rng.between((20_000, 40_000)),
        in_flight_max: u32::try_from(rng.pick(&[3, 50, 500]).unwrap_or(50)).unwrap_or(50),
        rate: Rate::default(),
        merchant_rate: Rate::default(),
        breaker: BreakerSettings::default(),
        answer_on: if rng.chance(200) { AnswerOn::Session } else { AnswerOn::Link },
        owed: OwedSettings {
            in_flight_max: u32::try_from(rng.pick(&[1, 4, 50]).unwrap_or(4)).unwrap_or(4),
            repeat_ms: rng.between((400, 4_000)),
            attempts_max: u32::try_from(rng.pick(&[1, 2, 20, 1_000]).unwrap_or(20)).unwrap_or(20),
            age_ms_max: rng.pick(&[30 * 86_400_000, 30 * 86_400_000, 20_000]).unwrap_or(20_000),
            advices_max: rng.pick(&[1, 20, 1_000]).map_or(20, |most| most),
        },
        stamps_date: false,
        batches: batches::profile().filter(|_| asks),
        reconciliation: reconcile::profile(asks),
    }
}

/// Cards that begin with 50 prefer the first issuer and may go to the second; 51 and 52 have one each; 59 has none.
fn routes(plans: &[Plan]) -> Table {
    let issuers: Vec<LinkId> = plans.iter().skip(ASKERS).map(|plan| plan.settings.id).collect();
    let rule = |range: &str, to: Vec<LinkId>| Rule {
        cards: CardRange::parse(range).into_iter().collect(),
        to,
        ..Rule::default()
    };
    let one = |at: usize| issuers.get(at % issuers.len().max(1)).copied().into_iter().collect();
    Table::new(&[
        rule("50", issuers.iter().copied().take(2).collect()),
        rule("51", one(1)),
        rule("52", one(2)),
    ])
}
