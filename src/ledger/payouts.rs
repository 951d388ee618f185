//! What merchants are paid: their balances at a cut become instructions, once; what cannot be paid stays theirs.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};
use sha2::{Digest as _, Sha256};

use super::settlement::{WITHIN, currency, date_of, day_of, rank};
use super::{Ledger, LedgerError};
use crate::clearing::{
    Account, Bic, Calendar, FeeTable, Form, Grid, Holder, Transfer, Transfers, letters,
};
use crate::iso::{BusinessDate, Currency, Wall};

/// How merchants are paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settling {
    /// Where the files for the bank go.
    pub directory: PathBuf,
    /// When money is worth something.
    pub calendar: Calendar,
    /// Whose account pays; without one nobody is paid.
    pub debtor: Option<Debtor>,
    /// The accounts of merchants, by their names as element 42 has them, without blanks at the end.
    pub merchants: BTreeMap<String, Holder>,
    /// Less is not paid, minor units; it is carried.
    pub minimum: BTreeMap<Currency, i64>,
    /// For so many days an authorization may be claimed; then it is expired.
    pub authorization_days: u32,
}

/// Whose account pays: one for each currency, or one for all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debtor {
    /// For currencies without one of their own.
    pub all: Holder,
    /// By currency.
    pub own: BTreeMap<Currency, Holder>,
}

/// An order to pay.
#[derive(Clone, Copy, Debug)]
pub struct PayOut<'a> {
    /// The day.
    pub day: BusinessDate,
    /// The cycle; 0 is the day's own end.
    pub cycle: u32,
    /// How.
    pub settling: &'a Settling,
    /// What items cost, where that is not filled in.
    pub fees: &'a FeeTable,
}

/// What was paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidOut {
    /// When.
    pub made: Wall,
    /// Whether that was before.
    pub before: bool,
    /// Files for the bank, by currency.
    pub files: Vec<PaidFile>,
    /// What was not paid, the first of it, by currency and merchant.
    pub held: Vec<Held>,
    /// How many of these there are.
    pub held_total: u64,
}

/// Two files of one currency, with the same payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidFile {
    /// Their names, without `.xml` and `.csv`.
    pub name: String,
    /// In which currency.
    pub currency: Currency,
    /// The day on which they are worth something.
    pub value: BusinessDate,
    /// How many payments.
    pub count: u64,
    /// Their sum, minor units.
    pub amount: i64,
}

/// What a merchant has, or owes, and was not paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose.
    pub merchant: String,
    /// In which currency.
    pub currency: Currency,
    /// Minor units.
    pub amount: i64,
    /// Why not: `in_debt`, `below_minimum`, `no_account`, `no_letters`.
    pub why: String,
}

/// So many balances are looked at in one go.
const PAGE: usize = 1_000;

/// So much of what was not paid is told.
const HELD_MAX: u64 = 1_000;

/// A file is written in pieces of so many bytes.
const PIECE: usize = 64 << 10;

impl Ledger {
    /// Pays what merchants have at a cut. The rows are written down first, in one transaction; the files follow from them, and
    /// appear whole. Again, the same bytes.
    pub fn pay_out(&mut self, order: &PayOut<'_>, now: Wall) -> Result<PaidOut, LedgerError> {
        let (day, cycle) = (order.day, order.cycle);
        let known = self.settled(day, cycle)?;
        if known.is_none() {
            self.is_cut(day, cycle)?;
            self.price(day, cycle, order.fees)?;
            self.settle(order, now)?;
        }
        let files = self.write_payments(day, cycle, &order.settling.directory)?;
        let (held, held_total) = self.held_back(rank(day, cycle))?;
        let made = known.unwrap_or(now);
        Ok(PaidOut { made, before: known.is_some(), files, held, held_total })
    }

    fn settled(&self, day: BusinessDate, cycle: u32) -> Result<Option<Wall>, LedgerError> {
        let sql = "SELECT made FROM settlements WHERE rank = ?";
        let made = self.connection.prepare_cached(sql)?;
        let made: Option<i64> =
            { made }.query_row([rank(day, cycle)], |row| row.get(0)).optional()?;
        Ok(made.map(|made| Wall(u64::try_from(made).unwrap_or_default())))
    }

