//! For whom a session may speak: the terminals and merchants that its peer's certificate stands for; knows no certificates.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::iso::{Class, ElementNo, ResponseCode};
use crate::planted::{self, Bug};

use super::effect::{Effects, Note};
use super::engine::Engine;
use super::input::Arrival;

/// What one name may use: elements 41 and 42 without the blanks at their end. An empty set allows any, and none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Terminal ids.
    pub terminals: BTreeSet<Vec<u8>>,
    /// Merchant ids.
    pub merchants: BTreeSet<Vec<u8>>,
}

/// What a session may use: whatever one of its peer's names may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit(Vec<Grant>);

impl Permit {
    /// Of the grants of all names that a peer has; nothing where everything is allowed, which costs nothing.
    pub fn of<'g, I: IntoIterator<Item = &'g Grant>>(grants: I) -> Option<Arc<Self>> {
        let grants: Vec<Grant> = grants.into_iter().cloned().collect();
        let everything = grants.is_empty() || grants.contains(&Grant::default());
        (!everything).then(|| Arc::new(Self(grants)))
    }

    /// The element by which a message that asks speaks for somebody else; none when it may be asked.
    ///
    /// Network management is nobody's money, and names no terminal.
    pub(super) fn foreign(&self, arrival: &Arrival) -> Option<ElementNo> {
        let mti = arrival.mti();
        if mti.is_response() || mti.class() == Class::Network {
            return None;
        }
        let [terminal, merchant] = [ElementNo::TERMINAL, ElementNo::MERCHANT]
            .map(|no| arrival.get(no).map(|value| value.trim_ascii_end().to_vec()));
        self.refused(terminal.as_deref(), merchant.as_deref())
    }

    fn refused(&self, terminal: Option<&[u8]>, merchant: Option<&[u8]>) -> Option<ElementNo> {
        let allows = |set: &BTreeSet<Vec<u8>>, id: Option<&[u8]>| {
            set.is_empty() || id.is_some_and(|id| set.contains(id))
        };
        let mut of_terminal = self.0.iter().filter(|grant| allows(&grant.terminals, terminal));
        let mut known = false;
        let both = of_terminal.any(|grant| {
            known = true;
            allows(&grant.merchants, merchant)
        });
        match (both, known) {
            (true, _) => None,
            (false, true) => Some(ElementNo::MERCHANT),
            (false, false) => Some(ElementNo::TERMINAL),
        }
    }
}

impl Engine {
    /// The element by which a message speaks for somebody else than its session may.
    pub(super) fn speaks_for_another(&self, arrival: &Arrival) -> Option<ElementNo> {
        let permit = self.peers.session(arrival.session)?.permit.as_deref()?;
        permit.foreign(arrival).filter(|_| !planted::is(Bug::ForeignTerminalServed))
    }

    /// Declines what a session may not ask, before anything is looked up under its key.
    ///
    /// It is not held either: the key is that of the terminal that it names, which may yet ask the same for itself.
    pub(super) fn not_permitted(&self, arrival: &Arrival, element: ElementNo, fx: &mut Effects) {
        let (session, asker) = (arrival.session, arrival.link);
        fx.notes.push(Note::Foreign { session, asker, element });
        self.decline(arrival, ResponseCode::NOT_PERMITTED, fx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(terminals: &[&str], merchants: &[&str]) -> Grant {
        let set = |ids: &[&str]| ids.iter().map(|id| id.as_bytes().to_vec()).collect();
        Grant { terminals: set(terminals), merchants: set(merchants) }
    }

    #[test]
    fn what_a_permit_allows() {
        let (terminal, merchant) = (Some(ElementNo::TERMINAL), Some(ElementNo::MERCHANT));
        let one = [grant(&["T1", "T2"], &["M1"])];
        let two = [grant(&["T1"], &["M1"]), grant(&["T2"], &[]), grant(&[], &["M3"])];
        for (grants, ids, refused) in [
            (&one[..], ("T1", "M1"), None),
            (&one, ("T2", "M1"), None),
            (&one, ("T3", "M1"), terminal),
            (&one, ("T1", "M2"), merchant),
            (&one, ("", "M1"), terminal),
            (&one, ("T1", ""), merchant),
            // Names are not mixed: the terminal of one with the merchant of another is neither's.
            (&two, ("T1", "M1"), None),
            (&two, ("T1", "M2"), merchant),
            (&two, ("T2", "M2"), None),
            (&two, ("T9", "M3"), None),
            (&two, ("T9", "M1"), merchant),
        ] {
            let permit = Permit::of(grants).unwrap();
            let id = |text: &'static str| Some(text.as_bytes()).filter(|id| !id.is_empty());
            assert_eq!(permit.refused(id(ids.0), id(ids.1)), refused, "{ids:?}");
        }
        assert_eq!(Permit::of(&[]), None);
        assert_eq!(Permit::of(&[grant(&["T1"], &[]), Grant::default()]), None);
    }
}
