//! What a line of clearing costs its merchant, and who gets it; knows no accounts.

/// The fees of one line, minor units of its currency, each rounded once; what merchants pay is positive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    /// What the merchant pays.
    pub discount: i64,
    /// What the issuer gets of it.
    pub interchange: i64,
    /// What the network gets of it.
    pub scheme: i64,
}