    /// Whether the cut is there and its files are written.
    fn is_cut(&self, day: BusinessDate, cycle: u32) -> Result<(), LedgerError> {
        let sql = "SELECT state FROM cuts WHERE day = ? AND cycle = ?";
        let mut ask = self.connection.prepare_cached(sql)?;
        let state: Option<String> =
            ask.query_row((day_of(day), cycle), |row| row.get(0)).optional()?;
        match state.as_deref() {
            Some("written") => Ok(()),
            Some(_) => Err(LedgerError::Refused(format!(
                "the files of {day}, cycle {cycle}, are not written yet: `iso8583d clearing cut --date {day}` says why"
            ))),
            None => Err(LedgerError::Refused(format!(
                "there is no cut of {day}, cycle {cycle}: make it with `iso8583d clearing cut --date {day}`"
            ))),
        }
    }

    /// Writes down who is paid what, and what is left.
    fn settle(&self, order: &PayOut<'_>, now: Wall) -> Result<(), LedgerError> {
        let debtor = order.settling.debtor.as_ref().ok_or_else(|| {
            let why = "nobody pays: name whose account does in [clearing.settlement], `name` and `iban` or `account`";
            LedgerError::Refused(why.to_owned())
        })?;
        let (day, cycle, rank) = (order.day, order.cycle, rank(order.day, order.cycle));
        let last = "SELECT ifnull(max(rank), 0) FROM settlements";
        let last: i64 = self.connection.prepare_cached(last)?.query_row([], |row| row.get(0))?;
        if last > rank {
            return Err(LedgerError::Refused(format!(
                "merchants were paid for a later cut before: what {day}, cycle {cycle}, left to them was in that"
            )));
        }
        self.is_written((last, rank))?;
        self.is_in_order(last)?;
        self.close((last, rank))?;
        let whole = self.connection.unchecked_transaction()?;
        let add = "INSERT INTO settlements (day, cycle, rank, made) VALUES (?, ?, ?, ?)";
        whole.execute(add, (day_of(day), cycle, rank, now.0.cast_signed()))?;
        let carry = format!(
            "INSERT INTO balances (rank, currency, merchant, amount)
            SELECT ?2, currency, merchant, sum(amount) FROM (
                SELECT currency, merchant, amount FROM balances WHERE rank = ?1
                UNION ALL
                SELECT currency, party, credit - debit FROM postings WHERE account = 'merchant_payable' AND source = 'item' AND {WITHIN}
            ) GROUP BY currency, merchant HAVING sum(amount) <> 0"
        );
        whole.execute(&carry, (last, rank))?;
        let carry = format!(
            "INSERT INTO receivables (rank, currency, issuer, amount)
            SELECT ?2, currency, issuer, sum(amount) FROM (
                SELECT currency, issuer, amount FROM receivables WHERE rank = ?1
                UNION ALL
                SELECT currency, party, debit - credit FROM postings WHERE account = 'issuer_receivable' AND {WITHIN}
            ) GROUP BY currency, issuer HAVING sum(amount) <> 0"
        );
        whole.execute(&carry, (last, rank))?;
        let mut book = Book { connection: &whole, order, debtor, now, rank, sums: BTreeMap::new() };
        book.pay_all()?;
        book.end()?;
        whole.commit()?;
        Ok(())
    }

