//! The tables of `clearing.db`; knows nothing of what is written into them.

use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::LedgerError;
use crate::iso::BusinessDate;

/// The format of these tables, in the file's `user_version`.
const FORMAT: i64 = 5;

/// One in which names that follow each other were scattered.
const FORMAT_SCATTERED: i64 = 4;

/// One in which each claim knew the cut that presented it.
const FORMAT_MARKED: i64 = 3;

/// One in which a cut was gathered all at once.
const FORMAT_AT_ONCE: i64 = 2;

/// A format in which no program ever wrote a row.
const FORMAT_EMPTY: i64 = 1;

/// Takes its tables away.
const FORGET_EMPTY: &str = "
DROP TABLE state; DROP TABLE keys; DROP TABLE submissions; DROP TABLE claims; DROP TABLE cuts;
DROP TABLE files; DROP TABLE items; DROP TABLE events; DROP TABLE answers;
";

/// Bytes of a page.
const PAGE_BYTES: u32 = 8_192;

/// After so many pages what was committed goes to its place: 4 MiB, behind which the journal's commits wait.
const CHECKPOINT_PAGES: u32 = 512;

/// How much of the tables is kept in memory.
const CACHE_KIB: i64 = 65_536;

/// What is here is nowhere else: an answer is given when it is on the disk.
const SYNCED: &str = "FULL";

/// For how long one connection waits for another.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Days are numbers like 20261123 and times milliseconds since 1970, as in the books; amounts and fees are minor units; links the
/// numbers of their names. Rows are added and get further, and none goes away.
///
/// Merchants' side: what they claim, and what became of each claim.
const CLAIMS: &str = "
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    indexed INTEGER NOT NULL,   -- the last transaction of the books that `keys` knows
    named INTEGER NOT NULL DEFAULT 0    -- the last one whose names it has
) STRICT;
INSERT INTO state VALUES (1, 0, 0);

-- By what claims name authorizations: keyed hashes of the names, but for the last digits of a reference number and a sum of its
-- terminal, and the transactions that have them. Key 0 has those that are
-- in flight, whose names are not all known; -1 those that a reversal named since the last cut, -2 those that are not known to have
-- been heard; other negative ones, those that complete or raise an authorization.
CREATE TABLE keys (key INTEGER, txn INTEGER, PRIMARY KEY (key, txn)) STRICT, WITHOUT ROWID;

-- Merchants' files, and batches that terminals uploaded.
CREATE TABLE submissions (
    submission INTEGER PRIMARY KEY,
    merchant TEXT NOT NULL, reference TEXT NOT NULL,    -- its own name for the file: once, for ever
    digest BLOB NOT NULL, received INTEGER NOT NULL, finished INTEGER,
    state TEXT NOT NULL,        -- received, accepted, rejected
    fault TEXT,                 -- why all of it was refused
    first INTEGER, last INTEGER,    -- its claims, of which there are no others between
    UNIQUE (merchant, reference)
) STRICT;

-- Each record of them, in exactly one state.
CREATE TABLE claims (
    claim INTEGER PRIMARY KEY,
    submission INTEGER NOT NULL, seq INTEGER NOT NULL, place INTEGER NOT NULL,  -- of the record: its number, its line
    merchant TEXT NOT NULL, terminal TEXT, op TEXT NOT NULL,                    -- capture, refund, reversal, adjust
    reference TEXT NOT NULL, original_reference TEXT, original_amount INTEGER,
    rrn TEXT, stan TEXT, approval TEXT, token TEXT,
    amount INTEGER NOT NULL, currency TEXT NOT NULL, local TEXT, mcc TEXT, final INTEGER NOT NULL, tip INTEGER NOT NULL,
    entry TEXT, digest BLOB NOT NULL,
    state TEXT NOT NULL,        -- accepted, warned, rejected, pending, duplicate
    reason TEXT, field TEXT, expected TEXT, got TEXT,
    txn INTEGER,                -- the authorization it was matched with
    original INTEGER,           -- the claim that it refunds, takes back or adjusts
    voided INTEGER,             -- the claim that took it back, or replaced it, before it was presented; of the one that took it back, itself
    -- 1, of one of those that name an authorization: none that was presented before it names it, if it is the last of that. Else NULL.
    opens INTEGER
) STRICT;
-- A claim is in one of these two. A condition of more than two values would cost each row that is written a table of its own.
-- The reference is first, since it tells more of two claims apart.
CREATE UNIQUE INDEX claims_standing ON claims (reference, merchant) WHERE state NOT IN ('rejected', 'duplicate');
CREATE INDEX claims_fallen ON claims (reference, merchant) WHERE state IN ('rejected', 'duplicate');
-- Unique: who takes a claim for the first hears where it is not. NULLs are never the same.
CREATE UNIQUE INDEX claims_by_txn ON claims (txn, opens) WHERE txn IS NOT NULL;
CREATE INDEX claims_by_original ON claims (original) WHERE original IS NOT NULL;
CREATE INDEX claims_pending ON claims (claim) WHERE state = 'pending';

-- Accepted claims that are not void and that no cut has taken. A table of its own, so that a cut leaves the claims as they are.
CREATE TABLE to_cut (claim INTEGER PRIMARY KEY) STRICT;
";

