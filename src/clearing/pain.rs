//! Payments as banks take them: credit transfers of ISO 20022, pain.001.001.09, written piece by piece; knows no files.

use super::account::{Account, Bic, Holder};
use super::letters::{decimal, letters};
use crate::iso::{BusinessDate, Currency, Wall};

/// What all payments of one message have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfers {
    /// Its name for ever, up to 35 characters.
    pub message: String,
    /// When it was made.
    pub made: Wall,
    /// Whose account pays.
    pub debtor: Holder,
    /// In which currency.
    pub currency: Currency,
    /// On which day.
    pub value: BusinessDate,
    /// How many payments.
    pub count: u64,
    /// Their sum, minor units.
    pub sum: i128,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Its name for ever, up to 35 characters.
    pub reference: String,
    /// Who is paid.
    pub creditor: Holder,
    /// Minor units.
    pub amount: i64,
    /// What for.
    pub about: String,
}

impl Transfers {
    /// The beginning, up to the first payment. The currency has letters: that is seen to before.
    pub fn head(&self) -> String {
        let sum = decimal(self.sum, self.currency);
        let mut text = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09\">\n<CstmrCdtTrfInitn>\n<GrpHdr>",
        );
        element(&mut text, "MsgId", &self.message);
        element(&mut text, "CreDtTm", &self.made.to_string());
        element(&mut text, "NbOfTxs", &self.count.to_string());
        element(&mut text, "CtrlSum", &sum);
        text.push_str("<InitgPty>");
        element(&mut text, "Nm", &self.debtor.name);
        text.push_str("</InitgPty></GrpHdr>\n<PmtInf>");
        element(&mut text, "PmtInfId", &self.message);
        element(&mut text, "PmtMtd", "TRF");
        element(&mut text, "NbOfTxs", &self.count.to_string());
        element(&mut text, "CtrlSum", &sum);
        text.push_str("<ReqdExctnDt>");
        element(&mut text, "Dt", &self.value.to_string());
        text.push_str("</ReqdExctnDt><Dbtr>");
        element(&mut text, "Nm", &self.debtor.name);
        text.push_str("</Dbtr><DbtrAcct>");
        account(&mut text, &self.debtor.account);
        text.push_str("</DbtrAcct><DbtrAgt>");
        agent(&mut text, self.debtor.bic.as_ref());
        text.push_str("</DbtrAgt>\n");
        text
    }

    /// One payment.
    pub fn transfer(&self, transfer: &Transfer) -> String {
        let mut text = String::from("<CdtTrfTxInf><PmtId>");
        element(&mut text, "EndToEndId", &transfer.reference);
        let letters = letters(self.currency).unwrap_or_default();
        let amount = decimal(transfer.amount.into(), self.currency);
        text.extend([
            "</PmtId><Amt><InstdAmt Ccy=\"",
            letters,
            "\">",
            &amount,
            "</InstdAmt></Amt>",
        ]);
        if let Some(bic) = &transfer.creditor.bic {
            text.push_str("<CdtrAgt>");
            agent(&mut text, Some(bic));
            text.push_str("</CdtrAgt>");
        }
        text.push_str("<Cdtr>");
        element(&mut text, "Nm", &transfer.creditor.name);
        text.push_str("</Cdtr><CdtrAcct>");
        account(&mut text, &transfer.creditor.account);
        text.push_str("</CdtrAcct><RmtInf>");
        element(&mut text, "Ustrd", &transfer.about);
        text.push_str("</RmtInf></CdtTrfTxInf>\n");
        text
    }

    /// The end.
    pub const fn tail() -> &'static str {
        "</PmtInf>\n</CstmrCdtTrfInitn>\n</Document>\n"
    }
}

fn element(text: &mut String, name: &str, value: &str) {
    text.extend(["<", name, ">", &escaped(value), "</", name, ">"]);
}

fn account(text: &mut String, account: &Account) {
    text.push_str("<Id>");
    match account {
        Account::Iban(iban) => element(text, "IBAN", iban),
        Account::Other(number) => {
            text.push_str("<Othr>");
            element(text, "Id", number);
            text.push_str("</Othr>");
        }
    }
    text.push_str("</Id>");
}

/// A bank whose BIC nobody said is one that is not provided.
fn agent(text: &mut String, bic: Option<&Bic>) {
    text.push_str("<FinInstnId>");
    match bic {
        Some(bic) => element(text, "BICFI", bic.as_str()),
        None => text.push_str("<Othr><Id>NOTPROVIDED</Id></Othr>"),
    }
    text.push_str("</FinInstnId>");
}

/// A text within XML or HTML.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            control if control.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(name: &str, account: Account, bic: Option<&str>) -> Holder {
        Holder { name: name.to_owned(), account, bic: bic.map(|bic| Bic::new(bic).unwrap()) }
    }

    #[test]
    fn a_message_is_xml_with_exact_sums() {
        let dinar = Currency::new(414).unwrap();
        let iban = || Account::iban("DE89370400440532013000").unwrap();
        let transfers = Transfers {
            message: "20261123-0-414".to_owned(),
            made: Wall(1_795_458_840_000),
            debtor: holder("Acquirer & Sons", iban(), None),
            currency: dinar,
            value: BusinessDate::from_text("2026-11-24").unwrap(),
            count: 2,
            sum: 1_000_006,
        };
        let transfer = |reference: &str, amount, creditor| Transfer {
            reference: reference.to_owned(),
            creditor,
            amount,
            about: "2026-11-23".to_owned(),
        };
        let mut text = transfers.head();
        let first = holder("Caf\u{e9} <1>", Account::other("12-34").unwrap(), None);
        text.push_str(&transfers.transfer(&transfer("20261123-0-414-1", 1, first)));
        let second = holder("Shop \"2\"", iban(), Some("COBADEFF"));
        text.push_str(&transfers.transfer(&transfer("20261123-0-414-2", 1_000_005, second)));
        text.push_str(Transfers::tail());
        let document = roxmltree::Document::parse(&text).unwrap();
        let values = |name: &str| -> Vec<String> {
            let named = document.descendants().filter(|node| node.tag_name().name() == name);
            named.map(|node| node.text().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(values("NbOfTxs"), ["2", "2"]);
        assert_eq!(values("CtrlSum"), ["1000.006", "1000.006"]);
        assert_eq!(values("InstdAmt"), ["0.001", "1000.005"]);
        assert_eq!(values("EndToEndId"), ["20261123-0-414-1", "20261123-0-414-2"]);
        assert_eq!(
            values("Nm"),
            ["Acquirer & Sons", "Acquirer & Sons", "Caf\u{e9} <1>", "Shop \"2\""]
        );
        assert_eq!(values("IBAN").len(), 2);
        assert_eq!(values("BICFI"), ["COBADEFF"]);
        assert_eq!(values("Dt"), ["2026-11-24"]);
        assert!(text.contains("<InstdAmt Ccy=\"KWD\">"), "{text}");
    }
}