    /// What is paid was sent to issuers: every cut up to this one has its files.
    fn is_written(&self, (last, rank): (i64, i64)) -> Result<(), LedgerError> {
        let sql = "SELECT day, cycle FROM cuts WHERE state IN ('gathering', 'begun') AND
            day * 1000 + CASE cycle WHEN 0 THEN 999 ELSE cycle END BETWEEN ? + 1 AND ? LIMIT 1";
        let mut ask = self.connection.prepare_cached(sql)?;
        let begun: Option<(i64, i64)> =
            ask.query_row((last, rank), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        begun.map_or(Ok(()), |(day, cycle)| {
            Err(LedgerError::Refused(format!(
                "the files of {day}, cycle {cycle}, which comes before, are not written yet: `iso8583d ctl day` says why"
            )))
        })
    }

    /// No cut that comes before the last settlement was made after it: what it left would be in no payout.
    fn is_in_order(&self, last: i64) -> Result<(), LedgerError> {
        let sql = "SELECT day, cycle FROM cuts WHERE day * 1000 + CASE cycle WHEN 0 THEN 999 ELSE cycle END < ?1
            AND at > (SELECT made FROM settlements WHERE rank = ?1) LIMIT 1";
        let mut ask = self.connection.prepare_cached(sql)?;
        let late: Option<(i64, i64)> =
            ask.query_row([last], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        late.map_or(Ok(()), |(day, cycle)| {
            Err(LedgerError::Unbalanced(format!(
                "cycle {cycle} of {day} was cut after merchants had been paid for a later one"
            )))
        })
    }

    /// The files of a settlement, from its rows. Gives what they hold.
    fn write_payments(
        &self,
        day: BusinessDate,
        cycle: u32,
        directory: &Path,
    ) -> Result<Vec<PaidFile>, LedgerError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(fault("make", directory))?;
        let sql = "SELECT currency, message, value_day, count, amount, debtor, account_kind, account, bic, name, digest, csv_digest
            FROM payments WHERE day = ? AND cycle = ? ORDER BY currency";
        let mut ask = self.connection.prepare_cached(sql)?;
        let mut rows = ask.query((day_of(day), cycle))?;
        let made = self.settled(day, cycle)?.unwrap_or_default();
        let mut files = Vec::new();
        while let Some(row) = rows.next()? {
            let number: String = row.get(0)?;
            let (count, amount): (i64, i64) = (row.get(3)?, row.get(4)?);
            let count = u64::try_from(count).unwrap_or_default();
            let transfers = Transfers {
                message: row.get(1)?,
                made,
                debtor: holder(row, 5)?,
                currency: currency(&number)?,
                value: date_of(row.get(2)?)?,
                count,
                sum: amount.into(),
            };
            let name: String = row.get(9)?;
            let known: [Option<Vec<u8>>; 2] = [row.get(10)?, row.get(11)?];
            let digests = self.write_payment((day, cycle), &transfers, directory, &name)?;
            for (known, digest) in known.iter().zip(&digests) {
                if known.as_ref().is_some_and(|known| known != digest) {
                    return Err(LedgerError::Unbalanced(format!(
                        "{name} was made with other contents before"
                    )));
                }
            }
            let keep =
                "UPDATE payments SET digest = ?, csv_digest = ? WHERE name = ? AND digest IS NULL";
            let [xml, csv] = &digests;
            self.connection.prepare_cached(keep)?.execute((xml, csv, &name))?;
            for end in ENDS {
                let (from, to) =
                    (hidden(directory, &name, end), directory.join(format!("{name}.{end}")));
                fs::rename(&from, &to).map_err(fault("rename to", &to))?;
            }
            let open = File::open(directory).and_then(|open| open.sync_all());
            open.map_err(fault("sync", directory))?;
            let (currency, value) = (transfers.currency, transfers.value);
            files.push(PaidFile { name, currency, value, count, amount });
        }
        Ok(files)
    }

    /// Both files of a currency, still hidden; gives their digests.
    fn write_payment(
        &self,
        (day, cycle): (BusinessDate, u32),
        transfers: &Transfers,
        directory: &Path,
        name: &str,
    ) -> Result<[Vec<u8>; 2], LedgerError> {
        let mut xml = Part::begin(hidden(directory, name, "xml"))?;
        let mut csv = Part::begin(hidden(directory, name, "csv"))?;
        let mut sheet = Grid::new(Form::Csv, CSV);
        xml.write(&transfers.head())?;
        csv.write(&sheet.head("payouts", &[]))?;
        let sql =
            "SELECT reference, merchant, amount, creditor, account_kind, account, bic FROM payouts
            WHERE day = ? AND cycle = ? AND currency = ? ORDER BY payout";
        let mut ask = self.connection.prepare_cached(sql)?;
        let number = transfers.currency.to_string();
        let mut rows = ask.query((day_of(day), cycle, &number))?;
        let (mut count, mut sum) = (0_u64, 0_i128);
        while let Some(row) = rows.next()? {
            let creditor = holder(row, 3)?;
            let (reference, merchant, amount): (String, String, i64) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            csv.write(&sheet.row(&[
                reference.as_str().into(),
                merchant.as_str().into(),
                creditor.name.as_str().into(),
                creditor.account.number().into(),
                creditor.bic.as_ref().map(|bic| bic.as_str().to_owned()).into(),
                number.as_str().into(),
                i64::from(transfers.currency.exponent()).into(),
                amount.into(),
                transfers.value.to_string().as_str().into(),
            ]))?;
            let about = format!("Settlement {day} {merchant}").trim_end().to_owned();
            xml.write(&transfers.transfer(&Transfer { reference, creditor, amount, about }))?;
            (count, sum) = (count + 1, sum + i128::from(amount));
        }
        if (count, sum) != (transfers.count, transfers.sum) {
            return Err(LedgerError::Unbalanced(format!(
                "{name} holds {count} payments of {sum}, and its head says {} of {}",
                transfers.count, transfers.sum
            )));
        }
        xml.write(Transfers::tail())?;
        Ok([xml.end()?, csv.end()?])
    }

    fn held_back(&self, rank: i64) -> Result<(Vec<Held>, u64), LedgerError> {
        let sql = "SELECT merchant, currency, amount, why FROM balances WHERE rank = ? ORDER BY currency, merchant";
        let mut ask = self.connection.prepare_cached(sql)?;
        let mut rows = ask.query([rank])?;
        let (mut held, mut total) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            total += 1;
            if total <= HELD_MAX {
                let number: String = row.get(1)?;
                held.push(Held {
                    merchant: row.get(0)?,
                    currency: currency(&number)?,
                    amount: row.get(2)?,
                    why: row.get(3)?,
                });
            }
        }
        Ok((held, total))
    }
}

