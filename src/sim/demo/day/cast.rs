//! Who takes part in the merchants' day, how they are connected, and what everything costs. Tells no story.

use std::fs::{self, DirBuilder, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::{Duration, Instant};

use crate::clearing::Charset;
use crate::framing::Length;
use crate::iso::Elements;
use crate::sim::child::{Link, LinkPlace, Plan, Switch, free_port};
use crate::sim::demo::town::{address, peer};
use crate::sim::issuer::{self, Issuer, Rules};
use crate::sim::log::Log;
use crate::sim::purchase::{Shop, card};
use crate::sim::terminal::{NETWORK, Outcome, Terminal};
use crate::sim::{Place, SimError};

use super::Settings;

/// A shop, and its one terminal.
pub(super) struct Trade {
    /// What people call it.
    pub(super) name: &'static str,
    /// Element 42, and its name in files.
    pub(super) merchant: &'static str,
    /// Element 41.
    pub(super) terminal: &'static str,
    /// Element 18.
    pub(super) category: &'static [u8; 4],
    /// Element 43.
    place: &'static str,
    /// The terminal's number, from which its reference numbers are made.
    number: u32,
}

/// Where a tip may come on top of what was authorized.
pub(super) const BISTRO: Trade = Trade {
    name: "the bistro",
    merchant: "BISTRO-BERLIN-1",
    terminal: "BISTRO01",
    category: b"5812",
    place: "BISTRO, MAIN STREET 7    BERLIN       DE",
    number: 1,
};

/// Where goods are sent in parts, and in several currencies.
pub(super) const WEB: Trade = Trade {
    name: "the web shop",
    merchant: "WEBSHOP-BERLIN1",
    terminal: "WEBSHOP1",
    category: b"5732",
    place: "WEBSHOP.EXAMPLE          BERLIN       DE",
    number: 2,
};

/// The first digits of each bank's cards.
const NORTH: &str = "541333";
const SOUTH: &str = "400000";

/// How long anybody waits for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What is captured, paid and charged: tables of the configuration. A bistro is tipped up to a fifth. Of each fee the rule with
/// the most conditions holds.
const TERMS: &str = r#"
[[clearing.captures.tolerance]]
mcc = ["5812-5814"]
percent = 20

[clearing.settlement]
name = "Demonstration Acquirer"
iban = "DE89370400440532013000"
refund_returns = ["interchange"]
chargeback_returns = ["interchange"]

[[clearing.settlement.merchants]]
id = "BISTRO-BERLIN-1"
name = "Bistro Berlin"
iban = "FR1420041010050500013M02606"

[[clearing.settlement.merchants]]
id = "WEBSHOP-BERLIN1"
name = "Web Shop Berlin"
iban = "NL91ABNA0417164300"

[[clearing.fees]]
name = "shops"
kind = "discount"
rate_ppm = 15_000
fixed = 5

[[clearing.fees]]
name = "bistros"
kind = "discount"
merchant = ["BISTRO-BERLIN-1"]
rate_ppm = 20_000
fixed = 10

[[clearing.fees]]
name = "yen"
kind = "discount"
currency = "JPY"
rate_ppm = 30_000

[[clearing.fees]]
name = "dinars"
kind = "discount"
currency = "KWD"
rate_ppm = 12_500
min = 100

[[clearing.fees]]
name = "cards"
kind = "interchange"
rate_ppm = 3_000

[[clearing.fees]]
name = "south-cards"
kind = "interchange"
issuer = ["south"]
rate_ppm = 5_000

[[clearing.fees]]
name = "network"
kind = "scheme"
rate_ppm = 1_000
fixed = 1
"#;

/// A bank: at work on its link, and what it writes in clearing.
pub(super) struct Bank {
    pub(super) name: &'static str,
    pub(super) charset: Charset,
    pub(super) issuer: Issuer,
    /// Its ledger, to which its clearing is written as well.
    pub(super) log: Log,
    /// How many files of answers it made.
    pub(super) files: u32,
}

/// All who take part.
pub(super) struct Cast {
    pub(super) switch: Switch,
    pub(super) north: Bank,
    pub(super) south: Bank,
    pub(super) bistro: Terminal,
    pub(super) web: Terminal,
    /// What the operator ordered, and when.
    pub(super) orders: Log,
}

impl Cast {
    /// Builds everything, starts it, and waits until both banks are signed on.
    pub(super) async fn build(settings: &Settings) -> Result<Self, SimError> {
        let mut switch = match &settings.keep {
            Some(directory) => Switch::prepare_in(settings.program.clone(), directory)?,
            None => Switch::prepare(settings.program.clone(), &settings.parent)?,
        };
        let home = switch.directory().to_owned();
        for name in ["merchants", "answers"] {
            let path = home.join(name);
            let made = DirBuilder::new().mode(0o700).create(&path);
            made.map_err(|source| SimError::File { path, source })?;
        }
        let north = Bank::open("north", Charset::Latin1, &home).await?;
        let south = Bank::open("south", Charset::Cp500, &home).await?;
        let at = [free_port()?, free_port()?];
        switch.configure(&plan(at, [address(&north.issuer), address(&south.issuer)]))?;
        switch.start()?;
        let tills = Arc::new(Log::open(&home.join("tills.jsonl"))?);
        let [bistro, web] = at.map(|at| Place::Dial(at.to_string()));
        let bistro = peer("iso87-bcd", Length::BINARY_2, bistro)?;
        let web = peer("iso87-ascii", Length::ASCII_4, web)?;
        let mut cast = Self {
            bistro: BISTRO.terminal(Terminal::new(bistro, BISTRO.number, Some(Arc::clone(&tills)))),
            web: WEB.terminal(Terminal::new(web, WEB.number, Some(tills))),
            orders: Log::open(&home.join("operator.jsonl"))?,
            switch,
            north,
            south,
        };
        cast.open().await?;
        Ok(cast)
    }

    /// Both tills are connected, and the switch has met both banks.
    async fn open(&mut self) -> Result<(), SimError> {
        let patience = Duration::from_secs(20);
        let late = || SimError::NotReady { seconds: patience.as_secs(), log: self.switch.log() };
        for till in [&mut self.bistro, &mut self.web] {
            till.connect(patience).await?;
            let echo: Elements = till.network(b"301");
            if !matches!(till.ask(NETWORK, &echo, PATIENCE).await?, Outcome::Answered(_)) {
                return Err(late());
            }
        }
        let until = Instant::now() + patience;
        loop {
            let links = self.switch.ask(&["ctl", "links"])?;
            let ready = |name: &str| {
                let of = |line: &&serde_json::Value| {
                    line.get("link").and_then(serde_json::Value::as_str) == Some(name)
                };
                links.iter().find(of).is_some_and(|line| line.to_string().contains("\"signed on\""))
            };
            if ready("north") && ready("south") {
                return Ok(());
            }
            if until <= Instant::now() {
                return Err(late());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The till of a shop.
    pub(super) fn till(&mut self, trade: &Trade) -> &mut Terminal {
        if trade.number == BISTRO.number { &mut self.bistro } else { &mut self.web }
    }

    /// Where files of a kind lie.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.switch.directory().join(name)
    }
}

impl Trade {
    fn terminal(&self, terminal: Terminal) -> Terminal {
        let [merchant, name] = [self.merchant, self.place].map(str::to_owned);
        terminal.within(Shop { terminal: self.terminal.to_owned(), merchant, name })
    }
}

impl Bank {
    async fn open(name: &'static str, charset: Charset, home: &Path) -> Result<Self, SimError> {
        let place = Place::Listen(SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0)));
        let peer = match charset {
            Charset::Latin1 => peer("iso87-ascii", Length::ASCII_4, place)?,
            Charset::Cp500 => peer("iso87-bcd", Length::BINARY_2, place)?,
        };
        let ledger = home.join(format!("{name}-ledger.jsonl"));
        let issuer = Issuer::open(issuer::Settings {
            name: name.to_owned(),
            peer,
            rules: Rules::usual(),
            ledger: Some(Log::open(&ledger)?),
            remembers: true,
            signs_on: false,
        });
        Ok(Self { name, charset, issuer: issuer.await?, log: Log::open(&ledger)?, files: 0 })
    }
}

/// A card of the north bank, by its number.
pub(super) fn north(number: u32) -> Result<String, SimError> {
    made(card(NORTH, number))
}

/// A card of the south bank.
pub(super) fn south(number: u32) -> Result<String, SimError> {
    made(card(SOUTH, number))
}

fn made(card: Result<String, crate::iso::NotOne>) -> Result<String, SimError> {
    card.map_err(|fault| SimError::System { what: "a card", source: std::io::Error::other(fault) })
}

fn plan(at: [SocketAddr; 2], banks: [SocketAddr; 2]) -> Plan {
    let issuing = "sign_on = \"send\"\ntimeout_ms = 4_000\nowed_repeat_ms = 1_000\n";
    let link = |name: &str, role, place, (dialect, length): (&str, _), more: &str| Link {
        name: name.to_owned(),
        role,
        place,
        dialect: dialect.to_owned(),
        length,
        more: more.to_owned(),
    };
    let [bcd, ascii] = [("iso87-bcd", "binary-2"), ("iso87-ascii", "ascii-4")];
    let dials = |to| LinkPlace::Dials(to, 1);
    let [bistro, web] = at.map(LinkPlace::Listens);
    let ebcdic = format!("{issuing}clearing_charset = \"cp500\"\n");
    Plan {
        links: vec![
            link("bistro", "asker", bistro, bcd, ""),
            link("web", "asker", web, ascii, ""),
            link("north", "issuer", dials(banks[0]), ascii, issuing),
            link("south", "issuer", dials(banks[1]), bcd, &ebcdic),
        ],
        routes: [(NORTH, "north"), (SOUTH, "south")]
            .map(|(bin, to)| (bin.to_owned(), vec![to.to_owned()]))
            .to_vec(),
        workers: 1,
        more: TERMS.to_owned(),
    }
}

/// Writes a file for our eyes only: it may hold cards.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), SimError> {
    let file = File::options().create_new(true).write(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes))
        .map_err(|source| SimError::File { path: path.to_owned(), source })
}

/// Reads a file of ours.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, SimError> {
    fs::read(path).map_err(|source| SimError::File { path: path.to_owned(), source })
}