/// Issuers' side: what was presented to them, in which file.
const ITEMS: &str = "
-- Moments at which what was waiting was gathered: cycle 0 is the day's own end.
CREATE TABLE cuts (
    day INTEGER, cycle INTEGER, lsn INTEGER NOT NULL, at INTEGER NOT NULL, last_claim INTEGER NOT NULL,
    state TEXT NOT NULL,        -- gathering, begun, written; earlier: by a program that kept no ledger
    digest BLOB,                -- of the positions, both of them
    PRIMARY KEY (day, cycle)
) STRICT, WITHOUT ROWID;

-- Approvals that cannot be presented: somebody must see to them.
CREATE TABLE held (
    day INTEGER, cycle INTEGER, txn INTEGER, kind TEXT, party TEXT NOT NULL, fault TEXT NOT NULL,
    PRIMARY KEY (day, cycle, txn, kind)
) STRICT, WITHOUT ROWID;

-- What went to issuers. The sequence never recurs within a day; a row is there before its file can be seen.
CREATE TABLE files (
    file INTEGER PRIMARY KEY,
    day INTEGER NOT NULL, cycle INTEGER NOT NULL, issuer INTEGER NOT NULL, currency TEXT NOT NULL,
    sequence INTEGER NOT NULL, file_id TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE,
    party TEXT NOT NULL,        -- the issuer's name as it was then
    format TEXT NOT NULL,       -- ipm, csv
    records INTEGER, checksum INTEGER, digest BLOB, written INTEGER,
    state TEXT NOT NULL,        -- begun, written, accepted, rejected
    answered INTEGER,           -- when the issuer took or refused it
    UNIQUE (day, cycle, issuer, currency), UNIQUE (day, sequence)
) STRICT;

