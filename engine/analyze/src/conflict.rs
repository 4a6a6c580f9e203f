//! ON CONFLICT: which unique indexes arbitrate, and what DO UPDATE assigns
//! (PostgreSQL's transformOnConflictClause and infer_arbiter_indexes).

use crate::analyzer::{Analyzer, Place};
use crate::equal::same_expr;
use crate::query::{Expr, OnConflict, RteKind};
use crate::scope::NsItem;
use redoubt_catalog::{BTREE, Index, Relation, is_system_relation};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree as ast;

/// One element of `ON CONFLICT (...)`.
struct Element {
    expr: Expr,
    collation: Option<Oid>,
    opclass: Option<Oid>,
}

impl Analyzer<'_> {
    pub(crate) fn on_conflict(
        &mut self,
        raw: &ast::OnConflict,
        relation: &Relation,
        rt: usize,
    ) -> PgResult<OnConflict> {
        // `excluded` is there from the start, but cannot be referred to by the conflict target.
        let excluded = match &raw.update {
            Some(_) => Some(self.add_excluded(relation)?),
            None => None,
        };
        if raw.update.is_some() && raw.target.is_none() {
            let message = "ON CONFLICT DO UPDATE requires inference specification or constraint name";
            return Err(PgError::new(code::SYNTAX_ERROR, message)
                .hint("For example, ON CONFLICT (column_name).")
                .at(Some(raw.pos)));
        }
        if is_system_relation(relation.oid) {
            let message = "ON CONFLICT is not supported with system catalog tables";
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(Some(raw.pos)));
        }
        let arbiter_indexes = match &raw.target {
            None => Vec::new(),
            Some(ast::ConflictTarget::Constraint { name, .. }) => {
                self.constraint_index(name, relation, rt, raw.update.is_some())?
            }
            Some(ast::ConflictTarget::Columns { elements, where_clause, pos }) => {
                self.infer_indexes(elements, where_clause.as_ref(), relation, *pos)?
            }
        };
        let mut result = OnConflict {
            arbiter_indexes,
            set: Vec::new(),
            do_update: raw.update.is_some(),
            where_clause: None,
            excluded_rt: excluded.as_ref().map(|item| item.rt),
        };
        if let (Some(update), Some(excluded)) = (&raw.update, excluded) {
            self.level().scope.items.push(excluded);
            result.set = self.update_targets(&update.set, relation, rt, None)?;
            result.where_clause = self.condition(update.where_clause.as_ref(), Place::Where, "WHERE")?;
            self.level().scope.items.pop();
        }
        Ok(result)
    }

    /// The row that was to be inserted.
    fn add_excluded(&mut self, relation: &Relation) -> PgResult<NsItem> {
        let target = self.level().scope.target.expect("INSERT has a target");
        let columns = self.level().rtable[target].columns.clone();
        let names =
            relation.desc.attrs.iter().map(|a| if a.dropped { "".into() } else { a.name.clone() }).collect();
        let mut item = self.add_entry(RteKind::Excluded, &"excluded".into(), names, columns, None)?;
        self.level().rtable[item.rt].in_from_clause = false;
        item.row_type = relation.class.reltype;
        Ok(item)
    }

    /// ON CONFLICT ON CONSTRAINT: the constraint's index.
    fn constraint_index(
        &mut self,
        name: &ast::Ident,
        relation: &Relation,
        rt: usize,
        do_update: bool,
    ) -> PgResult<Vec<Oid>> {
        let found = relation.constraints.iter().find(|row| row.conname == name.name);
        let Some(constraint) = found else {
            let message =
                format!("constraint \"{}\" for table \"{}\" does not exist", name.name, relation.name);
            return Err(PgError::new(code::UNDEFINED_OBJECT, message));
        };
        // Whether the row is there can be learned, which takes the privilege to read its key.
        for attno in constraint.conkey.clone().unwrap_or_default() {
            self.mark_selected(0, rt, attno);
        }
        let index =
            if constraint.conindid == 0 { None } else { self.catalog.index_by_oid(constraint.conindid)? };
        match index.filter(|_| matches!(constraint.contype, 'p' | 'u' | 'x')) {
            None => {
                let message = "constraint in ON CONFLICT clause has no associated index";
                Err(PgError::new(code::WRONG_OBJECT_TYPE, message))
            }
            Some(index) if !index.row.indisunique && do_update => {
                let message = "ON CONFLICT DO UPDATE not supported with exclusion constraints";
                Err(PgError::new(code::WRONG_OBJECT_TYPE, message))
            }
            Some(index) => {
                check_immediate(&index)?;
                Ok(vec![index.oid])
            }
        }
    }

    /// The unique indexes over exactly these columns and expressions (`infer_arbiter_indexes`).
    fn infer_indexes(
        &mut self,
        raw: &[ast::IndexElement],
        where_clause: Option<&ast::Expr>,
        relation: &Relation,
        position: usize,
    ) -> PgResult<Vec<Oid>> {
        let mut elements = Vec::with_capacity(raw.len());
        for element in raw {
            elements.push(self.conflict_element(element, position)?);
        }
        let condition = match where_clause {
            Some(raw) => {
                let condition = self.expr(raw, Place::IndexPredicate)?;
                Some(self.coerce_to_boolean(condition, "WHERE", raw.location())?)
            }
            None => None,
        };
        let mut matching = Vec::new();
        for index in self.catalog.indexes_of(relation)? {
            if index.row.indisvalid
                && index.row.indisunique
                && self.index_matches(&index, &elements, condition.as_ref(), relation)?
            {
                check_immediate(&index)?;
                matching.push(index.oid);
            }
        }
        if matching.is_empty() {
            let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
            return Err(PgError::new(code::INVALID_COLUMN_REFERENCE, message));
        }
        Ok(matching)
    }

    fn conflict_element(&mut self, raw: &ast::IndexElement, position: usize) -> PgResult<Element> {
        let refuse = |what: &str| {
            let message = format!("{what} is not allowed in ON CONFLICT clause");
            Err(PgError::new(code::INVALID_COLUMN_REFERENCE, message).at(Some(position)))
        };
        if raw.direction != ast::SortDirection::Default {
            return refuse("ASC/DESC");
        }
        if raw.nulls_first.is_some() {
            return refuse("NULLS FIRST/LAST");
        }
        let expr = match &raw.expr {
            // A plain column is pointed at by the parenthesis before it.
            ast::Expr::Column(column) if column.parts.len() == 1 => self.expr(
                &ast::Expr::Column(ast::ColumnRef { pos: position, ..column.clone() }),
                Place::IndexExpression,
            )?,
            expr => self.expr(expr, Place::IndexExpression)?,
        };
        let collation = match &raw.collation {
            Some(name) => Some(self.resolve_collation(name, name.pos())?),
            None => None,
        };
        let opclass = match &raw.opclass {
            Some(name) => Some(self.btree_opclass(name)?),
            None => None,
        };
        Ok(Element { expr, collation, opclass })
    }

    fn btree_opclass(&self, name: &ast::ObjectName) -> PgResult<Oid> {
        let path = match name.schema() {
            Some(schema) => vec![self.explicit_namespace(&schema.name, schema.pos)?],
            None => self.path.to_vec(),
        };
        let classes = self.catalog.opclasses_of(BTREE)?;
        let mut schemas = path.iter();
        let found = schemas.find_map(|schema| {
            classes.iter().find(|class| class.opcnamespace == *schema && class.opcname == name.last().name)
        });
        found.map(|class| class.oid).ok_or_else(|| {
            let message =
                format!("operator class \"{}\" does not exist for access method \"btree\"", name.dotted());
            PgError::new(code::UNDEFINED_OBJECT, message)
        })
    }

    fn index_matches(
        &mut self,
        index: &Index,
        elements: &[Element],
        condition: Option<&Expr>,
        relation: &Relation,
    ) -> PgResult<bool> {
        let keys = &index.columns[..index.key_columns];
        let wanted =
            |attno: i16| elements.iter().any(|e| matches!(&e.expr, Expr::Var(var) if var.attno == attno));
        let has = |attno: i16| keys.iter().any(|key| key.attnum == attno);
        let same_columns = keys.iter().filter(|key| key.attnum != 0).all(|key| wanted(key.attnum))
            && elements.iter().all(|e| if let Expr::Var(var) = &e.expr { has(var.attno) } else { true });
        if !same_columns {
            return Ok(false);
        }
        let mut expressions = Vec::new();
        for key in keys {
            expressions.push(match &key.expression {
                Some(text) => Some(self.index_expression(text, relation)?),
                None => None,
            });
        }
        for element in elements {
            let fits = keys.iter().zip(&expressions).any(|(key, expression)| {
                let same = match (&element.expr, expression) {
                    (Expr::Var(var), None) => var.attno == key.attnum,
                    (expr, Some(expression)) => same_expr(expr, expression),
                    _ => false,
                };
                same && element.collation.is_none_or(|collation| collation == key.collation)
                    && element.opclass.is_none_or(|opclass| opclass == key.opclass)
            });
            if !fits {
                return Ok(false);
            }
        }
        let unnamed = expressions.iter().flatten().any(|e| !elements.iter().any(|x| same_expr(&x.expr, e)));
        if unnamed {
            return Ok(false);
        }
        match &index.predicate {
            None => Ok(true),
            Some(text) => {
                let predicate = self.index_expression(text, relation)?;
                Ok(condition.is_some_and(|condition| implies(condition, &predicate)))
            }
        }
    }

    /// An index's expression or predicate over the target table.
    fn index_expression(&mut self, text: &str, relation: &Relation) -> PgResult<Expr> {
        let raw = redoubt_sql::parse_expression(text)?;
        let path = [crate::view::PG_CATALOG, relation.namespace];
        let target = self.level().scope.target.expect("INSERT has a target");
        let mut analyzer = self.detached(&path);
        let mut expr = analyzer
            .in_level(|analyzer| {
                let item = analyzer.add_relation(relation, None, Default::default())?;
                analyzer.level().scope.items.push(item);
                analyzer.expr(&raw, Place::IndexExpression)
            })
            .map_err(crate::view::without_position)?;
        crate::visit::rewrite(&mut expr, 0, &mut |node, _| {
            if let Expr::Var(var) = node {
                var.rt = target;
            }
            true
        });
        Ok(expr)
    }
}

/// An index that is checked later cannot tell in time.
fn check_immediate(index: &Index) -> PgResult<()> {
    if index.row.indimmediate {
        return Ok(());
    }
    let message =
        "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters";
    Err(PgError::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message))
}

/// Whether a condition is at least as strong as another, as far as that is plain to see: every
/// conjunct of the weaker one is a conjunct of the stronger.
fn implies(strong: &Expr, weak: &Expr) -> bool {
    let strong = conjuncts(strong);
    conjuncts(weak).iter().all(|wanted| strong.iter().any(|given| same_expr(given, wanted)))
}

fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::And(args) => args.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}
