//! Cycles of clearing by the clock: whether one is due. Must not know what becomes of it.

use crate::iso::Wall;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// When cycles are cut.
#[derive(Clone, Debug, Default)]
pub(super) struct Hours {
    /// Milliseconds after midnight, each.
    pub(super) at_ms: Vec<u32>,
    /// How far the clocks where that is said are ahead of UTC, minutes.
    pub(super) utc_offset_min: i32,
}

/// Until when it has been looked whether a cycle is due.
#[derive(Debug)]
pub(super) struct Cycles {
    hours: Hours,
    seen: Wall,
}

impl Cycles {
    /// From a moment on: what was due before it, and missed, is in the next one.
    pub(super) const fn new(hours: Hours, since: Wall) -> Self {
        Self { hours, seen: since }
    }

    pub(super) fn set(&mut self, hours: Hours) {
        self.hours = hours;
    }

    /// Whether one became due since it was last asked. A clock that steps back has none twice.
    pub(super) fn due(&mut self, now: Wall) -> bool {
        if now <= self.seen {
            return false;
        }
        let offset = i64::from(self.hours.utc_offset_min).saturating_mul(60_000);
        let local = |wall: Wall| i64::try_from(wall.0).unwrap_or(i64::MAX).saturating_add(offset);
        let (since, until) = (local(self.seen), local(now));
        self.seen = now;
        self.hours.at_ms.iter().any(|at| {
            // The last time that it was this hour.
            let past = until.saturating_sub(i64::from(*at)).rem_euclid(DAY);
            since < until.saturating_sub(past)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDNIGHT: u64 = 1_795_478_400_000; // 2026-11-24T00:00:00Z.
    const HOUR: u64 = 3_600_000;

    fn at(hour: u64, ms: u64) -> Wall {
        Wall(MIDNIGHT + hour * HOUR + ms)
    }

    fn hours(at: &[u32], utc_offset_min: i32) -> Hours {
        Hours { at_ms: at.iter().map(|hour| hour * 3_600_000).collect(), utc_offset_min }
    }

    #[test]
    fn each_hour_is_due_once() {
        let mut cycles = Cycles::new(hours(&[6, 14], 0), at(5, 0));
        assert!(!cycles.due(at(5, 999)));
        assert!(!cycles.due(at(6, 0).before()));
        assert!(cycles.due(at(6, 0)));
        assert!(!cycles.due(at(6, 1)));
        // A clock that steps back, and comes again.
        assert!(!cycles.due(at(5, 0)));
        assert!(!cycles.due(at(6, 1)));
        assert!(cycles.due(at(14, 20)));
        assert!(cycles.due(at(30, 0)), "the next day's");
        // Asleep for days: one has all.
        assert!(cycles.due(at(200, 0)));
        assert!(!cycles.due(at(200, 1)));
    }

    #[test]
    fn hours_are_those_of_a_place() {
        let mut east = Cycles::new(hours(&[0], 330), at(18, 0));
        assert!(!east.due(at(18, 30 * 60_000).before()));
        assert!(east.due(at(18, 30 * 60_000)));
        let mut west = Cycles::new(hours(&[23], -300), at(3, 0));
        assert!(west.due(at(4, 0)));
        let mut never = Cycles::new(Hours::default(), at(0, 0));
        assert!(!never.due(at(500, 0)));
    }

    #[test]
    fn what_is_set_later_holds_from_then_on() {
        let mut cycles = Cycles::new(hours(&[6], 0), at(5, 0));
        assert!(cycles.due(at(7, 0)));
        cycles.set(hours(&[6, 8], 0));
        assert!(!cycles.due(at(7, 1)));
        assert!(cycles.due(at(8, 0)));
    }

    impl Wall {
        fn before(self) -> Self {
            Self(self.0 - 1)
        }
    }
}