-- Whatever moves money, once: what was, or will be, claimed of an issuer or taken back.
CREATE TABLE items (
    item INTEGER PRIMARY KEY,
    -- To the merchant: presentment, again (a rejected one, presented once more), representment (of a chargeback).
    -- Back: opposite (all of it), lowered (a part of it), rejection (the issuer did not take it; it waits in suspense),
    -- given_up (out of suspense, at the merchant's cost), chargeback.
    kind TEXT NOT NULL,
    about INTEGER,              -- the item that it takes back, charges back or presents again
    txn INTEGER, claim INTEGER,
    issuer INTEGER NOT NULL, merchant TEXT NOT NULL, terminal TEXT, card TEXT, rrn TEXT, approval TEXT, mcc TEXT,
    amount INTEGER NOT NULL, currency TEXT NOT NULL, refund INTEGER NOT NULL,   -- whether the presentment pays the card
    discount INTEGER NOT NULL DEFAULT 0,    -- what the merchant pays of it
    interchange INTEGER NOT NULL DEFAULT 0, -- what the issuer gets of that
    scheme INTEGER NOT NULL DEFAULT 0,      -- what the network gets
    exact TEXT,                 -- the fees before rounding, and the rules that gave them
    day INTEGER, cycle INTEGER, -- the cut whose position it is in; none while it waits
    file INTEGER, number INTEGER, reference TEXT,   -- its file, its number there (element 71), its reference (element 31)
    state TEXT NOT NULL,        -- waiting, presented (once it has a file), accepted, rejected, charged_back
    reason TEXT, due INTEGER    -- of a chargeback: its reason code, and the last day on which it may be answered
) STRICT;
-- With the amount, so that a file is added up without its rows.
CREATE INDEX items_by_file ON items (file, number, amount) WHERE file IS NOT NULL;
-- Only what comes of no claim: all others are found by the transaction of their claim. Who wants both asks `of_txn`.
CREATE INDEX items_by_txn ON items (txn) WHERE claim IS NULL AND txn IS NOT NULL;
CREATE VIEW of_txn (txn, item) AS
    SELECT txn, item FROM items WHERE claim IS NULL AND txn IS NOT NULL
    UNION ALL SELECT claims.txn, items.item FROM claims JOIN items ON items.claim = claims.claim WHERE claims.txn IS NOT NULL;
-- Without its merchant: then each item is the last of its day, and many merchants' items are not written all over it.
CREATE INDEX items_by_day ON items (day, cycle);
CREATE INDEX items_by_about ON items (about) WHERE about IS NOT NULL;
CREATE INDEX items_to_cut ON items (item) WHERE day IS NULL;
-- Once, whatever races.
CREATE UNIQUE INDEX items_once ON items (about, kind) WHERE about IS NOT NULL AND kind NOT IN ('lowered', 'chargeback');
CREATE UNIQUE INDEX items_of_claim ON items (claim, kind) WHERE claim IS NOT NULL;

-- What became of an item, a claim, a file or an answer, in order.
CREATE TABLE events (
    event INTEGER PRIMARY KEY, at INTEGER NOT NULL,
    item INTEGER, claim INTEGER, file INTEGER, answer INTEGER,
    kind TEXT NOT NULL, detail TEXT
) STRICT;
CREATE INDEX events_by_item ON events (item) WHERE item IS NOT NULL;
CREATE INDEX events_by_claim ON events (claim) WHERE claim IS NOT NULL;
CREATE INDEX events_by_file ON events (file) WHERE file IS NOT NULL;
CREATE INDEX events_by_answer ON events (answer) WHERE answer IS NOT NULL;
";

/// What issuers said, and what a person has to look at.
const ANSWERS: &str = "
-- Each logical file of what an issuer sent; the digest is that of its records, whatever form they came in.
CREATE TABLE answers (
    answer INTEGER PRIMARY KEY, name TEXT NOT NULL, file_id TEXT NOT NULL, digest BLOB NOT NULL,
    issuer INTEGER NOT NULL, received INTEGER NOT NULL,
    records INTEGER NOT NULL, quarantined INTEGER NOT NULL,
    UNIQUE (issuer, file_id)
) STRICT;

-- What each of their records says of what we sent. The states of items and files follow from the set of these, in any order.
CREATE TABLE said (
    said INTEGER PRIMARY KEY,
    answer INTEGER NOT NULL, number INTEGER NOT NULL,
    kind TEXT NOT NULL,         -- rejects_file, rejects, totals, charges_back, takes_back, asks, text, collects
    file INTEGER, item INTEGER, -- about which of ours; none where it was not found
    about_file TEXT, about_number INTEGER, reference TEXT,  -- how it named them
    function TEXT NOT NULL, reason TEXT, amount INTEGER, currency TEXT, detail TEXT,
    made INTEGER,               -- the charge-back that came of it
    UNIQUE (answer, number)
) STRICT;
CREATE INDEX said_by_item ON said (item) WHERE item IS NOT NULL;
CREATE INDEX said_by_file ON said (file) WHERE file IS NOT NULL;
CREATE INDEX said_by_made ON said (made) WHERE made IS NOT NULL;

-- What fits nowhere, until somebody closes it.
CREATE TABLE exceptions (
    exception INTEGER PRIMARY KEY, opened INTEGER NOT NULL,
    kind TEXT NOT NULL,         -- quarantined, unmatched, ambiguous, totals_differ, over_claimed, refused, unfit, fee, not_presented, held
    claim INTEGER, item INTEGER, file INTEGER, answer INTEGER, issuer INTEGER,
    place INTEGER, start INTEGER, length INTEGER, digest BLOB,  -- of a record: its number, where it lies, its keyed hash
    amount INTEGER, currency TEXT, detail TEXT NOT NULL,
    closed INTEGER, closed_by TEXT, closed_why TEXT     -- closed_by is `switch` where what came later settled it
) STRICT;
CREATE INDEX exceptions_open ON exceptions (opened) WHERE closed IS NULL;
CREATE INDEX exceptions_by_item ON exceptions (item) WHERE item IS NOT NULL;
CREATE UNIQUE INDEX exceptions_once ON exceptions (answer, kind, place) WHERE answer IS NOT NULL;
CREATE UNIQUE INDEX exceptions_of_file ON exceptions (file, kind) WHERE kind = 'totals_differ';
CREATE UNIQUE INDEX exceptions_of_refused ON exceptions (issuer, digest) WHERE kind = 'refused';
";

/// Who owes whom, and who paid whom.
const SETTLEMENT: &str = "
CREATE INDEX items_to_price ON items (item) WHERE exact IS NULL AND day IS NOT NULL;

-- Moments at which merchants were paid. The rank orders cycles: the day's own end, cycle 0, is its last.
CREATE TABLE settlements (
    day INTEGER, cycle INTEGER, rank INTEGER NOT NULL UNIQUE, made INTEGER NOT NULL, PRIMARY KEY (day, cycle)
) STRICT, WITHOUT ROWID;

-- What is paid out to merchants: an instruction each, once for each day, cycle, merchant and currency; and to which account.
CREATE TABLE payouts (
    payout INTEGER PRIMARY KEY,
    day INTEGER NOT NULL, cycle INTEGER NOT NULL, merchant TEXT NOT NULL, currency TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0), value_day INTEGER NOT NULL, reference TEXT NOT NULL UNIQUE,
    creditor TEXT NOT NULL, account_kind TEXT NOT NULL, account TEXT NOT NULL, bic TEXT, made INTEGER NOT NULL,
    UNIQUE (day, cycle, currency, merchant)
) STRICT;

-- The files that they are told to the bank in.
CREATE TABLE payments (
    day INTEGER, cycle INTEGER, currency TEXT, message TEXT NOT NULL UNIQUE, value_day INTEGER NOT NULL,
    count INTEGER NOT NULL, amount INTEGER NOT NULL,
    debtor TEXT NOT NULL, account_kind TEXT NOT NULL, account TEXT NOT NULL, bic TEXT,
    name TEXT NOT NULL UNIQUE, digest BLOB, csv_digest BLOB,    -- without its end; none before they are written
    PRIMARY KEY (day, cycle, currency)
) STRICT, WITHOUT ROWID;

-- What was left to each merchant by such a moment, and why it was not paid.
CREATE TABLE balances (
    rank INTEGER, currency TEXT, merchant TEXT, amount INTEGER NOT NULL, why TEXT,  -- in_debt, below_minimum, no_account, no_letters
    PRIMARY KEY (rank, currency, merchant)
) STRICT, WITHOUT ROWID;
CREATE INDEX balances_by_merchant ON balances (merchant, currency, rank);

