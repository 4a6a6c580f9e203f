//! What hangs on the row type of a table: columns of other tables, whose values are whole rows of it
//! (PostgreSQL's `find_composite_type_dependencies` and `CheckAttributeType`).

use crate::access::Access;
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::{Ddl, ObjectAddress, class};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;

/// Refuses to change the rows of a table that are stored in columns of other tables, too.
///
/// # Errors
/// `0A000` when there is such a column, also of an array of rows, or of a domain over them.
pub(super) fn check_rows_stored_nowhere_else(access: &Access<'_>, table: &Relation) -> PgResult<()> {
    let mut seen = Vec::new();
    check_type(access, table, table.class.reltype, &mut seen)
}

/// A type and those that are made of it, each as it is met.
fn check_type(access: &Access<'_>, table: &Relation, type_oid: Oid, seen: &mut Vec<Oid>) -> PgResult<()> {
    if type_oid == 0 || seen.contains(&type_oid) {
        return Ok(());
    }
    seen.push(type_oid);
    let ddl = Ddl::new(access.store(), &access.path);
    for row in ddl.dependents_of(ObjectAddress::type_(type_oid))? {
        match row.classid {
            class::TYPE => check_type(access, table, row.objid, seen)?,
            class::RELATION if row.objsubid > 0 => {
                let other = access.relation(row.objid)?;
                let column = &other.attributes[row.objsubid as usize - 1].attname;
                if matches!(other.kind, 'r' | 'm' | 'p') {
                    let message = format!(
                        "cannot alter table \"{}\" because column \"{}.{column}\" uses its row type",
                        table.name, other.name
                    );
                    return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
                }
                // A row of a composite type holds rows of this one.
                check_type(access, table, other.class.reltype, seen)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Refuses a column whose type holds rows of its own table.
///
/// # Errors
/// `42P16`.
pub(super) fn check_no_member_of_itself(
    access: &Access<'_>,
    table: &Relation,
    type_oid: Oid,
) -> PgResult<()> {
    let catalog = access.catalog();
    let mut types = vec![type_oid];
    let mut done = 0;
    while let Some(one) = types.get(done).copied() {
        done += 1;
        if one == table.class.reltype && one != 0 {
            let shown = catalog.format_type(one, None, &access.path)?;
            let message = format!("composite type {shown} cannot be made a member of itself");
            return Err(PgError::new(code::INVALID_TABLE_DEFINITION, message));
        }
        let base = catalog.base_type(one, -1)?.0;
        let mut inner = vec![base];
        inner.extend(catalog.array_element(base)?);
        if let Some(found) = catalog.type_by_oid(base)?
            && found.row.typrelid != 0
            && let Some(relation) = catalog.relation_by_oid(found.row.typrelid)?
        {
            let live = relation.attributes.iter().filter(|row| !row.attisdropped);
            inner.extend(live.map(|row| row.atttypid));
        }
        for other in inner {
            if !types.contains(&other) {
                types.push(other);
            }
        }
    }
    Ok(())
}
