//! The join search: dynamic programming over sets of relations.
//!
//! After `standard_join_search`, `join_search_one_level` and `join_is_legal` (PostgreSQL's
//! src/backend/optimizer/path/allpaths.c and joinrels.c).

use super::clause::Clause;
use super::deconstruct::JoinItem;
use super::level::{JoinRel, LevelPlanner, SpecialJoin};
use super::path::Path;
use super::relset::RelSet;
use crate::join::JoinType;
use redoubt_error::{PgError, PgResult, code};
use std::rc::Rc;

/// From this many relations on, the search is greedy instead of exhaustive (`geqo_threshold`).
const GREEDY_MIN: usize = 12;

/// How a join of two sets may be done.
pub(crate) struct LegalJoin {
    /// The outer, semi or anti join that it performs, if it is no inner join.
    pub special: Option<SpecialJoin>,
    /// The right-hand side of the special join is the first set.
    pub reversed: bool,
}

impl LevelPlanner<'_, '_> {
    /// Plans all base relations and joins them.
    pub(crate) fn plan_joins(&mut self, items: Vec<JoinItem>) -> PgResult<Vec<Rc<Path>>> {
        let mut ranges: Vec<usize> = self.bases.keys().copied().collect();
        ranges.sort_unstable();
        for range in ranges {
            self.plan_base(range)?;
            let base = &self.bases[&range];
            let rel = JoinRel { rows: base.rows, width: base.width, paths: base.paths.clone() };
            self.join_rels.insert(RelSet::single(range), rel);
        }
        let set = self.join_list(&items)?;
        Ok(self.join_rels[&set].paths.clone())
    }

    fn join_list(&mut self, items: &[JoinItem]) -> PgResult<RelSet> {
        let mut sets = Vec::with_capacity(items.len());
        for item in items {
            sets.push(match item {
                JoinItem::Rel(range) => RelSet::single(*range),
                JoinItem::List(list) => self.join_list(list)?,
            });
        }
        match sets.len() {
            1 => Ok(sets.remove(0)),
            count if count >= GREEDY_MIN => self.greedy_search(sets),
            _ => self.exhaustive_search(sets),
        }
    }

    fn exhaustive_search(&mut self, initial: Vec<RelSet>) -> PgResult<RelSet> {
        let count = initial.len();
        let mut levels: Vec<Vec<RelSet>> = vec![Vec::new(), initial];
        for level in 2..=count {
            let mut made: Vec<RelSet> = Vec::new();
            self.search_level(&levels, level, &mut made)?;
            if made.is_empty() && level == count {
                if self.special.iter().any(|special| special.join == JoinType::Full) {
                    return Err(PgError::new(
                        code::FEATURE_NOT_SUPPORTED,
                        "FULL JOIN is only supported with merge-joinable or hash-joinable join conditions",
                    ));
                }
                return Err(PgError::internal(format!("failed to build any {count}-way joins")));
            }
            levels.push(made);
        }
        Ok(levels[count].remove(0))
    }

