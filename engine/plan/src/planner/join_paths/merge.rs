//! Merge joins: which orders to bring the inputs into, and what that costs.

use super::*;

impl LevelPlanner<'_, '_> {
    /// Merge joins of the cheapest inputs, sorted as far as they are not.
    pub(super) fn merge_with_sorts(&mut self, pair: &Pair<'_>, found: &mut Vec<Rc<Path>>) -> PgResult<()> {
        let mergeable: Vec<Rc<Clause>> = pair
            .clauses
            .iter()
            .filter(|clause| {
                clause.joins(pair.outer, pair.inner).is_some()
                    && clause.equality.as_ref().is_some_and(|equality| !equality.families.is_empty())
            })
            .cloned()
            .collect();
        // A right or full join must find its matches by the keys alone, and by what is the same for all rows.
        let rest = without(&pair.clauses, &mergeable);
        let constant = rest.iter().all(|clause| clause.relids.is_empty());
        // A full join without keys matches all with all: only this join can find who matched nobody.
        let everything = pair.join == JoinType::Full && mergeable.is_empty();
        if mergeable.is_empty() && !everything
            || matches!(pair.join, JoinType::Right | JoinType::Full) && !constant
        {
            return Ok(());
        }
        let (Some(outer), Some(inner)) = (
            path::cheapest_total(&pair.outer_paths).cloned(),
            path::cheapest_total(&pair.inner_paths).cloned(),
        ) else {
            return Ok(());
        };
        if everything {
            return self.merge_join(pair, &outer, &inner, &[], found);
        }
        let mut keys: Vec<(PathKey, Rc<Clause>)> = Vec::new();
        for clause in &mergeable {
            if let Some(key) = self.merge_key(pair, clause)? {
                keys.push((key, clause.clone()));
            }
        }
        if keys.is_empty() {
            return Ok(());
        }
        let first = keys.clone();
        self.merge_join(pair, &outer, &inner, &first, found)?;
        for leading in 1..keys.len() {
            let mut rotated = keys.clone();
            let key = rotated.remove(leading);
            rotated.insert(0, key);
            self.merge_join(pair, &outer, &inner, &rotated, found)?;
        }
        // Inputs that are in a useful order already.
        for outer in
            pair.outer_paths.clone().iter().filter(|path| path.outer.is_empty() && !path.order.is_empty())
        {
            let usable = keys_in_order(&keys, &outer.order);
            if !usable.is_empty() {
                let inners: Vec<Rc<Path>> =
                    pair.inner_paths.iter().filter(|path| path.outer.is_empty()).cloned().collect();
                for inner in &inners {
                    self.merge_join(pair, outer, inner, &usable, found)?;
                }
            }
        }
        for inner in
            pair.inner_paths.clone().iter().filter(|path| path.outer.is_empty() && !path.order.is_empty())
        {
            let usable = keys_in_order(&keys, &inner.order);
            if !usable.is_empty() {
                self.merge_join(pair, &outer, inner, &usable, found)?;
            }
        }
        Ok(())
    }

    /// The order that a mergeable clause asks of both inputs.
    fn merge_key(&mut self, pair: &Pair<'_>, clause: &Rc<Clause>) -> PgResult<Option<PathKey>> {
        let Some((left, right)) = clause.sides() else { return Ok(None) };
        let Some(equality) = &clause.equality else { return Ok(None) };
        let collation = clause.operator().map_or(0, |(call, _)| call.input_collation);
        let family = equality.families[0];
        // Different types of one family are only compared here where they are numbers.
        let (left_type, right_type) = (left.ty().type_oid, right.ty().type_oid);
        if left_type != right_type && !(is_number(left_type) && is_number(right_type)) {
            return Ok(None);
        }
        let outer = if clause.joins(pair.outer, pair.inner) == Some(true) { left } else { right };
        let class = match clause.class {
            Some(class) => class,
            None => self.class_for_sort(outer, family, collation)?,
        };
        let class = self.canonical_class(class);
        let wanted = self.wanted_order.iter().find(|key| key.class == class);
        let (descending, nulls_first) =
            wanted.map_or((false, false), |key| (key.descending, key.nulls_first));
        Ok(Some(PathKey { class, family, descending, nulls_first }))
    }

