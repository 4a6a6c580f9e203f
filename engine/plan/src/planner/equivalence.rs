//! Equivalence classes: expressions that are known to be equal.
//!
//! `a = b` and `b = 5` put a, b and 5 into one class; from it come `a = 5` for the scan of a, one
//! join clause per join however many there were, and the knowledge that an order by a is an order by
//! b. After PostgreSQL's src/backend/optimizer/path/equivclass.c and the section on it in
//! src/backend/optimizer/README. Sort keys are members too, each at least in a class of its own.

use super::clause::{Clause, Equality};
use super::level::LevelPlanner;
use super::relset::RelSet;
use crate::equal::same;
use redoubt_analyze::query::*;
use redoubt_error::PgResult;
use redoubt_functions::Oid;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// Expressions known to be equal.
#[derive(Debug)]
pub(crate) struct EquivalenceClass {
    /// The B-tree families whose equality holds between the members.
    pub families: Vec<Oid>,
    pub collation: Oid,
    pub members: Vec<Member>,
    /// The clauses it was made from.
    pub sources: Vec<Rc<Clause>>,
    /// Join clauses made from it: members by index, and the clause.
    pub derived: RefCell<Vec<(usize, usize, Rc<Clause>)>>,
    pub relids: RelSet,
    pub has_constant: bool,
    /// Holds one volatile sort expression.
    pub volatile: bool,
    /// Some pair of members has no equality operator: the source clauses are used instead.
    pub broken: Cell<bool>,
    /// Joined into another class.
    pub merged_into: Option<usize>,
}

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub expr: Expr,
    pub relids: RelSet,
    pub constant: bool,
    /// The type by which it is compared.
    pub type_oid: Oid,
}

impl EquivalenceClass {
    fn new(families: Vec<Oid>, collation: Oid) -> Self {
        EquivalenceClass {
            families,
            collation,
            members: Vec::new(),
            sources: Vec::new(),
            derived: RefCell::default(),
            relids: RelSet::new(),
            has_constant: false,
            volatile: false,
            broken: Cell::new(false),
            merged_into: None,
        }
    }

    fn add_member(&mut self, member: Member) {
        self.relids.add(&member.relids);
        self.has_constant |= member.constant;
        self.members.push(member);
    }

    /// A member computed from these relations alone, for sorting a path by the class.
    pub(crate) fn member_within(&self, relids: &RelSet) -> Option<&Member> {
        self.members.iter().find(|member| !member.constant && member.relids.is_subset_of(relids))
    }
}

impl LevelPlanner<'_, '_> {
    /// Follows merges to the class that stands for this one now.
    pub(crate) fn canonical_class(&self, mut class: usize) -> usize {
        while let Some(into) = self.classes[class].merged_into {
            class = into;
        }
        class
    }

    /// The class of a sort expression, made if need be.
    pub(crate) fn class_for_sort(&mut self, expr: &Expr, family: Oid, collation: Oid) -> PgResult<usize> {
        let expr = strip_relabel(expr);
        let type_oid = expr.ty().type_oid;
        let volatile = super::inspect::is_volatile(expr);
        if !volatile {
            if let Some(found) = self.find_class(expr, &[family], collation) {
                return Ok(found);
            }
        }
        let mut class = EquivalenceClass::new(vec![family], collation);
        class.volatile = volatile;
        let relids = self.local_relids(expr);
        // Outer levels' columns count as constants here: they do not change while this level runs.
        let constant = relids.is_empty() && !volatile;
        class.add_member(Member { expr: expr.clone(), relids, constant, type_oid });
        self.classes.push(class);
        Ok(self.classes.len() - 1)
    }

    /// The class that has this expression as a member.
    fn find_class(&self, expr: &Expr, families: &[Oid], collation: Oid) -> Option<usize> {
        (0..self.classes.len()).find(|&at| {
            let class = &self.classes[at];
            class.merged_into.is_none()
                && !class.volatile
                && class.collation == collation
                && class.families.iter().any(|family| families.contains(family))
                && class.members.iter().any(|member| same(&member.expr, expr))
        })
    }

    /// Whether a sort key of this class adds nothing: all rows have the same value.
    pub(crate) fn class_is_constant(&self, class: usize) -> bool {
        self.classes[class].has_constant
    }