    fn search_level(&mut self, levels: &[Vec<RelSet>], level: usize, made: &mut Vec<RelSet>) -> PgResult<()> {
        for (at, old) in levels[level - 1].iter().enumerate() {
            // At the second level each pair is met twice; once is enough.
            let others = if level == 2 { &levels[1][at + 1..] } else { &levels[1][..] };
            let connected = self.has_join_clauses(old) || self.is_restricted(old);
            for other in others {
                if old.overlaps(other) {
                    continue;
                }
                if !connected || self.are_connected(old, other)? {
                    self.try_join(old, other, made)?;
                }
            }
        }
        for small in 2..=level / 2 {
            let large = level - small;
            for (at, old) in levels[small].iter().enumerate() {
                if !self.has_join_clauses(old) && !self.is_restricted(old) {
                    continue;
                }
                let others = if small == large { &levels[large][at + 1..] } else { &levels[large][..] };
                for other in others {
                    if !old.overlaps(other) && self.are_connected(old, other)? {
                        self.try_join(old, other, made)?;
                    }
                }
            }
        }
        if made.is_empty() {
            for old in &levels[level - 1] {
                for other in &levels[1] {
                    if !old.overlaps(other) {
                        self.try_join(old, other, made)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Joins the pair with the fewest resulting rows, again and again.
    fn greedy_search(&mut self, mut sets: Vec<RelSet>) -> PgResult<RelSet> {
        while sets.len() > 1 {
            let mut best: Option<(f64, usize, usize, RelSet)> = None;
            for connected_only in [true, false] {
                for left in 0..sets.len() {
                    for right in left + 1..sets.len() {
                        if connected_only && !self.are_connected(&sets[left], &sets[right])? {
                            continue;
                        }
                        let mut made = Vec::new();
                        self.try_join(&sets[left].clone(), &sets[right].clone(), &mut made)?;
                        let joined = sets[left].union(&sets[right]);
                        let Some(rel) = self.join_rels.get(&joined) else { continue };
                        if best.as_ref().is_none_or(|(rows, ..)| rel.rows < *rows) {
                            best = Some((rel.rows, left, right, joined));
                        }
                    }
                }
                if best.is_some() {
                    break;
                }
            }
            let (_, left, right, joined) =
                best.ok_or_else(|| PgError::internal("failed to join all relations together"))?;
            sets.remove(right);
            sets[left] = joined;
        }
        Ok(sets.remove(0))
    }

    /// Makes the join of two sets, in every way that is legal.
    fn try_join(&mut self, left: &RelSet, right: &RelSet, made: &mut Vec<RelSet>) -> PgResult<()> {
        let Some(legal) = self.join_is_legal(left, right) else { return Ok(()) };
        let joined = left.union(right);
        self.add_join_paths(left, right, &legal)?;
        if self.join_rels.get(&joined).is_some_and(|rel| !rel.paths.is_empty()) && !made.contains(&joined) {
            made.push(joined);
        }
        Ok(())
    }

    /// Join clauses of a set with relations outside of it.
    pub(crate) fn outward_clauses(&self, set: &RelSet) -> Vec<Rc<Clause>> {
        let mut found: Vec<Rc<Clause>> = Vec::new();
        for range in set.iter() {
            let Some(base) = self.bases.get(&range) else { continue };
            for clause in &base.join_clauses {
                let inside = clause.required.is_subset_of(set);
                if !inside && !found.iter().any(|known| known.serial == clause.serial) {
                    found.push(clause.clone());
                }
            }
        }
        found
    }

    fn has_join_clauses(&self, set: &RelSet) -> bool {
        let by_class = |class: &super::equivalence::EquivalenceClass| {
            class.merged_into.is_none()
                && !class.has_constant
                && class.members.len() > 1
                && class.relids.overlaps(set)
                && !class.relids.intersection(&self.from).is_subset_of(set)
        };
        !self.outward_clauses(set).is_empty() || self.classes.iter().any(by_class)
    }

    /// Whether a clause joins the two sets, or an outer join or lateral reference forces them together.
    fn are_connected(&self, left: &RelSet, right: &RelSet) -> PgResult<bool> {
        let by_clause = self.outward_clauses(left).iter().any(|clause| clause.required.overlaps(right));
        let by_class = self.classes.iter().any(|class| {
            class.merged_into.is_none()
                && !class.has_constant
                && class.members.len() > 1
                && class.relids.overlaps(left)
                && class.relids.overlaps(right)
        });
        Ok(by_clause || by_class || self.are_forced(left, right))
    }

    /// Whether joining these two is needed to get a special join or lateral reference done
    /// (`have_join_order_restriction`).
    fn are_forced(&self, left: &RelSet, right: &RelSet) -> bool {
        if self.lateral_of(left).overlaps(right) || self.lateral_of(right).overlaps(left) {
            return true;
        }
        let joins = |join: &SpecialJoin| {
            if join.join == JoinType::Full {
                return false;
            }
            let completes =
                |a: &RelSet, b: &RelSet| join.min_left.is_subset_of(a) && join.min_right.is_subset_of(b);
            let grows_right = join.min_right.overlaps(left) && join.min_right.overlaps(right);
            let grows_left = join.min_left.overlaps(left) && join.min_left.overlaps(right);
            completes(left, right) || completes(right, left) || grows_right || grows_left
        };
        self.special.iter().any(joins)
            && !self.has_legal_clause_join(left)
            && !self.has_legal_clause_join(right)
    }

    /// Whether the set can be joined somewhere by a clause; then nothing forces it.
    fn has_legal_clause_join(&self, set: &RelSet) -> bool {
        self.from.iter().filter(|&range| !set.contains(range)).any(|range| {
            let other = RelSet::single(range);
            self.outward_clauses(set).iter().any(|clause| clause.required.overlaps(&other))
                && self.join_is_legal(set, &other).is_some()
        })
    }

    fn is_restricted(&self, set: &RelSet) -> bool {
        let lateral = self.lateral_of(set);
        if !lateral.is_subset_of(set) {
            return true;
        }
        if self.from.iter().any(|range| !set.contains(range) && self.bases[&range].lateral.overlaps(set)) {
            return true;
        }
        self.special.iter().any(|join| {
            if join.join == JoinType::Full {
                return false;
            }
            let all = join.min_left.union(&join.min_right);
            !all.is_subset_of(set) && (join.min_left.overlaps(set) || join.min_right.overlaps(set))
        })
    }

    /// Relations that members of the set refer to laterally, outside of the set.
    pub(crate) fn lateral_of(&self, set: &RelSet) -> RelSet {
        let all = set
            .iter()
            .filter_map(|range| self.bases.get(&range))
            .fold(RelSet::new(), |all, base| all.union(&base.lateral));
        all.difference(set)
    }

    /// Whether two sets may be joined, and as what kind of join.
    pub(crate) fn join_is_legal(&self, left: &RelSet, right: &RelSet) -> Option<LegalJoin> {
        let joined = left.union(right);
        let mut found: Option<(&SpecialJoin, bool)> = None;
        let mut must_be_left = false;
        for join in &self.special {
            let within = |set: &RelSet| join.min_left.is_subset_of(set) && join.min_right.is_subset_of(set);
            if !join.min_right.overlaps(&joined)
                || joined.is_subset_of(&join.min_right)
                || within(left)
                || within(right)
            {
                continue;
            }
            let semi = join.join == JoinType::Semi;
            // The right side was made unique and joined inside one of the sets already.
            let unique_inside = |set: &RelSet| semi && join.right.is_subset_of(set) && join.right != *set;
            if unique_inside(left) || unique_inside(right) {
                continue;
            }
            if join.min_left.is_subset_of(left) && join.min_right.is_subset_of(right) {
                if found.is_some() {
                    return None;
                }
                found = Some((join, false));
            } else if join.min_left.is_subset_of(right) && join.min_right.is_subset_of(left) {
                if found.is_some() {
                    return None;
                }
                found = Some((join, true));
            } else if semi && join.semi_keys.is_some() && (join.right == *right || join.right == *left) {
                if found.is_some() {
                    return None;
                }
                found = Some((join, join.right == *left));
            } else {
                if left.overlaps(&join.min_right) && right.overlaps(&join.min_right) {
                    continue;
                }
                if join.join != JoinType::Left || joined.overlaps(&join.min_left) {
                    return None;
                }
                must_be_left = true;
            }
        }
        if must_be_left && !found.is_some_and(|(join, _)| join.join == JoinType::Left && join.left_strict) {
            return None;
        }
        if !self.lateral_is_legal(left, right, found) {
            return None;
        }
        Some(LegalJoin {
            special: found.map(|(join, _)| join.clone()),
            reversed: found.is_some_and(|(_, reversed)| reversed),
        })
    }

    /// A lateral reference goes to the outer side, which must not be the null-extended one.
    fn lateral_is_legal(&self, left: &RelSet, right: &RelSet, found: Option<(&SpecialJoin, bool)>) -> bool {
        let forward = self.lateral_of(right).overlaps(left);
        let backward = self.lateral_of(left).overlaps(right);
        match (forward, backward) {
            (true, true) => false,
            (true, false) => !found.is_some_and(|(join, reversed)| reversed || join.join == JoinType::Full),
            (false, true) => !found.is_some_and(|(join, reversed)| !reversed || join.join == JoinType::Full),
            (false, false) => true,
        }
    }
}
