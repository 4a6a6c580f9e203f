//! Choosing among functions or operators of one name by the types of the arguments
//! (documentation, "Functions" under "Type Conversion"; PostgreSQL's func_select_candidate).

use crate::analyzer::Analyzer;
use crate::coerce::Coercion;
use redoubt_error::PgResult;
use redoubt_functions::{Oid, types};

/// Something callable with so many argument types.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<T> {
    /// Declared types, one per actual argument.
    pub args: Vec<Oid>,
    /// What it is.
    pub target: T,
}

impl Analyzer<'_> {
    /// Keeps the candidates whose arguments the actual types can be cast to implicitly.
    pub(crate) fn matching<T>(
        &self,
        actual: &[Oid],
        candidates: Vec<Candidate<T>>,
    ) -> PgResult<Vec<Candidate<T>>> {
        let mut kept = Vec::new();
        for candidate in candidates {
            if self.can_coerce_types(actual, &candidate.args, Coercion::Implicit)? {
                kept.push(candidate);
            }
        }
        Ok(kept)
    }

    /// The best of several matching candidates; `None` when they are equally good.
    pub(crate) fn select_candidate<T>(
        &self,
        actual: &[Oid],
        mut candidates: Vec<Candidate<T>>,
    ) -> PgResult<Option<Candidate<T>>> {
        let mut inputs = Vec::with_capacity(actual.len());
        let mut categories = Vec::with_capacity(actual.len());
        for &oid in actual {
            let base = if oid == types::UNKNOWN { oid } else { self.catalog.base_type(oid, -1)?.0 };
            inputs.push(base);
            categories.push(self.type_info(base)?.category);
        }
        let known: Vec<usize> = (0..inputs.len()).filter(|i| inputs[*i] != types::UNKNOWN).collect();

        // Exact matches on known arguments first.
        keep_best(&mut candidates, |args| known.iter().filter(|i| args[**i] == inputs[**i]).count());
        if candidates.len() == 1 {
            return Ok(candidates.pop());
        }
        // Then those that accept preferred types where they do not match exactly.
        let mut scores = Vec::with_capacity(candidates.len());
        for candidate in &candidates {
            let mut score = 0;
            for &i in &known {
                let declared = candidate.args[i];
                if declared == inputs[i] {
                    score += 1;
                } else {
                    let info = self.type_info(declared)?;
                    score += usize::from(info.preferred && info.category == categories[i]);
                }
            }
            scores.push(score);
        }
        let mut scores = scores.into_iter();
        keep_best(&mut candidates, |_| scores.next().expect("one score for each"));
        if candidates.len() == 1 {
            return Ok(candidates.pop());
        }
        if known.len() == inputs.len() {
            return Ok(None);
        }
        candidates = self.prefer_categories(&inputs, candidates)?;
        if candidates.len() == 1 {
            return Ok(candidates.pop());
        }
        self.assume_same_type(&inputs, &known, candidates)
    }

    /// Unknown literals: each position settles on one category, strings winning over all others.
    fn prefer_categories<T>(
        &self,
        inputs: &[Oid],
        candidates: Vec<Candidate<T>>,
    ) -> PgResult<Vec<Candidate<T>>> {
        let unknown: Vec<usize> = (0..inputs.len()).filter(|i| inputs[*i] == types::UNKNOWN).collect();
        let mut wanted: Vec<(usize, char, bool)> = Vec::new();
        for &i in &unknown {
            let mut slot: Option<(char, bool)> = None;
            let mut conflict = false;
            for candidate in &candidates {
                let info = self.type_info(candidate.args[i])?;
                slot = match slot {
                    None => Some((info.category, info.preferred)),
                    Some((category, preferred)) if category == info.category => {
                        Some((category, preferred || info.preferred))
                    }
                    Some(_) if info.category == 'S' => Some(('S', info.preferred)),
                    kept => {
                        conflict = true;
                        kept
                    }
                };
            }
            match slot {
                Some((category, _)) if conflict && category != 'S' => return Ok(candidates),
                Some((category, preferred)) => wanted.push((i, category, preferred)),
                None => return Ok(candidates),
            }
        }
        let mut fits = Vec::with_capacity(candidates.len());
        for candidate in &candidates {
            let mut fit = true;
            for (i, category, preferred) in &wanted {
                let info = self.type_info(candidate.args[*i])?;
                fit &= info.category == *category && (!preferred || info.preferred);
            }
            fits.push(fit);
        }
        if !fits.contains(&true) {
            return Ok(candidates);
        }
        Ok(candidates.into_iter().zip(fits).filter(|(_, fit)| *fit).map(|(candidate, _)| candidate).collect())
    }

    /// If all known arguments are of one type, the unknown ones are taken to be too.
    fn assume_same_type<T>(
        &self,
        inputs: &[Oid],
        known: &[usize],
        candidates: Vec<Candidate<T>>,
    ) -> PgResult<Option<Candidate<T>>> {
        let Some(&first) = known.first() else { return Ok(None) };
        let same = inputs[first];
        if known.iter().any(|i| inputs[*i] != same) {
            return Ok(None);
        }
        let assumed = vec![same; inputs.len()];
        let mut fitting = self.matching(&assumed, candidates)?;
        Ok(if fitting.len() == 1 { fitting.pop() } else { None })
    }
}

/// Keeps the candidates with the highest score.
fn keep_best<T>(candidates: &mut Vec<Candidate<T>>, mut score: impl FnMut(&[Oid]) -> usize) {
    let scores: Vec<usize> = candidates.iter().map(|candidate| score(&candidate.args)).collect();
    let best = scores.iter().copied().max().unwrap_or(0);
    let mut scores = scores.into_iter();
    candidates.retain(|_| scores.next() == Some(best));
}
