//! Foreign keys (PostgreSQL's `ATAddForeignKeyConstraint`).

use super::lookup::check_not_system;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::ddl::{Ddl, NewConstraint, NewForeignKey};
use redoubt_catalog::names::quote_identifier;
use redoubt_catalog::rows::PgConstraint;
use redoubt_catalog::{CatalogView, Index, Relation};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid, io, types};
use redoubt_sql::tree::{ConstraintAttributes, Ident, MatchType, References, ReferentialAction};
use redoubt_txn::LockMode;
use std::sync::Arc;

/// FOREIGN KEY as a statement says it.
#[derive(Clone, Debug)]
pub(crate) struct ForeignKeySpec {
    /// CONSTRAINT name.
    pub name: Option<Arc<str>>,
    /// The referencing columns.
    pub columns: Vec<Ident>,
    /// What they refer to.
    pub references: References,
    /// DEFERRABLE, NOT VALID and the like.
    pub attributes: ConstraintAttributes,
}

/// Equality is strategy 3 of a B-tree.
const EQUAL: i16 = 3;

/// The operators that compare one column of a foreign key with the column it refers to.
struct Equalities {
    referenced_referencing: Oid,
    referenced: Oid,
    referencing: Oid,
}

impl Session {
    /// Adds a foreign key to a table that the transaction has locked. With `check` its rows must have their keys in the
    /// referenced table, unless it is NOT VALID.
    pub(crate) fn add_foreign_key(&self, table: Oid, spec: &ForeignKeySpec, check: bool) -> PgResult<()> {
        // Both tables' rows must stay as they are until the constraint is there for all.
        let access = Access::current(self)?;
        let own = access.find_relation(&spec.references.table)?;
        let referenced = match own.filter(|found| found.oid == table) {
            Some(own) => own,
            None => self.lock_existing(&spec.references.table, LockMode::ShareRowExclusive)?,
        };
        let access = Access::current(self)?;
        let relation = access.relation(table)?;
        check_tables(&relation, &referenced)?;
        let columns = key_columns(&relation, &spec.columns)?;
        let (index, target) = referenced_key(&access.catalog(), &referenced, &spec.references.columns)?;
        if columns.len() != target.len() {
            let message = "number of referencing and referenced columns for foreign key disagree";
            return Err(PgError::new(code::INVALID_FOREIGN_KEY, message));
        }
        let name = match &spec.name {
            Some(name) => name.to_string(),
            None => {
                let addition = spec.columns.iter().map(Ident::as_str).collect::<Vec<_>>().join("_");
                let catalog = access.catalog();
                catalog.choose_constraint_name(
                    &relation.name,
                    Some(&addition),
                    "fkey",
                    relation.namespace,
                    &[],
                )?
            }
        };
        check_generated(&relation, &columns, &spec.references)?;
        let mut foreign = NewForeignKey {
            table: referenced.oid,
            columns: target.clone(),
            on_update: action_letter(spec.references.on_update),
            on_delete: action_letter(spec.references.on_delete),
            match_type: if spec.references.match_type == MatchType::Full { 'f' } else { 's' },
            set_columns: set_columns(&relation, &columns, &spec.references)?,
            pk_fk_operators: Vec::new(),
            pk_pk_operators: Vec::new(),
            fk_fk_operators: Vec::new(),
        };
        for (own, other) in columns.iter().zip(&target) {
            let operators = equalities(&access, &name, &relation, *own, &referenced, *other, &index)?;
            foreign.pk_fk_operators.push(operators.referenced_referencing);
            foreign.pk_pk_operators.push(operators.referenced);
            foreign.fk_fk_operators.push(operators.referencing);
        }
        let validate = check && !spec.attributes.not_valid;
        let ddl = Ddl::new(access.store(), &access.path);
        let deferred = spec.attributes.initially_deferred == Some(true);
        let constraint = ddl.create_constraint(&NewConstraint {
            index: index.oid,
            columns,
            deferrable: spec.attributes.deferrable == Some(true) || deferred,
            deferred,
            validated: validate || !check,
            foreign: Some(foreign),
            ..NewConstraint::new('f', relation.namespace, table, name)
        })?;
        ddl.create_foreign_key_triggers(constraint)?;
        if validate { self.check_references(constraint) } else { Ok(()) }
    }

