//! CREATE TABLE.

use crate::access::Access;
use crate::session::Session;
use redoubt_analyze::{AnalyzeContext, Params, resolve_type_name};
use redoubt_catalog::ddl::{Ddl, NewColumn, NewRelation};
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree::{ColumnConstraintKind, ColumnDef, CreateTable, OnCommit, Persistence, TableElement};

impl Session {
    pub(crate) fn create_table(&mut self, create: &CreateTable) -> PgResult<()> {
        refuse_unbuilt(create)?;
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let place = self.place_for(&access, &create.name)?;
        if create.if_not_exists && access.catalog().relation_oid(place.namespace, &place.name)?.is_some() {
            self.note(code::DUPLICATE_TABLE, format!("relation \"{}\" already exists, skipping", place.name));
            return Ok(());
        }
        let mut columns = Vec::with_capacity(create.elements.len());
        for element in &create.elements {
            match element {
                TableElement::Column(column) => columns.push(self.new_column(&access, column)?),
                TableElement::Constraint(_) => return Err(PgError::unsupported("table constraints")),
                TableElement::Like(_) => return Err(PgError::unsupported("CREATE TABLE ... LIKE")),
            }
        }
        let mut relation = NewRelation::new('r', place.namespace, &*place.name, self.facts.user_oid);
        relation.columns = columns;
        Ddl::new(access.store(), &access.path).create_relation(&relation)?;
        Ok(())
    }

    fn new_column(&self, access: &Access<'_>, column: &ColumnDef) -> PgResult<NewColumn> {
        let type_name =
            column.type_name.as_ref().ok_or_else(|| PgError::unsupported("columns of typed tables"))?;
        if column.collation.is_some() {
            return Err(PgError::unsupported("COLLATE of columns"));
        }
        if column.storage.is_some() || column.compression.is_some() {
            return Err(PgError::unsupported("STORAGE and COMPRESSION of columns"));
        }
        let env = access.env();
        let params = Params::fixed(Vec::new());
        let context = AnalyzeContext { catalog: access.catalog(), env: &env, path: &access.path, params };
        let (type_oid, typmod) = resolve_type_name(type_name, context)?;
        let collation = access.catalog().type_info_must(type_oid)?.collation;
        let mut new = NewColumn::new(column.name.as_str(), type_oid, typmod, collation);
        new.dimensions = type_name.array_bounds.len() as i32;
        let mut said_null = None;
        for constraint in &column.constraints {
            let not_null = match &constraint.kind {
                ColumnConstraintKind::NotNull => true,
                ColumnConstraintKind::Null => false,
                ColumnConstraintKind::Default(_) => return Err(PgError::unsupported("column defaults")),
                ColumnConstraintKind::Check { .. } => return Err(PgError::unsupported("CHECK constraints")),
                ColumnConstraintKind::Generated { .. } => {
                    return Err(PgError::unsupported("generated columns"));
                }
                ColumnConstraintKind::Identity { .. } => {
                    return Err(PgError::unsupported("identity columns"));
                }
                ColumnConstraintKind::Unique(_) => return Err(PgError::unsupported("UNIQUE constraints")),
                ColumnConstraintKind::PrimaryKey(_) => {
                    return Err(PgError::unsupported("PRIMARY KEY constraints"));
                }
                ColumnConstraintKind::References(_) => {
                    return Err(PgError::unsupported("FOREIGN KEY constraints"));
                }
            };
            if said_null.is_some_and(|said| said != not_null) {
                let message =
                    format!("conflicting NULL/NOT NULL declarations for column \"{}\"", column.name.name);
                return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(constraint.pos)));
            }
            said_null = Some(not_null);
        }
        new.not_null = said_null == Some(true);
        Ok(new)
    }
}

/// What CREATE TABLE does not do yet, by name.
fn refuse_unbuilt(create: &CreateTable) -> PgResult<()> {
    let unbuilt = [
        (create.persistence == Persistence::Temporary, "temporary tables"),
        (create.persistence == Persistence::Unlogged, "unlogged tables"),
        (!create.inherits.is_empty(), "table inheritance"),
        (create.partition_of.is_some() || create.partition_by.is_some(), "partitioned tables"),
        (create.of_type.is_some(), "typed tables"),
        (create.on_commit != OnCommit::None, "ON COMMIT"),
        (!create.options.is_empty(), "storage parameters"),
        (create.tablespace.as_ref().is_some_and(|name| name.as_str() != "pg_default"), "tablespaces"),
        (
            create.access_method.as_ref().is_some_and(|name| name.as_str() != "heap"),
            "table access methods other than heap",
        ),
    ];
    match unbuilt.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(PgError::unsupported(what)),
        None => Ok(()),
    }
}
