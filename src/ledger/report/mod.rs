//! Reports: one table each, written row by row into a file that its owner alone reads. Changes nothing.

mod aging;
mod lines;
mod proof;
mod statement;
mod submissions;
mod sums;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::payouts::{Part, fault};
use super::settlement::{LAST, Span};
use super::{Ledger, LedgerError};
use crate::clearing::{Cell, Column, Form, Grid};
use crate::iso::{BusinessDate, Currency, Wall};
use crate::record::LinkId;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Which report.
    pub kind: Kind,
    /// Of which day.
    pub day: BusinessDate,
    /// Of one cycle of it alone; 0 is what came with its end.
    pub cycle: Option<u32>,
    /// Of one merchant alone, as element 42 has it, without blanks at the end.
    pub merchant: Option<String>,
    /// Of one issuer alone.
    pub issuer: Option<LinkId>,
    /// How it is written.
    pub form: Form,
    /// The names of issuers.
    pub names: BTreeMap<LinkId, String>,
    /// The day in force.
    pub today: BusinessDate,
    /// For so many days an authorization may be claimed.
    pub authorization_days: u32,
}

/// Which report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What a merchant had, what came, what was paid, and what is left.
    Merchant,
    /// What an issuer owed, what came, what it paid, and what it owes.
    Issuer,
    /// Each line with its fees.
    Details,
    /// Who gets how much.
    Positions,
    /// Each file that went to an issuer.
    Files,
    /// What waits for somebody.
    Aging,
    /// What became of everything that was approved.
    Proof,
    /// Debits and credits.
    Trial,
    /// What merchants paid, and who got it.
    Fees,
    /// What became of the records of merchants' files.
    Submissions,
}

/// A report on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where.
    pub path: PathBuf,
    /// How many rows it has.
    pub rows: u64,
}

impl Kind {
    /// All of them, with their names.
    pub const ALL: [(&str, Self); 10] = [
        ("merchant", Self::Merchant),
        ("issuer", Self::Issuer),
        ("details", Self::Details),
        ("positions", Self::Positions),
        ("files", Self::Files),
        ("aging", Self::Aging),
        ("proof", Self::Proof),
        ("trial", Self::Trial),
        ("fees", Self::Fees),
        ("submissions", Self::Submissions),
    ];

    /// Its name.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    const fn columns(self) -> &'static [Column] {
        match self {
            Self::Merchant => statement::MERCHANT,
            Self::Issuer => statement::ISSUER,
            Self::Details => lines::DETAILS,
            Self::Positions => sums::POSITIONS,
            Self::Files => lines::FILES,
            Self::Aging => aging::COLUMNS,
            Self::Proof => proof::COLUMNS,
            Self::Trial => sums::TRIAL,
            Self::Fees => sums::FEES,
            Self::Submissions => submissions::COLUMNS,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Merchant => "Merchant statement",
            Self::Issuer => "Issuer statement",
            Self::Details => "Settlement details",
            Self::Positions => "Positions",
            Self::Files => "Files to issuers",
            Self::Aging => "What waits for somebody",
            Self::Proof => "Proof of authorizations",
            Self::Trial => "Trial balance",
            Self::Fees => "Fees",
            Self::Submissions => "Files of merchants",
        }
    }
}

/// A report while it is written.
struct Out {
    sheet: Grid,
    part: Part,
}

impl Out {
    fn row(&mut self, cells: &[Cell]) -> Result<(), LedgerError> {
        let text = self.sheet.row(cells);
        self.part.write(&text)
    }
}

