//! The merchants' day: two shops, two banks and a switch, from the till to the payout, with everything that clearing has to
//! put right. All amounts are fixed, so that each sum can be told by hand. What each peer saw stays in logs of its own.

mod bank;
mod cast;
mod office;
mod till;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use serde_json::Value;

use crate::iso::{Amount, BusinessDate, Currency};
use crate::sim::SimError;
use crate::sim::stop::Stop;

use super::Voice;
use bank::Objection;
use cast::{BISTRO, Cast, WEB, north, south};
use office::Record;
use till::{Paid, Worth, dinars, euros, yen};

/// How it runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program of the switch: this one.
    pub program: PathBuf,
    /// Below which directory everything lies, in one of its own.
    pub parent: PathBuf,
    /// Or in which directory.
    pub keep: Option<PathBuf>,
}

/// Plays it; says what happens on `out`. Whether all of it balances, and came as it is told.
pub fn run(settings: &Settings, out: &mut dyn Write) -> Result<bool, SimError> {
    // The banks answer on a thread of their own: the story waits for commands, and these for the switch.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|source| SimError::System { what: "a runtime", source })?;
    let mut voice = Voice { out, overdraws: false, drawn: false };
    runtime.block_on(async {
        let mut stop = Stop::listen()?;
        // Whoever is told to end lets go of the switch, which ends with it.
        tokio::select! {
            played = play(settings, &mut voice) => played,
            () = stop.told() => Err(SimError::Interrupted),
        }
    })
}

/// The story while it is told.
struct Play<'a, 'b> {
    cast: Cast,
    voice: &'a mut Voice<'b>,
    date: BusinessDate,
    /// The lines of the last cut.
    rows: Vec<Value>,
    /// What stood at the ends of lines, for `clearing explain`.
    told: Vec<String>,
    /// What did not come as it should.
    faults: Vec<String>,
}

/// What the second day knows of the first.
struct First {
    rejected: Paid,
    charged_back: Paid,
    reversed: Paid,
    cancelled: Paid,
    captured_later: Paid,
}

async fn play(settings: &Settings, voice: &mut Voice<'_>) -> Result<bool, SimError> {
    voice.say(
        "A bistro, a web shop, two banks and a switch: two days from the till to the payout.",
    )?;
    let cast = Cast::build(settings).await?;
    voice.say(format_args!("Everything lies in {}", cast.switch.directory().display()))?;
    voice.say(format_args!(
        "What stands at the end of a line, `iso8583d clearing explain` explains, with --state {}",
        cast.switch.state().display()
    ))?;
    let day = cast.switch.ask(&["ctl", "day"])?;
    let date = day.first().and_then(|day| day.get("date")?.as_str()).unwrap_or_default();
    let date = BusinessDate::from_text(date).map_err(|fault| SimError::System {
        what: "the business date",
        source: std::io::Error::other(fault),
    })?;
    let (rows, told, faults) = (Vec::new(), Vec::new(), Vec::new());
    let mut play = Play { cast, voice, date, rows, told, faults };
    let first = play.first_day().await?;
    play.first_night().await?;
    play.second_day(&first).await?;
    play.second_night(&first).await?;
    play.balances()
}

