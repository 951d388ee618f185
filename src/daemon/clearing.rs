//! What operators ask of clearing: cuts, files, and where claims stand.

use serde_json::{Value, json};

use super::control::Desk;
use super::listing;
use crate::iso::BusinessDate;
use crate::ledger::{Asked, CutReport, Ledger, LedgerError};
use crate::record::Lsn;
use crate::switch::{Order, OrderResult};

impl Desk {
    pub(super) async fn cut(&self, text: &str) -> Result<Vec<Value>, String> {
        let date = BusinessDate::from_text(text).map_err(|fault| fault.to_string())?;
        let from = match self.order(Order::Cut(date)).await? {
            OrderResult::Cut { at } => at,
            OrderResult::NotBegun { current } => {
                return Err(format!("{date} has not begun: the day in force is {current}"));
            }
            _ => self.durable(),
        };
        let report = self.ledger_cut(from, Asked::End(date)).await?;
        Ok(report.as_ref().map(listing::cut).into_iter().collect())
    }

    /// A cycle within the day in force: what merchants have claimed until now, and what waits.
    pub(super) async fn cut_now(&self) -> Result<Vec<Value>, String> {
        let asked = Asked::Now(self.core.day().date);
        let report = self.ledger_cut(self.durable(), asked).await?;
        if let Some(report) = &report {
            return Ok(vec![listing::cut(report)]);
        }
        let look = |ledger: &mut Ledger| Ok((ledger.last_cut()?, ledger.exceptions_open()?));
        let (last, exceptions) = self.ask_ledger(look).await?;
        Ok(vec![listing::nothing_cut(last, exceptions)])
    }

    async fn ledger_cut(&self, from: Lsn, asked: Asked) -> Result<Option<CutReport>, String> {
        let within = matches!(asked, Asked::Now(_));
        let order = self.days.order(asked);
        // Whoever asks the books has them follow at once.
        self.ask_books(from, |_| ()).await?;
        let report = self.bureau.ask(from, move |ledger| ledger.cut(&order)).await;
        let report = report.ok_or("the switch stops")?.map_err(|fault| {
            if within {
                // A day can be asked for again; of a cycle that was begun the next is another.
                self.days.find(from);
            }
            fault.to_string()
        })?;
        if let Some(report) = &report {
            self.days.written(report);
        }
        Ok(report)
    }

    pub(super) async fn list_batches(&self, limit: u32) -> Result<Vec<Value>, String> {
        let batches = self.ask_ledger(move |ledger| ledger.batches(limit)).await?;
        let mut lines: Vec<Value> = batches.iter().map(|batch| json!(batch)).collect();
        lines.push(json!({ "ok": true }));
        Ok(lines)
    }

    pub(super) async fn list_reconciliations(&self, limit: u32) -> Result<Vec<Value>, String> {
        let found = self.ask_ledger(move |ledger| ledger.reconciliations(limit)).await?;
        let sent = self.ask_ledger(move |ledger| ledger.totals(limit)).await?;
        let mut lines: Vec<Value> = found.iter().map(|line| json!(line)).collect();
        lines.extend(sent.iter().map(|line| json!(line)));
        lines.push(json!({ "ok": true }));
        Ok(lines)
    }

    pub(super) async fn status(&self) -> Result<Vec<Value>, String> {
        let counts = self.ask_ledger(|ledger| ledger.status()).await?;
        Ok(listing::status(&counts))
    }

    /// Has something done on the ledger's thread, when the books have followed up to now.
    pub(super) async fn ask_ledger<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, String> {
        let done = self.bureau.ask(self.durable(), work).await;
        done.ok_or("the switch stops")?.map_err(|fault| fault.to_string())
    }
}