impl Ask {
    /// Nobody takes a report of all for one of his own.
    fn fits(&self) -> Result<(), LedgerError> {
        let of_merchants =
            !matches!(self.kind, Kind::Issuer | Kind::Files | Kind::Proof | Kind::Trial);
        let of_issuers =
            !matches!(self.kind, Kind::Merchant | Kind::Submissions | Kind::Proof | Kind::Trial);
        if self.cycle.is_some_and(|cycle| i64::from(cycle) >= LAST) {
            return Err(LedgerError::Refused(format!("no day has cycle {LAST}, or one after it")));
        }
        let of_cycles = !matches!(self.kind, Kind::Aging | Kind::Proof | Kind::Submissions);
        for (fits, asked, what) in [
            (of_merchants, self.merchant.is_some(), "merchant"),
            (of_issuers, self.issuer.is_some(), "issuer"),
            (of_cycles, self.cycle.is_some(), "cycle"),
        ] {
            if asked && !fits {
                let kind = self.kind.word();
                return Err(LedgerError::Refused(format!(
                    "report `{kind}` is not told by {what}: leave --{what} out"
                )));
            }
        }
        Ok(())
    }

    fn span(&self) -> Span {
        super::settlement::span(self.day, self.cycle)
    }

    /// What an issuer is called; its number where the configuration has it no more.
    fn issuer_name(&self, number: i64) -> String {
        let link = super::settlement::link(number);
        self.names.get(&link).cloned().unwrap_or_else(|| format!("link-{:08x}", link.0))
    }

    fn issuer_number(&self) -> Option<i64> {
        self.issuer.map(|issuer| i64::from(issuer.0))
    }

    /// The name of its file. Merchants are called as they like, so theirs go in by number besides.
    fn file_name(&self) -> String {
        let cycle = self.cycle.map(|cycle| format!("cycle-{cycle}"));
        let merchant = self.merchant.as_ref().map(|merchant| {
            let safe = |one: char| if one.is_ascii_alphanumeric() { one } else { '_' };
            let safe: String = merchant.chars().map(safe).collect();
            format!("{safe}-{:08x}", LinkId::of_name(merchant).0)
        });
        let issuer = self.issuer_number().map(|issuer| self.issuer_name(issuer));
        let first = [self.kind.word().to_owned(), self.day.to_string()];
        let parts: Vec<String> =
            first.into_iter().chain(cycle).chain(merchant).chain(issuer).collect();
        format!("{}.{}", parts.join("-"), self.form.word())
    }
}

