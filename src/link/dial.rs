//! Dialling, and dialling again: addresses in turn, back-off with jitter; knows no frames.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::door::Current;
use super::socket::{self, Peer, Place};
use super::tls::{Unsecured, host_of};
use super::{Link, Upstairs, Way, talk};

/// How long one address may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A session that stood this long is a reason to begin again with the shortest pause.
const STOOD: Duration = Duration::from_secs(10);

/// How long to wait before the next try.
#[derive(Debug)]
struct Backoff {
    tries: u32,
    /// Whether the peer ever answered.
    known: bool,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    /// A peer that was there will be there again.
    const KNOWN_MAX: Duration = Duration::from_secs(1);
    const UNKNOWN_MAX: Duration = Duration::from_secs(10);

    const fn new() -> Self {
        Self { tries: 0, known: false }
    }

    /// Between half of the pause and all of it: `chance` is random, so that many do not come at once.
    fn pause(&mut self, chance: u8) -> Duration {
        let max = if self.known { Self::KNOWN_MAX } else { Self::UNKNOWN_MAX };
        let whole = Self::FIRST.saturating_mul(1 << self.tries.min(10)).min(max);
        self.tries = self.tries.saturating_add(1);
        whole / 2 + whole / 512 * u32::from(chance)
    }

    fn stood(&mut self, how_long: Duration) {
        self.known = true;
        if STOOD <= how_long {
            self.tries = 0;
        }
    }
}

/// Keeps one session up for as long as the door is there and has a place for it; each time with the settings of that moment.
pub(super) async fn dial<U: Upstairs>(
    (current, place): (Arc<Current<U>>, usize),
    tasks: CancellationToken,
) {
    let mut backoff = Backoff::new();
    let mut edition = current.get().settings.edition;
    while !tasks.is_cancelled() {
        let mut doors = current.get().doors.clone();
        if tasks.run_until_cancelled(doors.wait_for(|open| *open)).await.is_none() {
            return;
        }
        let link = current.get();
        let Way::Dial { addresses, sessions } = &link.settings.way else { return };
        if *sessions <= place {
            return;
        }
        if edition != link.settings.edition {
            (edition, backoff) = (link.settings.edition, Backoff::new());
        }
        let reached = link.over.run_until_cancelled(reach(&link, addresses)).await;
        if let Some(Some(peer)) = reached {
            let began = Instant::now();
            talk::hold(Arc::clone(&link), (peer, Place::take(&link))).await;
            backoff.stood(began.elapsed());
        }
        let pause = backoff.pause(chance());
        tasks.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

/// The first address that answers, and is who it should be.
async fn reach<U: Upstairs>(link: &Link<U>, addresses: &[String]) -> Option<Peer> {
    for address in addresses {
        let fault = match timeout(ANSWER_MAX, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => match socket::meet(link, stream, host_of(address)).await {
                Ok(peer) => return Some(peer),
                Err(unsecured) => unsecured,
            },
            Ok(Err(fault)) => Unsecured { why: fault.to_string(), fix: "" },
            Err(_elapsed) => Unsecured { why: String::from("timed out"), fix: "" },
        };
        link.meter.dial_failed();
        if let Some(kept) = link.hush.may_say() {
            let Unsecured { why, fix } = fault;
            tracing::warn!(
                link = link.settings.name,
                address,
                fault = why,
                fix,
                kept,
                "the peer does not answer; it is dialled again"
            );
        }
    }
    None
}

fn chance() -> u8 {
    let mut byte = [128];
    // Without randomness all pause alike, which is no harm on one machine.
    let [chance] = if getrandom::fill(&mut byte).is_ok() { byte } else { [128] };
    chance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_capped() {
        let pauses = |backoff: &mut Backoff, chance| -> Vec<u128> {
            (0..9).map(|_| backoff.pause(chance).as_millis()).collect()
        };
        let mut backoff = Backoff::new();
        assert_eq!(pauses(&mut backoff, 0), [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.stood(Duration::from_secs(1));
        assert!(pauses(&mut backoff, 255).iter().all(|pause| (500..=1000).contains(pause)));
        backoff.stood(STOOD);
        assert!(backoff.pause(255) <= Backoff::FIRST);
    }
}
