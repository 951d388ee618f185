//! A simulated terminal: one connection, one question at a time, and a log of what it was told.
//! Knows nothing of issuers.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::codec::{Draft, Message};
use crate::framing::Frame;
use crate::iso::{ElementNo, ElementSet, Elements, Mti, Pan, ResponseCode};

use super::line::Line;
use super::log::Log;
use super::purchase::{Sale, Shop};
use super::{Peer, SimError, clock};

/// A network management request.
pub(super) const NETWORK: Mti = Mti::of(800);
/// A purchase or a refund.
pub const FINANCIAL: Mti = Mti::of(200);
/// A reversal that is a fact.
pub const REVERSAL: Mti = Mti::of(420);

/// 95, replacement amounts: of the transaction and of the settlement 12 digits, two fees of 9.
pub(super) const REPLACEMENT: ElementNo = ElementNo::of(95);

/// A terminal.
pub struct Terminal {
    peer: Peer,
    shop: Shop,
    number: u32,
    line: Option<Line>,
    stan: u32,
    log: Option<Arc<Log>>,
    frames: Vec<Frame>,
}

/// What came of a question.
#[derive(Debug)]
pub enum Outcome {
    /// An answer to it.
    Answered(Answer),
    /// None within the terminal's patience.
    Silence,
    /// The connection ended first, or there was none.
    Lost,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its element 39; none when that is missing or unreadable.
    pub code: Option<ResponseCode>,
    /// Its element 38.
    pub approval: Option<String>,
    /// Elements that came back other than they were sent.
    pub altered: ElementSet,
    /// How long it took.
    pub after: Duration,
}

/// A line of the terminal's log.
#[derive(Serialize)]
struct Entry<'a> {
    /// `asked`, `told`, `silence` or `lost`.
    what: &'static str,
    mti: String,
    terminal: &'a str,
    merchant: &'a str,
    /// Element 18.
    category: String,
    /// Masked.
    card: String,
    stan: String,
    rrn: String,
    transmission: String,
    processing_code: String,
    amount: String,
    currency: String,
    code: Option<String>,
    approval: Option<String>,
    /// For a reversal, what it undoes.
    original: Option<String>,
    at: String,
}

impl Terminal {
    /// The terminal with this number, 0 to 9999; not yet connected.
    pub fn new(peer: Peer, number: u32, log: Option<Arc<Log>>) -> Self {
        let shop = Shop::numbered(number);
        Self { peer, shop, number, line: None, stan: 0, log, frames: Vec::new() }
    }

    /// The same, in another shop.
    #[must_use]
    pub fn within(self, shop: Shop) -> Self {
        Self { shop, ..self }
    }

    /// Continues its trace numbers after this one.
    pub const fn continue_after(&mut self, stan: u32) {
        self.stan = stan;
    }

    /// What it tells about itself.
    pub const fn shop(&self) -> &Shop {
        &self.shop
    }

    /// Dials, trying again for as long as `patience`.
    pub async fn connect(&mut self, patience: Duration) -> Result<(), SimError> {
        let stream = self.peer.place.dial(patience).await?;
        self.line = Some(Line::meet(stream, self.peer.clone()).await?);
        Ok(())
    }

    /// Whether it has a connection, as far as it knows.
    pub const fn connected(&self) -> bool {
        self.line.is_some()
    }

    /// Ends the connection.
    pub fn hang_up(&mut self) {
        self.line = None;
    }

    /// A new sale: `000000` buys, `200000` gives back.
    pub fn sale(
        &mut self,
        processing_code: &[u8; 6],
        pan: &str,
        amount: u64,
        currency: &[u8; 3],
    ) -> Elements {
        let stan = self.next();
        self.shop.sale(&Sale {
            pan: pan.as_bytes(),
            processing_code,
            amount,
            currency,
            stan,
            rrn: u64::from(self.number) * 100_000_000 + u64::from(stan),
            at: clock::wall(),
        })
    }

    /// The reversal of something asked before.
    pub fn reversal(&mut self, original: &Elements, of: Mti) -> Elements {
        let stan = self.next();
        Shop::reversal(original, of, stan, clock::wall())
    }

    /// The partial reversal of something asked before, which leaves so much of it, in minor units.
    pub fn partial_reversal(&mut self, original: &Elements, of: Mti, left: u64) -> Elements {
        let mut undo = self.reversal(original, of);
        undo.set(REPLACEMENT, format!("{left:012}{:030}", 0).as_bytes());
        undo
    }

    /// A network management message: `001` signs on, `301` asks for an echo.
    pub fn network(&mut self, code: &[u8; 3]) -> Elements {
        let stan = self.next();
        Shop::network(code, stan, clock::wall())
    }

