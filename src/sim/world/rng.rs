//! Chance from a seed, integers only: the same seed draws the same everywhere. Knows nothing of what is drawn.

/// A stream of draws (xoshiro256**, its state filled by `SplitMix64`).
#[derive(Clone, Debug)]
pub(super) struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The stream of a seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut rest = seed;
        let state = [(); 4].map(|()| {
            rest = rest.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (rest ^ (rest >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        });
        Self { state }
    }

    /// Sixty-four bits.
    pub(super) fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let drawn = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        drawn
    }

    /// Below a bound; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The remainder favours small draws by less than one in 2^40 here: bounds are days in milliseconds at most.
        self.bits().checked_rem(bound).unwrap_or(0)
    }

    /// From the first to the last, both within.
    pub(super) fn between(&mut self, (first, last): (u64, u64)) -> u64 {
        first.saturating_add(self.below(last.saturating_sub(first).saturating_add(1)))
    }

    /// True so many times in a thousand.
    pub(super) fn chance(&mut self, permille: u64) -> bool {
        permille != 0 && self.below(1000) < permille
    }

    /// A place in something of this length.
    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(u64::try_from(len).unwrap_or(u64::MAX))).unwrap_or(0)
    }

    /// One of these; none of none.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let at = self.index(choices.len());
        choices.get(at).copied()
    }

    /// A wait whose mean is about this: mostly shorter, sometimes up to four times as long.
    pub(super) fn around(&mut self, mean: u64) -> u64 {
        let longest =
            if self.chance(100) { mean.saturating_mul(4) } else { mean.saturating_mul(2) };
        self.below(longest.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_and_stays_within_bounds() {
        let (mut one, mut two) = (Rng::new(7), Rng::new(7));
        for _ in 0..1000 {
            let drawn = one.between((10, 20));
            assert_eq!(drawn, two.between((10, 20)));
            assert!((10..=20).contains(&drawn));
        }
        assert_ne!(Rng::new(7).bits(), Rng::new(8).bits());
        assert!(!one.chance(0) && one.chance(1000));
        assert_eq!((one.below(0), one.index(0)), (0, 0));
    }
}
