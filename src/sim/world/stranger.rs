//! Strangers: sessions of an asker's link whose certificates stand for no terminal that anybody here has. They say what others
//! have said, and must hear nothing but that they may not.

use std::sync::Arc;

use crate::codec::Message;
use crate::iso::ElementNo;
use crate::switch::{Grant, Permit};

use super::asker::Undo;
use super::mix::ASKERS;
use super::net::{Conn, ConnId};
use super::rng::Rng;
use super::story::{self, text};
use super::{Event, World, mti_of};

/// The place of a stranger among a link's connections: none that a plan has.
const SLOT: usize = 7;

/// Whether there are any, and what they do.
#[derive(Debug)]
pub(super) struct Strangers {
    /// Chance of its own: seeds of before strangers go on as they did where there are none.
    rng: Rng,
    permit: Option<Arc<Permit>>,
}

impl Strangers {
    pub(super) fn new(seed: u64) -> Self {
        let terminals = [b"TERM9999".to_vec()].into_iter().collect();
        let grant = Grant { terminals, ..Grant::default() };
        Self {
            rng: Rng::new(seed.rotate_left(23) ^ 0x5742_616E_6765_7273),
            permit: Permit::of([&grant]),
        }
    }
}

impl Conn {
    /// Whether it is a stranger's.
    pub(super) const fn is_strange(&self) -> bool {
        self.slot == SLOT
    }
}

impl World {
    /// In a third of all worlds each asker's link has a stranger.
    pub(super) fn furnish_strangers(&mut self) {
        if self.wishes.strangers.rng.chance(333) {
            for link in 0..ASKERS {
                self.later(5, Event::Dial { link, slot: SLOT });
                self.later(100, Event::Strange { link });
            }
        }
    }

    /// What a connection in this place may ask.
    pub(super) fn permit_of(&self, slot: usize) -> Option<Arc<Permit>> {
        self.wishes.strangers.permit.clone().filter(|_| slot == SLOT)
    }

    /// A stranger says what somebody of its link has said, as new or as a repeat.
    pub(super) fn strange(&mut self, link: usize) {
        if self.healed {
            return;
        }
        let gap = self.mix.asking.gap_ms * 4;
        let rng = &mut self.wishes.strangers.rng;
        let (wait, back, repeat) = (rng.around(gap), rng.index(20), rng.chance(500));
        self.later(wait, Event::Strange { link });
        let said = self.purchases.iter().rev().filter(|purchase| purchase.link == link).nth(back);
        let Some(message) = said.map(|purchase| {
            let undo = purchase.undo.as_ref().filter(|_| back % 2 == 0).map(Undo::message);
            let (mti, elements) = undo.unwrap_or((purchase.mti, &purchase.elements));
            (mti + u16::from(repeat), elements.clone())
        }) else {
            return;
        };
        let mine = |conn: &Conn| conn.link == link && conn.is_strange() && conn.peer_up;
        let Some(conn) = self.conns.iter().rposition(mine) else { return };
        let about = message.1.get(ElementNo::RRN).and_then(story::number);
        self.story.tell(self.time, about, || format!("a stranger says {:04} on {conn}", message.0));
        self.say(conn, mti_of(message.0), &message.1);
    }

    /// A message reaches a stranger.
    pub(super) fn stranger_reads(&mut self, message: &Message) {
        let code = text(message, ElementNo::RESPONSE_CODE);
        if code != b"58" {
            self.blame(story::purchase_of(message), || {
                format!("a stranger was answered {} about another's terminal", code.escape_ascii())
            });
        }
    }

    /// Whether a connection is a stranger's.
    pub(super) fn is_strange(&self, conn: ConnId) -> bool {
        self.conns.get(conn).is_some_and(Conn::is_strange)
    }
}
