//! What the books are asked for, and what they know of it.

use crate::iso::Class;
use crate::record::{LinkId, Lsn, Standing, Trace};
use crate::seal::Tag;

/// What the books can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ask {
    /// The transaction that an asker's key names.
    Key(Tag),
    /// The transaction, or the approval that answers nothing, that this record opened or listed.
    Record(Lsn),
    /// The transaction that was given this pair on this link.
    Trace {
        /// The issuer's link.
        link: LinkId,
        /// The class of the message that carried the pair.
        class: Class,
        /// Elements 7 and 11.
        trace: Trace,
    },
}

/// What the books know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A transaction, and how it stands.
    Transaction(Box<Standing>),
    /// An approval that answers nothing, and whether an operator has written it off.
    Orphan {
        /// Whether it is on the list no more.
        written_off: bool,
    },
}

impl Found {
    /// The transaction.
    pub fn standing(self) -> Option<Box<Standing>> {
        match self {
            Self::Transaction(standing) => Some(standing),
            Self::Nothing | Self::Orphan { .. } => None,
        }
    }
}

impl From<Option<Standing>> for Found {
    fn from(standing: Option<Standing>) -> Self {
        standing.map_or(Self::Nothing, |standing| Self::Transaction(Box::new(standing)))
    }
}
