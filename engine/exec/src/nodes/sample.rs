//! TABLESAMPLE: which rows of a table a scan gives (PostgreSQL's `bernoulli.c` and `system.c`).
//!
//! A row is chosen by a hash of where it stands and the seed, so that the same seed chooses the same places.

use crate::exec::Exec;
use redoubt_access::Tid;
use redoubt_analyze::query::SampleMethod;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::random::Prng;
use redoubt_functions::{Datum, hash_float, hash_words};
use redoubt_plan::scan::Sample;

/// The choice of one scan.
pub(crate) struct Sampling {
    method: SampleMethod,
    /// Hashes below it are chosen, of 2^32.
    cutoff: u64,
    seed: u32,
}

impl Sampling {
    /// Evaluates the clause's arguments.
    ///
    /// # Errors
    /// `2202H` and `2202G` for arguments that are NULL or out of range.
    pub(crate) fn start<'a>(x: &mut Exec<'a>, sample: &'a Sample) -> PgResult<Sampling> {
        let refuse = |message: &str| Err(PgError::new(code::INVALID_TABLESAMPLE_ARGUMENT, message));
        let percent = match x.value(&sample.percent)? {
            Datum::Null => return refuse("TABLESAMPLE parameter cannot be null"),
            percent => f64::from(percent.as_float4()?),
        };
        if !(0.0..=100.0).contains(&percent) {
            return refuse("sample percentage must be between 0 and 100");
        }
        let seed = match &sample.seed {
            None => Prng::from_entropy().next_u64() as u32,
            Some(seed) => match x.value(seed)? {
                Datum::Null => {
                    let message = "TABLESAMPLE REPEATABLE parameter cannot be null";
                    return Err(PgError::new(code::INVALID_TABLESAMPLE_REPEAT, message));
                }
                seed => hash_float(seed.as_float8()?),
            },
        };
        let cutoff = ((2.0_f64.powi(32)) * percent / 100.0).round_ties_even() as u64;
        Ok(Sampling { method: sample.method, cutoff, seed })
    }

    /// Whether a place is chosen.
    pub(crate) fn chooses(&self, tid: Tid) -> bool {
        let hash = match self.method {
            SampleMethod::Bernoulli => hash_words(&[tid.block, u32::from(tid.slot), self.seed]),
            SampleMethod::System => hash_words(&[tid.block, self.seed]),
        };
        u64::from(hash) < self.cutoff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cutoff_is_the_chosen_part() {
        for (percent, least, most) in
            [(0.0, 0, 0), (10.0, 850, 1150), (50.0, 4800, 5200), (100.0, 10_000, 10_000)]
        {
            let cutoff = (2.0_f64.powi(32) * percent / 100.0).round_ties_even() as u64;
            let sampling = Sampling { method: SampleMethod::Bernoulli, cutoff, seed: 7 };
            let chosen =
                (0..10_000).filter(|at| sampling.chooses(Tid::new(at / 100, (at % 100) as u16 + 1))).count();
            assert!((least..=most).contains(&chosen), "{percent}%: {chosen}");
        }
        // SYSTEM takes whole blocks.
        let sampling = Sampling { method: SampleMethod::System, cutoff: 1 << 31, seed: 7 };
        for block in 0..100 {
            let first = sampling.chooses(Tid::new(block, 1));
            assert!((2..50).all(|slot| sampling.chooses(Tid::new(block, slot)) == first));
        }
    }
}
