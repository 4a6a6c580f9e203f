//! ALTER TABLE ... ALTER COLUMN ... TYPE (PostgreSQL's `ATPrepAlterColumnType` and `ATExecAlterColumnType`).

use super::alter_column::column_number;
use super::identity::identity_sequence;
use super::new_column::column_collation;
use super::recreate::Recreated;
use super::row_type::{check_no_member_of_itself, check_rows_stored_nowhere_else};
use super::stored_text::{canonical, shape_of, with_analysis};
use crate::access::Access;
use crate::session::Session;
use redoubt_analyze::query::Expr as Analyzed;
use redoubt_analyze::{
    analyze_default_as, analyze_generated, analyze_transform, references_of, resolve_type_name,
};
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::{Behavior, Ddl, DependencyKind, NewColumn, ObjectAddress, class};
use redoubt_catalog::index_oids;
use redoubt_catalog::names::quote_identifier;
use redoubt_catalog::rows::PgAttrdef;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Attribute, Oid, TupleDesc};
use redoubt_sql::tree::{Expr, Ident, ObjectName, SequenceOption, SequenceOptionKind, TypeName};

impl Session {
    /// Gives a column of a locked table another type. Its rows are rewritten unless they stay the same bytes; its
    /// default, the constraints and the indexes over it are made again.
    pub(super) fn alter_column_type(
        &self,
        table: Oid,
        name: &Ident,
        type_name: &TypeName,
        collation: Option<&ObjectName>,
        using: Option<&Expr>,
    ) -> PgResult<()> {
        let relation = self.current(table)?;
        let attnum = column_number(&relation, name)?;
        let access = Access::current(self)?;
        let new = self.column_of_type(&access, &relation, attnum, type_name, collation, using)?;
        let target = (new.type_oid, new.typmod);
        let shown = access.catalog().format_type(target.0, Some(target.1), &access.path)?;
        let shape = shape_of(&relation);
        let generated = relation.attributes[attnum as usize - 1].attgenerated != '\0';
        let cast = match generated {
            true => None,
            false => {
                let cast = with_analysis(&access, |context| {
                    analyze_transform(using, attnum, target, &shape, context)
                })?;
                Some(cast.ok_or_else(|| no_cast(name, using.is_some(), &shown))?)
            }
        };
        let default = self.default_as(&access, &relation, attnum, &new, &shown)?;
        let transform = cast
            .or_else(|| default.clone())
            .ok_or_else(|| PgError::internal("a generated column has no expression"))?;
        check_no_member_of_itself(&access, &relation, new.type_oid)?;
        check_rows_stored_nowhere_else(&access, &relation)?;
        let parts = self.parts_on_column(&access, &relation, attnum)?;
        drop(access);
        parts.drop_all(self)?;
        if !is_same_bytes(&transform, attnum) {
            let desc = with_type(&relation.desc, attnum, &new);
            self.rewrite_table(table, &[(attnum, transform)], &desc)?;
        }
        self.adopt_type(&relation, attnum, &new, default)?;
        self.rebuild_indexes(table)?;
        parts.make_all(self)
    }

    /// The column as it will be.
    fn column_of_type(
        &self,
        access: &Access<'_>,
        relation: &Relation,
        attnum: i16,
        type_name: &TypeName,
        collation: Option<&ObjectName>,
        using: Option<&Expr>,
    ) -> PgResult<NewColumn> {
        let attribute = &relation.attributes[attnum as usize - 1];
        if using.is_some() && attribute.attgenerated != '\0' {
            let message = "cannot specify USING when altering type of generated column";
            return Err(PgError::new(code::INVALID_COLUMN_DEFINITION, message)
                .detail(format!("Column \"{}\" is a generated column.", attribute.attname)));
        }
        if attribute.attinhcount > 0 {
            let message = format!("cannot alter inherited column \"{}\"", attribute.attname);
            return Err(PgError::new(code::INVALID_TABLE_DEFINITION, message));
        }
        if !access.catalog().children_of(relation.oid)?.is_empty() {
            return Err(PgError::unsupported("altering the type of a column that other tables inherit"));
        }
        let (type_oid, typmod) = with_analysis(access, |context| resolve_type_name(type_name, context))?;
        let collation = column_collation(access, type_oid, collation, Some(type_name.pos))?;
        let mut new = NewColumn::new(attribute.attname.clone(), type_oid, typmod, collation);
        new.dimensions = type_name.array_bounds.len() as i32;
        new.not_null = attribute.attnotnull;
        Ok(new)
    }

    /// The column's default or generation expression, cast to the new type.
    fn default_as(
        &self,
        access: &Access<'_>,
        relation: &Relation,
        attnum: i16,
        new: &NewColumn,
        shown: &str,
    ) -> PgResult<Option<Analyzed>> {
        let Some(default) = relation.default_of(attnum) else { return Ok(None) };
        let raw = redoubt_sql::parse_expression(&default.expression)?;
        let column = &with_type(&relation.desc, attnum, new).attrs[attnum as usize - 1];
        if column.generated != 0 {
            let shape = shape_of(relation);
            return with_analysis(access, |context| analyze_generated(&raw, column, &shape, context))
                .map(Some);
        }
        let target = (new.type_oid, new.typmod);
        let cast = with_analysis(access, |context| analyze_default_as(&raw, target, context))?;
        let message =
            format!("default for column \"{}\" cannot be cast automatically to type {shown}", column.name);
        cast.map(Some).ok_or_else(|| PgError::new(code::DATATYPE_MISMATCH, message))
    }