-- What each issuer owed by such a moment.
CREATE TABLE receivables (
    rank INTEGER, currency TEXT, issuer TEXT, amount INTEGER NOT NULL, PRIMARY KEY (rank, currency, issuer)
) STRICT, WITHOUT ROWID;

-- What issuers paid; less than nothing was paid to them. It is booked on its day, or on the first after the last payout: a day
-- that was paid does not change.
CREATE TABLE funds (
    fund INTEGER PRIMARY KEY,
    issuer INTEGER NOT NULL, currency TEXT NOT NULL, amount INTEGER NOT NULL, day INTEGER NOT NULL, booked INTEGER NOT NULL,
    reference TEXT NOT NULL, received INTEGER NOT NULL,
    UNIQUE (issuer, reference)
) STRICT;
CREATE INDEX funds_by_day ON funds (booked);

-- Items with the sign of what they claim of their issuer: `again`, `rejection` and `given_up` follow the one that they are about.
CREATE VIEW signed AS
    SELECT i.*, CASE i.cycle WHEN 0 THEN 999 ELSE i.cycle END + i.day * 1000 AS rank, i.amount
        * CASE i.refund WHEN 0 THEN 1 ELSE -1 END
        * CASE WHEN i.kind IN ('rejection', 'given_up') THEN -1 ELSE 1 END
        * CASE WHEN coalesce(
            CASE WHEN i.kind NOT IN ('again', 'rejection', 'given_up') THEN i.kind END,
            CASE WHEN a.kind NOT IN ('again', 'rejection', 'given_up') THEN a.kind END,
            CASE WHEN b.kind NOT IN ('again', 'rejection', 'given_up') THEN b.kind END,
            c.kind) IN ('opposite', 'lowered', 'chargeback') THEN -1 ELSE 1 END AS gross
    FROM items i LEFT JOIN items a ON a.item = i.about LEFT JOIN items b ON b.item = a.about LEFT JOIN items c ON c.item = b.about;

-- Double entry: one amount, from one account to another, so that no event can move what it does not move elsewhere.
CREATE VIEW entries AS
    SELECT 'item' AS source, item AS number, kind AS event, 'gross' AS part,
        CASE kind WHEN 'given_up' THEN 'suspense' ELSE 'issuer_receivable' END AS debited,
        CASE WHEN kind IN ('rejection', 'again') THEN 'suspense' ELSE 'merchant_payable' END AS credited,
        issuer, merchant, currency, day, cycle, rank, gross AS amount
    FROM signed WHERE day IS NOT NULL
    UNION ALL
    SELECT 'item', item, kind, 'discount', 'merchant_payable', 'fee_income',
        issuer, merchant, currency, day, cycle, rank, discount FROM signed WHERE day IS NOT NULL AND discount <> 0
    UNION ALL
    SELECT 'item', item, kind, 'interchange', 'interchange_expense', 'issuer_receivable',
        issuer, merchant, currency, day, cycle, rank, interchange FROM signed WHERE day IS NOT NULL AND interchange <> 0
    UNION ALL
    SELECT 'item', item, kind, 'scheme', 'scheme_expense', 'scheme_payable',
        issuer, merchant, currency, day, cycle, rank, scheme FROM signed WHERE day IS NOT NULL AND scheme <> 0
    UNION ALL
    SELECT 'payout', payout, 'payout', 'gross', 'merchant_payable', 'nostro',
        NULL, merchant, currency, day, cycle, CASE cycle WHEN 0 THEN 999 ELSE cycle END + day * 1000, amount FROM payouts
    UNION ALL
    SELECT 'fund', fund, 'fund', 'gross', 'nostro', 'issuer_receivable',
        issuer, NULL, currency, booked, 0, booked * 1000 + 999, amount FROM funds;

-- The same as a ledger has it: a line for each account. Debits and credits are never less than nothing.
CREATE VIEW postings AS
    SELECT source, number, event, part, debited AS account,
        CASE debited WHEN 'issuer_receivable' THEN CAST(issuer AS TEXT) WHEN 'merchant_payable' THEN merchant ELSE '' END AS party,
        currency, day, cycle, rank, max(amount, 0) AS debit, max(-amount, 0) AS credit FROM entries
    UNION ALL
    SELECT source, number, event, part, credited,
        CASE credited WHEN 'issuer_receivable' THEN CAST(issuer AS TEXT) WHEN 'merchant_payable' THEN merchant ELSE '' END,
        currency, day, cycle, rank, max(-amount, 0), max(amount, 0) FROM entries;
";

/// What terminals close.
const BATCHES: &str = "
-- The transactions of each terminal: a keyed hash of its link, itself and its merchant.
CREATE TABLE terminals (key INTEGER, txn INTEGER, PRIMARY KEY (key, txn)) STRICT, WITHOUT ROWID;
CREATE TABLE batch_state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    terminals_indexed INTEGER NOT NULL  -- the last transaction of the books that `terminals` knows
) STRICT;
INSERT INTO batch_state VALUES (1, 0);

