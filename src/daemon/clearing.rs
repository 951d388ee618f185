//! What operators ask of clearing: cuts, files, and where claims stand.

use serde_json::Value;

use super::control::Desk;
use super::listing;
use crate::books;
use crate::iso::BusinessDate;
use crate::ledger::{Ledger, LedgerError};
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
        let order = self.days.order(date);
        let report = self
            .ask_books(from, move |books| books::write_files(books, &order))
            .await?
            .map_err(|fault| fault.to_string())?;
        self.days.written(&report);
        Ok(vec![listing::cut(&report)])
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