impl Play<'_, '_> {
    async fn first_day(&mut self) -> Result<First, SimError> {
        self.voice.say(format_args!("\nThe first day, {}, at the tills:", self.date))?;
        self.buys(&BISTRO, &north(1)?, euros(1250)).await?;
        let dinner = self.authorizes(&BISTRO, &south(1)?, euros(4000)).await?;
        let wrong = self.buys(&BISTRO, &north(2)?, euros(1800)).await?;
        self.takes_back(&wrong, "is taken back").await?;
        self.gives_back(&BISTRO, &north(1)?, euros(500)).await?;
        let order = self.authorizes(&WEB, &north(3)?, euros(9000)).await?;
        let mistaken = self.authorizes(&WEB, &south(2)?, euros(5000)).await?;
        self.buys(&WEB, &south(3)?, yen(3000)).await?;
        self.buys(&WEB, &north(4)?, dinars(12_345)).await?;
        let charged_back = self.buys(&WEB, &north(5)?, euros(2500)).await?;
        let rejected = self.buys(&WEB, &south(4)?, euros(3210)).await?;
        let reversed = self.buys(&WEB, &north(6)?, euros(2000)).await?;
        let room = self.authorizes(&WEB, &south(5)?, euros(7000)).await?;
        self.completes(&room, euros(6400)).await?;
        let declined = self.buys(&WEB, &south(6)?, euros(1051)).await?;
        let captured_later = self.authorizes(&WEB, &north(7)?, euros(1500)).await?;
        self.authorizes(&BISTRO, &north(8)?, euros(3300)).await?;
        let cancelled = self.authorizes(&WEB, &south(9)?, euros(1000)).await?;
        self.voice.say("The shops send their files; in the web shop's two records are wrong:")?;
        let tipped = Record { tip: 600, ..Record::capture("dinner", &dinner, euros(4600)) };
        self.submits(&BISTRO, "bistro-1", &[tipped])?;
        let parcel = Record { more: true, ..Record::capture("parcel-1", &order, euros(6000)) };
        let over = "rejected OVER_AMOUNT";
        let over = Record { comes: over, ..Record::capture("chair", &mistaken, euros(5500)) };
        let no = "rejected DECLINED";
        let refused = Record { comes: no, ..Record::capture("lamp", &declined, euros(1051)) };
        let second = Record::capture("parcel-2", &order, euros(3000));
        let refund = Record::refund("damaged", "parcel-1", euros(1000));
        let vase = Record::capture("vase", &cancelled, euros(1000));
        self.submits(&WEB, "web-1", &[parcel, over, refused, second, refund, vase])?;
        self.voice.say("It puts the one right that can be, in a second file:")?;
        self.submits(&WEB, "web-2", &[Record::capture("chair", &mistaken, euros(5000))])?;
        Ok(First { rejected, charged_back, reversed, cancelled, captured_later })
    }

    async fn first_night(&mut self) -> Result<(), SimError> {
        self.delivers().await?;
        self.cuts()?;
        self.voice.say("The merchants are paid:")?;
        // 46.00 and 12.50, less 5.00, less discounts of 1.02 and 0.35; 281.10 less 4.76; 3,000 less 90; 12.345 less 0.154.
        self.pays_out(&[
            (&BISTRO, euros(5213)),
            (&WEB, euros(27_634)),
            (&WEB, yen(2910)),
            (&WEB, dinars(12_191)),
        ])
    }

    async fn second_day(&mut self, first: &First) -> Result<(), SimError> {
        let day = self.date.to_string();
        self.date = self.date.next();
        self.voice.say(format_args!("\nThe second day, {}: the banks answer.", self.date))?;
        let disputed = Objection { rrn: &first.charged_back.rrn, reason: Some(b"4853") };
        self.answers(|cast| &mut cast.north, &day, &[disputed])?;
        let unknown = Objection { rrn: &first.rejected.rrn, reason: None };
        self.answers(|cast| &mut cast.south, &day, &[unknown])?;
        self.voice.say("The operator presents once more what was rejected, and 15.00 of what was charged back:")?;
        self.presents_again(first)?;
        self.voice.say("At the tills:")?;
        self.takes_back(&first.reversed, "is taken back late:").await?;
        self.takes_back(&first.cancelled, "is cancelled late:").await?;
        self.buys(&BISTRO, &south(7)?, euros(990)).await?;
        self.buys(&WEB, &south(8)?, euros(10_000)).await?;
        self.voice.say("And a file:")?;
        let later = Record::capture("book", &first.captured_later, euros(1500));
        let refund = Record::refund("discount", "chair", euros(1200));
        self.submits(&WEB, "web-3", &[later, refund])
    }

    fn presents_again(&mut self, first: &First) -> Result<(), SimError> {
        let again = self.item("presentment", &first.rejected.rrn).unwrap_or_default().to_string();
        self.orders(("represent", &again, "again"), (&first.rejected.rrn, 3210))?;
        let done = self.cast.switch.ask(&["clearing", "represent", &again])?;
        self.tells_order(&done)?;
        let charged = self.cast.switch.ask(&["clearing", "chargebacks"])?;
        let charged = charged.first().and_then(|line| line.get("item")).map(Value::to_string);
        let charged = charged.unwrap_or_default();
        self.orders(("represent", &charged, "representment"), (&first.charged_back.rrn, 1500))?;
        let partly = ["clearing", "represent", &charged, "--amount", "1500", "--reason", "2001"];
        let done = self.cast.switch.ask(&partly)?;
        self.tells_order(&done)
    }

