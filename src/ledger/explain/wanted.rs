//! What somebody has in hand: a number of the ledger, a file's name, a reference.

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// An item, by its number.
    Item(i64),
    /// A claim, by its number.
    Claim(i64),
    /// A transaction of the books, by its number.
    Txn(i64),
    /// An exception, by its number.
    Exception(i64),
    /// What a host's day came to, by its number.
    Reconciliation(i64),
    /// A file, by its name or its id.
    File(String),
    /// What has this reference: element 31, 23 digits.
    Reference(String),
    /// A merchant's claims under a reference of its own.
    Merchant {
        /// Whose.
        merchant: String,
        /// Which.
        reference: String,
    },
}

/// Why a text says nothing that can be looked for. Repeats none of it: it may be a card number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this names nothing: item:N or N, claim:N, txn:N, exception:N, recon:N, file:NAME or file:ID, a reference number of 23 digits, or ref:MERCHANT/REFERENCE"
)]
pub struct NotWanted;

impl Wanted {
    /// From what a person writes.
    pub fn parse(text: &str) -> Result<Self, NotWanted> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number =
            |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0).ok_or(NotWanted);
        let reference = text.strip_prefix("arn:").unwrap_or(text);
        if reference.len() == 23 && reference.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::Reference(reference.to_owned()));
        }
        match text.split_once(':') {
            None if digits && text.len() < 13 => number(text).map(Self::Item),
            Some(("item", text)) => number(text).map(Self::Item),
            Some(("claim", text)) => number(text).map(Self::Claim),
            Some(("txn", text)) => number(text).map(Self::Txn),
            Some(("exception", text)) => number(text).map(Self::Exception),
            Some(("recon", text)) => number(text).map(Self::Reconciliation),
            Some(("file", text)) if !text.is_empty() => Ok(Self::File(text.to_owned())),
            Some(("ref", text)) => {
                let (merchant, reference) = text.split_once('/').ok_or(NotWanted)?;
                let (merchant, reference) = (merchant.to_owned(), reference.to_owned());
                Ok(Self::Merchant { merchant, reference })
            }
            _ => Err(NotWanted),
        }
    }
}
