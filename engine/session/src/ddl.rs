//! CREATE TABLE, CREATE SCHEMA and DROP: what the statements' texts mean, carried out by the
//! catalogs' primitives.

use crate::access::Access;
use crate::session::Session;
use redoubt_analyze::{AnalyzeContext, Params, resolve_type_name};
use redoubt_catalog::ddl::{Behavior, Ddl, NewColumn, NewRelation, ObjectAddress, class};
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{
    ColumnConstraintKind, ColumnDef, CreateSchema, CreateTable, Drop, DropBehavior, ObjectName, ObjectRef,
    ObjectType, OnCommit, Persistence, TableElement,
};
use redoubt_txn::LockMode;

/// The schema of an object to be made or dropped.
struct Place {
    namespace: Oid,
    name: String,
}

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

    pub(crate) fn create_schema(&mut self, create: &CreateSchema) -> PgResult<()> {
        if !create.elements.is_empty() {
            return Err(PgError::unsupported("CREATE SCHEMA with elements"));
        }
        if create.authorization.is_some() {
            return Err(PgError::unsupported("CREATE SCHEMA AUTHORIZATION"));
        }
        let name =
            create.name.as_ref().ok_or_else(|| PgError::unsupported("CREATE SCHEMA without a name"))?;
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        if create.if_not_exists && access.catalog().namespace_by_name(name.as_str())?.is_some() {
            self.note(code::DUPLICATE_SCHEMA, format!("schema \"{}\" already exists, skipping", name.name));
            return Ok(());
        }
        Ddl::new(access.store(), &access.path).create_schema(name.as_str(), self.facts.user_oid, false)?;
        Ok(())
    }

    pub(crate) fn drop_objects(&mut self, drop: &Drop) -> PgResult<()> {
        if drop.concurrently {
            return Err(PgError::unsupported("DROP INDEX CONCURRENTLY"));
        }
        if !matches!(drop.object, ObjectType::Table | ObjectType::Schema) {
            return Err(PgError::unsupported(format!("DROP {}", drop.object.tag_words())));
        }
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let mut addresses = Vec::with_capacity(drop.targets.len());
        for target in &drop.targets {
            let found = match drop.object {
                ObjectType::Schema => self.find_schema(&access, target)?,
                _ => self.find_table(&access, target)?,
            };
            match found {
                Some(address) => addresses.push(address),
                None => self.missing(drop, target)?,
            }
        }
        // The name is looked up again under the lock: what it meant may have gone meanwhile.
        let access = Access::current(self)?;
        let behavior = match drop.behavior {
            DropBehavior::Restrict => Behavior::Restrict,
            DropBehavior::Cascade => Behavior::Cascade,
        };
        let dropped = Ddl::new(access.store(), &access.path).drop_objects(&addresses, behavior)?;
        self.notices.borrow_mut().extend(dropped.notices);
        Ok(())
    }

    fn find_schema(&self, access: &Access<'_>, target: &ObjectRef) -> PgResult<Option<ObjectAddress>> {
        let row = access.catalog().namespace_by_name(target.name.last().as_str())?;
        Ok(row.map(|row| ObjectAddress::new(class::NAMESPACE, row.oid)))
    }

    fn find_table(&self, access: &Access<'_>, target: &ObjectRef) -> PgResult<Option<ObjectAddress>> {
        let name = target.name.last().as_str();
        let catalog = access.catalog();
        let relation = match target.name.schema() {
            None => catalog.relation_in_path(&access.path, name)?,
            Some(schema) => match catalog.namespace_by_name(schema.as_str())? {
                Some(namespace) => catalog.relation_by_name(namespace.oid, name)?,
                None => None,
            },
        };
        let Some(relation) = relation else { return Ok(None) };
        if relation.kind != 'r' {
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a table")));
        }
        const FIRST_NORMAL_OID: Oid = 16384;
        if relation.oid < FIRST_NORMAL_OID {
            let message = format!("permission denied: \"{name}\" is a system catalog");
            return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message));
        }
        self.lock_relation(access, relation.oid, LockMode::AccessExclusive)?;
        Ok(Some(ObjectAddress::relation(relation.oid)))
    }

    /// A name that stands for nothing: an error, or with IF EXISTS a notice.
    fn missing(&self, drop: &Drop, target: &ObjectRef) -> PgResult<()> {
        let name = target.name.last().as_str();
        let (code, message) = match drop.object {
            ObjectType::Schema => (code::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist")),
            _ => (code::UNDEFINED_TABLE, format!("table \"{name}\" does not exist")),
        };
        if drop.if_exists {
            self.note(code::SUCCESSFUL_COMPLETION, format!("{message}, skipping"));
            return Ok(());
        }
        Err(PgError::new(code, message))
    }

    /// Where a new relation goes.
    fn place_for(&self, access: &Access<'_>, name: &ObjectName) -> PgResult<Place> {
        let namespace = match name.schema() {
            None => access.creation_namespace()?,
            Some(schema) => match access.catalog().namespace_by_name(schema.as_str())? {
                Some(namespace) => namespace.oid,
                None => {
                    let message = format!("schema \"{}\" does not exist", schema.name);
                    return Err(PgError::new(code::INVALID_SCHEMA_NAME, message).at(Some(name.pos())));
                }
            },
        };
        const PG_CATALOG: Oid = 11;
        if namespace == PG_CATALOG {
            let message = format!("permission denied to create \"pg_catalog.{}\"", name.last().name);
            return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message)
                .detail("System catalog modifications are currently disallowed."));
        }
        Ok(Place { namespace, name: name.last().name.to_string() })
    }

    fn note(&self, code: redoubt_error::SqlState, message: String) {
        self.notices.borrow_mut().push(PgError::report(Severity::Notice, code, message));
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