    /// Takes an equality from WHERE or an inner join into the classes. Returns false if the clause
    /// must be treated like any other.
    pub(crate) fn absorb_equality(&mut self, clause: &Rc<Clause>) -> PgResult<bool> {
        let Some(equality) = &clause.equality else { return Ok(false) };
        if equality.families.is_empty() || super::inspect::is_volatile(&clause.expr) {
            return Ok(false);
        }
        let Some((call, _)) = clause.operator() else { return Ok(false) };
        let collation = call.input_collation;
        let (left, right) = (strip_relabel(&call.args[0]), strip_relabel(&call.args[1]));
        if same(left, right) {
            return Ok(false);
        }
        let families = equality.families.clone();
        let left_member = self.member(left, equality.left_type);
        let right_member = self.member(right, equality.right_type);
        let found_left = self.find_class(left, &families, collation);
        let found_right = self.find_class(right, &families, collation);
        let class = match (found_left, found_right) {
            (Some(a), Some(b)) if a == b => a,
            (Some(a), Some(b)) => {
                self.merge_classes(a, b);
                a
            }
            (Some(a), None) => {
                self.classes[a].add_member(right_member);
                a
            }
            (None, Some(b)) => {
                self.classes[b].add_member(left_member);
                b
            }
            (None, None) => {
                let mut class = EquivalenceClass::new(families, collation);
                class.add_member(left_member);
                class.add_member(right_member);
                self.classes.push(class);
                self.classes.len() - 1
            }
        };
        self.classes[class].sources.push(clause.clone());
        Ok(true)
    }

    fn member(&self, expr: &Expr, type_oid: Oid) -> Member {
        let relids = self.local_relids(expr);
        let constant = relids.is_empty();
        Member { expr: expr.clone(), relids, constant, type_oid }
    }

    fn merge_classes(&mut self, into: usize, from: usize) {
        let members = std::mem::take(&mut self.classes[from].members);
        let sources = std::mem::take(&mut self.classes[from].sources);
        self.classes[from].merged_into = Some(into);
        let target = &mut self.classes[into];
        members.into_iter().for_each(|member| target.add_member(member));
        target.sources.extend(sources);
    }

    /// Restrictions that follow from the classes: `member = constant`, and equality of two
    /// members over the same relation.
    pub(crate) fn implied_restrictions(&mut self) -> PgResult<Vec<Rc<Clause>>> {
        let mut implied = Vec::new();
        for class in 0..self.classes.len() {
            if self.classes[class].merged_into.is_some() || self.classes[class].members.len() < 2 {
                continue;
            }
            if self.classes[class].has_constant {
                self.constant_restrictions(class, &mut implied)?;
            } else {
                self.same_relation_restrictions(class, &mut implied)?;
            }
        }
        Ok(implied)
    }

