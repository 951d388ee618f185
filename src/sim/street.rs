//! A street of shops: terminals that buy, give back, change their minds, and ask again until they
//! hear. Knows no issuer, and of the switch only what it answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::iso::{Elements, Mti, ResponseCode};

use super::SimError;
use super::purchase::card;
use super::terminal::{Answer, FINANCIAL, Outcome, REVERSAL, Terminal};

/// How the shops behave.
#[derive(Clone, Debug)]
pub struct Habits {
    /// The first digits of the cards that are used.
    pub prefixes: Vec<String>,
    /// Amount endings other than 00, each with its share of all sales in thousandths.
    pub endings: Vec<(u64, u32)>,
    /// Refunds among sales, thousandths.
    pub refunds: u32,
    /// Approved sales that are taken back at once, thousandths.
    pub reversals: u32,
    /// Sales in US dollars, thousandths; the others are in euros.
    pub dollars: u32,
    /// Between an answer and the next sale.
    pub pause: Duration,
    /// How long an answer is awaited before the question is asked again.
    pub patience: Duration,
    /// What the dice begin with.
    pub seed: u64,
}

/// What the shops heard so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Sales approved.
    pub approved: u64,
    /// Sales declined by their issuer.
    pub declined: u64,
    /// Sales declined because their issuer did not answer: code 91.
    pub unanswered: u64,
    /// Sales that the switch could not do: 96, 94, 92, 30 or no code at all.
    pub refused: u64,
    /// Reversals of the shops' own that were acknowledged.
    pub reversed: u64,
    /// Questions asked again after a silence or a lost connection.
    pub asked_again: u64,
    /// Last questions asked again after a reconnection, and answered in the same words.
    pub same_words: u64,
    /// The same, answered in other words.
    pub other_words: u64,
    /// Answers that altered what they should repeat.
    pub altered: u64,
    /// Questions given up without ever an answer.
    pub given_up: u64,
}

/// Shops at work.
pub struct Street {
    end: CancellationToken,
    tasks: TaskTracker,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    approved: AtomicU64,
    declined: AtomicU64,
    unanswered: AtomicU64,
    refused: AtomicU64,
    reversed: AtomicU64,
    asked_again: AtomicU64,
    same_words: AtomicU64,
    other_words: AtomicU64,
    altered: AtomicU64,
    given_up: AtomicU64,
}

impl Street {
    /// Opens the shops.
    pub fn open(terminals: Vec<Terminal>, habits: &Habits) -> Self {
        let (end, tasks) = (CancellationToken::new(), TaskTracker::new());
        let counts = Arc::new(Counts::default());
        for (number, terminal) in (1..).zip(terminals) {
            let shop = Shop {
                terminal,
                habits: habits.clone(),
                dice: Dice::new(habits.seed.wrapping_add(number)),
                counts: Arc::clone(&counts),
                last: None,
            };
            tasks.spawn(shop.trade(end.clone()));
        }
        Self { end, tasks, counts }
    }

    /// What they heard so far.
    pub fn heard(&self) -> Heard {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        Heard {
            approved: read(&counts.approved),
            declined: read(&counts.declined),
            unanswered: read(&counts.unanswered),
            refused: read(&counts.refused),
            reversed: read(&counts.reversed),
            asked_again: read(&counts.asked_again),
            same_words: read(&counts.same_words),
            other_words: read(&counts.other_words),
            altered: read(&counts.altered),
            given_up: read(&counts.given_up),
        }
    }

    /// Begins nothing new and waits until every shop has heard what it asked.
    pub async fn close(self) -> Heard {
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.heard()
    }
}

/// How often a question is asked before it is given up.
const ATTEMPTS_MAX: u32 = 60;

struct Shop {
    terminal: Terminal,
    habits: Habits,
    dice: Dice,
    counts: Arc<Counts>,
    /// The last sale that was answered, and with which words.
    last: Option<(Elements, Words)>,
}

/// An answer as far as it must stay the same.
type Words = (Option<ResponseCode>, Option<String>);

impl Shop {
    async fn trade(mut self, end: CancellationToken) {
        // A log that cannot be written, or a dialect without the words, closes the shop.
        while !end.is_cancelled() && self.serve().await.is_ok() {
            let pause = tokio::time::sleep(self.habits.pause);
            let _ = end.run_until_cancelled(pause).await;
        }
    }