    /// Whether every row of a foreign key's table has its key in the referenced table.
    ///
    /// # Errors
    /// `23503` when one has not.
    pub(crate) fn check_references(&self, constraint: Oid) -> PgResult<()> {
        let access = Access::current(self)?;
        let row = access.catalog().constraint_by_oid(constraint)?;
        let row = row.ok_or_else(|| PgError::internal("the foreign key has gone"))?;
        let (table, referenced) = (access.relation(row.conrelid)?, access.relation(row.confrelid)?);
        let text = self.orphan_query(&access, &row, &table, &referenced)?;
        let found = self.query_latest(&text, 1)?;
        let Some(values) = found.first() else { return Ok(()) };
        let message = format!(
            "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
            table.name, row.conname
        );
        let error = PgError::new(code::FOREIGN_KEY_VIOLATION, message)
            .table(self.schema_of(&table)?, &*table.name)
            .constraint(&*row.conname);
        if values.iter().any(Datum::is_null) {
            return Err(error.detail("MATCH FULL does not allow mixing of null and nonnull key values."));
        }
        let env = access.env();
        let (mut names, mut texts) = (Vec::new(), Vec::new());
        for (attnum, value) in row.conkey.iter().flatten().zip(values) {
            let attribute = &table.desc.attrs[*attnum as usize - 1];
            names.push(attribute.name.to_string());
            texts.push(io::output_string(value, attribute.type_oid, &env)?);
        }
        Err(error.detail(format!(
            "Key ({})=({}) is not present in table \"{}\".",
            names.join(", "),
            texts.join(", "),
            referenced.name
        )))
    }

    /// A query for the keys that refer to nothing.
    fn orphan_query(
        &self,
        access: &Access<'_>,
        row: &PgConstraint,
        table: &Relation,
        referenced: &Relation,
    ) -> PgResult<String> {
        let name = |relation: &Relation, attnum: i16| {
            quote_identifier(&relation.desc.attrs[attnum as usize - 1].name)
        };
        let own = row.conkey.as_deref().unwrap_or_default();
        let target = row.confkey.as_deref().unwrap_or_default();
        let operators = row.conpfeqop.as_deref().unwrap_or_default();
        let mut pairs = Vec::new();
        for ((own, other), operator) in own.iter().zip(target).zip(operators) {
            let operator = operator_text(&access.catalog(), *operator)?;
            pairs.push(format!("pk.{} {operator} fk.{}", name(referenced, *other), name(table, *own)));
        }
        let list: Vec<String> = own.iter().map(|attnum| format!("fk.{}", name(table, *attnum))).collect();
        let is_set: Vec<String> = list.iter().map(|column| format!("{column} IS NOT NULL")).collect();
        let full = row.confmatchtype == 'f';
        Ok(format!(
            "SELECT {} FROM ONLY {} fk LEFT OUTER JOIN ONLY {} pk ON ({}) WHERE pk.{} IS NULL AND ({})",
            list.join(", "),
            self.qualified(table)?,
            self.qualified(referenced)?,
            pairs.join(" AND "),
            name(referenced, target[0]),
            is_set.join(if full { " OR " } else { " AND " }),
        ))
    }
}

fn operator_text(catalog: &CatalogView<'_>, oid: Oid) -> PgResult<String> {
    let row = catalog.operator_by_oid(oid)?;
    let row = row.ok_or_else(|| PgError::internal(format!("cache lookup failed for operator {oid}")))?;
    let schema = catalog.namespace_by_oid(row.oprnamespace)?;
    let schema = schema.map_or_else(|| "pg_catalog".into(), |schema| schema.nspname.clone());
    Ok(format!("OPERATOR({}.{})", quote_identifier(&schema), row.oprname))
}