CREATE TABLE batches (
    batch INTEGER PRIMARY KEY,
    link INTEGER NOT NULL, terminal TEXT NOT NULL, merchant TEXT NOT NULL, number INTEGER NOT NULL,
    first INTEGER NOT NULL,     -- no transaction before this one is in it; of a closed one, in the next
    currency TEXT NOT NULL,
    sales INTEGER, sales_amount INTEGER, refunds INTEGER, refunds_amount INTEGER,   -- as its terminal says
    opened INTEGER NOT NULL, closed INTEGER
) STRICT;
CREATE INDEX batches_by_terminal ON batches (link, terminal, merchant, batch);
CREATE UNIQUE INDEX batches_open ON batches (link, terminal, merchant) WHERE closed IS NULL;

-- What a closed batch has: in no other one.
CREATE TABLE batched (txn INTEGER PRIMARY KEY, batch INTEGER NOT NULL) STRICT;

-- Each difference is told once.
CREATE UNIQUE INDEX exceptions_of_batches ON exceptions (kind, detail)
    WHERE closed IS NULL AND kind IN ('batch_differs', 'amount_differs', 'uploaded_unknown', 'not_uploaded', 'upload_ambiguous');

-- What a terminal uploads, by its original.
CREATE TABLE uploads (
    batch INTEGER, mti TEXT, stan TEXT, rrn TEXT, amount INTEGER NOT NULL, currency TEXT NOT NULL, refund INTEGER NOT NULL,
    approval TEXT, card TEXT, tip INTEGER NOT NULL,
    PRIMARY KEY (batch, mti, stan)
) STRICT, WITHOUT ROWID;
";

/// What hosts reconcile, some indexes, and where the ledger began. A ledger that was begun before there was any of this gets these when it is opened.
const RECONCILIATIONS: &str = "
CREATE TABLE IF NOT EXISTS reconciliations (
    reconciliation INTEGER PRIMARY KEY,
    link INTEGER NOT NULL, day INTEGER NOT NULL, currency TEXT NOT NULL,
    key TEXT NOT NULL,          -- the message's own name: a repeat has the same
    said TEXT NOT NULL,         -- all that it said
    number INTEGER,             -- where the link's network has numbers
    at INTEGER NOT NULL, lsn INTEGER NOT NULL,      -- when it was compared, and with books of which record
    code TEXT NOT NULL, settled TEXT NOT NULL,      -- what its host heard: in_balance, out_of_balance
    exception INTEGER,          -- the one that tells of it
    UNIQUE (link, key)
) STRICT;
-- Who is told of a claim is told of its exceptions.
CREATE INDEX IF NOT EXISTS exceptions_by_claim ON exceptions (claim) WHERE claim IS NOT NULL;
CREATE INDEX IF NOT EXISTS held_by_txn ON held (txn);
-- What is held is told once.
CREATE UNIQUE INDEX IF NOT EXISTS exceptions_of_held ON exceptions (detail) WHERE kind = 'held' AND closed IS NULL;
CREATE INDEX IF NOT EXISTS reconciliations_by_day ON reconciliations (link, day, currency);

-- What we say to issuers that our days came to: owed from the moment at which it was added up until it is answered.
CREATE TABLE IF NOT EXISTS totals (
    totals INTEGER PRIMARY KEY,
    link INTEGER NOT NULL, day INTEGER NOT NULL, currency TEXT NOT NULL, at INTEGER NOT NULL, lsn INTEGER NOT NULL,
    transmission TEXT NOT NULL,     -- element 7 each time
    said INTEGER NOT NULL,          -- whether it may have left
    state TEXT NOT NULL,            -- owed, in_balance, out_of_balance, error
    code TEXT, answered INTEGER,
    UNIQUE (link, day, currency)
) STRICT;
CREATE INDEX IF NOT EXISTS totals_owed ON totals (link) WHERE state = 'owed';
CREATE TABLE IF NOT EXISTS totals_classes (
    totals INTEGER, class TEXT, count INTEGER NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (totals, class)
) STRICT, WITHOUT ROWID;

-- What was said of each class, and what was here.
CREATE TABLE IF NOT EXISTS reconciled (
    reconciliation INTEGER, class TEXT,
    count INTEGER NOT NULL, amount INTEGER NOT NULL, own_count INTEGER NOT NULL, own_amount INTEGER NOT NULL,
    PRIMARY KEY (reconciliation, class)
) STRICT, WITHOUT ROWID;

-- What the ledger before it may have done: the last record of the journal as it was begun, its last day, numbers that may be taken.
CREATE TABLE IF NOT EXISTS origin (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    lsn INTEGER NOT NULL, day INTEGER NOT NULL, files INTEGER NOT NULL, items INTEGER NOT NULL
) STRICT;
";

/// What came with format 3: cuts are gathered in steps; and fewer indexes, each of which costs a cut of a million claims seconds.
const TO_FORMAT_3: &str = "
DROP INDEX claims_by_reference;
DROP INDEX claims_standing;
CREATE INDEX claims_standing ON claims (merchant, reference) WHERE state NOT IN ('rejected', 'duplicate');
CREATE INDEX claims_fallen ON claims (merchant, reference) WHERE state IN ('rejected', 'duplicate');
DROP INDEX items_by_day;
CREATE INDEX items_by_day ON items (day, cycle);
DROP INDEX items_by_reference;
DROP INDEX items_by_claim;
DROP INDEX items_once;
CREATE UNIQUE INDEX items_once ON items (about, kind) WHERE about IS NOT NULL AND kind NOT IN ('lowered', 'chargeback');
";