    /// One customer.
    async fn serve(&mut self) -> Result<(), SimError> {
        let amount = 100 * (1 + self.dice.below(200)) + self.ending();
        let refund = self.dice.chance(self.habits.refunds);
        let code = if refund { b"200000" } else { b"000000" };
        let currency = if self.dice.chance(self.habits.dollars) { b"840" } else { b"978" };
        let Some(pan) = self.card() else { return Ok(()) };
        let sale = self.terminal.sale(code, &pan, amount, currency);
        let Some(answer) = self.hear(FINANCIAL, &sale).await? else { return Ok(()) };
        self.count(&answer);
        let approved = answer.approved();
        // 91 may be of what never left for its issuer, of which a switch that was killed knows nothing: then it is asked anew.
        let is_kept = answer.code != Some(ResponseCode::UNAVAILABLE);
        self.last = is_kept.then(|| (sale.clone(), (answer.code, answer.approval)));
        if approved && self.dice.chance(self.habits.reversals) {
            let undo = self.terminal.reversal(&sale, FINANCIAL);
            // From here on the sale's words are another matter: a decline for ever.
            self.last = None;
            if let Some(answer) = self.hear(REVERSAL, &undo).await?
                && answer.approved()
            {
                self.counts.reversed.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Asks until it is answered, dialling again where that is needed.
    async fn hear(&mut self, mti: Mti, elements: &Elements) -> Result<Option<Answer>, SimError> {
        let mut asking = mti;
        for _ in 0..ATTEMPTS_MAX {
            if !self.terminal.connected() {
                if self.terminal.connect(self.habits.patience).await.is_err() {
                    continue;
                }
                self.ask_last_again().await?;
            }
            let outcome = self.terminal.ask(asking, elements, self.habits.patience).await?;
            if let Outcome::Answered(answer) = outcome {
                return Ok(Some(answer));
            }
            asking = mti.repeated();
            self.counts.asked_again.fetch_add(1, Ordering::Relaxed);
        }
        self.counts.given_up.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }

    /// After a reconnection: the answer to the last sale must not have changed.
    async fn ask_last_again(&mut self) -> Result<(), SimError> {
        let Some((sale, words)) = &self.last else { return Ok(()) };
        let outcome = self.terminal.ask(FINANCIAL.repeated(), sale, self.habits.patience).await?;
        if let Outcome::Answered(answer) = outcome {
            let same = (answer.code, answer.approval) == *words;
            let count = if same { &self.counts.same_words } else { &self.counts.other_words };
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn count(&self, answer: &Answer) {
        if !answer.altered.is_empty() {
            self.counts.altered.fetch_add(1, Ordering::Relaxed);
        }
        let code = answer.code.as_ref().map(ResponseCode::as_bytes);
        let count = match code {
            Some(b"00") => &self.counts.approved,
            Some(b"91") => &self.counts.unanswered,
            None | Some(b"30" | b"92" | b"94" | b"96") => &self.counts.refused,
            Some(_) => &self.counts.declined,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn ending(&mut self) -> u64 {
        let mut roll = self.dice.below(1000);
        for (ending, share) in &self.habits.endings {
            let share = u64::from(*share);
            if roll < share {
                return *ending;
            }
            roll -= share;
        }
        0
    }

    fn card(&mut self) -> Option<String> {
        let count = u64::try_from(self.habits.prefixes.len()).ok().filter(|count| *count != 0)?;
        let which = usize::try_from(self.dice.below(count)).ok()?;
        let number = u32::try_from(self.dice.below(1000)).ok()?;
        card(self.habits.prefixes.get(which)?, number).ok()
    }
}

/// Dice for simulations, the same from the same seed: a xorshift generator (Marsaglia 2003).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From any seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// From 0 to one less than `end`.
    pub const fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The low bits of a xorshift are its weak ones.
        (self.0 >> 16) % if end == 0 { 1 } else { end }
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, thousandths: u32) -> bool {
        self.below(1000) < u64::from(thousandths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_are_fair_enough_and_repeat() {
        let (mut dice, mut again) = (Dice::new(7), Dice::new(7));
        let mut hits = 0;
        for _ in 0..10_000 {
            let chance = dice.chance(100);
            assert_eq!(chance, again.chance(100));
            hits += u32::from(chance);
        }
        assert!((800..1200).contains(&hits), "{hits}");
    }
}