    /// Asks, and waits for the answer at most so long. What does not answer this question is passed over.
    ///
    /// `Err` only when the dialect cannot say it or the log cannot be written.
    pub async fn ask(
        &mut self,
        mti: Mti,
        elements: &Elements,
        patience: Duration,
    ) -> Result<Outcome, SimError> {
        self.note("asked", mti, elements, None)?;
        let begun = Instant::now();
        let outcome = match self.line.take() {
            None => Outcome::Lost,
            Some(mut line) => {
                line.put(line.head(), &Draft { mti, own: elements, copied: None })?;
                let waiting = Self::wait(&mut line, &mut self.frames, mti, elements);
                match tokio::time::timeout(patience, waiting).await {
                    Ok(Some(mut answer)) => {
                        answer.after = begun.elapsed();
                        self.line = Some(line);
                        Outcome::Answered(answer)
                    }
                    Ok(None) => Outcome::Lost,
                    Err(_) => {
                        self.line = Some(line);
                        Outcome::Silence
                    }
                }
            }
        };
        let (what, answer) = match &outcome {
            Outcome::Answered(answer) => ("told", Some(answer)),
            Outcome::Silence => ("silence", None),
            Outcome::Lost => ("lost", None),
        };
        self.note(what, mti, elements, answer)?;
        Ok(outcome)
    }

    /// The answer; none when the connection ends first.
    async fn wait(
        line: &mut Line,
        frames: &mut Vec<Frame>,
        mti: Mti,
        elements: &Elements,
    ) -> Option<Answer> {
        line.flush().await.ok()?;
        loop {
            for frame in frames.drain(..) {
                if let Some(message) = line.message(&frame)
                    && Some(message.mti()) == mti.response()
                {
                    let answer = message.elements(message.present());
                    if answer.get(ElementNo::STAN) == elements.get(ElementNo::STAN) {
                        return Some(read(&message, &answer, elements));
                    }
                }
            }
            if !line.read(frames).await.ok()? {
                return None;
            }
        }
    }

    fn next(&mut self) -> u32 {
        self.stan = self.stan % 999_999 + 1;
        self.stan
    }

    fn note(
        &self,
        what: &'static str,
        mti: Mti,
        elements: &Elements,
        answer: Option<&Answer>,
    ) -> Result<(), SimError> {
        let Some(log) = &self.log else { return Ok(()) };
        let found = |no| elements.get(no).map(|value| String::from_utf8_lossy(value).into_owned());
        let text = |no| found(no).unwrap_or_default();
        log.write(&[Entry {
            what,
            mti: mti.to_string(),
            terminal: &self.shop.terminal,
            merchant: &self.shop.merchant,
            category: text(ElementNo::of(18)),
            card: masked(elements),
            stan: text(ElementNo::STAN),
            rrn: text(ElementNo::RRN),
            transmission: text(ElementNo::TRANSMISSION),
            processing_code: text(ElementNo::PROCESSING_CODE),
            amount: text(ElementNo::AMOUNT),
            currency: text(ElementNo::CURRENCY),
            code: answer.and_then(|answer| answer.code).map(|code| code.to_string()),
            approval: answer.and_then(|answer| answer.approval.clone()),
            original: found(ElementNo::ORIGINAL),
            at: clock::wall().to_string(),
        }])
    }
}

/// The card of a message as a receipt shows it; nothing where there is none.
pub(super) fn masked(elements: &Elements) -> String {
    let card = elements.get(ElementNo::PAN).and_then(|digits| Pan::new(digits).ok());
    card.map(|card| card.masked().to_string()).unwrap_or_default()
}

impl Answer {
    /// Whether it says yes.
    pub fn approved(&self) -> bool {
        self.code == Some(ResponseCode::APPROVED)
    }
}

/// Reads an answer and compares what it repeats.
fn read(message: &Message, answer: &Elements, asked: &Elements) -> Answer {
    let repeated = answer.present().and(asked.present()).and(message.dialect().echo());
    // What a partial reversal leaves is what element 4 of 1993 says in it, and in its answer.
    let left = asked.get(REPLACEMENT).and_then(|amounts| amounts.get(..12));
    let same = |no: ElementNo| {
        answer.get(no) == asked.get(no) || no == ElementNo::AMOUNT && answer.get(no) == left
    };
    let altered = repeated.iter().filter(|no| !same(*no)).collect();
    Answer {
        code: answer.get(ElementNo::RESPONSE_CODE).and_then(|code| ResponseCode::new(code).ok()),
        approval: answer
            .get(ElementNo::APPROVAL_CODE)
            .map(|code| String::from_utf8_lossy(code).into_owned()),
        altered,
        after: Duration::ZERO,
    }
}
