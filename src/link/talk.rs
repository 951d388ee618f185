//! The task of one session: bytes in, frames up; the outbox out; and the clocks that end it. Knows no dialling.

use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};
use tokio_util::codec::Decoder as _;

use super::socket::{Peer, Place, Stream};
use super::{Link, Session, Settings, Upstairs, hint, tls};
use crate::framing::{Frame, FrameError, Framing};
use crate::meter::Refusal;

/// The smallest and the largest piece that is read at once.
const PIECE: usize = 4096;
const PIECE_MAX: usize = 65_536;

/// Why a session ended.
#[derive(Debug)]
enum End {
    /// Its peer closed it.
    Closed(Left),
    /// The socket's own trouble.
    Socket(std::io::Error),
    /// What came in is no stream of frames.
    Frame(FrameError),
    /// A frame was begun and not ended.
    SlowFrame,
    /// Nothing came for too long.
    Idle,
    /// The peer takes nothing.
    Stalled,
    /// The peer takes less than is sent to it.
    Overflow(&'static str),
    /// We wanted it to.
    Wanted(&'static str),
}

/// What had passed when a peer closed its session.
#[derive(Debug)]
enum Left {
    /// Whole frames, or nothing at all.
    Whole,
    /// A part of a frame.
    Part,
    /// Something of ours, and not a byte of its own.
    Unheard,
}

/// How long a peer has to take our last word, that the session ends.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Holds a session from its first byte to its last.
pub(super) async fn hold<U: Upstairs>(link: Arc<Link<U>>, (peer, place): (Peer, Place<U>)) {
    let settings = &link.settings;
    let links = &link.links;
    let id = links.next.fetch_add(1, Ordering::Relaxed);
    let Peer { stream, address, names, places, version } = peer;
    let known = (address, names.clone(), places);
    let session = Arc::new(Session::new(id, settings, known, link.meter.clone()));
    links.sessions.insert(id, Arc::clone(&session));
    links.open.fetch_add(1, Ordering::Relaxed);
    link.meter.session_up();
    if let Some(kept) = link.comings.may_say() {
        let (peer, tls) = (address, version);
        tracing::info!(link = settings.name, session = id, %peer, tls, names, kept, "session up");
    }
    link.upstairs().up(&session);
    if links.closing.is_cancelled() {
        session.end("the switch stops");
    } else if link.over.is_cancelled() {
        session.end("its link has other settings");
    }
    let (end, rest) = match stream {
        Stream::Clear(mut stream) => {
            let halves = stream.split();
            (talk(&link, &session, halves, false).await, None)
        }
        Stream::Tls(mut stream) => {
            let halves = tokio::io::split(&mut *stream);
            (talk(&link, &session, halves, true).await, Some(stream))
        }
    };
    // Of the socket nothing more is written but a farewell: from here on nothing can begin any more, and what is posted is kept.
    session.close();
    drop(place);
    links.open.fetch_sub(1, Ordering::Relaxed);
    link.meter.session_down();
    report(&link, &session, &end);
    link.upstairs().down(&session);
    if let Some(mut stream) = rest
        && !matches!(end, End::Socket(_) | End::Stalled | End::Overflow(_))
    {
        // So that its peer can tell an end from a line that was cut. Nobody is harmed when it does not arrive.
        drop(timeout(FAREWELL_MAX, stream.shutdown()).await);
    }
}

/// What a session's task keeps between its wakes.
struct Talk {
    framing: Framing,
    incoming: BytesMut,
    piece: usize,
    heard_at: Instant,
    /// Since when a frame is incomplete.
    frame_since: Option<Instant>,
    /// Since when the peer took nothing of what is to be written.
    stalled_since: Option<Instant>,
    /// Something came.
    heard: bool,
    /// Something left.
    spoke: bool,
    /// Keep-alives that were counted.
    keep_alives: u64,
    /// Messages of ours that came back, as far as they were told.
    rejects: u64,
}

/// Reads and writes until the session ends. A stream is `layered` when it keeps what it was given until it is flushed.
async fn talk<U: Upstairs, R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    link: &Link<U>,
    session: &Arc<Session<U::Mark>>,
    (mut read, mut write): (R, W),
    layered: bool,
) -> End {
    let upstairs = link.upstairs();
    let settings = &link.settings;
    let mut talk = Talk::new(settings);
    let (mut frames, mut begun) = (Vec::new(), Vec::new());
    let mut outgoing = BytesMut::new();
    let mut unflushed = false;
    let mut timer = pin!(tokio::time::sleep_until(talk.due(settings)));
    loop {
        let ending = session.fetch(&mut outgoing);
        match ending {
            Some((why, false)) => return End::Overflow(why),
            Some((why, true)) if outgoing.is_empty() && !unflushed => return End::Wanted(why),
            Some(_) | None => {}
        }
        let leaving = unflushed || !outgoing.is_empty();
        if leaving && talk.stalled_since.is_none() {
            talk.stalled_since = Some(Instant::now());
        }
        let due = talk.due(settings);
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        tokio::select! {
            biased;
            (bytes, fault) = push(&mut write, &mut outgoing, layered), if leaving => {
                unflushed = layered && 0 < bytes;
                talk.spoke |= 0 < bytes;
                session.wrote(bytes, &mut begun);
                if !begun.is_empty() {
                    upstairs.begun(&mut begun);
                }
                if let Some(fault) = fault {
                    return End::Socket(fault);
                }
                talk.stalled_since = None;
            }
            taken = async {
                upstairs.room().await;
                talk.incoming.reserve(talk.piece);
                read.read_buf(&mut talk.incoming).await
            }, if ending.is_none() => {
                let cut = match taken {
                    Ok(0) => return talk.closed(),
                    Ok(bytes) => talk.cut(bytes, &mut frames),
                    Err(fault) => return talk.unreadable(fault, layered),
                };
                talk.beside_messages(link, session);
                if !frames.is_empty() {
                    upstairs.frames(session, &mut frames);
                    frames.clear();
                }
                if let Err(fault) = cut {
                    return End::Frame(fault);
                }
            }
            () = session.woken() => {}
            () = timer.as_mut() => {
                let now = Instant::now();
                if let Some(end) = talk.overdue(settings, now) {
                    return end;
                }
                talk.give_back(&mut outgoing);
                timer.as_mut().reset(talk.due(settings));
            }
        }
    }
}

/// Writes of what waits, or flushes what a layer kept; says how many bytes have begun, and what failed. Nothing is lost when
/// it is dropped while it waits: then none has.
pub(super) async fn push<W: AsyncWrite + Unpin>(
    write: &mut W,
    outgoing: &mut BytesMut,
    layered: bool,
) -> (usize, Option<std::io::Error>) {
    if outgoing.is_empty() {
        return (0, write.flush().await.err());
    }
    match write.write_buf(outgoing).await {
        Ok(bytes) => (bytes, None),
        // A layer may have sent any part of what it was offered before it failed: all of it counts as begun.
        Err(fault) if layered => (outgoing.len(), Some(fault)),
        Err(fault) => (0, Some(fault)),
    }
}

impl Talk {
    fn new(settings: &Settings) -> Self {
        Self {
            framing: Framing::new(settings.framing).measured_by(Arc::clone(&settings.measure)),
            incoming: BytesMut::new(),
            piece: PIECE,
            heard_at: Instant::now(),
            frame_since: None,
            stalled_since: None,
            heard: false,
            spoke: false,
            keep_alives: 0,
            rejects: 0,
        }
    }