impl Ledger {
    /// Writes a report; one of the same name is replaced. What completes or raises an authorization and is not indexed yet is told by itself. Where sums of the day do not close, there is no report of money.
    pub fn report(&self, ask: &Ask, directory: &Path) -> Result<Written, LedgerError> {
        ask.fits()?;
        if !matches!(ask.kind, Kind::Files | Kind::Aging | Kind::Proof | Kind::Submissions) {
            self.close(ask.span())?;
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(fault("make", directory))?;
        let name = ask.file_name();
        let hidden = directory.join(format!(".{name}.part"));
        let mut out = Out {
            sheet: Grid::new(ask.form, ask.kind.columns()),
            part: Part::begin(hidden.clone())?,
        };
        let mut facts = vec![("date", ask.day.to_string())];
        facts.extend(ask.cycle.map(|cycle| ("cycle", cycle.to_string())));
        facts.extend(ask.merchant.clone().map(|merchant| ("merchant", merchant)));
        facts.extend(ask.issuer_number().map(|issuer| ("issuer", ask.issuer_name(issuer))));
        let head = out.sheet.head(ask.kind.title(), &facts);
        out.part.write(&head)?;
        match ask.kind {
            Kind::Merchant => self.statement(ask, &statement::OF_MERCHANT, &mut out)?,
            Kind::Issuer => self.statement(ask, &statement::OF_ISSUER, &mut out)?,
            Kind::Details => self.details(ask, &mut out)?,
            Kind::Positions => self.position_lines(ask, &mut out)?,
            Kind::Files => self.file_log(ask, &mut out)?,
            Kind::Aging => self.aging(ask, &mut out)?,
            Kind::Proof => self.proof(ask, &mut out)?,
            Kind::Trial => self.trial(ask, &mut out)?,
            Kind::Fees => self.fee_lines(ask, &mut out)?,
            Kind::Submissions => self.submissions(ask, &mut out)?,
        }
        let rows = out.sheet.rows();
        out.part.write(out.sheet.tail())?;
        out.part.end()?;
        let path = directory.join(&name);
        fs::rename(&hidden, &path).map_err(fault("rename to", &path))?;
        let open = File::open(directory).and_then(|open| open.sync_all());
        open.map_err(fault("sync", directory))?;
        Ok(Written { path, rows })
    }
}

/// An amount of a row in its currency.
fn minor(amount: i64, currency: Currency) -> Cell {
    Cell::Minor(amount.into(), currency)
}

/// The exponent of a currency.
fn exponent(currency: Currency) -> Cell {
    Cell::Number(currency.exponent().into())
}

/// A time of a row.
fn time(ms: Option<i64>) -> Cell {
    let wall = ms.and_then(|ms| u64::try_from(ms).ok()).map(Wall);
    wall.map(|wall| wall.to_string()).into()
}

/// A day of a row.
fn day(day: Option<i64>) -> Result<Cell, LedgerError> {
    Ok(day.map(super::settlement::date_of).transpose()?.map(|date| date.to_string()).into())
}

/// A day by its number of days since 1970, so many days before another.
fn days_before(date: BusinessDate, days: u32) -> BusinessDate {
    BusinessDate(date.0.saturating_sub(days))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::settlement::tests::{DAY, PURCHASE, Put, open, put, table};

    fn ask(kind: Kind) -> Ask {
        Ask {
            kind,
            day: DAY,
            cycle: None,
            merchant: None,
            issuer: None,
            form: Form::Csv,
            names: [(LinkId(1), "bank".to_owned())].into(),
            today: DAY.next(),
            authorization_days: 7,
        }
    }

    fn read(ledger: &Ledger, ask: &Ask, place: &Path) -> String {
        let written = ledger.report(ask, &place.join("reports")).unwrap();
        fs::read_to_string(written.path).unwrap()
    }

    /// A day with one of each, and what came of it.
    fn day_of_all(place: &Path) -> Ledger {
        let mut ledger = open(place);
        let yesterday = BusinessDate(DAY.0 - 1);
        put(&ledger, Put { amount: 5_000, cut: (yesterday, 0), ..PURCHASE });
        let bought = put(&ledger, PURCHASE);
        put(&ledger, Put { refund: true, amount: 1_000, ..PURCHASE });
        put(&ledger, Put { kind: "chargeback", about: Some(bought), amount: 2_000, ..PURCHASE });
        let other =
            put(&ledger, Put { merchant: "CAF\u{c9} <b>, \"2\"", currency: "414", ..PURCHASE });
        put(
            &ledger,
            Put {
                kind: "rejection",
                about: Some(other),
                currency: "414",
                merchant: "CAF\u{c9} <b>, \"2\"",
                ..PURCHASE
            },
        );
        ledger
            .connection
            .execute_batch(
                "INSERT INTO files (file, day, cycle, issuer, currency, sequence, file_id, name, party, format, records, checksum, written, state)
                VALUES (1, 20261123, 0, 1, '978', 1, 'id', 'a.ipm', 'bank', 'ipm', 4, 11000, 1795458840000, 'written');
                UPDATE items SET file = 1, number = item WHERE item IN (2, 3);
                UPDATE items SET card = '5413330000004111' WHERE item = 2;
                UPDATE items SET due = 20261220, reason = '4853' WHERE kind = 'chargeback';
                INSERT INTO submissions (submission, merchant, reference, digest, received, state) VALUES (1, 'SHOP', 'f1', x'00', 1795458840000, 'accepted');
                INSERT INTO claims (submission, seq, place, merchant, op, reference, amount, currency, final, tip, digest, state)
                VALUES (1, 1, 1, 'SHOP', 'capture', 'c1', 700, '978', 1, 0, x'00', 'pending');
                INSERT INTO exceptions (opened, kind, detail) VALUES (1795458840000, 'unmatched', 'a record')",
            )
            .unwrap();
        ledger.price(DAY, 0, &table()).unwrap();
        ledger
    }

    #[test]
    fn a_statement_opens_with_what_was_left_and_closes_with_what_is() {
        let place = tempfile::tempdir().unwrap();
        let ledger = day_of_all(place.path());
        let wanted = Ask { merchant: Some("SHOP".to_owned()), ..ask(Kind::Merchant) };
        let csv = read(&ledger, &wanted, place.path());
        let lines: Vec<_> = csv.split_terminator("\r\n").skip(1).collect();
        assert_eq!(
            lines,
            [
                "SHOP,978,2,opening,,4890",
                "SHOP,978,2,chargeback,1,-2000",
                "SHOP,978,2,presentment,1,10000",
                "SHOP,978,2,refund,1,-1000",
                "SHOP,978,2,discount,1,-210",
                "SHOP,978,2,closing,,11680",
            ]
        );
        // What was written down when it was paid has to be the same.
        let settle = "INSERT INTO settlements VALUES (20261123, 0, 20261123999, 1);
            INSERT INTO balances VALUES (20261123999, '978', 'SHOP', 11680, 'no_account')";
        ledger.connection.execute_batch(settle).unwrap();
        assert_eq!(read(&ledger, &wanted, place.path()), csv);
        ledger.connection.execute("UPDATE balances SET amount = 11681", ()).unwrap();
        let refused = ledger.report(&wanted, place.path()).unwrap_err().to_string();
        assert!(
            refused.contains("of SHOP are 11680 in currency 978, and 11681 was left"),
            "{refused}"
        );
    }

    #[test]
    fn an_issuer_owes_what_it_owed_and_what_came_less_what_it_paid() {
        let place = tempfile::tempdir().unwrap();
        let ledger = day_of_all(place.path());
        ledger
            .connection
            .execute_batch(
                "INSERT INTO funds (issuer, currency, amount, day, booked, reference, received) VALUES (1, '978', 4985, 20261123, 20261123, 'S', 1)",
            )
            .unwrap();
        let csv = read(&ledger, &ask(Kind::Issuer), place.path());
        let lines: Vec<_> = csv.split_terminator("\r\n").skip(1).collect();
        assert_eq!(
            lines,
            [
                "bank,414,3,opening,,0",
                "bank,414,3,presentment,1,10000",
                "bank,414,3,rejection,1,-10000",
                "bank,414,3,interchange,2,0",
                "bank,414,3,closing,,0",
                "bank,978,2,opening,,4985",
                "bank,978,2,chargeback,1,-2000",
                "bank,978,2,presentment,1,10000",
                "bank,978,2,refund,1,-1000",
                "bank,978,2,interchange,3,-21",
                "bank,978,2,fund,1,-4985",
                "bank,978,2,closing,,6979",
            ]
        );
        let other = Ask { issuer: Some(LinkId(2)), ..ask(Kind::Issuer) };
        assert_eq!(read(&ledger, &other, place.path()).lines().count(), 1);
    }

    /// Records of a merchant's file are in one state each, and what the states hold is what the file held.
    #[test]
    fn the_states_of_a_file_add_up_to_it() {
        let place = tempfile::tempdir().unwrap();
        let ledger = day_of_all(place.path());
        for (seq, state, amount, currency) in [
            (2, "accepted", 100, "978"),
            (3, "warned", 20, "978"),
            (4, "rejected", 3, "978"),
            (5, "accepted", 9, "392"),
        ] {
            let add = "INSERT INTO claims (submission, seq, place, merchant, op, reference, amount, currency, final, tip, digest, state)
                VALUES (1, ?1, ?1, 'SHOP', 'capture', 'c' || ?1, ?2, ?3, 1, 0, x'00', ?4)";
            ledger.connection.execute(add, (seq, amount, currency, state)).unwrap();
        }
        let range = "UPDATE submissions SET first = (SELECT min(claim) FROM claims), last = (SELECT max(claim) FROM claims)";
        ledger.connection.execute(range, []).unwrap();
        let csv = read(&ledger, &ask(Kind::Submissions), place.path());
        let lines: Vec<_> = csv.split_terminator("\r\n").skip(1).collect();
        let head = "1,SHOP,f1,2026-11-23T18:34:00.000Z,taken";
        assert_eq!(
            lines,
            [
                format!("{head},392,0,1,9,0,0,0,0,0,0,0,0,1,9,"),
                format!("{head},978,2,1,100,1,20,1,3,0,0,1,700,4,823,"),
            ]
        );
        ledger.connection.execute("UPDATE claims SET state = 'lost' WHERE seq = 3", ()).unwrap();
        let refused = ledger.report(&ask(Kind::Submissions), place.path()).unwrap_err().to_string();
        assert!(refused.contains("1 of its records are in no state that is known"), "{refused}");
    }

    #[test]
    fn what_a_report_is_not_told_by_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let ledger = open(place.path());
        let merchant = Ask { merchant: Some("SHOP".to_owned()), ..ask(Kind::Trial) };
        let issuer = Ask { issuer: Some(LinkId(1)), ..ask(Kind::Merchant) };
        let cycle = Ask { cycle: Some(1), ..ask(Kind::Aging) };
        let never = Ask { cycle: Some(999), ..ask(Kind::Trial) };
        assert!(matches!(ledger.report(&never, place.path()), Err(LedgerError::Refused(_))));
        for (ask, what) in [(merchant, "merchant"), (issuer, "issuer"), (cycle, "cycle")] {
            let refused = ledger.report(&ask, place.path()).unwrap_err().to_string();
            assert!(refused.ends_with(&format!("leave --{what} out")), "{refused}");
        }
    }

