//! Changes that a link's configuration asks for, in the elements of the link's own edition.

use crate::iso::{ElementNo, ElementSet, Elements, Mti};

/// The changes of one direction, in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(Vec<Change>);

/// Some changes, and to which messages they are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// To which messages, by their MTI without its repeat digit; none is all but network management.
    pub messages: Vec<Mti>,
    /// And of these to those that say this.
    pub when: Vec<Condition>,
    /// Takes out.
    pub drop: ElementSet,
    /// Puts in the value of another element, where that is there.
    pub copy: Vec<(ElementNo, ElementNo)>,
    /// Puts in a value, whatever is there.
    pub set: Vec<(ElementNo, Vec<u8>)>,
    /// Puts in a value where none is there.
    pub default: Vec<(ElementNo, Vec<u8>)>,
}

/// What a message must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// In which element.
    pub element: ElementNo,
    /// How its value begins; nothing is that it is there.
    pub begins: Vec<u8>,
}

impl Changes {
    /// From changes in their order.
    pub const fn new(changes: Vec<Change>) -> Self {
        Self(changes)
    }

    /// Whether nothing is changed.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.0.iter()
    }

    /// Every element that some change takes out.
    pub(super) fn dropped(&self) -> ElementSet {
        self.0.iter().fold(ElementSet::EMPTY, |all, change| all.or(change.drop))
    }

    /// Every element in which some change puts another value over what is there.
    pub(super) fn replaced(&self) -> ElementSet {
        let of = |change: &Change| -> Vec<_> {
            let set = change.set.iter().map(|(no, _)| *no);
            set.chain(change.copy.iter().map(|(to, _)| *to)).collect()
        };
        self.0.iter().flat_map(of).collect()
    }

    /// Makes them, one after the other: each sees what those before it left. Within one, copies are of what it found, and what is
    /// set wins over what is copied.
    pub(super) fn apply(&self, mti: Mti, elements: &mut Elements) {
        for change in self.0.iter().filter(|change| change.is_for(mti)) {
            if change.when.iter().all(|condition| condition.holds(elements)) {
                change.make(elements);
            }
        }
    }

    /// What was put in for one link alone is not told to others because its peer repeats it.
    pub(super) fn take_back(&self, elements: &mut Elements) {
        for change in &self.0 {
            for (no, value) in change.set.iter().chain(&change.default) {
                if elements.get(*no) == Some(value) {
                    elements.remove(*no);
                }
            }
            for (to, from) in &change.copy {
                let copied =
                    elements.get(*from).is_some_and(|value| elements.get(*to) == Some(value));
                if copied {
                    elements.remove(*to);
                }
            }
        }
    }
}

impl Change {
    /// The elements that it puts in.
    pub fn puts(&self) -> ElementSet {
        let set = self.set.iter().chain(&self.default).map(|(no, _)| *no);
        set.chain(self.copy.iter().map(|(to, _)| *to)).collect()
    }

    fn is_for(&self, mti: Mti) -> bool {
        if self.messages.is_empty() {
            return mti.class() != crate::iso::Class::Network;
        }
        self.messages.contains(&mti.plain())
    }

    fn make(&self, elements: &mut Elements) {
        let copies: Vec<_> = self
            .copy
            .iter()
            .filter_map(|(to, from)| Some((*to, elements.get(*from)?.to_vec())))
            .collect();
        for no in self.drop.iter() {
            elements.remove(no);
        }
        for (no, value) in copies.iter().chain(&self.set) {
            elements.set(*no, value);
        }
        for (no, value) in &self.default {
            if elements.get(*no).is_none() {
                elements.set(*no, value);
            }
        }
    }
}

impl Condition {
    fn holds(&self, elements: &Elements) -> bool {
        elements.get(self.element).is_some_and(|value| value.starts_with(&self.begins))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(values: &[(u8, &str)]) -> Elements {
        let mut elements = Elements::default();
        for (no, value) in values {
            elements.set(ElementNo::of(*no), value.as_bytes());
        }
        elements
    }

    fn value(no: u8, text: &str) -> (ElementNo, Vec<u8>) {
        (ElementNo::of(no), text.as_bytes().to_vec())
    }

    #[test]
    fn changes_in_their_order() {
        let first = Change {
            when: vec![Condition { element: ElementNo::of(3), begins: b"00".to_vec() }],
            drop: ElementSet::of(&[60]),
            copy: vec![
                (ElementNo::of(48), ElementNo::of(60)),
                (ElementNo::of(61), ElementNo::of(62)),
            ],
            set: vec![value(33, "999")],
            default: vec![value(32, "111"), value(18, "5999")],
            ..Change::default()
        };
        let second = Change {
            messages: vec![Mti::of(420)],
            when: vec![Condition { element: ElementNo::of(33), begins: Vec::new() }],
            drop: ElementSet::of(&[33]),
            ..Change::default()
        };
        let changes = Changes::new(vec![first, second]);
        let made = |mti, values: &[(u8, &str)]| {
            let mut made = elements(values);
            changes.apply(Mti::of(mti), &mut made);
            made
        };
        let asked = [(3, "001000"), (18, "5411"), (33, "1"), (60, "private")];
        let changed = [(3, "001000"), (18, "5411"), (32, "111"), (33, "999"), (48, "private")];
        assert_eq!(made(200, &asked), elements(&changed));
        assert_eq!(made(201, &asked), elements(&changed));
        let reversed = [(3, "001000"), (18, "5411"), (32, "111"), (48, "private")];
        assert_eq!(made(421, &asked), elements(&reversed));
        assert_eq!(made(200, &[(3, "010000"), (60, "x")]), elements(&[(3, "010000"), (60, "x")]));
        assert_eq!(made(800, &asked), elements(&asked), "network management is not meant");
        let mut answer = elements(&[(32, "111"), (33, "999"), (48, "other"), (18, "5411")]);
        changes.take_back(&mut answer);
        assert_eq!(answer, elements(&[(18, "5411"), (48, "other")]));
    }
}