    /// Cuts what was read, `bytes` of it fresh.
    fn cut(&mut self, bytes: usize, frames: &mut Vec<Frame>) -> Result<(), FrameError> {
        (self.heard_at, self.heard) = (Instant::now(), true);
        // A full piece: more is waiting, and the next piece may be larger.
        self.piece = if self.piece <= bytes { (self.piece * 2).min(PIECE_MAX) } else { self.piece };
        let before = self.incoming.len();
        while let Some(frame) = self.framing.decode(&mut self.incoming)? {
            frames.push(frame);
        }
        // Whatever was taken has ended, a keep-alive too: what is left began just now.
        let ended = self.incoming.len() < before;
        if self.incoming.is_empty() {
            self.frame_since = None;
        } else if self.frame_since.is_none() || ended {
            self.frame_since = Some(self.heard_at);
        }
        Ok(())
    }

    fn closed(&self) -> End {
        End::Closed(match (self.incoming.is_empty(), self.heard) {
            (false, _) => Left::Part,
            (true, false) if self.spoke => Left::Unheard,
            (true, _) => Left::Whole,
        })
    }

    /// Whoever encrypts and hangs up without a word has hung up: a frame says itself where it ends.
    fn unreadable(&self, fault: std::io::Error, layered: bool) -> End {
        let silent = layered && fault.kind() == ErrorKind::UnexpectedEof;
        if silent { self.closed() } else { End::Socket(fault) }
    }

    /// When the next of the clocks runs out.
    fn due(&self, settings: &Settings) -> Instant {
        let after = |since: Instant, ms: u64| since + Duration::from_millis(ms.min(LONG_MS));
        let mut due = after(self.heard_at, settings.idle_ms_max.unwrap_or(LONG_MS));
        if let Some(since) = self.frame_since {
            due = due.min(after(since, settings.frame_ms_max));
        }
        if let Some(since) = self.stalled_since {
            due = due.min(after(since, settings.stall_ms_max));
        }
        due
    }

