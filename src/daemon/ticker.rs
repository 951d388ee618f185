//! What happens by the clock: deadlines, the disk, the watchdog, gauges.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::captures::Captures;
use super::core::{Core, Pulse};
use super::days::Days;
use super::mailroom::Mailroom;
use super::view::Sight;
use crate::iso::Mono;
use crate::meter::Meter;
use crate::record::Lsn;
use crate::switch::Input;
use crate::systemd;

/// How late a deadline may be noticed, and how long an answer that left is not yet written down as told.
const TICK: Duration = Duration::from_millis(20);

/// How often the slower things are looked at.
const SLOW: Duration = Duration::from_secs(1);

/// What the clock drives.
pub(super) struct Ticker {
    pub(super) core: Arc<Core>,
    pub(super) sight: Arc<Sight>,
    pub(super) meter: Meter,
    pub(super) days: Arc<Days>,
    pub(super) captures: Arc<Captures>,
    pub(super) mail: Arc<Mailroom>,
    pub(super) durable: Arc<AtomicU64>,
}

impl Ticker {
    /// For as long as the process lives.
    pub(super) async fn run(self) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watchdog = systemd::watchdog();
        // Whether the journal's thread gets on is known when it has had a second for it.
        let mut slow_at = Instant::now() + SLOW;
        let mut alive_at = Instant::now();
        let mut turns = 0;
        loop {
            tick.tick().await;
            self.core.tell_begun();
            let pulse = self.core.pulse();
            if pulse.next.is_some_and(|next| next <= Mono(self.core.clock().ms())) {
                self.core.handle(Input::Tick);
            }
            let now = Instant::now();
            // The journal's thread gets on, or has nothing to do; a commit that hangs is neither.
            let gets_on = pulse.idle || pulse.turns != turns;
            if let Some(every) = watchdog
                && alive_at <= now
                && gets_on
            {
                alive_at = now + every / 2;
                if let Err(fault) = systemd::alive() {
                    tracing::warn!(%fault, "the service manager was not told that the switch lives");
                }
            }
            if slow_at <= now {
                slow_at = now + SLOW;
                turns = pulse.turns;
                self.sight.journal_gets_on(gets_on);
                self.gauge(pulse);
                self.look_around();
                self.days.look();
                let durable = Lsn(self.durable.load(Ordering::Acquire));
                self.days.by_clock(self.core.day().date, durable);
                self.captures.look();
                self.mail.look();
            }
        }
    }

    fn gauge(&self, pulse: Pulse) {
        self.meter.in_flight(pulse.in_flight);
        self.meter.owed_open(pulse.open.saturating_sub(pulse.in_flight));
        self.meter.queue(pulse.queue_bytes);
    }

    /// Looks at the disk.
    pub(super) fn look_around(&self) {
        match self.sight.state().free() {
            Ok(free) => {
                self.meter.disk_free(free);
                self.disk(free);
            }
            Err(fault) => {
                tracing::warn!(%fault, "the free space of the state directory is unknown");
            }
        }
    }

    /// Below the reserve new requests are declined; it has to rise an eighth above it before they are taken again.
    fn disk(&self, free: u64) {
        let reserve = self.sight.disk_reserve_bytes();
        let was_low = self.sight.disk_is_low();
        let low = free < if was_low { reserve.saturating_add(reserve / 8) } else { reserve };
        if low == was_low {
            return;
        }
        self.sight.disk_low(low);
        if low {
            tracing::error!(
                free,
                reserve,
                "the journal's disk is nearly full: new requests are declined until there is room"
            );
        } else {
            tracing::info!(free, reserve, "the journal's disk has room again");
        }
        self.core.handle(Input::Disk { low });
    }
}
