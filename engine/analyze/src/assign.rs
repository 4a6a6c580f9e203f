//! What INSERT, UPDATE and DELETE share: the target table, values for its columns, defaults, and
//! RETURNING (PostgreSQL's setTargetTable, transformAssignedExpr and build_column_default).

use crate::analyzer::{Analyzer, Place};
use crate::coerce::{Coercion, constant};
use crate::query::{Call, Expr, Perms, TargetEntry};
use crate::scope::NsItem;
use crate::updatable_view::RETURN_RULE;
use redoubt_catalog::rows::PgDepend;
use redoubt_catalog::{Relation, index_oids};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Attribute, Datum, Oid, types};
use redoubt_sql::tree as ast;
use std::sync::Arc;

/// `pg_class.oid` of `pg_class`.
const PG_CLASS: Oid = 1259;
/// `pg_proc.oid` of `nextval(regclass)`.
const NEXTVAL: Oid = 1574;

/// A column to assign to.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub attno: i16,
    pub name: Arc<str>,
    /// Where it was named; 0 when it was not.
    pub position: usize,
}

impl Analyzer<'_> {
    /// Opens the table that a statement changes and adds it to the range table (`setTargetTable`).
    pub(crate) fn target_table(
        &mut self,
        name: &ast::RelationName,
        perms: Perms,
        with_children: bool,
    ) -> PgResult<(Arc<Relation>, NsItem)> {
        let relation = self.open_relation(&name.name)?;
        let position = name.name.pos();
        let cannot = |what: &str| {
            let message = format!("cannot change {what} \"{}\"", relation.name);
            Err(PgError::new(code::WRONG_OBJECT_TYPE, message))
        };
        match relation.kind {
            'S' => return cannot("sequence"),
            't' => return cannot("TOAST relation"),
            'm' => return cannot("materialized view"),
            _ => {}
        }
        self.refuse_children(&relation, with_children && name.inherit, position)?;
        if relation.rules.iter().any(|rule| rule.ev_enabled != 'D' && &*rule.rulename != RETURN_RULE) {
            return Err(PgError::unsupported("a rewrite rule").at(Some(position)));
        }
        let item = self.add_relation(&relation, name.alias.as_ref(), perms)?;
        self.level().scope.target = Some(item.rt);
        Ok((relation, item))
    }

    /// The column of this name, which must be one that can be assigned to.
    pub(crate) fn target_column(&self, relation: &Relation, column: &ast::Ident) -> PgResult<Column> {
        if let Some(index) = relation.desc.position(&column.name) {
            let (attno, name) = ((index + 1) as i16, column.name.clone());
            return Ok(Column { attno, name, position: column.pos });
        }
        let (code, message) = if crate::scope::system_attno(&column.name).is_some() {
            (code::FEATURE_NOT_SUPPORTED, format!("cannot assign to system column \"{}\"", column.name))
        } else {
            let message =
                format!("column \"{}\" of relation \"{}\" does not exist", column.name, relation.name);
            (code::UNDEFINED_COLUMN, message)
        };
        Err(PgError::new(code, message).at(Some(column.pos)))
    }

    /// Casts a value to its column's type; DEFAULT takes the column's type
    /// (`transformAssignedExpr`).
    pub(crate) fn assign(
        &mut self,
        value: Expr,
        relation: &Relation,
        column: &Column,
        position: usize,
    ) -> PgResult<Expr> {
        let attribute = relation.desc.attrs[column.attno as usize - 1].clone();
        if let Expr::SetToDefault(_) = value {
            return Ok(Expr::SetToDefault(column_type(&attribute)));
        }
        let source = value.ty().type_oid;
        let (target, typmod) = (attribute.type_oid, attribute.typmod);
        match self.coerce_to_target(value, target, typmod, Coercion::Assignment, false, Some(position))? {
            Some(value) => Ok(value),
            None => Err(self.mismatch(&attribute, "expression", source)?.at(Some(position))),
        }
    }

    fn mismatch(&self, attribute: &Attribute, what: &str, source: Oid) -> PgResult<PgError> {
        let message = format!(
            "column \"{}\" is of type {} but {what} is of type {}",
            attribute.name,
            self.type_name(attribute.type_oid)?,
            self.type_name(source)?
        );
        Ok(PgError::new(code::DATATYPE_MISMATCH, message)
            .hint("You will need to rewrite or cast the expression."))
    }

    /// The value of a column that was given none, if it is not NULL (`build_column_default`).
    pub(crate) fn column_default(&mut self, relation: &Relation, attno: i16) -> PgResult<Option<Expr>> {
        let attribute = relation.desc.attrs[attno as usize - 1].clone();
        if attribute.identity != 0 {
            return self.next_identity(relation, attno, &attribute).map(Some);
        }
        if attribute.generated != 0 {
            return Ok(None);
        }
        let Some(default) = relation.default_of(attno) else {
            return self.type_default(&attribute);
        };
        let raw = redoubt_sql::parse_expression(&default.expression)?;
        let path = [crate::view::PG_CATALOG, relation.namespace];
        let mut analyzer = self.detached(&path);
        analyzer.default_expression(&raw, &attribute).map(Some).map_err(crate::view::without_position)
    }

    /// What a column without a default of its own gets by its type: a domain's default, or a NULL that the domain
    /// may refuse.
    fn type_default(&mut self, attribute: &Attribute) -> PgResult<Option<Expr>> {
        if self.type_info(attribute.type_oid)?.typtype != 'd' {
            return Ok(None);
        }
        let domain = self.catalog.type_must(attribute.type_oid)?;
        let Some(text) = domain.row.typdefaultbin.clone() else {
            let ty = self.plain_type(self.catalog.base_type(attribute.type_oid, -1)?.0)?;
            let null = Expr::Const { value: Datum::Null, ty };
            let implicit = Coercion::Implicit;
            return self.wrap_domain(null, attribute.type_oid, implicit, false, None).map(Some);
        };
        let raw = redoubt_sql::parse_expression(&text)?;
        let path = [crate::view::PG_CATALOG];
        let mut analyzer = self.detached(&path);
        analyzer.default_expression(&raw, attribute).map(Some).map_err(crate::view::without_position)
    }

    /// A default, cast to its column's type (`cookDefault`).
    pub(crate) fn default_expression(&mut self, raw: &ast::Expr, attribute: &Attribute) -> PgResult<Expr> {
        let value = self.in_level(|analyzer| analyzer.expr(raw, Place::ColumnDefault))?;
        self.cast_default(value, attribute, raw.location())
    }

    /// Casts a default or generation expression to its column's type.
    pub(crate) fn cast_default(
        &mut self,
        value: Expr,
        attribute: &Attribute,
        position: usize,
    ) -> PgResult<Expr> {
        let source = value.ty().type_oid;
        let (target, typmod) = (attribute.type_oid, attribute.typmod);
        match self.coerce_to_target(value, target, typmod, Coercion::Assignment, false, Some(position))? {
            Some(value) => Ok(value),
            None => Err(self.mismatch(attribute, "default expression", source)?),
        }
    }

    /// The next value of an identity column's sequence: `nextval` with a second argument, which no statement can say.
    /// It makes the sequence a part of the column, so that who may insert needs no privilege on it.
    fn next_identity(&mut self, relation: &Relation, attno: i16, attribute: &Attribute) -> PgResult<Expr> {
        let key = [Datum::Oid(PG_CLASS), Datum::Oid(relation.oid), Datum::Int4(i32::from(attno))];
        let dependents: Vec<PgDepend> = self.catalog.probe(index_oids::DEPEND_REFERENCE, &key)?;
        let sequence = dependents.iter().find(|row| row.classid == PG_CLASS && row.deptype == 'i');
        let Some(sequence) = sequence else {
            return Err(PgError::internal("no owned sequence found"));
        };
        let proc = self.proc_must(NEXTVAL)?;
        let call = Call {
            arg_types: vec![types::REGCLASS, types::BOOL],
            ty: self.plain_type(types::INT8)?,
            ..self.call_of(
                &proc,
                vec![
                    constant(Datum::Oid(sequence.objid), types::REGCLASS),
                    constant(Datum::Bool(true), types::BOOL),
                ],
            )
        };
        self.cast_default(Expr::Call(Box::new(call)), attribute, 0)
    }

    /// A NULL of a column's type.
    pub(crate) fn null_of(attribute: &Attribute) -> Expr {
        Expr::Const { value: Datum::Null, ty: column_type(attribute) }
    }

    /// RETURNING (`transformReturningList`).
    pub(crate) fn returning(&mut self, raw: &[ast::Target]) -> PgResult<Vec<TargetEntry>> {
        if raw.is_empty() {
            return Ok(Vec::new());
        }
        let mut targets = self.target_list(raw, Place::Returning)?;
        if targets.entries.is_empty() {
            let message = "RETURNING must have at least one column";
            return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(raw[0].expr.location())));
        }
        self.mark_origins(&mut targets);
        self.resolve_unknown_targets(&mut targets)?;
        Ok(targets.entries)
    }

    /// An analyzer for text from the catalogs: it sees none of the statement's names.
    pub(crate) fn detached<'b>(&'b self, path: &'b [Oid]) -> Analyzer<'b> {
        Analyzer {
            catalog: self.catalog,
            env: self.env,
            path,
            params: crate::params::Params::default(),
            levels: Vec::new(),
            views: self.views.clone(),
        }
    }
}

/// A column's type in full.
pub(crate) fn column_type(attribute: &Attribute) -> crate::query::ColumnType {
    crate::query::ColumnType {
        type_oid: attribute.type_oid,
        typmod: attribute.typmod,
        collation: attribute.collation,
    }
}

/// An entry of the target list that assigns to a column.
pub(crate) fn assignment(column: &Column, expr: Expr) -> TargetEntry {
    TargetEntry { expr, name: column.name.clone(), junk: false, target_attno: column.attno, origin: (0, 0) }
}