/// The columns of the CSV file.
const CSV: &[&str] = &[
    "reference",
    "merchant",
    "name",
    "account",
    "bic",
    "currency",
    "exponent",
    "amount",
    "value_date",
];

/// A settlement while it is written down.
struct Book<'a> {
    connection: &'a Connection,
    order: &'a PayOut<'a>,
    debtor: &'a Debtor,
    now: Wall,
    rank: i64,
    /// How many are paid in each currency, and how much.
    sums: BTreeMap<Currency, (u64, i64)>,
}

impl Book<'_> {
    /// Looks at each balance: it is paid, or is told why not.
    fn pay_all(&mut self) -> Result<(), LedgerError> {
        let sql = format!(
            "SELECT currency, merchant, amount FROM balances WHERE rank = ? AND (currency, merchant) > (?, ?)
            ORDER BY currency, merchant LIMIT {PAGE}"
        );
        let (mut number, mut merchant) = (String::new(), String::new());
        loop {
            let page: Vec<(String, String, i64)> = self
                .connection
                .prepare_cached(&sql)?
                .query_map((self.rank, &number, &merchant), |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?
                .collect::<Result<_, _>>()?;
            let Some(last) = page.last() else { return Ok(()) };
            (number, merchant) = (last.0.clone(), last.1.clone());
            for (number, merchant, amount) in &page {
                self.pay(number, merchant, *amount)?;
            }
        }
    }

    fn pay(&mut self, number: &str, merchant: &str, amount: i64) -> Result<(), LedgerError> {
        let settling = self.order.settling;
        let money = currency(number)?;
        let creditor = settling.merchants.get(merchant.trim_end());
        let minimum = settling.minimum.get(&money).copied().unwrap_or_default();
        let why = match creditor {
            _ if amount < 0 => Some("in_debt"),
            _ if amount < minimum => Some("below_minimum"),
            None => Some("no_account"),
            Some(_) if letters(money).is_none() => Some("no_letters"),
            Some(_) => None,
        };
        let key = (self.rank, number, merchant);
        let (Some(creditor), None) = (creditor, why) else {
            let tell =
                "UPDATE balances SET why = ?4 WHERE rank = ?1 AND currency = ?2 AND merchant = ?3";
            self.connection.prepare_cached(tell)?.execute((key.0, key.1, key.2, why))?;
            return Ok(());
        };
        let paid = "DELETE FROM balances WHERE rank = ? AND currency = ? AND merchant = ?";
        self.connection.prepare_cached(paid)?.execute(key)?;
        let message = self.message(money);
        let sums = self.sums.entry(money).or_default();
        let sum = sums.1.checked_add(amount);
        let sum = sum.ok_or_else(|| LedgerError::Unbalanced(format!("{money} overflows")))?;
        *sums = (sums.0 + 1, sum);
        let reference = format!("{}-{}", message, sums.0);
        let (account, bic) = (&creditor.account, creditor.bic.as_ref().map(Bic::as_str));
        let add = "INSERT INTO payouts (day, cycle, merchant, currency, amount, value_day, reference, creditor, account_kind, account, bic, made)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.connection.prepare_cached(add)?.execute((
            day_of(self.order.day),
            self.order.cycle,
            merchant,
            number,
            amount,
            day_of(self.value(money)),
            reference,
            &creditor.name,
            account.kind(),
            account.number(),
            bic,
            self.now.0.cast_signed(),
        ))?;
        Ok(())
    }

    /// The heads of the files.
    fn end(&self) -> Result<(), LedgerError> {
        let (day, cycle) = (self.order.day, self.order.cycle);
        for (money, (count, amount)) in &self.sums {
            let debtor = self.debtor.own.get(money).unwrap_or(&self.debtor.all);
            let add = "INSERT INTO payments (day, cycle, currency, message, value_day, count, amount, debtor, account_kind, account, bic, name)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            self.connection.prepare_cached(add)?.execute((
                day_of(day),
                cycle,
                money.to_string(),
                self.message(*money),
                day_of(self.value(*money)),
                count.cast_signed(),
                amount,
                &debtor.name,
                debtor.account.kind(),
                debtor.account.number(),
                debtor.bic.as_ref().map(Bic::as_str),
                format!("payouts-{day}-{cycle}-{money}"),
            ))?;
        }
        Ok(())
    }

    fn value(&self, money: Currency) -> BusinessDate {
        self.order.settling.calendar.value_date(self.order.day, money)
    }

    /// The name of a currency's message, for ever: a day and a cycle are settled once.
    fn message(&self, money: Currency) -> String {
        format!("{}-{}-{money}", day_of(self.order.day), self.order.cycle)
    }
}

