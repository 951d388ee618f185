//! The configuration: one TOML file, the sum of what the rooms below want to know; nobody below knows of it.
//!
//! [`load()`] reads the file and whatever it names (dialects, the key), binds nothing, and tells every fault in one
//! [`Report`]. What comes out is valid: nothing is checked again further down.

mod answers;
mod apart;
mod batches;
mod bins;
mod captures;
mod changes;
mod clearing;
mod compare;
mod day;
mod dialects;
mod frames;
mod gaps;
mod key;
mod links;
mod load;
mod reach;
mod read;
mod reconciliation;
mod report;
mod routes;
mod sections;
mod settlement;
mod stand_in;
mod tls;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeTable;

use crate::framing::{self, Framing};
use crate::iso::ResponseCode;
use crate::journal;
use crate::link::{Name, Tls};
use crate::mapping::Tongue;
use crate::record::LinkId;
use crate::route::{Rule, Table};
use crate::seal::Keys;
use crate::switch::{
    self, AnswerOn, BreakerSettings, DaySettings, Duplicate, Grant, LinkSettings, NetworkSettings,
    OwedSettings, Rate, StandIn, Undelivered,
};
use read::Section;
use report::Faults;

pub use answers::Answers;
pub use captures::Captures;
pub use clearing::{Clearing, Form};
pub use compare::{Difference, Fate, needs_restart};
pub use dialects::{faults_of, named as dialect, spoken, tongue};
pub use report::{Fault, Report};

/// Everything that a daemon is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that says all this.
    pub file: PathBuf,
    /// The process itself.
    pub daemon: Daemon,
    /// The keys of the state directory.
    pub keys: Arc<Keys>,
    /// The journal's files.
    pub journal: journal::Settings,
    /// After how many records everything open is written down again.
    pub carry_every: u64,
    /// The day's files.
    pub clearing: Clearing,
    /// When a business day ends by the clock.
    pub day: DaySettings,
    /// What is remembered in memory.
    pub window: Window,
    /// The choices that the money rules leave to whoever runs the switch.
    pub rules: Rules,
    /// The links, in the order of their names.
    pub links: Vec<Link>,
    /// The routes, in the order of the file.
    pub routes: Vec<Rule>,
    /// The line of each route.
    pub route_lines: Vec<usize>,
    /// For each route, how far the switch goes in its issuers' place.
    pub stand_in: Vec<Option<StandIn>>,
    /// What does not hold today, certificates and the like: nothing that keeps a switch from running.
    pub stale: Vec<Fault>,
}

/// `[daemon]`: the process itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Where everything lies that must survive.
    pub state: PathBuf,
    /// How many threads read and write sockets.
    pub workers: usize,
    /// Where the operator's window is; none when it is off.
    pub console: Option<SocketAddr>,
    /// How long a stop waits for what is in flight, milliseconds.
    pub drain_ms_max: u64,
    /// Below so many free bytes new requests are declined.
    pub disk_reserve_bytes: u64,
    /// How many requests may be in flight in all.
    pub in_flight_max: u32,
    /// How many bytes of records and messages may wait for a commit before sockets are no longer read.
    pub queue_bytes_max: usize,
}

/// `[window]`: how much of the past is held in memory; what is older is looked up in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// For how long, milliseconds.
    pub ms: u64,
    /// For how many transactions.
    pub entries_max: usize,
}

/// `[rules]`: choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What a copy of a message gets when it does not say that it is a repeat.
    pub duplicate: Duplicate,
    /// What becomes, at a restart, of approvals that may not have reached their asker.
    pub undelivered: Undelivered,
    /// What an asker hears when its issuer does not answer in time.
    pub timeout_code: ResponseCode,
}

/// `[links.NAME]`: one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// The number of its name.
    pub id: LinkId,
    /// Whether it sends requests.
    pub asks: bool,
    /// Whether requests are sent to it.
    pub answers: bool,
    /// How it is reached.
    pub place: Place,
    /// How its sessions are encrypted; none for in the clear.
    pub tls: Option<Tls>,
    /// The clients whose certificates it takes; empty where it has no list of them.
    pub clients: Vec<Client>,
    /// How its network writes.
    pub tongue: Tongue,
    /// Where its messages end.
    pub framing: framing::Settings,
    /// Its network management.
    pub network: NetworkSettings,
    /// How long an answer is waited for, milliseconds.
    pub timeout_ms: u64,
    /// Longer than its network can hold a request, milliseconds.
    pub settle_ms: u64,
    /// How many requests may wait for its answer.
    pub in_flight_max: u32,
    /// How many new requests a second it may ask.
    pub rate: Rate,
    /// How many each of its merchants may.
    pub merchant_rate: Rate,
    /// When it is cut off because nobody answers.
    pub breaker: BreakerSettings,
    /// How many bytes may wait for one of its sessions to read them.
    pub outbox_bytes_max: usize,
    /// A session that says nothing for so long is closed, milliseconds; 0 is never.
    pub idle_ms_max: u64,
    /// A frame that was begun must end within, milliseconds.
    pub frame_ms_max: u64,
    /// Which sessions may bring an answer.
    pub answer_on: AnswerOn,
    /// How what is owed to it is sent.
    pub owed: OwedSettings,
    /// Whether it gets the business date where nobody said one.
    pub stamps_date: bool,
    /// How its terminals write their batches; none where it has none.
    pub batches: Option<Arc<crate::clearing::BatchProfile>>,
    /// How its host writes the totals of a day; none where it does not reconcile.
    pub reconciliation: Option<Arc<crate::clearing::HostProfile>>,
    /// Its name in clearing files.
    pub clearing: String,
    /// What they have otherwise.
    pub files: Form,
}

/// A client of a link, by its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// A name in the certificate.
    pub san: Name,
    /// What it may ask.
    pub grant: Grant,
}

/// How a link is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its peers come to us.
    Listen {
        /// Where.
        address: SocketAddr,
        /// How many sessions at once.
        sessions_max: usize,
    },
    /// We go to it.
    Dial {
        /// Hosts and ports, tried in turn.
        peers: Vec<String>,
        /// How many sessions are kept up.
        sessions: usize,
    },
}

impl Config {
    /// What the engine is told.
    pub fn engine(&self) -> switch::Settings {
        switch::Settings {
            links: self.links.iter().map(Link::engine).collect(),
            routes: Table::new(&self.routes),
            window_ms: self.window.ms,
            entries_max: self.window.entries_max,
            duplicate: self.rules.duplicate,
            undelivered: self.rules.undelivered,
            timeout_code: self.rules.timeout_code,
            carry_every: self.carry_every,
            in_flight_max: self.daemon.in_flight_max,
            day: self.day,
            stand_in: self.stand_in.clone(),
        }
    }
}

impl Link {
    /// What the engine is told about it.
    pub fn engine(&self) -> LinkSettings {
        let framing = Framing::new(self.framing);
        LinkSettings {
            id: self.id,
            name: self.name.clone(),
            tongue: self.tongue.clone(),
            head: framing.head(),
            frame_len_max: framing.message_len_max(),
            delimiter: framing.delimiter(),
            asks: self.asks,
            answers: self.answers,
            network: self.network,
            timeout_ms: self.timeout_ms,
            settle_ms: self.settle_ms,
            in_flight_max: self.in_flight_max,
            rate: self.rate,
            merchant_rate: self.merchant_rate,
            breaker: self.breaker,
            answer_on: self.answer_on,
            owed: self.owed,
            stamps_date: self.stamps_date,
            batches: self.batches.clone(),
            reconciliation: self.reconciliation.clone(),
        }
    }
}

impl Place {
    /// The address that is bound, if any.
    pub const fn listens_on(&self) -> Option<SocketAddr> {
        match self {
            Self::Listen { address, .. } => Some(*address),
            Self::Dial { .. } => None,
        }
    }
}

/// Reads a configuration and what it names. Binds nothing and changes nothing.
pub fn load(path: &Path) -> Result<Config, Report> {
    let (name, text) = open(path)?;
    parse(&name, text, path.parent().unwrap_or_else(|| Path::new(".")))
}

/// The state directory that a configuration names, whatever else is wrong with it: for commands that need no more.
pub fn state(path: &Path) -> Result<PathBuf, Report> {
    let (name, text) = open(path)?;
    let faults = Faults::new(name, text);
    let table = table(&faults);
    let home = path.parent().unwrap_or_else(|| Path::new("."));
    let state = sections::state(&Section::root(&faults, table.get_ref()).section("daemon"), home);
    drop(table);
    state.ok_or_else(|| Report::new(faults.into_list()))
}