    #[test]
    fn a_cycle_alone() {
        let place = tempfile::tempdir().unwrap();
        let mut ledger = open(place.path());
        put(&ledger, Put { cut: (DAY, 1), ..PURCHASE });
        put(&ledger, Put { cut: (DAY, 2), amount: 500, ..PURCHASE });
        ledger.price(DAY, 2, &table()).unwrap();
        let second = Ask { cycle: Some(2), ..ask(Kind::Positions) };
        let csv = read(&ledger, &second, place.path());
        assert!(csv.contains("\r\nissuer,bank,978,2,-500,2,-498\r\n"), "{csv}");
        let statement = Ask { cycle: Some(2), ..ask(Kind::Merchant) };
        let csv = read(&ledger, &statement, place.path());
        assert!(
            csv.contains("SHOP,978,2,opening,,9790\r\n") && csv.ends_with("closing,,10270\r\n"),
            "{csv}"
        );
    }

    #[test]
    fn each_line_and_each_sum_once() {
        let place = tempfile::tempdir().unwrap();
        let ledger = day_of_all(place.path());
        let csv = read(&ledger, &ask(Kind::Positions), place.path());
        let lines: Vec<_> = csv.split_terminator("\r\n").skip(1).collect();
        assert_eq!(
            lines,
            [
                "acquirer,,414,3,0,210,210",
                "acquirer,,978,2,0,184,184",
                "issuer,bank,414,3,0,0,0",
                "issuer,bank,978,2,-7000,21,-6979",
                "merchant,\"CAF\u{c9} <b>, \"\"2\"\"\",414,3,10000,-210,9790",
                "merchant,SHOP,978,2,7000,-210,6790",
                "network,,414,3,0,0,0",
                "network,,978,2,0,5,5",
                "suspense,,414,3,-10000,0,-10000",
                "total,,414,3,0,0,0",
                "total,,978,2,0,0,0",
            ]
        );
        let csv = read(&ledger, &ask(Kind::Fees), place.path());
        let totals: Vec<_> =
            csv.split_terminator("\r\n").filter(|line| line.starts_with("total")).collect();
        assert_eq!(
            totals,
            ["total,,414,3,2,10000,210,0,0,210", "total,,978,2,3,7000,210,21,5,184"]
        );
        let csv = read(&ledger, &ask(Kind::Trial), place.path());
        assert!(csv.contains("\r\ntotal,978,2,13254,13254,0\r\n"), "{csv}");
        let csv = read(&ledger, &ask(Kind::Files), place.path());
        assert_eq!(
            csv.split_terminator("\r\n").nth(1),
            Some(
                "2026-11-23,0,bank,978,2,1,id,a.ipm,ipm,4,11000,2,11000,written,2026-11-23T18:34:00.000Z,"
            )
        );
        let csv = read(&ledger, &ask(Kind::Aging), place.path());
        let lines: Vec<_> = csv.split_terminator("\r\n").skip(1).collect();
        assert_eq!(
            lines,
            [
                "claim without authorization,1,2026-11-23T18:34:00.000Z,,SHOP,,978,2,700,,c1,purchase",
                "chargeback,4,2026-11-23,2026-12-20,SHOP,bank,978,2,2000,4853,,refund",
                "in suspense,6,2026-11-23,,\"CAF\u{c9} <b>, \"\"2\"\"\",bank,414,3,10000,,,purchase",
                "exception,1,2026-11-23T18:34:00.000Z,,,,,,,unmatched,a record,",
            ]
        );
        let details = read(&ledger, &ask(Kind::Details), place.path());
        assert_eq!(details.split_terminator("\r\n").count(), 6);
        assert!(details.contains("discount +retail:20000:10:: half-even =210000000"), "{details}");
    }

