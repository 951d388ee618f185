//! What rows are written with: statements whose places keep what they were bound to, so that a value that is the same
//! as in the row before is not bound again. Knows no column by its name.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ToSql};

use super::columns::plain;
use super::tables;
use crate::iso::BusinessDate;

/// A statement on its way to be executed.
pub(crate) struct Pen<'a> {
    statement: CachedStatement<'a>,
    /// What each place is bound to.
    held: Vec<Held>,
    /// How many places have their value for the next time.
    put: usize,
    /// The last day that was asked for, and its number.
    day: (BusinessDate, i64),
}

/// What a place is bound to, as far as it is worth knowing.
#[derive(Clone, Copy)]
enum Held {
    Unknown,
    Null,
    Number(i64),
    Word { len: u8, bytes: [u8; WORD_MAX] },
}

/// Longer words are always bound.
const WORD_MAX: usize = 22;

impl<'a> Pen<'a> {
    pub(crate) fn new(connection: &'a Connection, sql: &str) -> rusqlite::Result<Self> {
        let statement = connection.prepare_cached(sql)?;
        let held = vec![Held::Unknown; statement.parameter_count()];
        Ok(Self { statement, held, put: 0, day: Default::default() })
    }

    /// Puts a number that many rows have in common.
    pub(crate) fn number(&mut self, number: Option<i64>) -> rusqlite::Result<&mut Self> {
        let is_held = match (self.held.get(self.put), number) {
            (Some(Held::Null), None) => true,
            (Some(Held::Number(held)), Some(number)) => *held == number,
            _ => false,
        };
        if is_held {
            self.put += 1;
            return Ok(self);
        }
        self.bind(number, number.map_or(Held::Null, Held::Number))
    }

    /// Puts a text that many rows have in common, as elements have it.
    pub(super) fn common(&mut self, value: Option<&[u8]>) -> rusqlite::Result<&mut Self> {
        self.word(value.map(plain).as_deref())
    }

    /// Puts a text that each row has for itself, as elements have it.
    pub(super) fn own(&mut self, value: Option<&[u8]>) -> rusqlite::Result<&mut Self> {
        self.bind(Text(value.map(plain).as_deref()), Held::Unknown)
    }

    /// Puts a word that many rows have in common.
    pub(crate) fn word(&mut self, word: Option<&[u8]>) -> rusqlite::Result<&mut Self> {
        let Some(word) = word else { return self.number(None) };
        if let Some(Held::Word { len, bytes }) = self.held.get(self.put)
            && bytes.get(..usize::from(*len)) == Some(word)
        {
            self.put += 1;
            return Ok(self);
        }
        let mut bytes = [0; WORD_MAX];
        let held = match (u8::try_from(word.len()), bytes.get_mut(..word.len())) {
            (Ok(len), Some(room)) => {
                room.copy_from_slice(word);
                Held::Word { len, bytes }
            }
            _ => Held::Unknown,
        };
        self.bind(Text(Some(word)), held)
    }

    /// Puts a day as its number.
    pub(super) fn day(&mut self, date: Option<BusinessDate>) -> rusqlite::Result<&mut Self> {
        let Some(date) = date else { return self.number(None) };
        if self.day.0 != date {
            self.day = (date, tables::day(date));
        }
        self.number(Some(self.day.1))
    }

    /// Puts a value that each row has for itself.
    pub(crate) fn fresh(&mut self, value: impl ToSql) -> rusqlite::Result<&mut Self> {
        self.bind(value, Held::Unknown)
    }

    /// Executes the statement when every place has its value. One that writes several rows has that after the last of them.
    pub(crate) fn write(&mut self) -> rusqlite::Result<()> {
        if self.put == self.held.len() {
            self.put = 0;
            self.statement.raw_execute()?;
        }
        Ok(())
    }

    /// Whether no row is left in it.
    pub(super) const fn is_empty(&self) -> bool {
        self.put == 0
    }

    #[inline]
    fn bind(&mut self, value: impl ToSql, held: Held) -> rusqlite::Result<&mut Self> {
        if let Some(place) = self.held.get_mut(self.put) {
            *place = held;
        }
        self.put += 1;
        self.statement.raw_bind_parameter(self.put, value)?;
        Ok(self)
    }
}

/// A text that is known to be UTF-8.
pub(super) struct Text<'a>(pub(super) Option<&'a [u8]>);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0.map_or(ValueRef::Null, ValueRef::Text)))
    }
}
