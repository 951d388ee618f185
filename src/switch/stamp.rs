//! Element 15, the business date of a transaction, for peers whose links want it and where nobody else said one.

use std::borrow::Cow;

use crate::iso::{BusinessDate, ElementNo, Elements};
use crate::record::{Sent, Standing, TxnId};

use super::engine::Engine;
use super::input::Arrival;
use super::settings::LinkSettings;

impl Engine {
    /// The date in force.
    pub(super) fn today(&self) -> BusinessDate {
        let date = self.log.date();
        if date == BusinessDate(0) { self.settings.day.by_clock(self.now.wall) } else { date }
    }

    /// What an asker hears of an accepted message: with the date on which it was accepted, if it would hear of none.
    pub(super) fn dated<'e>(
        &self,
        asker: &Arrival,
        added: &'e Elements,
        txn: TxnId,
    ) -> Cow<'e, Elements> {
        let no = ElementNo::SETTLEMENT_DATE;
        let Some(link) = self.peers.settings(asker.link).filter(|link| link.stamps_date) else {
            return Cow::Borrowed(added);
        };
        let echoed = link.dialect().echo().has(no) && asker.present().has(no);
        let date = self.log.standing(txn).and_then(Standing::date);
        match date.filter(|_| !echoed && !added.present().has(no)) {
            None => Cow::Borrowed(added),
            Some(date) => {
                let mut dated = added.clone();
                dated.set(no, &date.mmdd());
                Cow::Owned(dated)
            }
        }
    }
}

impl LinkSettings {
    /// An advice that is owed gets the date on which it was stored, unless it says one.
    pub(super) fn stamp(&self, elements: &mut Elements, sent: &Sent) {
        let no = ElementNo::SETTLEMENT_DATE;
        if self.stamps_date && elements.get(no).is_none() {
            elements.set(no, &sent.date.mmdd());
        }
    }
}