/// What came with format 4: a cut leaves claims as they are, files know their claims, and no two claims that stand have one reference;
/// only what terminals uploaded could have that of another one. Claims keep two columns, `day` and `cycle`, that nobody reads: to take columns away writes each row anew.
const TO_FORMAT_4: &str = "
UPDATE claims SET reference = reference || '//' || claim WHERE place = 0 AND state NOT IN ('rejected', 'duplicate')
    AND EXISTS (SELECT 1 FROM claims AS other WHERE other.merchant = claims.merchant AND other.reference = claims.reference
        AND other.state NOT IN ('rejected', 'duplicate') AND other.claim < claims.claim);
DROP INDEX claims_standing;
CREATE UNIQUE INDEX claims_standing ON claims (merchant, reference) WHERE state NOT IN ('rejected', 'duplicate');
CREATE TABLE to_cut (claim INTEGER PRIMARY KEY) STRICT;
INSERT INTO to_cut SELECT claim FROM claims WHERE day IS NULL AND voided IS NULL AND state IN ('accepted', 'warned');
DROP INDEX claims_to_cut;
ALTER TABLE claims ADD COLUMN first_of_txn INTEGER NOT NULL DEFAULT 0;
ALTER TABLE submissions ADD COLUMN first INTEGER;
ALTER TABLE submissions ADD COLUMN last INTEGER;
UPDATE submissions SET (first, last) =
    (SELECT min(claim), max(claim) FROM claims WHERE claims.submission = submissions.submission);
DROP INDEX claims_by_submission;
";

/// What came with format 5: an item of a claim is found by its claim, which is an entry less for each; a file is added up from its index;
/// the first claim of each authorization is marked; references come before merchants; and names that follow each other lie together:
/// `Ledger::index` enters them anew. Claims keep a column, `first_of_txn`, that nobody reads.
const TO_FORMAT_5: &str = "
DROP INDEX items_by_txn;
CREATE INDEX items_by_txn ON items (txn) WHERE claim IS NULL AND txn IS NOT NULL;
CREATE VIEW of_txn (txn, item) AS
    SELECT txn, item FROM items WHERE claim IS NULL AND txn IS NOT NULL
    UNION ALL SELECT claims.txn, items.item FROM claims JOIN items ON items.claim = claims.claim WHERE claims.txn IS NOT NULL;
DROP INDEX items_by_file;
CREATE INDEX items_by_file ON items (file, number, amount) WHERE file IS NOT NULL;
ALTER TABLE claims ADD COLUMN opens INTEGER;
UPDATE claims SET opens = 1 WHERE txn IS NOT NULL AND claim = (SELECT one.claim FROM claims AS one WHERE one.txn = claims.txn
    ORDER BY EXISTS (SELECT 1 FROM to_cut WHERE to_cut.claim = one.claim), one.claim LIMIT 1);
DROP INDEX claims_standing; DROP INDEX claims_fallen;
CREATE UNIQUE INDEX claims_standing ON claims (reference, merchant) WHERE state NOT IN ('rejected', 'duplicate');
CREATE INDEX claims_fallen ON claims (reference, merchant) WHERE state IN ('rejected', 'duplicate');
DROP INDEX claims_by_txn;
CREATE UNIQUE INDEX claims_by_txn ON claims (txn, opens) WHERE txn IS NOT NULL;
DELETE FROM keys WHERE key > 0;
ALTER TABLE state ADD COLUMN named INTEGER NOT NULL DEFAULT 0;
";

/// The claims of a merchant that have one reference, whatever became of them. Asked in halves, as they are indexed.
pub(super) const CLAIMS_OF_REFERENCE: &str = "
SELECT claim FROM claims WHERE merchant = ?1 AND reference = ?2 AND state NOT IN ('rejected', 'duplicate')
UNION ALL SELECT claim FROM claims WHERE merchant = ?1 AND reference = ?2 AND state IN ('rejected', 'duplicate')";

/// The items that may have one reference (element 31), where `?1` is the number in it: the item whose number that is and all that
/// follows from it, which has the same reference; and what a program claimed that kept no ledger, under its transaction's number.
pub(super) const ITEMS_OF_REFERENCE: &str = "
WITH RECURSIVE family(item) AS (
    SELECT item FROM items WHERE item = ?1 UNION SELECT item FROM items WHERE txn = ?1 AND claim IS NULL
    UNION SELECT items.item FROM items JOIN family ON items.about = family.item)
SELECT item FROM family";

/// What an exception says of what is held.
pub(super) const HELD_IN_WORDS: &str =
    "held.kind || ' of transaction ' || held.txn || ' is held: ' || held.fault";

/// In place of the record of the journal beside which a ledger was begun: it is known when the journal is.
pub(super) const BEGUN_NOW: i64 = -1;