    /// What is over the column and can be made again.
    ///
    /// # Errors
    /// `0A000` when something else is.
    fn parts_on_column(&self, access: &Access<'_>, relation: &Relation, attnum: i16) -> PgResult<Recreated> {
        let ddl = Ddl::new(access.store(), &access.path);
        let column = &relation.attributes[attnum as usize - 1].attname;
        let mut parts = Recreated::default();
        for row in ddl.dependents_of(ObjectAddress::column(relation.oid, attnum))? {
            let object = ObjectAddress { class: row.classid, object: row.objid, sub: row.objsubid };
            let refuse = |what: &str| -> PgResult<()> {
                let message = format!("cannot alter type of a column used {what}");
                let described = ddl.describe(object)?;
                Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message)
                    .detail(format!("{described} depends on column \"{column}\"")))
            };
            match row.classid {
                class::RELATION => {
                    if let Some(index) = access.catalog().index_by_oid(row.objid)? {
                        parts.add_index(access, &index)?;
                    }
                }
                class::CONSTRAINT => parts.add_constraint(access, row.objid)?,
                class::ATTRDEF => {
                    let (_, default) = ddl.find_oid::<PgAttrdef>(index_oids::ATTRDEF_OID, row.objid)?;
                    if default.adnum != attnum {
                        let other = &relation.attributes[default.adnum as usize - 1].attname;
                        let message = "cannot alter type of a column used by a generated column";
                        return Err(PgError::new(code::SYNTAX_ERROR, message).detail(format!(
                            "Column \"{column}\" is used by generated column \"{other}\"."
                        )));
                    }
                }
                class::REWRITE => refuse("by a view or rule")?,
                class::TRIGGER => refuse("in a trigger definition")?,
                class::POLICY => refuse("in a policy definition")?,
                class::PROC => refuse("by a function or procedure")?,
                _ => {
                    return Err(PgError::unsupported(
                        "altering the type of a column with extended statistics",
                    ));
                }
            }
        }
        Ok(parts)
    }

    /// Changes the catalogs: the column's row, its default, its sequence.
    fn adopt_type(
        &self,
        relation: &Relation,
        attnum: i16,
        new: &NewColumn,
        default: Option<Analyzed>,
    ) -> PgResult<()> {
        let access = Access::current(self)?;
        let ddl = Ddl::new(access.store(), &access.path);
        if let Some(old) = relation.default_of(attnum) {
            let old = ObjectAddress::new(class::ATTRDEF, old.oid);
            ddl.forget_dependencies(old, Some(DependencyKind::Internal), None)?;
            ddl.drop_objects(&[old], Behavior::Restrict)?;
        }
        ddl.change_column_type(relation.oid, attnum, new)?;
        if let Some(expr) = default {
            let references = references_of(&expr);
            let mut objects = references.objects;
            let columns = references.columns.into_iter().filter(|attnum| *attnum > 0);
            objects.extend(columns.map(|attnum| ObjectAddress::column(relation.oid, attnum)));
            let text = canonical(&access, &expr, Some(&shape_of(relation)))?;
            ddl.add_default(relation.oid, attnum, &text, &objects)?;
        }
        if let Some(sequence) = identity_sequence(&access, relation, attnum)? {
            let name =
                access.catalog().format_type(new.type_oid, None, &[redoubt_catalog::ddl::PG_CATALOG])?;
            let kind = SequenceOptionKind::As(redoubt_sql::parse_type_name(&name)?);
            self.redefine_sequence(&access, sequence, &[SequenceOption { kind, pos: 0 }], true)?;
        }
        Ok(())
    }
}

fn no_cast(name: &Ident, using: bool, shown: &str) -> PgError {
    let column = &name.name;
    if using {
        let message = format!(
            "result of USING clause for column \"{column}\" cannot be cast automatically to type {shown}"
        );
        return PgError::new(code::DATATYPE_MISMATCH, message)
            .hint("You might need to add an explicit cast.");
    }
    let message = format!("column \"{column}\" cannot be cast automatically to type {shown}");
    let hint = format!("You might need to specify \"USING {}::{shown}\".", quote_identifier(column));
    PgError::new(code::DATATYPE_MISMATCH, message).hint(hint)
}

/// Whether the column's values stay as they are stored.
fn is_same_bytes(transform: &Analyzed, attnum: i16) -> bool {
    match transform {
        Analyzed::Var(var) => var.attno == attnum,
        Analyzed::Relabel { arg, .. } => is_same_bytes(arg, attnum),
        _ => false,
    }
}

fn with_type(desc: &TupleDesc, attnum: i16, new: &NewColumn) -> TupleDesc {
    let mut columns: Vec<Attribute> = desc.attrs.to_vec();
    let column = &mut columns[attnum as usize - 1];
    column.type_oid = new.type_oid;
    column.typmod = new.typmod;
    column.collation = new.collation;
    column.missing = None;
    TupleDesc::new(columns)
}
