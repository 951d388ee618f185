//! A plain value without a copy where the wire already holds it, and on the stack where it is short.

use std::ops::Deref;

use super::value;
use crate::dialect::{Form, Layout};

/// An element's plain value. Not to be shown: it may be a secret.
pub struct Plain<'a>(Place<'a>);

/// Where a plain value lies.
enum Place<'a> {
    /// Within the message: the wire is plain.
    Wire(&'a [u8]),
    /// Unpacked; most packed values are shorter than this.
    Short([u8; SHORT], usize),
    /// Unpacked.
    Long(Vec<u8>),
}

const SHORT: usize = 48;

impl<'a> Plain<'a> {
    /// Of an element that was read before, with its length field.
    #[inline]
    pub(super) fn of(layout: Layout, whole: &'a [u8]) -> Option<Self> {
        if layout.form.is_plain() {
            // However its length is counted, all that is left of it is its value.
            return whole.get(layout.prefix.width()..).map(Self::from);
        }
        let (units, wire) = value::measured(layout, whole)?;
        Some(Self(unpacked(layout.form, units, wire)))
    }
}

fn unpacked<'a>(form: Form, units: usize, wire: &[u8]) -> Place<'a> {
    let mut short = [0; SHORT];
    if let Form::PackedDigits(filler) | Form::PackedTrack(filler) = form
        && let Some(places) = short.get_mut(..units)
    {
        value::nibbles_into(filler, wire, places);
        return Place::Short(short, units);
    }
    if let (Form::Ebcdic(page, _), Some(places)) = (form, short.get_mut(..units)) {
        for (place, byte) in places.iter_mut().zip(wire) {
            *place = value::translated(page.characters(), *byte);
        }
        return Place::Short(short, units);
    }
    let mut long = Vec::new();
    value::unpack(form, units, wire, &mut long);
    Place::Long(long)
}

impl Default for Plain<'_> {
    fn default() -> Self {
        Self(Place::Wire(&[]))
    }
}

impl<'a> From<&'a [u8]> for Plain<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Place::Wire(bytes))
    }
}

impl Deref for Plain<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Place::Wire(bytes) => bytes,
            Place::Short(bytes, len) => bytes.get(..*len).unwrap_or_default(),
            Place::Long(bytes) => bytes,
        }
    }
}