fn open(path: &Path) -> Result<(String, String), Report> {
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(fault) => {
            let faults = Faults::new(name, String::new());
            let title = format!("the configuration cannot be read: {fault}");
            faults.tell(faults.at(0..0, title).help("which file is it? See `iso8583d help`"));
            Err(Report::new(faults.into_list()))
        }
    }
}

/// As much of a text as is TOML; the rest is told.
fn table(faults: &Faults) -> Spanned<DeTable<'_>> {
    let (table, torn) = DeTable::parse_recoverable(faults.text());
    for fault in torn {
        let span = fault.span().unwrap_or(0..0);
        faults.tear(faults.at(span, "this is not TOML").label(fault.message().to_owned()));
    }
    table
}

/// Reads a configuration from its text. Relative paths begin at `home`.
fn parse(name: &str, text: String, home: &Path) -> Result<Config, Report> {
    let faults = Faults::new(name.to_owned(), text);
    let table = table(&faults);
    let config = read(&Section::root(&faults, table.get_ref()), (Path::new(name), home));
    drop(table);
    let list = faults.into_list();
    config.filter(|_| list.is_empty()).ok_or_else(|| Report::new(list))
}

fn read(root: &Section<'_>, (file, home): (&Path, &Path)) -> Option<Config> {
    let section = root.section("daemon");
    let daemon = sections::daemon(&section, home);
    let keys = sections::keys(&section, home);
    section.end();
    // Without a state directory there is a fault already, and the rest is read for its own faults.
    let state = daemon.as_ref().map_or(home, |daemon| &daemon.state);
    let section = root.section("journal");
    let (journal, carry_every) = sections::journal(&section, state);
    section.end();
    let section = root.section("day");
    let day = day::read(&section);
    section.end();
    let section = root.section("window");
    let window = sections::window(&section);
    section.end();
    let section = root.section("rules");
    let rules = sections::rules(&section);
    section.end();
    let links = links::read(root, home);
    let section = root.section("clearing");
    let names: Vec<&str> = links.iter().map(|known| known.name.as_str()).collect();
    let clearing = clearing::read(&section, (home, state), &names);
    section.end();
    let (routes, route_lines, stand_in) = routes::read(root, &links, home);
    let console = daemon.as_ref().and_then(|daemon| daemon.console);
    links::apart_from_console(root, &links, console);
    root.unknown();
    let links = links.into_iter().filter_map(|known| known.link).collect();
    Some(Config {
        file: file.to_owned(),
        daemon: daemon?,
        keys: keys?,
        journal,
        carry_every,
        clearing,
        day,
        window,
        rules,
        links,
        routes,
        route_lines,
        stand_in,
        stale: root.faults().take_warnings(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;
    use crate::dialect::Dialect;
    use crate::iso::Class;
    use crate::link::papers::Authority;
    use crate::route::{CardRange, Facts};
    use crate::switch::LateApproval;

    pub(super) const GOOD: &str = r#"
[daemon]
state = "state"
key = "file:pan.key"

[links.terminals]
role = "asker"
listen = "127.0.0.1:0"
dialect = "iso87-bcd"
tpdu = "6000010000"

[links.issuer-a]
role = "issuer"
dial = ["127.0.0.1:9001", "issuer.example:9001"]
sessions = 2
dialect = "iso87-ascii"
length = "ascii-4"
sign_on = "send"
timeout_ms = 2_000
plaintext = "anywhere"

[[routes]]
bin = ["541333", "400000-499999"]
class = "financial"
to = ["issuer-a"]
"#;

    const CARDS: &str =
        "\u{feff}first,last\r\n# two banks\r\n222100,222199\r\n\r\n \"2720\" # alone\n";

    /// A directory with a key and a table of cards in it.
    pub(super) fn home() -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("pan.key");
        fs::write(&key, "5a".repeat(32)).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(dir.path().join("cards.csv"), CARDS).unwrap();
        dir
    }

    /// The same with everything for TLS in it.
    fn home_with_papers() -> TempDir {
        let dir = home();
        let (ca, issuer) = (Authority::new("of clients"), Authority::new("of issuers"));
        let (server, other) = (ca.signs("switch.example", 1), ca.signs("switch.example", 2));
        let old = ca.signs_until("switch.example", 3, 2020);
        for (name, text) in [
            ("server.pem", &server.certificate),
            ("server.key", &server.key),
            ("other.key", &other.key),
            ("open.key", &server.key),
            ("old.pem", &old.certificate),
            ("old.key", &old.key),
            ("clients-ca.pem", &ca.pem()),
            ("issuer-ca.pem", &issuer.pem()),
            ("clients-crl.pem", &ca.revokes(9, 2100)),
            ("old-crl.pem", &ca.revokes(9, 2021)),
        ] {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            let mode = if name == "open.key" { 0o604 } else { 0o600 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        dir
    }

    fn check(text: &str) -> Result<Config, Report> {
        parse("iso8583d.toml", text.to_owned(), home().path())
    }

    #[test]
    fn two_readings_are_compared_by_value() {
        let home = home_with_papers();
        let read = |text: &str| parse("c.toml", text.to_owned(), home.path()).unwrap();
        let now = read(GOOD);
        let of = |text: &str| Difference::new(&now, &read(text));
        assert!(of(GOOD).is_nothing());
        assert!(of(&format!("# nothing else\n{GOOD}")).is_nothing());
        let fate = |from: &str, to: &str| of(&GOOD.replace(from, to)).fate("issuer-a");
        for (from, to, expected) in [
            ("timeout_ms = 2_000", "timeout_ms = 2_001", Fate::Changed),
            ("timeout_ms = 2_000", "timeout_ms = 2_000\necho_after_ms = 9", Fate::Changed),
            ("sessions = 2", "sessions = 3", Fate::Anew),
            ("sign_on = \"send\"", "sign_on = \"none\"", Fate::Anew),
            ("\"ascii-4\"", "\"binary-2\"", Fate::Anew),
            ("dialect = \"iso87-ascii\"", "dialect = \"iso87-ebcdic\"", Fate::Anew),
            ("127.0.0.1:9001", "127.0.0.1:9002", Fate::Anew),
            ("timeout_ms = 2_000", "settle_ms = 60_000\ntimeout_ms = 2_000", Fate::Kept),
        ] {
            assert_eq!(fate(from, to), expected, "{to}");
        }
        let renamed = of(&GOOD.replace("issuer-a", "issuer-b"));
        let fates =
            [("issuer-a", Fate::Removed), ("issuer-b", Fate::Added), ("terminals", Fate::Kept)];
        assert_eq!(renamed.links, fates.map(|(name, fate)| (name.to_owned(), fate)));
        assert!(renamed.routes);
        // A file that is named says the same as long as its text does, in whatever words.
        fs::write(home.path().join("own.dialect"), Dialect::shipped_text("iso87-ascii").unwrap())
            .unwrap();
        let own = GOOD.replace("dialect = \"iso87-ascii\"", "dialect = \"own.dialect\"");
        assert!(of(&own).is_nothing());
        fs::write(home.path().join("cards.csv"), "551333\n").unwrap();
        let csv = GOOD.replace("class =", "bins = \"cards.csv\"\nclass =");
        let before = read(&csv);
        fs::write(home.path().join("cards.csv"), "551334\n").unwrap();
        assert!(Difference::new(&before, &read(&csv)).routes);
        let limits = GOOD.replace("[daemon]", "[daemon]\nin_flight_max = 7");
        assert_eq!(of(&limits).others, ["daemon.in_flight_max"]);
        assert!(needs_restart(&now, &read(&limits)).is_none());
    }

    #[test]
    fn certificates_are_what_is_in_their_files() {
        let home = home_with_papers();
        let text = GOOD.replace(
            "tpdu = \"6000010000\"",
            "tpdu = \"6000010000\"\n[links.terminals.tls]\ncertificate = \"server.pem\"\nkey = \"file:server.key\"",
        );
        let read = || parse("c.toml", text.clone(), home.path()).unwrap();
        let now = read();
        assert!(Difference::new(&now, &read()).is_nothing());
        let renewed = Authority::new("of clients").signs("switch.example", 7);
        fs::write(home.path().join("server.pem"), renewed.certificate).unwrap();
        fs::write(home.path().join("server.key"), renewed.key).unwrap();
        let difference = Difference::new(&now, &read());
        assert_eq!(difference.certificates, ["terminals"]);
        assert_eq!(difference.fate("terminals"), Fate::Changed);
        // In the clear, or encrypted: nobody goes on as he was.
        let clear = parse("c.toml", GOOD.to_owned(), home.path()).unwrap();
        assert_eq!(Difference::new(&clear, &now).fate("terminals"), Fate::Anew);
    }

    #[test]
    fn what_needs_a_restart_is_told_with_its_place() {
        let home = home();
        let file = home.path().join("c.toml");
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            load(&file).unwrap_or_else(|report| panic!("{report}"))
        };
        let now = read(GOOD);
        let next = read(
            &GOOD.replace("[daemon]", "[day]\nutc_offset = \"+01:00\"\n[daemon]\nworkers = 5"),
        );
        let report = needs_restart(&now, &next).unwrap();
        let titles: Vec<_> = report.faults().iter().map(|fault| fault.title().to_owned()).collect();
        assert_eq!(
            titles,
            [
                "`cut_at` of [day] cannot be changed while the switch runs",
                "`workers` of [daemon] cannot be changed while the switch runs"
            ]
        );
        assert_eq!(report.faults()[1].place().0, 5);
        assert!(report.to_string().contains("needs a restart"));
    }

    /// The faults of a text that has some.
    fn faults(text: &str) -> Report {
        let Err(report) = check(text) else { panic!("taken as good:\n{text}") };
        report
    }

    #[test]
    fn a_good_one() {
        let config = check(GOOD).unwrap_or_else(|report| panic!("{report}"));
        let names: Vec<_> = config.links.iter().map(|link| link.name.as_str()).collect();
        assert_eq!(names, ["issuer-a", "terminals"]);
        let issuer = config.links.first().unwrap();
        assert_eq!((issuer.asks, issuer.answers, issuer.timeout_ms), (false, true, 2000));
        assert_eq!(issuer.framing.length, framing::Length::ASCII_4);
        assert!(matches!(&issuer.place, Place::Dial { peers, sessions: 2 } if peers.len() == 2));
        assert_eq!(config.daemon.console.unwrap().port(), 9583);
        assert!(config.journal.directory.ends_with("state/journal"));
        assert!(config.clearing.directory.ends_with("state/clearing"));
        assert_eq!(config.routes.first().unwrap().to, [issuer.id]);
        let engine = config.engine();
        assert_eq!(engine.links.len(), 2);
        let facts = Facts::new(Class::Financial, Some(b"5413330000004111"), [&[]; 7]);
        assert_eq!(engine.routes.pick(&facts).unwrap().to, [issuer.id]);
    }

    #[test]
    fn one_fault_in_what_claims_are_judged_by() {
        for (from, to, said) in [
            (
                "[[routes]]",
                "[clearing.captures]\nvalidity_day = 3\n[[routes]]",
                "did you mean `validity_days`?",
            ),
            (
                "[[routes]]",
                "[[clearing.captures.tolerance]]\nmcc = \"581\"\n[[routes]]",
                "four digits, or two of them like 3501-3999",
            ),
            (
                "[[routes]]",
                "[[clearing.captures.tolerance]]\namount = 5\n[[routes]]",
                "`amount` and `currency` of a tolerance go together",
            ),
            (
                "[[routes]]",
                "[[clearing.captures.validity]]\nmcc = \"7011\"\n[[routes]]",
                "`days` is missing in [[clearing.captures.validity]]",
            ),
        ] {
            one_fault(from, to, said);
        }
    }

    /// Each line put into the good one, and what is said about it.
    #[test]
    fn one_fault_at_a_time() {
        for (from, to, said) in [
            ("state = \"state\"", "", "`state` is missing in [daemon]"),
            ("state = \"state\"", "state = \"pan.key\"", "`state` is not a directory"),
            ("state = \"state\"", "state = 5", "an integer: a text in quotes belongs here"),
            ("file:pan.key", "file:pan.kez", "cannot be read"),
            ("file:pan.key", "pan.key", "neither `credential:NAME` nor `file:PATH`"),
            ("[daemon]", "[daemon]\nworkers = 0", "from 1 to 64"),
            ("[daemon]", "[daemon]\nworkers = -1", "from 1 to 64"),
            ("[daemon]", "[daemon]\nworkers = \"2\"", "a string: a whole number belongs here"),
            ("[daemon]", "[daemon]\nworker = 2", "did you mean `workers`?"),
            ("[daemon]", "[deamon]\n[daemon]", "unknown key `deamon`"),
            ("[daemon]", "[daemon]\nconsole = \"0.0.0.0:1\"", "console_anywhere = true"),
            ("[daemon]", "[daemon]\nconsole = \"localhost\"", "an IP address and a port"),
            ("[daemon]", "rules = 1\n[daemon]", "an integer: a table belongs here"),
            ("\"asker\"", "\"askr\"", "did you mean \"asker\"?"),
            ("role = \"asker\"\n", "", "`role` is missing in [links.terminals]"),
            ("\"iso87-bcd\"", "\"iso87-bdc\"", "did you mean \"iso87-bcd\"?"),
            ("\"iso87-bcd\"", "\"visa\"", "shipped are iso87-ascii"),
            ("\"iso87-bcd\"", "\"./visa.dialect\"", "No such file"),
            ("iso87-bcd", "iso2003-binary", "its version is 2003"),
            ("iso87-bcd", "ipm-latin1", "the switch cannot speak this dialect"),
            ("6000010000", "60000100", "a TPDU of ten hexadecimal digits"),
            ("tpdu", "sessions = 2\ntpdu", "`sessions` is for links that dial"),
            ("sessions = 2", "sessions_max = 2", "`sessions_max` is for links that listen"),
            ("tpdu", "timeout_ms = 2000\ntpdu", "`timeout_ms` is for links that answer"),
            ("tpdu", "dial = \"a:1\"\ntpdu", "a link either listens or dials"),
            ("127.0.0.1:0", "localhost:0", "an IP address and a port"),
            ("127.0.0.1:0", "127.0.0.1:9583", "this link and the console listen on"),
            ("issuer.example:9001", "issuer.example", "a host and a port"),
            ("sessions = 2", "settle_ms = 1999", "`settle_ms` is shorter than `timeout_ms`"),
            (
                "\"ascii-4\"",
                "\"ascii-4\"\nframe_len_max = 10000",
                "9999 at most with this `length`",
            ),
            ("links.terminals", "links.\"a b\"", "a link cannot be called \"a b\""),
            ("541333", "54133x", "a card range is a prefix"),
            ("400000-499999", "541332-5413335", "overlap"),
            ("400000-499999", "541333", "never gets here"),
            ("to = [\"issuer-a\"]", "to = [\"issuer-b\"]", "did you mean \"issuer-a\"?"),
            ("to = [\"issuer-a\"]", "to = [\"terminals\"]", "its role is \"asker\""),
            ("to = [\"issuer-a\"]", "", "`to` is missing in [[routes]]"),
            ("to = [\"issuer-a\"]", "to = []", "`to` is empty in [[routes]]"),
            ("sessions = 2", "timeout = 15", "did you mean `timeout_ms`?"),
            ("[daemon]", "[daemon]\ndrain_ms_max = \"20s\"", "20000 is 20 s"),
            (
                "class = \"financial\"",
                "class = \"finance\"",
                "one of \"authorization\", \"financial\"",
            ),
            ("class = \"financial\"", "processing_code = \"0000000\"", "up to six digits"),
            ("[[routes]]", "[clearing]\nprocessor = \"1\"\n[[routes]]", "exactly 11, in quotes"),
            (
                "[[routes]]",
                "[clearing]\ncycles = [\"06:00\", \"6:30\"]\n[[routes]]",
                "hours and minutes like \"14:00\"",
            ),
            (
                "[[routes]]",
                "[rules]\ntimeout_code = \"9 1\"\n[[routes]]",
                "1 to 4 letters or digits",
            ),
            ("class = \"financial\"", "class = financial", "this is not TOML"),
        ] {
            one_fault(from, to, said);
        }
    }

    /// The same, about the business day.
    #[test]
    fn one_fault_of_the_day_at_a_time() {
        const DAY: &str = "[[routes]]";
        for (line, said) in [
            ("cut_at = \"24:00\"", "from 00:00 to 23:59, or \"off\""),
            ("cut_at = \"7:30\"", "from 00:00 to 23:59, or \"off\""),
            ("cut_at = 23", "an integer: a text in quotes belongs here"),
            ("utc_offset = \"01:00\"", "ahead of UTC like \"+01:00\""),
            ("utc_offset = \"-14:01\"", "behind it like \"-05:00\""),
            ("cut_of = \"23:00\"", "did you mean `cut_at`?"),
        ] {
            one_fault(DAY, &format!("[day]\n{line}\n{DAY}"), said);
        }
        let day = |lines: &str| {
            let text = GOOD.replace(DAY, &format!("[day]\n{lines}\n{DAY}"));
            check(&text).unwrap_or_else(|report| panic!("{report}")).day
        };
        assert_eq!(day(""), DaySettings::default());
        assert_eq!(day("cut_at = \"off\""), DaySettings::default());
        let night = DaySettings { cut_at_ms: Some(84_600_000), utc_offset_min: -330 };
        assert_eq!(day("cut_at = \"23:30\"\nutc_offset = \"-05:30\""), night);
        for (from, to, said) in [
            (
                "tpdu",
                "cut_over_code = \"301\"\ntpdu",
                "`echo_code` and `cut_over_code` are the same",
            ),
            ("tpdu", "cut_over = \"both\"\ntpdu", "one of \"none\", \"accept\", \"send\""),
            ("tpdu", "settlement_date = \"yes\"\ntpdu", "one of \"pass\", \"stamp\""),
        ] {
            one_fault(from, to, said);
        }
    }

    /// The same, about what a link may cost others.
    #[test]
    fn one_fault_of_load_at_a_time() {
        for (from, to, said) in [
            ("tpdu", "burst = 5\ntpdu", "`burst` says nothing without `rate_max`"),
            (
                "tpdu",
                "merchant_burst = 5\ntpdu",
                "`merchant_burst` says nothing without `merchant_rate_max`",
            ),
            ("tpdu", "rate_max = 1_000_001\ntpdu", "from 0 to 1000000"),
            ("tpdu", "breaker_timeouts = 3\ntpdu", "`breaker_timeouts` is for links that answer"),
            ("sessions = 2", "rate_max = 3", "`rate_max` is for links that ask"),
            ("sessions = 2", "breaker_probe_ms = 10", "from 50 to 3600000"),
        ] {
            one_fault(from, to, said);
        }
        let text =
            GOOD.replace("tpdu", "rate_max = 50\nmerchant_rate_max = 5\nmerchant_burst = 9\ntpdu");
        let config = check(&text).unwrap_or_else(|report| panic!("{report}"));
        let [issuer, asker] = config.links.as_slice() else { panic!("two links") };
        assert_eq!(asker.rate, Rate { per_second: 50, burst: 50 });
        assert_eq!(asker.merchant_rate, Rate { per_second: 5, burst: 9 });
        assert_eq!(issuer.rate, Rate::default());
        assert_eq!(issuer.breaker, BreakerSettings { timeouts: 20, probe_ms: 5000 });
    }

    /// Element 15 is written by the switch only where its network has it as a date.
    #[test]
    fn a_date_that_has_no_place() {
        let home = home();
        for row in ["15 n 6 - ascii keep date", "15 n..4 ascii 1 ascii keep date"] {
            let text = format!("dialect own\nextends iso87-ascii\n{row}\n");
            fs::write(home.path().join("own.dialect"), text).unwrap();
            let text =
                GOOD.replace("\"iso87-bcd\"", "\"./own.dialect\"\nsettlement_date = \"stamp\"");
            let Err(report) = parse("iso8583d.toml", text, home.path()) else { panic!("{row}") };
            assert!(report.to_string().contains("no element 15 of four digits"), "{row}: {report}");
            assert_eq!(report.count(), 1, "{report}");
        }
    }

    /// The same, about what routes ask for.
    #[test]
    fn one_fault_of_a_route_at_a_time() {
        const LINE: &str = "class = \"financial\"";
        for (line, said) in [
            ("acquirer = \"123456789012\"", "1 to 11 digits: element 32"),
            ("merchant = \"0123456789abcdef\"", "1 to 15 characters: element 42"),
            ("merchant = []", "`merchant` has no value"),
            ("mcc = \"541\"", "four digits like 5411"),
            ("mcc = \"5411-5410\"", "ends before it begins"),
            ("mcc = 5411", "a text in quotes, or a list of them"),
            ("currency = \"EUR\"", "978 is the euro"),
            ("currency = [\"978\", \"000\"]", "three digits, the number of a currency"),
            ("amount_to = 5", "an amount of no currency"),
            ("currency = \"978\"\namount_to = 1_000_000_000_000", "`amount_to` is out of range"),
            (
                "currency = \"978\"\namount_to = 5\namount_from = 6",
                "`amount_to` is less than `amount_from`",
            ),
            ("entry_mode = \"5\"", "two digits: how element 22 begins"),
            ("bins = \"cards.cvs\"", "`bins` names a file that cannot be read"),
            ("bins = \"pan.key\"", "this is no card range"),
        ] {
            one_fault(LINE, line, said);
        }
        for (line, said) in [
            ("share = \"turn\"", "did you mean \"turns\"?"),
            ("weights = 3", "a list of whole numbers belongs here"),
            ("weights = [0]", "from 1 to 1000"),
            ("weights = [\"3\"]", "a whole number belongs here"),
            ("weights = [3, 1]", "2 here, 1 there"),
            ("share = \"turns\"\nweights = [3]", "keep the one or the other"),
            ("reroute = \"no\"", "true or false"),
        ] {
            one_fault(LINE, line, said);
        }
        for (line, stays) in [("reroute = true", false), ("reroute = false", true), ("", false)] {
            let config = check(&GOOD.replacen(LINE, line, 1));
            let config = config.unwrap_or_else(|report| panic!("{report}"));
            assert_eq!(config.routes.first().map(|rule| rule.stays), Some(stays), "{line}");
        }
        let nothing = "to = [\"issuer-a\"]\n[[routes]]\nbins = []\nto = \"issuer-a\"";
        one_fault("to = [\"issuer-a\"]", nothing, "`bins` has no value");
    }

    /// A rule that asks for more first is fine; one that is behind a rule that takes all of its messages is told.
    #[test]
    fn rules_that_no_message_reaches() {
        let euro = "merchant = [\"B\", \"A\"]\ncurrency = \"978\"\namount_from = 100";
        let dear = "merchant = \"A\"\ncurrency = \"978\"\namount_from = 200\nmcc = \"5411\"";
        for cards in ["bin = \"6\"", "bin = \"6000-6999\"", ""] {
            let route = |asks: &str| format!("[[routes]]\n{cards}\n{asks}\nto = \"issuer-a\"\n");
            let fine = [GOOD, &route(dear), &route(euro), &route("mcc = \"5411\""), &route("")];
            assert!(check(&fine.concat()).is_ok(), "{cards}:\n{}", faults(&fine.concat()));
            for later in [euro, "mcc = \"5411\"", "", dear] {
                for earlier in ["", euro] {
                    let text = [GOOD, &route(earlier), &route(later)].concat();
                    if earlier == euro && later != euro && later != dear {
                        assert!(check(&text).is_ok(), "{earlier} / {later}");
                        continue;
                    }
                    let report = faults(&text);
                    assert_eq!(report.count(), 1, "{report}");
                    let said =
                        if cards.is_empty() { "no message gets to" } else { "never gets here" };
                    let place = report.faults().first().unwrap().place().0;
                    assert!(report.to_string().contains(said), "{report}");
                    assert!(28 < place, "the later one is to blame: line {place}");
                }
            }
        }
    }

    /// Two tables of which each range crosses two of the other: fine where they want different messages, told where not.
    #[test]
    fn ranges_that_cross_are_compared_once() {
        let home = home();
        let table = |offset: u32| -> String {
            (0..20_000)
                .map(|at| 100_000 + at * 10 + offset)
                .fold(String::new(), |text, first| format!("{text}{first},{}\n", first + 9))
        };
        fs::write(home.path().join("even.csv"), table(0)).unwrap();
        fs::write(home.path().join("odd.csv"), table(5)).unwrap();
        let route = |bins: &str, class: &str| {
            format!("[[routes]]\nbins = \"{bins}.csv\"\nclass = \"{class}\"\nto = \"issuer-a\"\n")
        };
        let text = [GOOD, &route("even", "financial"), &route("odd", "authorization")].concat();
        let config = parse("iso8583d.toml", text.clone(), home.path()).unwrap();
        let card = |pan| Facts::new(Class::Authorization, Some(pan), [&[]; 7]);
        let table = config.engine().routes;
        assert_eq!(table.pick(&card(b"1000050000000000")).unwrap().rule, 2);
        assert_eq!(table.pick(&card(b"1000040000000000")), None);
        let Err(report) =
            parse("iso8583d.toml", text.replace("authorization", "financial"), home.path())
        else {
            panic!("taken as good")
        };
        assert!(report.to_string().ends_with("100 faults, and more"), "{report}");
    }

    #[test]
    fn card_ranges_from_files() {
        let home = home();
        let routes = |tables: &[(&str, &str)]| {
            let mut text = GOOD.to_owned();
            for (name, lines) in tables {
                fs::write(home.path().join(name), lines).unwrap();
                text = format!(
                    "{text}[[routes]]\nbins = \"{name}\"\nclass = \"financial\"\nto = \"issuer-a\"\n"
                );
            }
            parse("iso8583d.toml", text, home.path())
        };
        let config = routes(&[("a.csv", CARDS)]).unwrap_or_else(|report| panic!("{report}"));
        let cards = ["222100-222199", "2720"].map(|text| CardRange::parse(text).unwrap());
        assert_eq!(config.routes.last().unwrap().cards, cards);
        // What a table says twice, or within, is fine.
        assert!(routes(&[("a.csv", "66\n66,66\n6600\n")]).is_ok());
        for (tables, said, (line, column)) in [
            (&[("a.csv", "bin\n66\n  6x ,7\n")][..], "this is no card range", (3, 3)),
            (&[("a.csv", "66,\n")], "this is no card range", (1, 1)),
            (&[("a.csv", "66,67,DE\n")], "and nothing else", (1, 4)),
            (&[("a.csv", "67,66")], "ends before it begins", (1, 4)),
            (&[("a.csv", "12345678901234567890")], "1 to 19 digits", (1, 1)),
            (&[("a.csv", "# nothing\nbin\n")], "without card ranges", (27, 8)),
            (
                &[("a.csv", "60,65\n64,67\n")],
                "`bins` \"60,65\" and `bins` \"64,67\" overlap",
                (2, 1),
            ),
            (&[("a.csv", "60\n"), ("b.csv", "\n60 # here\n")], "a.csv:1:1", (2, 1)),
            (&[("a.csv", "541333")], "iso8583d.toml:23:8", (1, 1)),
        ] {
            let Err(report) = routes(tables) else { panic!("{tables:?}") };
            assert_eq!(report.count(), 1, "{tables:?}\n{report}");
            assert_eq!(report.faults().first().unwrap().place(), (line, column), "{report}");
            assert!(report.to_string().contains(said), "{said}\nis not in\n{report}");
        }
        let Err(report) = routes(&[("a.csv", &"6x\n".repeat(5000))]) else { panic!() };
        assert!(report.to_string().ends_with("100 faults, and more"), "{report}");
        fs::write(home.path().join("latin.csv"), b"60\n61 # caf\xe9\n").unwrap();
        let text = GOOD.replace("class", "bins = \"latin.csv\"\nclass");
        let Err(report) = parse("iso8583d.toml", text, home.path()) else { panic!() };
        assert!(report.to_string().contains("not text in UTF-8: see its line 2"), "{report}");
    }

    /// The same, about what stands around messages.
    #[test]
    fn one_fault_of_a_framing_at_a_time() {
        for (from, to, said) in [
            ("\"ascii-4\"", "\"ascii4\"", "did you mean \"ascii-4\"?"),
            ("\"ascii-4\"", "\"utf8\"", "not a length: binary-1 to binary-4, binary-2-le"),
            ("\"ascii-4\"", "\"none\"\nreserved = \"00\"", "no length before these bytes"),
            (
                "\"ascii-4\"",
                "\"none\"\nlength_counts = [\"itself\"]",
                "there is no length to count",
            ),
            (
                "\"ascii-4\"",
                "\"ascii-4\"\nlength_counts = [\"itself\", \"trailer\"]",
                "\"trailer\" is counted, and there is none",
            ),
            ("\"ascii-4\"", "\"ascii-4\"\nlength_counts = \"itsself\"", "did you mean \"itself\"?"),
            (
                "\"ascii-4\"",
                "\"ascii-2\"\nlength_counts = [\"itself\"]\nframe_len_max = 98",
                "97 at most with this `length`",
            ),
            (
                "\"ascii-4\"",
                "\"ascii-4\"\nprefix = \"2\"",
                "one to eight bytes, two hexadecimal digits",
            ),
            ("\"ascii-4\"", "\"ascii-4\"\nkeep_alive = \"ecko\"", "did you mean \"echo\"?"),
            ("\"ascii-4\"", "\"none\"\nkeep_alive = \"echo\"", "a frame without a message"),
            ("\"ascii-4\"", "\"ascii-4\"\nheader = \"iso\"", "base24:ISO025000050"),
            (
                "\"ascii-4\"",
                "\"none\"\ntrailer = \"3\"",
                "one to eight bytes, two hexadecimal digits",
            ),
            ("tpdu", "header = \"echo:00\"\ntpdu", "a message has one header"),
            ("tpdu", "length = \"none\"\ntrailer = \"03\"\n#", "`trailer` alone cannot end"),
            (
                "\"ascii-4\"",
                "\"none\"\ntrailer = \"03\"\ntpdu = \"6000010000\"",
                "a length, or another trailer",
            ),
        ] {
            one_fault(from, to, said);
        }
    }

    /// Something else in the good one is one fault, and this is said about it.
    fn one_fault(from: &str, to: &str, said: &str) {
        assert!(GOOD.contains(from), "{from}");
        let report = faults(&GOOD.replacen(from, to, 1));
        assert!(report.to_string().contains(said), "{to}: {said}\nis not in\n{report}");
        assert_eq!(report.count(), 1, "{to}:\n{report}");
    }

    /// The same, about what is approved in issuers' place.
    #[test]
    fn one_fault_of_a_stand_in_at_a_time() {
        const WHOLE: &str =
            "currency = \"978\"\namount_max = 5_000\ncount_max = 3\ntotal_max = 10_000";
        let with = |lines: &str| format!("{GOOD}\n[routes.stand_in]\n{lines}\n");
        let config = check(&with(WHOLE)).unwrap_or_else(|report| panic!("{report}"));
        let limits = config.engine().stand_in.first().cloned().flatten().unwrap();
        assert_eq!((limits.amount_max, limits.count_max, limits.total_max), (5_000, 3, 10_000));
        assert_eq!((limits.currency, limits.kinds.as_slice()), (*b"978", &[*b"00"][..]));
        for (line, on) in [
            ("", (true, false)),
            ("on = \"down\"", (true, false)),
            ("on = [\"down\", \"timeout\"]", (true, true)),
            ("on = \"timeout\"", (false, true)),
        ] {
            let config =
                check(&with(&format!("{WHOLE}\n{line}"))).unwrap_or_else(|r| panic!("{r}"));
            let limits = config.engine().stand_in.first().cloned().flatten().unwrap();
            assert_eq!((limits.while_down, limits.after_timeout), on, "{line}");
            assert_eq!(limits.late, LateApproval::Reverse);
        }
        let late = |to: &str| {
            let line = format!("{WHOLE}\non = \"timeout\"\nlate_approval = \"{to}\"");
            let config = check(&with(&line)).unwrap_or_else(|r| panic!("{r}"));
            config.engine().stand_in.first().cloned().flatten().unwrap().late
        };
        assert_eq!(late("reverse"), LateApproval::Reverse);
        assert_eq!(late("match"), LateApproval::Match);
        let line = format!("{WHOLE}\non = \"timeout\"\nlate_approval = \"match\"");
        for rule in ["drop = [37]", "set = { 37 = \"000000000001\" }", "copy = { 37 = 11 }"] {
            let changed = format!("{}\n[[links.issuer-a.write]]\n{rule}\n", with(&line));
            let report = faults(&changed).to_string();
            let said = "link \"issuer-a\" cannot say which request";
            assert!(report.contains(said), "{rule}: {report}");
        }
        for (from, to, said) in [
            ("currency = \"978\"", "", "`currency` is missing"),
            ("count_max = 3", "", "`count_max` is missing"),
            ("\"978\"", "\"EUR\"", "978 is the euro"),
            ("5_000", "0", "from 1 to 999999999999"),
            ("5_000", "20_000", "`total_max` is less than `amount_max`"),
            (
                "count_max = 3",
                "count_max = 3\nprocessing_codes = [\"000\"]",
                "two digits: how element 3 begins",
            ),
            ("count_max = 3", "count_max = 3\ncount = 3", "unknown key `count`"),
            ("count_max = 3", "count_max = 3\non = \"time-out\"", "\"down\", \"timeout\", or both"),
            ("count_max = 3", "count_max = 3\non = []", "`on` has no value"),
            (
                "count_max = 3",
                "count_max = 3\nlate_approval = \"match\"",
                "`late_approval` without \"timeout\" in `on`",
            ),
            (
                "count_max = 3",
                "count_max = 3\non = \"timeout\"\nlate_approval = \"ignore\"",
                "\"reverse\"",
            ),
        ] {
            let report = faults(&with(&WHOLE.replacen(from, to, 1)));
            assert!(report.to_string().contains(said), "{to}: {said}\nis not in\n{report}");
            assert_eq!(report.count(), 1, "{to}:\n{report}");
        }
    }

    /// The same, about what stands between a link and the house.
    #[test]
    fn one_fault_of_a_mapping_at_a_time() {
        let bank = "sign_on = \"send\"";
        for (lines, said) in [
            ("codes = { \"85\" = \"000\" }", "`codes` is for links of ISO 8583:1993"),
            ("network_mti = \"0810\"", "like 0800 or 0820"),
            ("network_mti = \"1804\"", "like 0800 or 0820"),
            ("[[links.issuer-a.write]]", "[[write]] changes nothing"),
            ("[[links.issuer-a.write]]\nset = { 4 = \"000000000001\" }", "may not touch element 4"),
            ("[[links.issuer-a.write]]\nset = { 39 = \"00\" }", "`codes`"),
            ("[[links.issuer-a.read]]\nset = { 41 = \"TERM0001\" }", "may not touch element 41"),
            (
                "[[links.issuer-a.write]]\nset = { 33 = \"12A\" }",
                "cannot put \"12A\" into element 33",
            ),
            ("[[links.issuer-a.write]]\nset = { 32 = \"123456789012\" }", "into element 32"),
            (
                "[[links.issuer-a.write]]\nset = { 32 = \"1\" }\nmessages = \"0200\"",
                "in some messages",
            ),
            ("[[links.issuer-a.read]]\nset = { 32 = \"1\" }", "may not touch element 32"),
            ("[[links.issuer-a.write]]\nset = { 129 = \"1\" }", "a number from 2 to 128"),
            ("[[links.issuer-a.write]]\nset = { x = \"1\" }", "a number from 2 to 128"),
            ("[[links.issuer-a.write]]\nset = { 33 = 1 }", "a text in quotes belongs here"),
            ("[[links.issuer-a.write]]\nset = \"33\"", "a table with numbers as its keys"),
            ("[[links.issuer-a.write]]\ncopy = { 48 = 55 }", "element 55 cannot be copied"),
            ("[[links.issuer-a.write]]\ncopy = { 48 = 200 }", "from 2 to 128"),
            ("[[links.issuer-a.write]]\ndrop = [48]\nmessages = \"1200\"", "like 0200"),
            (
                "[[links.issuer-a.write]]\ndrop = [48]\nmesages = \"0200\"",
                "did you mean `messages`?",
            ),
        ] {
            // Keys of the link itself stand before its tables.
            let (before, after) = if lines.starts_with('[') { ("", lines) } else { (lines, "") };
            let text = GOOD.replacen(bank, &format!("{bank}\n{before}"), 1);
            let report = faults(&format!("{text}\n{after}\n"));
            assert!(report.to_string().contains(said), "{lines}: {said}\nis not in\n{report}");
            assert_eq!(report.count(), 1, "{lines}:\n{report}");
        }
    }

    #[test]
    fn a_link_of_1993() {
        let text = GOOD.replace(
            "\"iso87-ascii\"",
            "\"iso93-ascii\"\nnetwork_mti = \"1820\"\ncodes = { \"85\" = \"083\" }",
        );
        let changes = "[[links.issuer-a.write]]\nmessages = [\"1200\"]\nwhen = { 3 = \"20\" }\nset = { 24 = \"201\" }\n                       drop = [63]\n[[links.issuer-a.write]]\ndefault = { 32 = \"999999\" }\ncopy = { 48 = 60 }\n                       [[links.issuer-a.read]]\ndrop = [62]\n";
        let config =
            check(&format!("{text}\n{changes}")).unwrap_or_else(|report| panic!("{report}"));
        let issuer = config.links.first().unwrap();
        assert_eq!(issuer.network.codes, switch::NetworkCodes::USUAL_1993);
        assert_eq!(issuer.tongue.wire().name(), "iso93-ascii");
        assert!(issuer.engine().dialect().approves(ResponseCode::APPROVED));
        for (from, to, said) in [
            ("\"083\"", "\"83\"", "three digits: an action code of 1993"),
            ("\"1820\"", "\"0800\"", "like 1804 or 1820"),
            (
                "\"iso87-bcd\"",
                "\"./three.dialect\"",
                "has element 130 beside a link of ISO 8583:1993",
            ),
        ] {
            let home = home();
            let three =
                "dialect three\nextends iso87-bcd\nthird contiguous\n130 n 6 - bcd keep more\n";
            fs::write(home.path().join("three.dialect"), three).unwrap();
            let text = text.replacen(from, to, 1);
            let Err(report) = parse("iso8583d.toml", text, home.path()) else { panic!("{said}") };
            assert!(report.to_string().contains(said), "{said}\nis not in\n{report}");
            assert_eq!(report.count(), 1, "{report}");
        }
    }

    /// A dialect that names no version is looked at all the same.
    #[test]
    fn a_dialect_that_the_switch_cannot_speak() {
        const ALONE: &str = "mti ascii\nbitmap hex\necho 11\napprove 00\naccept 00\nretry 91\n11 n 6 - ascii keep trace";
        for (lines, said) in [
            (
                "extends iso87-ascii\n39 n 3 - ascii keep code",
                "its element 39 has a length of 3, and not of 2",
            ),
            (
                "extends iso87-ascii\n11 n 12 - ascii keep trace",
                "its element 11 has a length of 12, and not of 6",
            ),
            (ALONE, "it has no element 39"),
        ] {
            let text = format!("dialect own\n{lines}\n");
            let home = home();
            fs::write(home.path().join("own.dialect"), text).unwrap();
            let text = GOOD.replace("\"iso87-bcd\"", "\"./own.dialect\"");
            let Err(report) = parse("iso8583d.toml", text, home.path()) else { panic!("{said}") };
            assert!(report.to_string().contains(said), "{report}");
            assert_eq!(report.count(), 1, "{report}");
        }
    }

    #[test]
    fn ranges_that_are_fine() {
        for extra in [
            // Narrower within wider; the same cards for another class, or for more of a processing code first.
            "[[routes]]\nbin = \"541333000\"\nto = \"issuer-a\"",
            "[[routes]]\nbin = \"541333\"\nclass = \"authorization\"\nto = \"issuer-a\"",
            "[[routes]]\nbin = \"541333\"\nto = \"issuer-a\"",
            "[[routes]]\nto = \"issuer-a\"",
        ] {
            let text = format!("{GOOD}\n{extra}\n");
            assert!(check(&text).is_ok(), "{extra}:\n{}", faults(&text));
        }
    }

    #[test]
    fn five_faults_in_one_report() {
        let text = GOOD
            .replace("[daemon]", "[daemon]\nworkers = 0")
            .replace("role = \"asker\"", "rolle = \"asker\"\nrole = \"asker\"")
            .replace("iso87-ascii", "iso87-asci")
            .replace("541333", "54l333")
            .replace("to = [\"issuer-a\"]", "to = [\"issuer-b\"]");
        let report = faults(&text);
        let places: Vec<_> = report.faults().iter().map(Fault::place).collect();
        assert_eq!(places, [(3, 11), (8, 1), (18, 11), (25, 8), (27, 7)], "{report}");
        let drawn = report.to_string();
        let carets =
            drawn.lines().filter(|line| line.trim_start_matches([' ', '|']).starts_with('^'));
        assert_eq!(carets.count(), 5, "{drawn}");
        assert!(drawn.ends_with("5 faults"), "{drawn}");
    }

    #[test]
    fn torn_and_still_read() {
        let report = faults(&GOOD.replace("state = \"state\"", "state = \"state"));
        assert!(report.to_string().contains("this is not TOML"), "{report}");
        assert!(!report.to_string().contains("is missing"), "{report}");
    }

    #[test]
    fn links_that_get_in_each_others_way() {
        let issuer = "role = \"issuer\"\nlisten = \"127.0.0.1:7001\"\ndialect = \"iso87-ascii\"\nclearing = \"a\"";
        let text = format!("[links.x]\n{issuer}\n[links.y]\n{issuer}\n{GOOD}");
        let report = faults(&text);
        for part in
            ["two links listen on 127.0.0.1:7001", "two issuers with one clearing file, `a`"]
        {
            assert!(report.to_string().contains(part), "{report}");
        }
        // One of all addresses takes that of the other, too.
        for (all, said) in [
            ("0.0.0.0:7001", "two links listen on 0.0.0.0:7001 and 127.0.0.1:7001, of which"),
            ("[::]:7001", "two links listen on [::]:7001 and 127.0.0.1:7001, of which"),
            ("0.0.0.0:9583", "this link and the console listen on 0.0.0.0:9583"),
            ("0.0.0.0:7002", "one clearing file"),
        ] {
            let everywhere =
                format!("{}\nplaintext = \"anywhere\"", issuer.replace("127.0.0.1:7001", all));
            let text = format!("[links.x]\n{everywhere}\n[links.y]\n{issuer}\n{GOOD}");
            let report = faults(&text).to_string();
            assert!(report.contains(said), "{all}: {report}");
        }
    }

    /// The reference has every key, and its values are the defaults.
    #[test]
    fn the_reference() {
        let text =
            include_str!("../../docs/iso8583d.toml").replace("credential:pan-key", "file:pan.key");
        let framing = ["prefix", "reserved", "header", "trailer"];
        let asked = ["bins", "class", "processing_code", "acquirer", "merchant", "mcc", "currency"];
        let text = framing
            .iter()
            .chain(&asked)
            .chain(&["amount_from", "amount_to", "entry_mode"])
            .fold(text, |text, key| text.replace(&format!("# {key} ="), &format!("{key} =")));
        let text = text.replace("# weights = [3, 1]", "weights = [3]");
        let text = text.replace("credential:server-key", "file:server.key");
        // A link has one header or the other, and a route shares in one way.
        let one = text.replace("tpdu = \"6000010000\"", "").replace("share = \"first\"", "");
        let home = home_with_papers();
        let config = parse("iso8583d.toml", one, home.path());
        let config = config.unwrap_or_else(|report| panic!("{report}"));
        // A link with TLS has no word for a link without.
        let text = text.replace("# plaintext =", "plaintext =");
        // Nor has one of 1987 a table of codes.
        let text = text.replace("# codes =", "codes =").replace("# network_mti", "network_mti");
        let keys = |key: &str| {
            let (line, table) = (format!("{key} ="), format!(".{key}]"));
            text.lines().any(|have| have.starts_with(&line) || have.contains(&table))
        };
        // Its tables have names of their own.
        let tls = ["(tls, \"", "(&client, \""]
            .iter()
            .fold(include_str!("tls.rs").to_owned(), |text, call| {
                text.replace(call, "section.word(\"")
            });
        let tls = tls.replace("tls.", "section.").replace("client.", "section.");
        let mut asked = Vec::new();
        for file in [
            include_str!("sections.rs"),
            include_str!("captures.rs"),
            include_str!("day.rs"),
            include_str!("load.rs"),
            include_str!("links.rs"),
            include_str!("frames.rs"),
            include_str!("routes.rs"),
            include_str!("stand_in.rs"),
            include_str!("changes.rs"),
            &tls,
        ] {
            let calls = [
                "text",
                "texts",
                "number",
                "number_u32",
                "number_usize",
                "numbers",
                "choice",
                "word",
                "flag",
                "has",
            ];
            for call in calls {
                let begin = format!("section.{call}(\"");
                asked.extend(file.split(&begin).skip(1).filter_map(|rest| rest.split('"').next()));
            }
            for begin in ["digits(section, \"", "words(section, \""] {
                asked.extend(file.split(begin).skip(1).filter_map(|rest| rest.split('"').next()));
            }
        }
        assert!(50 < asked.len());
        let left_out: Vec<_> = asked.into_iter().filter(|key| !keys(key)).collect();
        assert!(left_out.is_empty(), "{left_out:?}");
        let without = check(GOOD).unwrap_or_else(|report| panic!("{report}"));
        let of = |config: &Config| {
            (config.daemon.clone(), config.window, config.rules, config.carry_every)
        };
        let (with, without) = (format!("{:?}", of(&config)), format!("{:?}", of(&without)));
        let state = |text: &str| text.split_once("workers").map(|(_, rest)| rest.to_owned());
        assert_eq!(state(&with), state(&without));
    }

    /// The lines for each peer, and each length, are ones that a link may have.
    #[test]
    fn the_page_on_framing_is_true() {
        let page = include_str!("../../docs/framing.md");
        let peers = page.split_once("## Peers of the field").unwrap().1;
        let mut seen = 0;
        for row in peers.lines().filter(|row| row.starts_with("| ")).skip(1) {
            let pieces = row.split('`').skip(1).step_by(2).filter(|piece| piece.contains(" = "));
            let lines: Vec<_> = pieces.collect();
            let text = GOOD.replace("length = \"ascii-4\"", &lines.join("\n"));
            assert!(!lines.is_empty() && check(&text).is_ok(), "{row}:\n{}", faults(&text));
            seen += 1;
        }
        assert!(15 < seen, "only {seen} peers");
        for name in framing::Length::names() {
            let (coding, width) = name.split_once('-').unwrap_or((name, ""));
            let named = page.lines().any(|row| row.starts_with("| `") && row.contains(coding));
            assert!(named, "{coding} {width} is not on the page");
        }
    }

    const LISTENING: &str = r#"
[links.terminals.tls]
certificate = "server.pem"
key = "file:server.key"
peers_ca = "clients-ca.pem"
crl = "clients-crl.pem"

[[links.terminals.tls.clients]]
san = "shop-7.example"
terminals = ["TERM0007", "TERM0008"]
merchants = "SHOP-7"

[[links.terminals.tls.clients]]
san = "urn:shop:8"

[links.issuer-a.tls]
peers_ca = "issuer-ca.pem"
server_name = "bank.example"
"#;

    /// The good one, encrypted.
    fn encrypted() -> String {
        GOOD.replace("plaintext = \"anywhere\"\n", "") + LISTENING
    }

    #[test]
    fn links_that_encrypt() {
        let home = home_with_papers();
        let config = parse("iso8583d.toml", encrypted(), home.path());
        let config = config.unwrap_or_else(|report| panic!("{report}"));
        assert!(config.stale.is_empty() && config.links.iter().all(|link| link.tls.is_some()));
        let terminals = &config.links[1];
        let sans: Vec<_> = terminals.clients.iter().map(|one| one.san.to_string()).collect();
        assert_eq!(sans, ["shop-7.example", "urn:shop:8"]);
        let grant = &terminals.clients[0].grant;
        assert!(grant.terminals.contains(&b"TERM0008"[..]) && grant.merchants.len() == 1);
        assert_eq!(terminals.clients[1].grant, Grant::default());
        let shown = format!("{config:?}");
        let key = fs::read_to_string(home.path().join("server.key")).unwrap();
        let secret = key.lines().nth(1).unwrap();
        assert!(!shown.contains(secret) && shown.contains("Tls(listening)"), "{shown}");
        // Without certificates of clients.
        let text = encrypted();
        let (own, rest) = text.split_once("peers_ca = \"clients-ca.pem\"").unwrap();
        let (_, issuer) = rest.split_once("[links.issuer-a.tls]").unwrap();
        let open = format!("{own}version_min = \"1.3\"\n[links.issuer-a.tls]{issuer}");
        let config = parse("iso8583d.toml", open, home.path());
        let config = config.unwrap_or_else(|report| panic!("{report}"));
        assert!(config.links[1].clients.is_empty() && config.links[1].tls.is_some());
    }

    #[test]
    fn one_fault_of_tls_at_a_time() {
        let home = home_with_papers();
        for (from, to, said) in [
            ("\"server.pem\"", "\"nowhere.pem\"", "No such file"),
            ("\"server.pem\"", "\"server.key\"", "there is no certificate in it"),
            ("\"server.pem\"", "\"cards.csv\"", "there is no certificate in it"),
            (
                "certificate = \"server.pem\"\n",
                "",
                "`certificate` is missing in [links.terminals.tls]",
            ),
            ("key = \"file:server.key\"\n", "", "`key` is missing in [links.terminals.tls]"),
            ("file:server.key", "server.key", "neither `credential:NAME` nor `file:PATH`"),
            ("file:server.key", "credential:server-key", "no credentials here"),
            ("file:server.key", "file:nowhere.key", "openssl genpkey"),
            ("file:server.key", "file:server.pem", "there is no private key in it"),
            ("file:server.key", "file:other.key", "it is not the key of the certificate"),
            ("file:server.key", "file:open.key", "may be read by everyone: its mode is 604"),
            (
                "file:server.key\"",
                "file:server.key\"\nversion_min = \"1.1\"",
                "one of \"1.2\", \"1.3\"",
            ),
            ("file:server.key\"", "file:server.key\"\nhandshake_ms_max = 5", "from 100 to 600000"),
            (
                "file:server.key\"",
                "file:server.key\"\ncertifcate = \"a\"",
                "did you mean `certificate`?",
            ),
            ("file:server.key\"", "file:server.key\"\nserver_name = \"a\"", "for links that dial"),
            ("\"clients-ca.pem\"", "\"server.key\"", "there is no certificate in it"),
            ("\"clients-crl.pem\"", "\"clients-ca.pem\"", "there is no revocation list in it"),
            ("san = \"shop-7.example\"", "san = \"*.example\"", "as it stands in the certificate"),
            (
                "san = \"shop-7.example\"",
                "name = \"a\"\nsan = \"a\"",
                "unknown key `name` in [[links.terminals.tls.clients]]",
            ),
            (
                "san = \"shop-7.example\"\n",
                "",
                "`san` is missing in [[links.terminals.tls.clients]]",
            ),
            ("urn:shop:8", "Shop-7.Example", "shop-7.example is a client twice"),
            ("\"TERM0008\"", "\"TERM00008\"", "1 to 8 characters"),
            ("\"SHOP-7\"", "[]", "`merchants` has no value"),
            ("\"SHOP-7\"", "7", "a text in quotes, or a list of them"),
            ("peers_ca = \"issuer-ca.pem\"\n", "", "`peers_ca` is missing in [links.issuer-a.tls]"),
            ("\"bank.example\"", "\"bank example\"", "a DNS name or an IP address"),
            ("\"bank.example\"", "\"a\"\ncertificate = \"server.pem\"", "`key` is missing"),
            ("\"bank.example\"", "\"a\"\nclients = []", "for links that listen"),
            (
                "timeout_ms = 2_000",
                "timeout_ms = 2_000\nplaintext = \"anywhere\"",
                "never speaks in the clear",
            ),
            ("[links.issuer-a.tls]", "[links.issuer-a.tsl]", "did you mean `tls`?"),
        ] {
            assert!(encrypted().contains(from), "{from}");
            let text = encrypted().replacen(from, to, 1);
            let Err(report) = parse("iso8583d.toml", text, home.path()) else {
                panic!("{to}: taken as good")
            };
            assert!(report.to_string().contains(said), "{to}: {said}\nis not in\n{report}");
            // An unknown table is no table of TLS, so that the link is in the clear as well.
            let count = if to.contains("tsl") { 2 } else { 1 };
            assert_eq!(report.count(), count, "{to}:\n{report}");
        }
    }

    /// What does not hold today is told by `check`, and keeps nothing from running.
    #[test]
    fn papers_out_of_date() {
        let home = home_with_papers();
        for (from, to, said) in [
            (
                "\"server.pem\"\nkey = \"file:server.key\"",
                "\"old.pem\"\nkey = \"file:old.key\"",
                "it ended on 2020-01-01",
            ),
            ("clients-crl.pem", "old-crl.pem", "a newer one was to be there on 2021-01-01"),
        ] {
            assert!(encrypted().contains(from), "{from}");
            let config = parse("iso8583d.toml", encrypted().replacen(from, to, 1), home.path());
            let stale = config.unwrap_or_else(|report| panic!("{report}")).stale;
            assert_eq!(stale.len(), 1);
            assert_eq!(stale[0].detail(), said);
            assert!(stale[0].title().ends_with("does not hold today") && stale[0].fix().is_some());
        }
    }

    /// A certificate is good for one link.
    #[test]
    fn certificates_that_open_two_doors() {
        let home = home_with_papers();
        let second = |clients: &str| {
            let link = "[links.webshops]\nrole = \"asker\"\nlisten = \"127.0.0.1:0\"\ndialect = \"iso87-bcd\"\n";
            let tls =
                "[links.webshops.tls]\ncertificate = \"server.pem\"\nkey = \"file:server.key\"\n";
            format!("{link}{tls}peers_ca = \"clients-ca.pem\"\n{clients}\n{}", encrypted())
        };
        let client = |san: &str| format!("[[links.webshops.tls.clients]]\nsan = \"{san}\"");
        assert!(parse("iso8583d.toml", second(&client("web.example")), home.path()).is_ok());
        for (clients, said) in [
            (client("SHOP-7.example"), "shop-7.example is a client twice"),
            (
                String::new(),
                "every certificate for link `webshops` would be good for link `terminals`",
            ),
        ] {
            let Err(report) = parse("iso8583d.toml", second(&clients), home.path()) else {
                panic!("taken as good")
            };
            assert!(report.to_string().contains(said), "{report}");
            assert_eq!(report.count(), 1, "{report}");
        }
    }

    /// In the clear on this machine alone, unless somebody says that it may be heard.
    #[test]
    fn in_the_clear_beyond_this_machine() {
        let without = GOOD.replace("plaintext = \"anywhere\"\n", "");
        for (place, beyond) in [
            ("listen = \"127.0.0.1:0\"", false),
            ("listen = \"127.9.0.1:0\"", false),
            ("listen = \"[::1]:0\"", false),
            ("listen = \"[::ffff:127.0.0.1]:0\"", false),
            ("listen = \"0.0.0.0:0\"", true),
            ("listen = \"[::]:0\"", true),
            ("listen = \"192.0.2.1:0\"", true),
            ("dial = \"localhost:1\"", false),
            ("dial = \"LOCALHOST:1\"", false),
            ("dial = \"[::1]:1\"", false),
            ("dial = [\"127.0.0.1:1\", \"switch.example:1\"]", true),
            ("dial = \"localhost.example:1\"", true),
            ("dial = \"10.0.0.1:1\"", true),
        ] {
            let text = without
                .replace("\"127.0.0.1:9001\", \"issuer.example:9001\"", "\"127.0.0.1:9001\"");
            let text = text.replace("listen = \"127.0.0.1:0\"", place);
            assert_eq!(check(&text).is_err(), beyond, "{place}");
            let anywhere = text.replace(place, &format!("{place}\nplaintext = \"anywhere\""));
            assert!(check(&anywhere).is_ok(), "{place}");
        }
        let report = faults(&without);
        assert_eq!(report.count(), 1, "{report}");
        for part in [
            "issuer.example:9001: whoever is between",
            "[links.issuer-a.tls]",
            "plaintext = \"anywhere\"",
        ] {
            assert!(report.to_string().contains(part), "{report}");
        }
        let report = faults(&GOOD.replace("\"anywhere\"", "\"loopback\""));
        assert!(report.to_string().contains("not on this machine alone"), "{report}");
    }

    #[test]
    fn nothing_at_all() {
        let report = faults("");
        assert_eq!(report.count(), 4, "{report}");
        assert!(
            load(Path::new("/nowhere/iso8583d.toml"))
                .unwrap_err()
                .to_string()
                .contains("cannot be read")
        );
        assert!(dialect("iso87-bcd").is_ok());
        assert!(dialect("iso78-bcd").unwrap_err().to_string().contains("did you mean"));
    }
}
