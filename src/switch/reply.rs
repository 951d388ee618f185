//! What an asker hears: its own echoes, head and trace, and what the outcome adds.

use crate::codec::Draft;
use crate::dialect::Dialect;
use crate::framing::Head;
use crate::iso::{ElementNo, ElementSet, Elements, Mti, ResponseCode};
use crate::planted::{self, Bug};
use crate::record::LinkId;

use super::effect::{Action, Effects, Mark, Note};
use super::engine::Engine;
use super::input::{Arrival, SessionId, Unreadable};

/// Somebody who waits for an answer, and what that answer repeats of the question.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) session: SessionId,
    pub(super) link: LinkId,
    head: Head,
    mti: Mti,
    echo: Elements,
}

impl Asker {
    pub(super) fn of(arrival: &Arrival, engine: &Engine) -> Self {
        Self {
            session: arrival.session,
            link: arrival.link,
            head: arrival.head,
            mti: arrival.mti(),
            echo: engine.echo_of(arrival.link, &arrival.elements),
        }
    }

    pub(super) fn of_unreadable(
        frame: &Unreadable,
        mti: Mti,
        link: LinkId,
        engine: &Engine,
    ) -> Self {
        let echo = engine.echo_of(link, &frame.salvaged);
        Self { session: frame.session, link, head: frame.head, mti, echo }
    }
}

impl Engine {
    /// Refuses what can never be accepted, and says why.
    pub(super) fn refuse(
        &self,
        arrival: &Arrival,
        code: ResponseCode,
        why: &'static str,
        fx: &mut Effects,
    ) {
        fx.notes.push(Note::Refused { asker: arrival.link, why });
        self.decline(&Asker::of(arrival, self), code, fx);
    }

    /// Answers with a code of our own.
    pub(super) fn decline(&self, asker: &Asker, code: ResponseCode, fx: &mut Effects) {
        let mut added = Elements::default();
        added.set(ElementNo::RESPONSE_CODE, code.as_bytes());
        self.tell(asker, &added, Mark::Plain, fx);
    }

    /// Answers with what an outcome adds. Says whether that is on its way: not to a session that has ended, and not when it is
    /// longer than the asker's frames.
    pub(super) fn tell(
        &self,
        asker: &Asker,
        added: &Elements,
        mark: Mark,
        fx: &mut Effects,
    ) -> bool {
        if !self.peers.lives(asker.session) {
            return false;
        }
        let Some(link) = self.peers.settings(asker.link) else { return false };
        let Some(mti) = asker.mti.response() else { return false };
        let mut body = encode_what_fits(&link.dialect, mti, &asker.echo.overlaid(added));
        let head = asker.head.reply();
        if !link.frames(head, &body) {
            fx.notes.push(Note::TooLong { link: asker.link });
            if mark != Mark::Plain {
                return planted::is(Bug::UnframedIsTold);
            }
            // A decline is one by its code alone; an approval without a part of it would be another approval.
            let code = added.only(ElementSet::of(&[39]));
            body = encode_what_fits(&link.dialect, mti, &asker.echo.overlaid(&code));
            if !link.frames(head, &body) {
                return false;
            }
        }
        fx.actions.push(Action::Send { session: asker.session, head, body, mark });
        true
    }

    fn echo_of(&self, link: LinkId, elements: &Elements) -> Elements {
        let echo = self.peers.settings(link).map_or(ElementSet::EMPTY, |link| link.dialect.echo());
        elements.only(echo)
    }
}

/// Encodes what the dialect can say, and leaves out what it cannot: for messages that must go out.
pub(super) fn encode_what_fits(dialect: &Dialect, mti: Mti, elements: &Elements) -> Vec<u8> {
    let mut own = elements.only(dialect.defined());
    let mut body = Vec::with_capacity(256);
    for _ in 0..=own.present().len() {
        body.clear();
        match (Draft { mti, own: &own, copied: None }).encode(dialect, &mut body) {
            Ok(()) => break,
            Err(fault) => own.remove(fault.element),
        }
    }
    body
}
