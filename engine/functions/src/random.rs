//! The session's random generator: xoroshiro128**, as PostgreSQL 15's `pg_prng.c`.

/// Generator state. Equal seeds give the same `random()` sequence as PostgreSQL.
#[derive(Clone, Debug)]
pub struct Prng {
    s0: u64,
    s1: u64,
}

impl Prng {
    /// Seeds from an integer through splitmix64.
    pub fn from_seed(seed: u64) -> Self {
        let mut state = seed;
        let mut prng = Prng { s0: splitmix64(&mut state), s1: splitmix64(&mut state) };
        prng.repair();
        prng
    }

    /// Seeds as `setseed` does, from a double between -1 and 1.
    pub fn from_double(seed: f64) -> Self {
        // 52 bits of the mantissa, as pg_prng_fseed takes them.
        let scaled = (((1u64 << 52) - 1) as f64 * seed) as i64;
        Self::from_seed(scaled as u64)
    }

    /// Seeds from the operating system.
    pub fn from_entropy() -> Self {
        let mut bytes = [0u8; 16];
        getrandom::fill(&mut bytes).expect("the operating system provides randomness");
        let (high, low) = bytes.split_at(8);
        let word = |half: &[u8]| u64::from_le_bytes(half.try_into().expect("eight bytes"));
        let mut prng = Prng { s0: word(high), s1: word(low) };
        prng.repair();
        prng
    }

    /// The all-zero state would stay zero for ever.
    fn repair(&mut self) {
        if self.s0 == 0 && self.s1 == 0 {
            self.s0 = 0x5851_F42D_4C95_7F2D;
            self.s1 = 0x1405_7B7E_F767_814F;
        }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let (s0, sx) = (self.s0, self.s1 ^ self.s0);
        let value = s0.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        self.s0 = s0.rotate_left(24) ^ sx ^ (sx << 16);
        self.s1 = sx.rotate_left(37);
        value
    }

    /// A double in [0, 1).
    pub fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 12) as f64 * 2f64.powi(-52)
    }
}

fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut value = *state;
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