fn check_tables(table: &Relation, referenced: &Relation) -> PgResult<()> {
    if referenced.kind == 'p' {
        return Err(PgError::unsupported("foreign keys that refer to partitioned tables"));
    }
    if referenced.kind != 'r' {
        let message = format!("referenced relation \"{}\" is not a table", referenced.name);
        return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
    }
    check_not_system(referenced)?;
    let (word, allowed) = match table.persistence {
        'p' => ("permanent tables may reference only permanent tables", referenced.persistence == 'p'),
        'u' => (
            "unlogged tables may reference only permanent or unlogged tables",
            matches!(referenced.persistence, 'p' | 'u'),
        ),
        _ => ("temporary tables may reference only temporary tables", referenced.persistence == 't'),
    };
    if allowed {
        return Ok(());
    }
    Err(PgError::new(code::INVALID_TABLE_DEFINITION, format!("constraints on {word}")))
}

/// The numbers of a foreign key's columns in one of its tables.
fn key_columns(table: &Relation, names: &[Ident]) -> PgResult<Vec<i16>> {
    const MAX_KEY_COLUMNS: usize = 32;
    if names.len() > MAX_KEY_COLUMNS {
        let message = format!("cannot have more than {MAX_KEY_COLUMNS} keys in a foreign key");
        return Err(PgError::new(code::TOO_MANY_COLUMNS, message));
    }
    let number = |name: &Ident| {
        let at = table.desc.position(name.as_str()).ok_or_else(|| {
            if redoubt_catalog::ddl::system_column(name.as_str()).is_some() {
                let message = "system columns cannot be used in foreign keys";
                return PgError::new(code::FEATURE_NOT_SUPPORTED, message);
            }
            let message =
                format!("column \"{}\" referenced in foreign key constraint does not exist", name.name);
            PgError::new(code::UNDEFINED_COLUMN, message)
        })?;
        Ok(at as i16 + 1)
    };
    names.iter().map(number).collect()
}

/// The unique index that a foreign key refers to, and the columns in the order of the constraint.
fn referenced_key(
    catalog: &CatalogView<'_>,
    table: &Relation,
    names: &[Ident],
) -> PgResult<(Arc<Index>, Vec<i16>)> {
    let deferrable = |name: &str| {
        let message = format!("cannot use a deferrable {name} for referenced table \"{}\"", table.name);
        Err(PgError::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message))
    };
    if names.is_empty() {
        let index = match table.primary_key {
            Some(oid) => catalog.index_by_oid(oid)?,
            None => None,
        };
        let Some(index) = index else {
            let message = format!("there is no primary key for referenced table \"{}\"", table.name);
            return Err(PgError::new(code::UNDEFINED_OBJECT, message));
        };
        if !index.row.indimmediate {
            return deferrable("primary key");
        }
        let columns = index.columns[..index.key_columns].iter().map(|column| column.attnum).collect();
        return Ok((index, columns));
    }
    let columns = key_columns(table, names)?;
    if (1..columns.len()).any(|at| columns[..at].contains(&columns[at])) {
        let message = "foreign key referenced-columns list must not contain duplicates";
        return Err(PgError::new(code::INVALID_FOREIGN_KEY, message));
    }
    let mut found_deferrable = false;
    for index in catalog.indexes_of(table)? {
        let fits = index.row.indisunique
            && index.row.indisvalid
            && index.predicate.is_none()
            && index.key_columns == columns.len()
            && index.columns.iter().all(|column| column.expression.is_none())
            && index.columns[..index.key_columns].iter().all(|column| columns.contains(&column.attnum));
        if fits && index.row.indimmediate {
            return Ok((index, columns));
        }
        found_deferrable |= fits;
    }
    if found_deferrable {
        return deferrable("unique constraint");
    }
    let message =
        format!("there is no unique constraint matching given keys for referenced table \"{}\"", table.name);
    Err(PgError::new(code::INVALID_FOREIGN_KEY, message))
}