/// Settings, and the tables where there are none.
pub(super) fn prepare(connection: &Connection) -> Result<(), LedgerError> {
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", SYNCED)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Otherwise what has a `LIMIT ?` is planned anew for each value: a third of the time that claims took.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found == 0 || found == FORMAT_EMPTY {
        let whole = connection.unchecked_transaction()?;
        connection.execute_batch(if found == 0 { "" } else { FORGET_EMPTY })?;
        for tables in [CLAIMS, ITEMS, ANSWERS, SETTLEMENT, BATCHES] {
            connection.execute_batch(tables)?;
        }
        if found == 0 {
            connection.execute_batch(RECONCILIATIONS)?;
            connection.execute("INSERT INTO origin VALUES (1, ?, 0, 0, 0)", [BEGUN_NOW])?;
        }
        connection.pragma_update(None, "user_version", FORMAT)?;
        whole.commit()?;
    }
    let upgrades: &[&str] = match found {
        FORMAT_AT_ONCE => &[TO_FORMAT_3, TO_FORMAT_4, TO_FORMAT_5],
        FORMAT_MARKED => &[TO_FORMAT_4, TO_FORMAT_5],
        FORMAT_SCATTERED => &[TO_FORMAT_5],
        _ => &[],
    };
    if !upgrades.is_empty() {
        let whole = connection.unchecked_transaction()?;
        upgrades.iter().try_for_each(|upgrade| connection.execute_batch(upgrade))?;
        connection.pragma_update(None, "user_version", FORMAT)?;
        whole.commit()?;
    }
    is_known(connection)?;
    Ok(connection.execute_batch(RECONCILIATIONS)?)
}

/// Does something whose commits need not be on the disk before the next ones are: what was committed last may be undone by a plug
/// that is pulled, and nothing between. The next commit after it brings all of it to the disk.
pub(super) fn loosely<T, E: From<rusqlite::Error>>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let done = work();
    let again = connection.pragma_update(None, "synchronous", SYNCED);
    let done = done?;
    again?;
    Ok(done)
}

/// Does something whose commits stay in the write-ahead log: others bring them to their place, meanwhile or afterwards.
pub(super) fn without_checkpoints<T, E: From<rusqlite::Error>>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    let done = work();
    let again = connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES);
    let done = done?;
    again?;
    Ok(done)
}

/// Brings everything to its place, and has the log begin anew: waits for those who read what was there before. Gives whether it does.
pub(super) fn restart(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| Ok(!row.get::<_, bool>(0)?))
}

/// Brings what was committed to its place, as far as nobody reads what was there before. Gives whether that was all of it.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(!row.get::<_, bool>(0)? && row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
    })
}

/// Whether the tables are of the format that is known here.
pub(super) fn is_known(connection: &Connection) -> Result<(), LedgerError> {
    let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found == FORMAT { Ok(()) } else { Err(LedgerError::Format { found, known: FORMAT }) }
}

/// A day as people and tables have it: 20261123. 0 stands for no day.
pub(super) fn day(date: BusinessDate) -> i64 {
    let (year, month, day) = date.parts();
    i64::from(if date.0 == 0 { 0 } else { year * 10_000 + month * 100 + day })
}

