//! What an asker hears: its own echoes, head and trace, and what the outcome adds.

use crate::codec::{Draft, Message};
use crate::iso::{ElementNo, ElementSet, Elements, Mti, ResponseCode, Wall};
use crate::mapping::Tongue;
use crate::planted::{self, Bug};
use crate::record::LinkId;

use super::effect::{Action, Effects, Mark, Note, Why};
use super::engine::Engine;
use super::input::{Arrival, Unreadable};
use super::named::Named;

impl Engine {
    /// Refuses what can never be accepted, and says why.
    pub(super) fn refuse(
        &self,
        asker: &Arrival,
        code: ResponseCode,
        why: impl Into<Why>,
        fx: &mut Effects,
    ) {
        fx.notes.push(Note::Refused {
            asker: asker.link,
            of: Box::new(Named::arrived(asker)),
            why: why.into(),
        });
        self.decline(asker, code, fx);
    }

    /// Answers with a code of our own.
    pub(super) fn decline(&self, asker: &Arrival, code: ResponseCode, fx: &mut Effects) {
        self.tell(asker, &code_alone(code), Mark::Plain, fx);
    }

    /// Answers with what an outcome adds to the echoes of the question. Says whether that is on its way: not to a session
    /// that has ended, and not when it is longer than the asker's frames.
    pub(super) fn tell(
        &self,
        asker: &Arrival,
        added: &Elements,
        mark: Mark,
        fx: &mut Effects,
    ) -> bool {
        if !self.peers.lives(asker.session) {
            return false;
        }
        let Some(link) = self.peers.settings(asker.link) else { return false };
        let Some(mti) = answered_as(asker.mti()) else { return false };
        if matches!(mark, Mark::Approval(_)) && !link.tongue.tells_approval(added) {
            // In its words it would be a decline.
            return false;
        }
        let head = asker.head.reply();
        let at = self.now.wall;
        let room = fx.room(asker.message.body().len() + 64);
        let mut body = answer(&link.tongue, (mti, at), (&asker.message, added), room);
        if !link.frames(head, &body) {
            fx.notes.push(Note::TooLong { link: asker.link });
            if mark != Mark::Plain {
                return planted::is(Bug::UnframedIsTold);
            }
            // A decline is one by its code alone; an approval without a part of it would be another approval.
            let code = added.only(ElementSet::of(&[39]));
            body.clear();
            body = answer(&link.tongue, (mti, at), (&asker.message, &code), body);
            if !link.frames(head, &body) {
                return false;
            }
        }
        fx.actions.push(Action::Send { session: asker.session, head, body, mark });
        true
    }

    /// Answers a request of which only the beginning can be read.
    pub(super) fn decline_unreadable(
        &self,
        frame: &Unreadable,
        (mti, link): (Mti, LinkId),
        code: ResponseCode,
        fx: &mut Effects,
    ) {
        let Some(link) = self.peers.settings(link) else { return };
        let Some(mti) = mti.response().filter(|_| self.peers.lives(frame.session)) else { return };
        let elements = frame.salvaged.only(link.dialect().echo()).overlaid(&code_alone(code));
        let head = frame.head.reply();
        let body = link.tongue.write_what_fits(mti, &elements, self.now.wall);
        if link.frames(head, &body) {
            fx.actions.push(Action::Send { session: frame.session, head, body, mark: Mark::Plain });
        }
    }
}

/// The MTI of an answer: one function higher, and no repeat; a response has none.
fn answered_as(mti: Mti) -> Option<Mti> {
    match mti.response() {
        Some(answer) if mti.is_repeat() && planted::is(Bug::RepeatDigitAnswered) => {
            Some(answer.repeated())
        }
        None if planted::is(Bug::ResponseAnswered) => Some(mti),
        answer => answer,
    }
}

/// What is added by a code of our own.
pub(super) fn code_alone(code: ResponseCode) -> Elements {
    let mut added = Elements::default();
    added.set(ElementNo::RESPONSE_CODE, code.as_bytes());
    added
}

/// An answer: echoes as they lie in the question, and over them what is added. It is put into `body`, which is empty.
fn answer(
    tongue: &Tongue,
    (mti, at): (Mti, Wall),
    (question, added): (&Message, &Elements),
    mut body: Vec<u8>,
) -> Vec<u8> {
    let echo = tongue.house().echo();
    let draft = Draft { mti, own: added, copied: Some((question, echo)) };
    if tongue.write(&draft, at, &mut body).is_err() {
        return tongue.write_what_fits(mti, &question.elements(echo).overlaid(added), at);
    }
    body
}