/// Name, account and bank in four columns of a row.
fn holder(row: &rusqlite::Row<'_>, at: usize) -> Result<Holder, LedgerError> {
    let (kind, number): (String, String) = (row.get(at + 1)?, row.get(at + 2)?);
    let bic: Option<String> = row.get(at + 3)?;
    let account = if kind == "iban" { Account::iban(&number) } else { Account::other(&number) };
    let read = account.and_then(|account| {
        Ok(Holder { name: String::new(), account, bic: bic.as_deref().map(Bic::new).transpose()? })
    });
    let holder = read.map_err(|fault| {
        LedgerError::Unbalanced(format!("an account in clearing.db is not {}", fault.expected))
    })?;
    Ok(Holder { name: row.get(at)?, ..holder })
}

/// How the two files end.
const ENDS: [&str; 2] = ["xml", "csv"];

fn hidden(directory: &Path, name: &str, end: &str) -> PathBuf {
    directory.join(format!(".{name}.{end}.part"))
}

/// A hidden file that only its owner reads: it holds accounts.
pub(super) struct Part {
    path: PathBuf,
    file: File,
    digest: Sha256,
    ready: String,
}

impl Part {
    pub(super) fn begin(path: PathBuf) -> Result<Self, LedgerError> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = file.map_err(fault("create", &path))?;
        Ok(Self { path, file, digest: Sha256::new(), ready: String::new() })
    }

    pub(super) fn write(&mut self, text: &str) -> Result<(), LedgerError> {
        self.ready.push_str(text);
        if self.ready.len() < PIECE { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), LedgerError> {
        let ready = std::mem::take(&mut self.ready);
        self.digest.update(ready.as_bytes());
        self.file.write_all(ready.as_bytes()).map_err(fault("write", &self.path))
    }

    /// Writes the rest, durably, and gives the digest.
    pub(super) fn end(mut self) -> Result<Vec<u8>, LedgerError> {
        self.flush()?;
        self.file.sync_all().map_err(fault("sync", &self.path))?;
        Ok(self.digest.finalize().to_vec())
    }
}