    #[test]
    fn pages_are_whole_and_safe_and_no_card_is_in_clear() {
        let place = tempfile::tempdir().unwrap();
        let ledger = day_of_all(place.path());
        for (word, kind) in Kind::ALL {
            for (end, form) in Form::ALL {
                let text = read(&ledger, &Ask { form, ..ask(kind) }, place.path());
                assert!(!text.contains("5413330000004111"), "{word} {end}");
                match form {
                    Form::Csv => {
                        assert_eq!(text.lines().next(), Some(kind.columns().join(",").as_str()));
                    }
                    Form::Json => {
                        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
                        assert_eq!(
                            (&json["report"], &json["date"]),
                            (&kind.title().into(), &"2026-11-23".into())
                        );
                    }
                    Form::Html => {
                        assert!(text.ends_with("</html>\n") && !text.contains("<script"));
                        assert!(!text.contains("<b>"), "{word}");
                    }
                }
            }
        }
        let reports = fs::read_dir(place.path().join("reports")).unwrap();
        let names: Vec<_> =
            reports.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(names.len(), 30);
        assert!(names.iter().all(|name| !name.starts_with('.')));
        let one = Ask {
            merchant: Some("CAF\u{c9} <b>, \"2\"".to_owned()),
            issuer: Some(LinkId(1)),
            ..ask(Kind::Details)
        };
        let written = ledger.report(&one, &place.path().join("reports")).unwrap();
        assert_eq!(written.rows, 2);
        let name = written.path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(
            name.starts_with("details-2026-11-23-CAF___b____2_-") && name.ends_with("-bank.csv"),
            "{name}"
        );
    }

    /// Nothing about money is told while the sums of the day do not close; what waits is.
    #[test]
    fn a_day_that_does_not_close_is_not_reported() {
        let place = tempfile::tempdir().unwrap();
        let ledger = day_of_all(place.path());
        ledger.connection.execute("UPDATE files SET checksum = 1", ()).unwrap();
        for (word, kind) in Kind::ALL {
            let told = ledger.report(&ask(kind), &place.path().join("reports")).is_ok();
            let free = matches!(kind, Kind::Files | Kind::Aging | Kind::Proof | Kind::Submissions);
            assert_eq!(told, free, "{word}");
        }
    }
}