    /// Which of the clocks has run out.
    fn overdue(&self, settings: &Settings, now: Instant) -> Option<End> {
        let over = |since: Instant, ms| Duration::from_millis(ms) <= now.duration_since(since);
        if self.stalled_since.is_some_and(|since| over(since, settings.stall_ms_max)) {
            return Some(End::Stalled);
        }
        if self.frame_since.is_some_and(|since| over(since, settings.frame_ms_max)) {
            return Some(End::SlowFrame);
        }
        let idle = settings.idle_ms_max.is_some_and(|ms| over(self.heard_at, ms));
        idle.then_some(End::Idle)
    }

    /// What came besides messages: keep-alives are counted and go back, messages of ours that came back are told.
    fn beside_messages<U: Upstairs>(&mut self, link: &Link<U>, session: &Session<U::Mark>) {
        let now = self.framing.keepalives();
        if self.keep_alives < now {
            link.meter.keep_alives(now - self.keep_alives);
            self.keep_alives = now;
        }
        if let Some(echo) = self.framing.take_echo() {
            session.echo(&echo);
        }
        let rejects = self.framing.rejects();
        if self.rejects < rejects.count {
            let came = rejects.count - self.rejects;
            self.rejects = rejects.count;
            if let Some(kept) = link.hush.may_say() {
                tracing::warn!(link = session.name(), session = session.id(), peer = %session.peer(), code = rejects.code, came, kept, "the network sent messages of ours back: nobody answers them");
            }
        }
    }

    /// Nothing happened for a while: large buffers go back.
    fn give_back(&mut self, outgoing: &mut BytesMut) {
        if self.incoming.is_empty() {
            self.incoming = BytesMut::new();
            self.piece = PIECE;
        }
        if outgoing.is_empty() {
            *outgoing = BytesMut::new();
        }
    }
}

/// "Never" for a clock; it is looked at now and then all the same, and buffers are given back.
const LONG_MS: u64 = 60_000;

/// One line for people about the end of a session, and the count.
fn report<U: Upstairs>(link: &Link<U>, session: &Session<U::Mark>, end: &End) {
    let (refusal, why, fix) = match end {
        End::Closed(Left::Whole) => (None, "its peer closed it".to_owned(), ""),
        End::Closed(Left::Unheard) => (
            None,
            "its peer closed it without a word, after it was sent one".to_owned(),
            "if it does so always, it does not understand this link: compare `length`, `tpdu` and `dialect` with its own (`iso8583d doctor` tells from a sample)",
        ),
        End::Closed(Left::Part) => (
            None,
            "its peer closed it within a frame".to_owned(),
            "if it does so always, its length may count more than this link thinks: check `length_counts` and the header",
        ),
        End::Socket(fault) => (None, fault.to_string(), tls::fix_of(fault)),
        End::Frame(fault) => {
            let refusal = match fault {
                FrameError::TooLong { .. } => Some(Refusal::TooLong),
                FrameError::Io(_) => None,
                FrameError::NotDigits { .. }
                | FrameError::TooShort { .. }
                | FrameError::Foreign { .. }
                | FrameError::Lrc
                | FrameError::Endless { .. }
                | FrameError::KeepAlive
                | FrameError::Trailer => Some(Refusal::Malformed),
            };
            (refusal, fault.to_string(), hint::about(fault, &link.settings.framing))
        }
        End::SlowFrame => (
            Some(Refusal::Slow),
            "a frame was begun and not ended in time".to_owned(),
            "its length may say more than is sent: check `length` and `length_counts`; or raise frame_ms_max",
        ),
        End::Idle => (Some(Refusal::Idle), "nothing came for idle_ms_max".to_owned(), ""),
        End::Stalled => (
            Some(Refusal::OutboxFull),
            "its peer takes nothing of what is sent to it".to_owned(),
            "",
        ),
        End::Overflow(why) => (Some(Refusal::OutboxFull), (*why).to_owned(), ""),
        End::Wanted(why) => (None, (*why).to_owned(), ""),
    };
    if let Some(refusal) = refusal {
        link.meter.refused(refusal);
    }
    let Some(kept) = link.hush.may_say() else { return };
    let (name, id, peer) = (session.name(), session.id(), session.peer());
    if refusal.is_some() || !fix.is_empty() {
        tracing::warn!(link = name, session = id, %peer, why, fix, kept, "session down");
    } else {
        tracing::info!(link = name, session = id, %peer, why, fix, kept, "session down");
    }
}