pub(super) fn fault(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::Io { what, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::ledger::settlement::tests::{DAY, PURCHASE, Put, open, put, table};

    fn money(number: u16) -> Currency {
        Currency::new(number).unwrap()
    }

    fn holder(name: &str) -> Holder {
        let account = Account::iban("DE89370400440532013000").unwrap();
        Holder { name: name.to_owned(), account, bic: None }
    }

    fn settling(directory: &Path) -> Settling {
        let all = holder("Acquirer");
        Settling {
            directory: directory.to_owned(),
            calendar: Calendar::default(),
            debtor: Some(Debtor { all, own: BTreeMap::new() }),
            merchants: ["SHOP", "CAFE"].map(|id| (id.to_owned(), holder(id))).into(),
            minimum: BTreeMap::new(),
            authorization_days: 7,
        }
    }

    fn cut(ledger: &Ledger, (day, cycle): (BusinessDate, u32)) {
        let add = "INSERT INTO cuts (day, cycle, lsn, at, last_claim, state) VALUES (?, ?, 1, 1, 0, 'written')";
        ledger.connection.execute(add, (day_of(day), cycle)).unwrap();
    }

    fn pay(
        ledger: &mut Ledger,
        settling: &Settling,
        (day, cycle): (BusinessDate, u32),
    ) -> Result<PaidOut, LedgerError> {
        ledger.pay_out(&PayOut { day, cycle, settling, fees: &table() }, Wall(1_795_458_840_000))
    }

    fn contents(directory: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
        let mut all: Vec<_> = entries
            .map(|entry| {
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        all.sort();
        all
    }

    /// A ledger of two purchases, one of a merchant without an account, and two lines of a café.
    fn filled(place: &Path) -> Ledger {
        let ledger = open(place);
        put(&ledger, PURCHASE);
        put(
            &ledger,
            Put { merchant: "CAFE           ", amount: 2_000, currency: "392", ..PURCHASE },
        );
        put(&ledger, Put { merchant: "NOBODY", ..PURCHASE });
        put(&ledger, Put { merchant: "CAFE", refund: true, ..PURCHASE });
        ledger
    }

    fn held(merchant: &str, amount: i64, why: &str) -> Held {
        let (merchant, why) = (merchant.to_owned(), why.to_owned());
        Held { merchant, currency: money(978), amount, why }
    }

    #[test]
    fn merchants_are_paid_what_they_have() {
        let place = tempfile::tempdir().unwrap();
        let mut ledger = filled(place.path());
        let directory = place.path().join("payouts");
        let settling = settling(&directory);
        let refused = pay(&mut ledger, &settling, (DAY, 0)).unwrap_err().to_string();
        assert!(refused.starts_with("there is no cut of 2026-11-23, cycle 0"), "{refused}");
        cut(&ledger, (DAY, 0));
        let nobody = Settling { debtor: None, ..settling.clone() };
        let refused = pay(&mut ledger, &nobody, (DAY, 0)).unwrap_err().to_string();
        assert!(refused.starts_with("nobody pays"), "{refused}");
        let paid = pay(&mut ledger, &settling, (DAY, 0)).unwrap();
        let file = |number: u16, count, amount| PaidFile {
            name: format!("payouts-2026-11-23-0-{number}"),
            currency: money(number),
            value: DAY.next(),
            count,
            amount,
        };
        assert_eq!(paid.files, [file(392, 1, 1_950), file(978, 1, 9_790)]);
        assert_eq!(
            paid.held,
            [held("CAFE", -10_000, "in_debt"), held("NOBODY", 9_790, "no_account")]
        );
        assert!(!paid.before);
        let written = contents(&directory);
        let names: Vec<_> = written.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "payouts-2026-11-23-0-392.csv",
                "payouts-2026-11-23-0-392.xml",
                "payouts-2026-11-23-0-978.csv",
                "payouts-2026-11-23-0-978.xml",
            ]
        );
        assert_eq!(
            written[2].1,
            "reference,merchant,name,account,bic,currency,exponent,amount,value_date\r\n\
             20261123-0-978-1,SHOP,SHOP,DE89370400440532013000,,978,2,9790,2026-11-24\r\n"
        );
        let document = roxmltree::Document::parse(&written[1].1).unwrap();
        let amount = document.descendants().find(|node| node.has_tag_name((SPACE, "InstdAmt")));
        let amount = amount.unwrap();
        assert_eq!((amount.text(), amount.attribute("Ccy")), (Some("1950"), Some("JPY")));
    }

    /// Interrupted before they were shown, or asked for again with other settings.
    #[test]
    fn the_files_are_the_same_ever_after() {
        let place = tempfile::tempdir().unwrap();
        let mut ledger = filled(place.path());
        let directory = place.path().join("payouts");
        let settling = settling(&directory);
        cut(&ledger, (DAY, 0));
        let paid = pay(&mut ledger, &settling, (DAY, 0)).unwrap();
        let written = contents(&directory);
        fs::remove_dir_all(&directory).unwrap();
        drop(ledger);
        let mut ledger = open(place.path());
        put(&ledger, Put { merchant: "SHOP", cut: (DAY.next(), 0), ..PURCHASE });
        let mut other = settling.clone();
        other.merchants.insert("NOBODY".to_owned(), holder("Somebody"));
        other.calendar.value_days = 9;
        let again = pay(&mut ledger, &other, (DAY, 0)).unwrap();
        assert_eq!(again, PaidOut { before: true, ..paid });
        assert_eq!(contents(&directory), written);
        // What was not paid comes with the next.
        cut(&ledger, (DAY.next(), 0));
        let next = pay(&mut ledger, &other, (DAY.next(), 0)).unwrap();
        assert_eq!((next.files[0].count, next.files[0].amount), (2, 2 * 9_790));
        assert_eq!(next.held, [held("CAFE", -10_000, "in_debt")]);
        let sum = "SELECT sum(credit) - sum(debit) FROM postings WHERE account = 'merchant_payable' AND party IN ('SHOP', 'NOBODY')";
        assert_eq!(ledger.connection.query_row(sum, [], |row| row.get::<_, i64>(0)), Ok(0));
        ledger.close((0, rank(DAY.next(), 0))).unwrap();
    }

    const SPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";

    #[test]
    fn cycles_come_before_the_end_of_their_day_and_never_after_it() {
        let place = tempfile::tempdir().unwrap();
        let mut ledger = open(place.path());
        let mut settling = settling(&place.path().join("payouts"));
        settling.minimum.insert(money(978), 20_000);
        for cycle in [1, 2, 0] {
            cut(&ledger, (DAY, cycle));
            put(&ledger, Put { cut: (DAY, cycle), ..PURCHASE });
        }
        let first = pay(&mut ledger, &settling, (DAY, 1)).unwrap();
        assert_eq!((first.files.len(), first.held[0].why.as_str()), (0, "below_minimum"));
        // The end of the day has what both cycles left.
        let last = pay(&mut ledger, &settling, (DAY, 0)).unwrap();
        assert_eq!(last.files[0].amount, 3 * 9_790);
        let refused = pay(&mut ledger, &settling, (DAY, 2)).unwrap_err().to_string();
        assert!(refused.starts_with("merchants were paid for a later cut before"), "{refused}");
    }

    #[test]
    fn files_that_would_differ_from_what_was_remembered_do_not_appear() {
        let place = tempfile::tempdir().unwrap();
        let mut ledger = open(place.path());
        let directory = place.path().join("payouts");
        let settling = settling(&directory);
        put(&ledger, PURCHASE);
        cut(&ledger, (DAY, 0));
        pay(&mut ledger, &settling, (DAY, 0)).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        ledger.connection.execute("UPDATE payouts SET creditor = 'Other'", ()).unwrap();
        let refused = pay(&mut ledger, &settling, (DAY, 0)).unwrap_err().to_string();
        assert!(refused.ends_with("was made with other contents before"), "{refused}");
        ledger.connection.execute("UPDATE payouts SET amount = amount + 1", ()).unwrap();
        let refused = pay(&mut ledger, &settling, (DAY, 0)).unwrap_err().to_string();
        assert!(
            refused.contains("holds 1 payments of 9791, and its head says 1 of 9790"),
            "{refused}"
        );
        let hidden = |(name, _): &(String, String)| name.starts_with('.');
        assert!(contents(&directory).iter().all(hidden));
    }
}