fn equalities(
    access: &Access<'_>,
    constraint: &str,
    table: &Relation,
    own: i16,
    referenced: &Relation,
    other: i16,
    index: &Index,
) -> PgResult<Equalities> {
    let catalog = access.catalog();
    let column = index.columns.iter().find(|column| column.attnum == other);
    let column = column.ok_or_else(|| PgError::internal("a foreign key's index has other columns"))?;
    let (own_attr, other_attr) =
        (&table.desc.attrs[own as usize - 1], &referenced.desc.attrs[other as usize - 1]);
    let (family, input) = (column.opfamily, column.input_type);
    let own_type = catalog.base_type(own_attr.type_oid, -1)?.0;
    let same = catalog.family_operator(family, input, input, EQUAL)?;
    if same == 0 {
        return Err(PgError::internal(format!("missing equality operator in opfamily {family}")));
    }
    let across = catalog.family_operator(family, input, own_type, EQUAL)?;
    let own_own = catalog.family_operator(family, own_type, own_type, EQUAL)?;
    if across != 0 && own_own != 0 {
        return Ok(Equalities { referenced_referencing: across, referenced: same, referencing: own_own });
    }
    if coerces_implicitly(&catalog, own_type, other_attr.type_oid, input)? {
        return Ok(Equalities { referenced_referencing: same, referenced: same, referencing: same });
    }
    let type_name = |oid| catalog.format_type(oid, None, &access.path);
    Err(PgError::new(
        code::DATATYPE_MISMATCH,
        format!("foreign key constraint \"{constraint}\" cannot be implemented"),
    )
    .detail(format!(
        "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
        own_attr.name,
        other_attr.name,
        type_name(own_attr.type_oid)?,
        type_name(other_attr.type_oid)?
    )))
}

/// Whether a referencing column's values become, by themselves, such as the referenced column's index has.
fn coerces_implicitly(catalog: &CatalogView<'_>, from: Oid, referenced: Oid, input: Oid) -> PgResult<bool> {
    if matches!(input, types::ANYARRAY | types::ANYENUM | types::ANYRANGE | types::RECORD | types::ANYELEMENT)
    {
        return Ok(from == catalog.base_type(referenced, -1)?.0);
    }
    if catalog.is_binary_coercible(from, input)? {
        return Ok(true);
    }
    Ok(catalog.cast(from, input)?.is_some_and(|cast| cast.castcontext == 'i'))
}

fn action_letter(action: ReferentialAction) -> char {
    match action {
        ReferentialAction::NoAction => 'a',
        ReferentialAction::Restrict => 'r',
        ReferentialAction::Cascade => 'c',
        ReferentialAction::SetNull => 'n',
        ReferentialAction::SetDefault => 'd',
    }
}

/// What a generated column's key cannot be changed to.
fn check_generated(table: &Relation, columns: &[i16], references: &References) -> PgResult<()> {
    if columns.iter().all(|attnum| table.desc.attrs[*attnum as usize - 1].generated == 0) {
        return Ok(());
    }
    let sets = |action| matches!(action, ReferentialAction::SetNull | ReferentialAction::SetDefault);
    let event = match (references.on_update, references.on_delete) {
        (update, _) if sets(update) || update == ReferentialAction::Cascade => "UPDATE",
        (_, delete) if sets(delete) => "DELETE",
        _ => return Ok(()),
    };
    let message = format!("invalid ON {event} action for foreign key constraint containing generated column");
    Err(PgError::new(code::SYNTAX_ERROR, message))
}

/// The columns that ON DELETE SET NULL or SET DEFAULT names.
fn set_columns(table: &Relation, columns: &[i16], references: &References) -> PgResult<Option<Vec<i16>>> {
    if references.on_delete_columns.is_empty() {
        return Ok(None);
    }
    let named = key_columns(table, &references.on_delete_columns)?;
    for (attnum, name) in named.iter().zip(&references.on_delete_columns) {
        if !columns.contains(attnum) {
            let message = format!(
                "column \"{}\" referenced in ON DELETE SET action must be part of foreign key",
                name.name
            );
            return Err(PgError::new(code::INVALID_COLUMN_REFERENCE, message));
        }
    }
    let mut unique: Vec<i16> = Vec::new();
    named.into_iter().for_each(|attnum| {
        if !unique.contains(&attnum) {
            unique.push(attnum);
        }
    });
    Ok(Some(unique))
}
