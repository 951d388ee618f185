//! Who takes part in the demonstration, and how they are connected. Tells no story.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::dialect::Dialect;
use crate::framing::{self, Length};
use crate::mapping::Tongue;
use crate::sim::child::{Link, LinkPlace, Plan, Switch, free_port};
use crate::sim::issuer::{self, Issuer, Rules};
use crate::sim::load::grouped;
use crate::sim::log::Log;
use crate::sim::purchase::card;
use crate::sim::street::{Habits, Street};
use crate::sim::terminal::{FINANCIAL, Outcome, Terminal};
use crate::sim::{Peer, Place, SimError};

use super::{Settings, pay};

/// How long the switch waits for a bank: short, so that a slow one is seen soon.
pub(super) const TIMEOUT: Duration = Duration::from_millis(500);

/// The first digits of the north bank's cards.
const NORTH: &str = "541333";
/// The first digits of the south bank's cards.
const SOUTH: &str = "400000";

/// How many shops there are, numbered from 1.
const SHOPS: u32 = 6;
/// The number of our own terminal.
const PROBE: u32 = 9000;

/// All who take part.
pub(super) struct Town {
    pub(super) switch: Switch,
    pub(super) north: Issuer,
    pub(super) south: Issuer,
    pub(super) street: Street,
    /// A terminal of our own, to see whether the switch is there.
    probe: Terminal,
}

impl Town {
    /// Builds everything and starts it; the shops trade from the beginning on.
    pub(super) async fn build(settings: &Settings) -> Result<Self, SimError> {
        let mut switch = Switch::prepare(settings.program.clone(), &settings.parent)?;
        let at = [free_port()?, free_port()?];
        let north = Issuer::open(bank("north", switch.directory())?).await?;
        let south = Issuer::open(bank("south", switch.directory())?).await?;
        switch.configure(&plan(at, [address(&north), address(&south)]))?;
        switch.start()?;
        let shops = [
            peer("iso87-bcd", Length::BINARY_2, Place::Dial(at[0].to_string()))?,
            peer("iso87-ascii-binary-bitmap", Length::ASCII_4, Place::Dial(at[1].to_string()))?,
        ];
        let log = Arc::new(Log::open(&switch.directory().join("shops.jsonl"))?);
        let terminals = (1..=SHOPS)
            .zip(shops.iter().cycle())
            .map(|(number, peer)| Terminal::new(peer.clone(), number, Some(Arc::clone(&log))))
            .collect();
        let street = Street::open(terminals, &habits());
        let probe = Terminal::new(shops[0].clone(), PROBE, None);
        Ok(Self { switch, north, south, street, probe })
    }