    fn tells_order(&mut self, done: &[Value]) -> Result<(), SimError> {
        for line in done {
            let text = |key| line.get(key).map(Value::to_string).unwrap_or_default();
            let (done, item) = (text("done"), text("item"));
            self.told.push(format!("item:{item}"));
            self.voice.say(format_args!("  {}  item:{item}", done.trim_matches('"')))?;
        }
        Ok(())
    }

    async fn second_night(&mut self, first: &First) -> Result<(), SimError> {
        self.delivers().await?;
        self.cuts()?;
        self.voice.say("The merchants are paid:")?;
        // 9.90 less 0.30; 100.00 and 15.00, 15.00 of 25.00, less 20.00, 10.00 and 12.00, less discounts of 1.55 and 0.28, and 0.35 and
        // 0.20 back.
        self.pays_out(&[(&BISTRO, euros(960)), (&WEB, euros(6172))])?;
        self.voice.say("The banks take all of it:")?;
        let day = self.date.to_string();
        self.answers(|cast| &mut cast.north, &day, &[])?;
        self.answers(|cast| &mut cast.south, &day, &[])?;
        self.explains(&format!("ref:{}/dinner", BISTRO.merchant))?;
        let disputed = self.item("chargeback", &first.charged_back.rrn).unwrap_or_default();
        self.explains(&format!("item:{disputed}"))
    }

    /// Every sum is nothing, and nothing is left open.
    fn balances(mut self) -> Result<bool, SimError> {
        self.voice.say("\nPositions, less than nothing for those who owe:")?;
        let days = [BusinessDate(self.date.0.saturating_sub(1)), self.date];
        for date in days.map(|date| date.to_string()) {
            self.positions(&date)?;
            for kind in ["trial", "fees", "proof", "files", "issuer"] {
                if self.report(kind, &date)?.is_empty() {
                    self.faults.push(format!("there is no report {kind} of {date}"));
                }
            }
        }
        let open = self.cast.switch.ask(&["clearing", "exceptions"])?;
        let open = open.last().and_then(|line| line.get("open")?.as_u64());
        if open != Some(0) {
            self.faults.push(format!("{open:?} exceptions are open"));
        }
        if self.cast.switch.debts()? != 0 {
            self.faults.push("something is owed to the banks".to_owned());
        }
        self.all_explained()?;
        self.cast.switch.stop()?;
        for fault in &self.faults {
            self.voice.say(format_args!("  NOT AS IT SHOULD BE: {fault}"))?;
        }
        self.voice.say(if self.faults.is_empty() {
            "All of it balances: positions add up to nothing on each day and in each currency, and nothing is left open."
        } else {
            "IT DOES NOT BALANCE."
        })?;
        let home = self.cast.switch.directory().display().to_string();
        self.voice.say(format_args!("\nWhat each peer swears:              {home}/*.jsonl"))?;
        self.voice.say(format_args!(
            "Files of merchants and banks:       {home}/{{merchants,answers}}"
        ))?;
        self.voice.say(format_args!(
            "Clearing files, payments, reports:  {home}/state/{{clearing,payouts,reports}}"
        ))?;
        self.voice.say(format_args!(
            "To ask more of it, start it again:  {} run {home}/iso8583d.toml",
            self.cast.switch.program().display()
        ))?;
        Ok(self.faults.is_empty())
    }

    /// Who gets how much for a day; in each currency it adds up to nothing, by our own count.
    fn positions(&mut self, date: &str) -> Result<(), SimError> {
        let rows = self.report("positions", date)?;
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for row in &rows {
            let text = |key| row.get(key).and_then(Value::as_str).unwrap_or_default();
            let net = row.get("net").and_then(Value::as_i64).unwrap_or(i64::MAX);
            let (party, name, number) = (text("party"), text("name"), text("currency"));
            if party != "total" {
                let sum = sums.entry(number.to_owned()).or_default();
                *sum = sum.saturating_add(net);
            }
            let Ok(currency) = Currency::from_ascii(number.as_bytes()) else { continue };
            let worth = Worth(Amount { minor: net, currency }).to_string();
            self.voice.say(format_args!("  {date}  {party:<9} {name:<15} {worth:>12}"))?;
        }
        if sums.is_empty() || sums.values().any(|sum| *sum != 0) {
            self.faults.push(format!("positions of {date} add up to {sums:?}"));
        }
        Ok(())
    }
}