    fn merge_join(
        &self,
        pair: &Pair<'_>,
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        keys: &[(PathKey, Rc<Clause>)],
        found: &mut Vec<Rc<Path>>,
    ) -> PgResult<()> {
        if !outer.outer.is_empty() || !inner.outer.is_empty() {
            return Ok(());
        }
        let settings = self.builder.ctx.settings;
        let clauses: Vec<Rc<Clause>> = keys.iter().map(|(_, clause)| clause.clone()).collect();
        let mut order: Vec<PathKey> = Vec::new();
        for (key, _) in keys {
            if !order.iter().any(|known| known.class == key.class) {
                order.push(*key);
            }
        }
        let rest = without(&pair.clauses, &clauses);
        let constant = rest.iter().all(|clause| clause.relids.is_empty());
        if matches!(pair.join, JoinType::Right | JoinType::Full) && !constant {
            return Ok(());
        }
        let sort_outer = !path::order_satisfies(&outer.order, &order);
        let sort_inner = !self.inner_order_satisfies(&inner.order, &order);
        let quals = self.exprs_cost(rest.iter().chain(&pair.filter).map(|clause| &clause.expr))?;
        let key_cost = self.exprs_cost(clauses.iter().map(|clause| &clause.expr))?.total;
        let merge = MergeCosting {
            sort_outer,
            sort_inner,
            key_cost,
            key_matches: self.key_matches(outer, inner, &clauses)?,
            skip_mark_restore: (pair.single_match || matches!(pair.join, JoinType::Semi | JoinType::Anti))
                && rest.is_empty(),
        };
        let costing = JoinCosting { settings, quals, single: pair.factors, indexed: false };
        let (mut cost, materialize) = join_cost::merge_join(&costing, &merge, outer, inner);
        let sorts = f64::from(u8::from(sort_outer) + u8::from(sort_inner));
        if !settings.enable_sort && sorts > 0.0 {
            cost.startup += DISABLE_COST * sorts;
            cost.total += DISABLE_COST * sorts;
        }
        if !settings.enable_mergejoin {
            cost.startup += DISABLE_COST;
            cost.total += DISABLE_COST;
        }
        let delivered = match pair.join {
            JoinType::Full | JoinType::Right => Vec::new(),
            _ if sort_outer => order.clone(),
            _ => outer.order.clone(),
        };
        found.push(Rc::new(Path {
            relids: pair.outer.union(pair.inner),
            outer: RelSet::new(),
            rows: pair.rows,
            startup: cost.startup,
            total: cost.total,
            width: pair.width,
            order: delivered,
            kind: PathKind::Merge {
                join: self.join_path(pair, outer, inner, rest),
                keys: clauses,
                order: keys.iter().map(|(key, _)| *key).collect(),
                sort_outer,
                sort_inner,
                materialize,
            },
        }));
        Ok(())
    }

    /// Equal keys have one class, so both sides' orders compare alike. (A clause that is in no class,
    /// an outer join's, has its outer side's; the inner input is sorted then.)
    fn inner_order_satisfies(&self, have: &[PathKey], want: &[PathKey]) -> bool {
        path::order_satisfies(have, want)
    }
}

/// The merge keys, in the order that the rows are in, as far as it goes.
fn keys_in_order(keys: &[(PathKey, Rc<Clause>)], order: &[PathKey]) -> Vec<(PathKey, Rc<Clause>)> {
    let mut result = Vec::new();
    for have in order {
        let matching: Vec<_> =
            keys.iter().filter(|(key, _)| key.class == have.class && key.family == have.family).collect();
        if matching.is_empty() {
            break;
        }
        result.extend(matching.into_iter().map(|(_, clause)| (*have, clause.clone())));
    }
    result
}