    /// Pays until it is approved: the switch is there, and its north bank.
    pub(super) async fn first_payment(&mut self) -> Result<(), SimError> {
        const PATIENCE: Duration = Duration::from_secs(10);
        let until = Instant::now() + PATIENCE;
        let terminal = &mut self.probe;
        while Instant::now() < until && !self.switch.ended() {
            if !terminal.connected() && terminal.connect(Duration::ZERO).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
            let Ok(pan) = card(NORTH, 1) else { break };
            let sale = terminal.sale(b"000000", &pan, 100, b"978");
            if let Outcome::Answered(answer) = terminal.ask(FINANCIAL, &sale, TIMEOUT * 2).await?
                && answer.approved()
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(SimError::NotReady { seconds: PATIENCE.as_secs(), log: self.switch.log() })
    }

    /// Reversals that the banks received.
    pub(super) fn reversals(&self) -> u64 {
        self.north.totals().reversals + self.south.totals().reversals
    }

    /// What the switch said about its last recovery, in plain words.
    pub(super) fn last_words(&self) -> Result<Option<String>, SimError> {
        let path = self.switch.log();
        let log = fs::read_to_string(&path).map_err(|source| SimError::File { path, source })?;
        Ok(log.lines().rev().find(|line| line.contains("recovered ")).and_then(recovery))
    }
}

/// The line that a switch logs when it has recovered, as a sentence; none when that line has changed.
fn recovery(line: &str) -> Option<String> {
    let number = |name: &str| {
        let number = line.split_whitespace().find_map(|part| part.strip_prefix(name))?;
        number.strip_prefix('=')?.parse::<u64>().ok()
    };
    Some(format!(
        "It read {} records of its journal in {} ms and found {} payments in flight: they are declined and taken back.",
        grouped(number("records")?),
        number("ms")?,
        number("in_flight")?,
    ))
}

pub(super) fn address(issuer: &Issuer) -> SocketAddr {
    issuer.address().unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

fn dialect(name: &'static str) -> Result<Arc<Dialect>, SimError> {
    let missing = || SimError::System { what: name, source: std::io::ErrorKind::NotFound.into() };
    Dialect::shipped(name).map(Arc::new).ok_or_else(missing)
}

pub(super) fn peer(name: &'static str, length: Length, place: Place) -> Result<Peer, SimError> {
    let framing = framing::Settings { length, ..framing::Settings::default() };
    Ok(Peer { tongue: Tongue::plain(dialect(name)?), framing, place, tls: None })
}

fn bank(name: &str, directory: &Path) -> Result<issuer::Settings, SimError> {
    let place = Place::Listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let peer = if name == "north" {
        peer("iso87-ascii", Length::ASCII_4, place)?
    } else {
        peer("iso87-bcd", Length::BINARY_2, place)?
    };
    Ok(issuer::Settings {
        name: name.to_owned(),
        peer,
        rules: Rules::usual(),
        ledger: Some(Log::open(&directory.join(format!("{name}-ledger.jsonl")))?),
        remembers: true,
        signs_on: false,
    })
}

fn plan(at: [SocketAddr; 2], banks: [SocketAddr; 2]) -> Plan {
    let ms = TIMEOUT.as_millis();
    let issuing = format!(
        "sign_on = \"send\"\ntimeout_ms = {ms}\nsettle_ms = {}\nowed_repeat_ms = {ms}\n",
        3 * ms
    );
    let link = |name: &str, role, place, dialect: &str, length, more: &str| Link {
        name: name.to_owned(),
        role,
        place,
        dialect: dialect.to_owned(),
        length,
        more: more.to_owned(),
    };
    let dials = |to| LinkPlace::Dials(to, 2);
    let [south_street, north_street] = at.map(LinkPlace::Listens);
    Plan {
        links: vec![
            link("south-street", "asker", south_street, "iso87-bcd", "binary-2", ""),
            link("north-street", "asker", north_street, "iso87-ascii-binary-bitmap", "ascii-4", ""),
            link("north", "issuer", dials(banks[0]), "iso87-ascii", "ascii-4", &issuing),
            link("south", "issuer", dials(banks[1]), "iso87-bcd", "binary-2", &issuing),
        ],
        routes: [(NORTH, "north"), (SOUTH, "south")]
            .map(|(bin, to)| (bin.to_owned(), vec![to.to_owned()]))
            .to_vec(),
        workers: 2,
        more: pay::terms((1..=SHOPS).chain([PROBE])),
    }
}

fn habits() -> Habits {
    Habits {
        prefixes: vec![NORTH.to_owned(), SOUTH.to_owned()],
        endings: vec![(51, 40), (5, 30), (14, 20)],
        refunds: 60,
        reversals: 20,
        dollars: 150,
        pause: Duration::from_millis(5),
        patience: Duration::from_secs(2),
        seed: crate::sim::clock::wall().0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_in_plain_words() {
        let line = "2026-11-23T19:55:27.3Z  INFO recovered ms=38 records=4870 next=4871 open=6 in_flight=2 day=2026-11-23";
        let words = recovery(line).unwrap();
        assert!(words.contains("4,870 records") && words.contains("in 38 ms"), "{words}");
        assert!(words.contains("found 2 payments"), "{words}");
        assert_eq!(recovery("INFO recovered"), None);
    }
}
