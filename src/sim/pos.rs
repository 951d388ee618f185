//! A terminal for people: a few payments one after another, each told in plain words.
//! Knows no load and no ledger.

use std::io::Write;
use std::time::Duration;

use crate::iso::{Elements, Mti, ResponseCode};

use super::purchase::card;
use super::terminal::{FINANCIAL, NETWORK, Outcome, REVERSAL, Terminal};
use super::{Peer, SimError, clock};

/// What the terminal is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How it speaks and where the switch is.
    pub peer: Peer,
    /// The card's first digits, up to nine.
    pub prefix: String,
    /// The purchase in minor units.
    pub amount: u64,
    /// To how much the purchase is lowered afterwards, in minor units, if it is.
    pub partial: Option<u64>,
    /// Element 49, three digits.
    pub currency: [u8; 3],
    /// How long it waits for an answer.
    pub patience: Duration,
}

/// How the session went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Questions asked.
    pub asked: u32,
    /// Answers received.
    pub answered: u32,
    /// Answers that repeated an element other than it was sent.
    pub altered: u32,
}

/// Signs on, buys, repeats, gives back, reverses, asks for an echo; says what happens on `out`.
pub fn run(settings: &Settings, out: &mut dyn Write) -> Result<Verdict, SimError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| SimError::System { what: "a runtime", source })?;
    runtime.block_on(play(settings, out))
}

async fn play(settings: &Settings, out: &mut dyn Write) -> Result<Verdict, SimError> {
    let mut terminal = Terminal::new(settings.peer.clone(), 1, None);
    // Sessions that follow one another within a second are the same terminal: a trace number must not come again.
    terminal.continue_after(u32::try_from(clock::wall().0 * 10 % 900_000).unwrap_or(0));
    let mut talk = Talk { terminal, patience: settings.patience, out, verdict: Verdict::default() };
    let pan = card(&settings.prefix, 1).map_err(|error| SimError::System {
        what: "a card",
        source: std::io::Error::other(error),
    })?;
    talk.terminal.connect(Duration::from_secs(2)).await?;
    let decimal = |amount: u64| format!("{}.{:02}", amount / 100, amount % 100);
    let currency = String::from_utf8_lossy(&settings.currency);
    let money = format!("{} in currency {currency}", decimal(settings.amount));
    let codes = settings.peer.codes();
    let signing = talk.terminal.network(&codes.sign_on);
    talk.ask("signs on", NETWORK, &signing).await?;
    let sale = talk.terminal.sale(b"000000", &pan, settings.amount, &settings.currency);
    talk.ask(&format!("pays {money}"), FINANCIAL, &sale).await?;
    talk.ask("asks the same again, as a repeat", FINANCIAL.repeated(), &sale).await?;
    if let Some(left) = settings.partial {
        let undo = talk.terminal.partial_reversal(&sale, FINANCIAL, left);
        let what = format!("lowers that payment to {}", decimal(left));
        talk.ask(&what, REVERSAL, &undo).await?;
    }
    let refund = talk.terminal.sale(b"200000", &pan, settings.amount, &settings.currency);
    talk.ask(&format!("gives back {money}"), FINANCIAL, &refund).await?;
    let other = talk.terminal.sale(b"000000", &pan, settings.amount + 100, &settings.currency);
    talk.ask("pays one more", FINANCIAL, &other).await?;
    let undo = talk.terminal.reversal(&other, FINANCIAL);
    talk.ask("takes that one back", REVERSAL, &undo).await?;
    let echo = talk.terminal.network(&codes.echo);
    talk.ask("asks whether anybody is there", NETWORK, &echo).await?;
    Ok(talk.verdict)
}

struct Talk<'a> {
    terminal: Terminal,
    patience: Duration,
    out: &'a mut dyn Write,
    verdict: Verdict,
}

impl Talk<'_> {
    async fn ask(&mut self, what: &str, mti: Mti, elements: &Elements) -> Result<(), SimError> {
        self.verdict.asked += 1;
        let heard = match self.terminal.ask(mti, elements, self.patience).await? {
            Outcome::Answered(answer) => {
                self.verdict.answered += 1;
                let mut heard = format!(
                    "{} after {} ms",
                    meaning(answer.code, answer.approval.as_deref()),
                    answer.after.as_millis()
                );
                if !answer.altered.is_empty() {
                    self.verdict.altered += 1;
                    heard
                        .push_str(&format_args!(", but altered: {:?}", answer.altered).to_string());
                }
                heard
            }
            Outcome::Silence => format!("no answer within {} s", self.patience.as_secs()),
            Outcome::Lost => {
                self.terminal.connect(Duration::from_secs(2)).await?;
                "the connection ended; dialled again".to_owned()
            }
        };
        writeln!(self.out, "{mti}  the terminal {what}: {heard}")
            .map_err(|source| SimError::System { what: "standard output", source })
    }
}

/// A response code in words (ISO 8583:1987, response codes).
pub fn meaning(code: Option<ResponseCode>, approval: Option<&str>) -> String {
    let Some(code) = code else { return "an answer without a code".to_owned() };
    let words = match code.as_bytes() {
        b"00" => {
            return match approval {
                Some(number) => format!("approved, number {number}"),
                None => "accepted".to_owned(),
            };
        }
        b"05" => "do not honour",
        b"12" => "nobody here does this",
        b"13" => "no such amount",
        b"14" => "no such card",
        b"25" => "the original is not known",
        b"30" => "format error",
        b"51" => "not enough money",
        b"54" => "the card has expired",
        b"58" => "not permitted to this terminal",
        b"61" => "beyond the card's limit",
        b"68" => "answered too late",
        b"91" => "the issuer cannot be reached",
        b"92" => "no route to this card's issuer",
        b"94" => "the same trace was used for something else",
        b"96" => "the switch cannot do it now",
        _ => "declined",
    };
    format!("{code}, {words}")
}