/// The day of such a number.
pub(super) fn date(day: i64) -> Option<BusinessDate> {
    let text = format!("{:04}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100);
    BusinessDate::from_text(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of it, but for comments and blanks.
    fn schema(connection: &Connection) -> Vec<String> {
        let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY name";
        let mut ask = connection.prepare(sql).unwrap();
        let all = ask.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
        let said = |line: &str| line.split("--").next().unwrap_or_default().to_owned();
        let plain = |sql: String| sql.lines().map(said).collect::<String>().replace(' ', "");
        all.map(plain).collect()
    }

    /// Makes a new ledger one of format 4, which knew names.
    const FORMAT_4: &str = "
        DROP VIEW of_txn;
        DROP INDEX items_by_txn;
        CREATE INDEX items_by_txn ON items (txn) WHERE txn IS NOT NULL;
        DROP INDEX items_by_file;
        CREATE INDEX items_by_file ON items (file, number) WHERE file IS NOT NULL;
        ALTER TABLE state DROP COLUMN named;
        UPDATE state SET indexed = 7;
        DROP INDEX claims_standing; DROP INDEX claims_fallen;
        CREATE UNIQUE INDEX claims_standing ON claims (merchant, reference) WHERE state NOT IN ('rejected', 'duplicate');
        CREATE INDEX claims_fallen ON claims (merchant, reference) WHERE state IN ('rejected', 'duplicate');
        INSERT INTO keys VALUES (0, 7), (-1, 5), (11, 4), (12, 4);
        DROP INDEX claims_by_txn;
        CREATE INDEX claims_by_txn ON claims (txn) WHERE txn IS NOT NULL;
        ALTER TABLE claims DROP COLUMN opens;
        ALTER TABLE claims ADD COLUMN first_of_txn INTEGER NOT NULL DEFAULT 0;
        PRAGMA user_version = 4;";

    /// Makes that one of format 3, with claims in it.
    const FORMAT_3: &str = "
        DROP TABLE to_cut;
        CREATE INDEX claims_by_submission ON claims (submission, seq);
        ALTER TABLE claims DROP COLUMN first_of_txn;
        ALTER TABLE submissions DROP COLUMN first; ALTER TABLE submissions DROP COLUMN last;
        INSERT INTO submissions VALUES (1, 'SHOP', 'f', x'', 1, 2, 'accepted', NULL), (2, 'SHOP', 'batch', x'', 1, 2, 'accepted', NULL),
            (3, 'SHOP', 'refused', x'', 1, 2, 'rejected', 'why');
        ALTER TABLE claims ADD COLUMN day INTEGER; ALTER TABLE claims ADD COLUMN cycle INTEGER;
        CREATE INDEX claims_to_cut ON claims (claim) WHERE day IS NULL AND voided IS NULL AND state IN ('accepted', 'warned');
        DROP INDEX claims_standing;
        CREATE INDEX claims_standing ON claims (merchant, reference) WHERE state NOT IN ('rejected', 'duplicate');
        INSERT INTO claims (claim, submission, seq, place, merchant, op, reference, amount, currency, final, tip, digest, state, voided, day)
            VALUES (1, 1, 1, 1, 'SHOP', 'capture', 'a', 1, '978', 1, 0, x'', 'accepted', NULL, NULL),
                (2, 1, 2, 2, 'SHOP', 'capture', 'b', 1, '978', 1, 0, x'', 'accepted', NULL, 20261123),
                (3, 1, 3, 3, 'SHOP', 'capture', 'c', 1, '978', 1, 0, x'', 'warned', 4, NULL),
                (4, 1, 4, 4, 'SHOP', 'capture', 'd', 1, '978', 1, 0, x'', 'pending', NULL, NULL),
                (5, 1, 5, 5, 'SHOP', 'capture', 'e', 1, '978', 1, 0, x'', 'warned', NULL, NULL),
                (6, 2, 1, 0, 'SHOP', 'capture', 'd', 1, '978', 1, 0, x'', 'pending', NULL, NULL),
                (7, 2, 2, 0, 'SHOP', 'capture', 'd', 1, '978', 1, 0, x'', 'rejected', NULL, NULL),
                (8, 2, 3, 0, 'SHOP', 'capture', 'd', 1, '978', 1, 0, x'', 'pending', NULL, NULL);
        UPDATE claims SET txn = 70 WHERE claim IN (1, 2, 5);
        UPDATE claims SET txn = 71 WHERE claim = 4;
        PRAGMA user_version = 3;";

    /// Makes that one of format 2.
    const FORMAT_2: &str = "
        DROP INDEX claims_standing; DROP INDEX claims_fallen; DROP INDEX items_once;
        CREATE INDEX claims_by_reference ON claims (merchant, reference);
        CREATE INDEX claims_standing ON claims (merchant, reference) WHERE state IN ('accepted', 'warned', 'pending');
        DROP INDEX items_by_day;
        CREATE INDEX items_by_day ON items (day, cycle, merchant);
        CREATE INDEX items_by_reference ON items (reference) WHERE reference IS NOT NULL;
        CREATE INDEX items_by_claim ON items (claim) WHERE claim IS NOT NULL;
        CREATE UNIQUE INDEX items_once ON items (about, kind)
            WHERE kind IN ('again', 'opposite', 'rejection', 'given_up', 'representment');
        PRAGMA user_version = 2;";

    /// A ledger of an earlier format becomes what a new one is, but for the columns that stay.
    #[test]
    fn tables_of_an_earlier_program_are_brought_up() {
        let fresh = Connection::open_in_memory().unwrap();
        prepare(&fresh).unwrap();
        for steps in [&[FORMAT_4][..], &[FORMAT_4, FORMAT_3], &[FORMAT_4, FORMAT_3, FORMAT_2]] {
            let old = Connection::open_in_memory().unwrap();
            prepare(&old).unwrap();
            for step in steps {
                old.execute_batch(step).unwrap();
            }
            assert_ne!(schema(&old), schema(&fresh));
            prepare(&old).unwrap();
            let stays = |sql: String| {
                let sql = sql.replace(",dayINTEGER,cycleINTEGER,first_of_txn", ",first_of_txn");
                sql.replace(",first_of_txnINTEGERNOTNULLDEFAULT0", "")
            };
            let brought_up: Vec<_> = schema(&old).into_iter().map(stays).collect();
            assert_eq!(brought_up, schema(&fresh));
            if steps.len() == 1 {
                continue; // It has no claims.
            }
            let all = |sql: &str| -> Vec<String> {
                let mut ask = old.prepare(sql).unwrap();
                ask.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
            };
            assert_eq!(all("SELECT '' || claim FROM to_cut ORDER BY claim"), ["1", "5"]);
            let references = all("SELECT reference FROM claims ORDER BY claim");
            assert_eq!(references, ["a", "b", "c", "d", "e", "d//6", "d", "d//8"]);
            let ranges = all("SELECT ifnull(first || '-' || last, '') FROM submissions");
            assert_eq!(ranges, ["1-5", "6-8", ""]);
            let firsts = all("SELECT '' || claim FROM claims WHERE opens ORDER BY claim");
            assert_eq!(
                firsts,
                ["2", "4"],
                "of each authorization, one that was presented if there is one"
            );
            let knows = all("SELECT indexed || '-' || named FROM state");
            assert_eq!(knows, ["7-0"]);
            let keys = all("SELECT key || '-' || txn FROM keys ORDER BY key");
            assert_eq!(keys, ["-1-5", "0-7"], "names are entered anew, and nothing else");
        }
    }
}