    fn constant_restrictions(&mut self, class: usize, implied: &mut Vec<Rc<Clause>>) -> PgResult<()> {
        // A class of one equality with a constant is just that clause.
        if self.classes[class].members.len() == 2 && self.classes[class].sources.len() == 1 {
            implied.push(self.classes[class].sources[0].clone());
            return Ok(());
        }
        let members = &self.classes[class].members;
        let constant = members
            .iter()
            .position(|member| matches!(member.expr, Expr::Const { .. }))
            .or_else(|| members.iter().position(|member| member.constant))
            .expect("the class has a constant");
        for index in 0..self.classes[class].members.len() {
            if index == constant {
                continue;
            }
            match self.equality_clause(class, index, constant)? {
                Some(clause) => implied.push(clause),
                None => {
                    self.classes[class].broken.set(true);
                    implied.extend(self.classes[class].sources.iter().cloned());
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn same_relation_restrictions(&mut self, class: usize, implied: &mut Vec<Rc<Clause>>) -> PgResult<()> {
        let mut previous: Vec<(usize, usize)> = Vec::new();
        for index in 0..self.classes[class].members.len() {
            let Some(rel) = self.classes[class].members[index].relids.singleton() else { continue };
            let before = previous.iter().find(|(other, _)| *other == rel).map(|(_, at)| *at);
            if let Some(before) = before {
                match self.equality_clause(class, before, index)? {
                    Some(clause) => implied.push(clause),
                    None => self.classes[class].broken.set(true),
                }
            }
            previous.retain(|(other, _)| *other != rel);
            previous.push((rel, index));
        }
        if self.classes[class].broken.get() {
            let sources = self.classes[class].sources.iter();
            implied.extend(sources.filter(|clause| clause.relids.len() <= 1).cloned());
        }
        Ok(())
    }

    /// The clauses that a join of two disjoint sets of relations must test because of the classes.
    pub(crate) fn implied_join_clauses(
        &mut self,
        outer: &RelSet,
        inner: &RelSet,
    ) -> PgResult<Vec<Rc<Clause>>> {
        let joined = outer.union(inner);
        let mut clauses = Vec::new();
        for class in 0..self.classes.len() {
            let info = &self.classes[class];
            if info.merged_into.is_some() || info.has_constant || info.members.len() < 2 {
                continue;
            }
            if !info.relids.overlaps(outer) || !info.relids.overlaps(inner) {
                continue;
            }
            if info.broken.get() {
                let fits = |clause: &&Rc<Clause>| {
                    clause.relids.is_subset_of(&joined)
                        && clause.relids.overlaps(outer)
                        && clause.relids.overlaps(inner)
                };
                clauses.extend(info.sources.iter().filter(fits).cloned());
                continue;
            }
            self.class_join_clauses(class, outer, inner, &mut clauses)?;
        }
        Ok(clauses)
    }

    fn class_join_clauses(
        &mut self,
        class: usize,
        outer: &RelSet,
        inner: &RelSet,
        clauses: &mut Vec<Rc<Clause>>,
    ) -> PgResult<()> {
        let joined = outer.union(inner);
        let (mut outers, mut inners, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (index, member) in self.classes[class].members.iter().enumerate() {
            if !member.relids.is_subset_of(&joined) {
                continue;
            }
            if member.relids.is_subset_of(outer) {
                outers.push(index);
            } else if member.relids.is_subset_of(inner) {
                inners.push(index);
            } else {
                new.push(index);
            }
        }
        if let Some((left, right)) = self.best_pair(class, &outers, &inners)? {
            match self.equality_clause(class, left, right)? {
                Some(clause) => clauses.push(clause),
                None => {
                    self.classes[class].broken.set(true);
                    let sources = self.classes[class].sources.iter();
                    clauses.extend(
                        sources
                            .filter(|clause| {
                                clause.relids.is_subset_of(&joined)
                                    && clause.relids.overlaps(outer)
                                    && clause.relids.overlaps(inner)
                            })
                            .cloned(),
                    );
                    return Ok(());
                }
            }
        }
        // Members that need both sides must equal something too.
        let mut previous = outers.first().or(inners.first()).copied();
        for index in new {
            if let Some(before) = previous {
                clauses.extend(self.equality_clause(class, before, index)?);
            }
            previous = Some(index);
        }
        Ok(())
    }

    /// The pair to join by: plain columns and hashable operators are best.
    fn best_pair(
        &self,
        class: usize,
        outers: &[usize],
        inners: &[usize],
    ) -> PgResult<Option<(usize, usize)>> {
        let members = &self.classes[class].members;
        let mut best: Option<(usize, (usize, usize))> = None;
        for &left in outers {
            for &right in inners {
                let Some(operator) = self.class_operator(class, left, right)? else { continue };
                let plain = |at: usize| usize::from(matches!(strip_relabel(&members[at].expr), Expr::Var(_)));
                let hashable = self.builder.ctx.catalog.operator(operator)?.is_some_and(|op| op.can_hash);
                let score = plain(left) + plain(right) + usize::from(hashable);
                if best.is_none_or(|(other, _)| score > other) {
                    best = Some((score, (left, right)));
                }
            }
        }
        // No operator for any pair: let the caller find that out for the first pair.
        Ok(best.map(|(_, pair)| pair).or_else(|| Some((*outers.first()?, *inners.first()?))))
    }

    /// The equality operator between two members.
    fn class_operator(&self, class: usize, left: usize, right: usize) -> PgResult<Option<Oid>> {
        let info = &self.classes[class];
        let (left, right) = (info.members[left].type_oid, info.members[right].type_oid);
        for &family in &info.families {
            let operator = self.builder.ctx.catalog.btree_operator(family, 3, left, right)?;
            if operator != 0 {
                return Ok(Some(operator));
            }
        }
        Ok(None)
    }

    /// The clause `left = right`: a source clause if there is one, else a new one, made once.
    pub(crate) fn equality_clause(
        &mut self,
        class: usize,
        left: usize,
        right: usize,
    ) -> PgResult<Option<Rc<Clause>>> {
        let info = &self.classes[class];
        for (a, b, clause) in info.derived.borrow().iter() {
            if (*a, *b) == (left, right) || (*a, *b) == (right, left) {
                return Ok(Some(clause.clone()));
            }
        }
        let (a, b) = (info.members[left].clone(), info.members[right].clone());
        let source = info.sources.iter().find(|clause| {
            clause.sides().is_some_and(|(x, y)| {
                let (x, y) = (strip_relabel(x), strip_relabel(y));
                (same(x, &a.expr) && same(y, &b.expr)) || (same(x, &b.expr) && same(y, &a.expr))
            })
        });
        let clause = match source {
            Some(clause) => clause.clone(),
            None => {
                let Some(operator) = self.class_operator(class, left, right)? else { return Ok(None) };
                let collation = info.collation;
                let Some(expr) = self.operator_expr(operator, a.expr, b.expr, collation)? else {
                    return Ok(None);
                };
                self.make_derived_clause(expr, class)?
            }
        };
        self.classes[class].derived.borrow_mut().push((left, right, clause.clone()));
        Ok(Some(clause))
    }

    /// An operator call between two expressions of the operator's types.
    pub(crate) fn operator_expr(
        &self,
        operator: Oid,
        left: Expr,
        right: Expr,
        collation: Oid,
    ) -> PgResult<Option<Expr>> {
        let catalog = self.builder.ctx.catalog;
        let Some(facts) = catalog.operator(operator)? else { return Ok(None) };
        let Some(proc) = catalog.proc(facts.proc_oid)? else { return Ok(None) };
        let Some(function) = catalog.function(proc.symbol()) else { return Ok(None) };
        let arg_types = vec![left.ty().type_oid, right.ty().type_oid];
        Ok(Some(Expr::Call(Box::new(Call {
            proc_oid: facts.proc_oid,
            function: Some(function),
            name: proc.name.clone(),
            strict: proc.strict,
            volatility: proc.volatility,
            returns_set: false,
            variadic: false,
            args: vec![left, right],
            arg_types,
            ty: BOOL_TYPE,
            input_collation: collation,
            form: CallForm::Operator { oid: operator, symbol: Arc::clone(&facts.name) },
            position: None,
        }))))
    }

    fn make_derived_clause(&mut self, expr: Expr, class: usize) -> PgResult<Rc<Clause>> {
        let mut clause = self.make_clause(expr, true, false, None, RelSet::new())?;
        clause.class = Some(class);
        Ok(Rc::new(clause))
    }

    /// What makes an operator clause an equality to join by.
    pub(crate) fn equality_of(&self, call: &Call, operator: Oid) -> PgResult<Option<Equality>> {
        let catalog = self.builder.ctx.catalog;
        let Some(facts) = catalog.operator(operator)? else { return Ok(None) };
        if !facts.can_merge && !facts.can_hash {
            return Ok(None);
        }
        let families: Vec<Oid> = if facts.can_merge {
            let members = catalog.btree_members(operator)?;
            members.iter().filter(|member| member.strategy == 3).map(|member| member.family).collect()
        } else {
            Vec::new()
        };
        let declared = |declared: Oid, index: usize| {
            // A polymorphic operator (array_eq, record_eq, enum_eq) compares by the actual type.
            if super::inspect::is_polymorphic(declared) { call.args[index].ty().type_oid } else { declared }
        };
        Ok(Some(Equality {
            operator,
            left_type: declared(facts.left_type, 0),
            right_type: declared(facts.right_type, 1),
            families,
            hashable: facts.can_hash,
        }))
    }
}

/// The expression below binary-compatible casts.
pub(crate) fn strip_relabel(mut expr: &Expr) -> &Expr {
    while let Expr::Relabel { arg, .. } = expr {
        expr = arg;
    }
    expr
}
