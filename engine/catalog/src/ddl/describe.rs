//! Objects in words, as messages about dependencies name them (`pg_describe_object`).

use super::{Ddl, ObjectAddress, class};
use crate::index_oids as index;
use crate::names::quote_identifier;
use crate::rows::{
    CatalogRow, PgAttrdef, PgCast, PgOpclass, PgOperator, PgOpfamily, PgPolicy, PgRewrite, PgTrigger,
};
use crate::store::Store;
use crate::system::system_catalog;
use crate::view::CatalogView;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Oid};

/// How the objects of a catalog are called that have a name.
pub(super) struct Named {
    pub(super) class: Oid,
    pub(super) word: &'static str,
    /// The column that holds the name.
    pub(super) name: &'static str,
    /// The column that holds the schema.
    pub(super) schema: Option<&'static str>,
}

/// How objects of a class are named, if they are.
pub(super) fn named_class(class: Oid) -> Option<&'static Named> {
    NAMED.iter().find(|named| named.class == class)
}

macro_rules! named {
    ($($class:ident, $word:literal, $name:literal $(, $schema:literal)?;)*) => {
        &[$(Named { class: class::$class, word: $word, name: $name, schema: named!(@ $($schema)?) },)*]
    };
    (@ $schema:literal) => { Some($schema) };
    (@) => { None };
}

static NAMED: &[Named] = named! {
    ROLE, "role", "rolname";
    DATABASE, "database", "datname";
    TABLESPACE, "tablespace", "spcname";
    NAMESPACE, "schema", "nspname";
    LANGUAGE, "language", "lanname";
    ACCESS_METHOD, "access method", "amname";
    EXTENSION, "extension", "extname";
    EVENT_TRIGGER, "event trigger", "evtname";
    FOREIGN_DATA_WRAPPER, "foreign-data wrapper", "fdwname";
    FOREIGN_SERVER, "server", "srvname";
    PUBLICATION, "publication", "pubname";
    CONVERSION, "conversion", "conname", "connamespace";
    COLLATION, "collation", "collname", "collnamespace";
    STATISTIC_EXT, "statistics object", "stxname", "stxnamespace";
    TS_PARSER, "text search parser", "prsname", "prsnamespace";
    TS_DICT, "text search dictionary", "dictname", "dictnamespace";
    TS_TEMPLATE, "text search template", "tmplname", "tmplnamespace";
    TS_CONFIG, "text search configuration", "cfgname", "cfgnamespace";
    PROC, "function", "proname", "pronamespace";
    OPERATOR, "operator", "oprname", "oprnamespace";
    OPCLASS, "operator class", "opcname", "opcnamespace";
    OPFAMILY, "operator family", "opfname", "opfnamespace";
    REWRITE, "rule", "rulename";
    TRIGGER, "trigger", "tgname";
    POLICY, "policy", "polname";
};

impl Ddl<'_> {
    /// The object in words.
    ///
    /// # Errors
    /// As for [`CatalogView::describe_object`].
    pub fn describe(&self, object: ObjectAddress) -> PgResult<String> {
        self.view().describe_object(object, self.path)
    }
}

impl CatalogView<'_> {
    /// The object in words: `table s.t`, `column a of table t`, `function f(integer)`. Names are qualified
    /// when they are not found along `path`.
    ///
    /// # Errors
    /// `XX000` when there is no such object or its class is not known; those of reading pages.
    pub fn describe_object(&self, object: ObjectAddress, path: &[Oid]) -> PgResult<String> {
        let oid = object.object;
        Ok(match object.class {
            class::RELATION if object.sub != 0 => {
                let relation = self.described_relation(oid)?;
                let column = relation.attributes.get(object.sub as usize - 1);
                let column = column.ok_or_else(|| lost("attribute", oid))?;
                format!("column {} of {}", column.attname, self.describe_relation(oid, path)?)
            }
            class::RELATION => self.describe_relation(oid, path)?,
            class::TYPE => format!("type {}", self.format_type(oid, None, path)?),
            class::PROC => {
                let row = self.proc_by_oid(oid)?.ok_or_else(|| lost("function", oid))?;
                format!("function {}", self.function_signature(&row, path)?)
            }
            class::CONSTRAINT => self.describe_constraint(oid, path)?,
            class::ATTRDEF => {
                let row: PgAttrdef = self.one(index::ATTRDEF_OID, oid)?;
                let column = ObjectAddress::column(row.adrelid, row.adnum);
                format!("default value for {}", self.describe_object(column, path)?)
            }
            class::REWRITE => {
                let row: PgRewrite = self.one(index::REWRITE_OID, oid)?;
                format!("rule {} on {}", row.rulename, self.describe_relation(row.ev_class, path)?)
            }
            class::TRIGGER => {
                let row: PgTrigger = self.one(index::TRIGGER_OID, oid)?;
                format!("trigger {} on {}", row.tgname, self.describe_relation(row.tgrelid, path)?)
            }
            class::POLICY => {
                let row: PgPolicy = self.one(index::POLICY_OID, oid)?;
                format!("policy {} on {}", row.polname, self.describe_relation(row.polrelid, path)?)
            }
            class::DEFAULT_ACL => {
                const DEFAULT_ACL_OID: Oid = 828;
                let row: crate::rows::PgDefaultAcl = self.one(DEFAULT_ACL_OID, oid)?;
                let objects = match row.defaclobjtype {
                    'r' => "relations",
                    'S' => "sequences",
                    'f' => "functions",
                    'T' => "types",
                    _ => "schemas",
                };
                let role = self.role_by_oid(row.defaclrole)?;
                let role = role.map_or_else(String::new, |role| role.rolname.to_string());
                let schema = match self.namespace_by_oid(row.defaclnamespace)? {
                    Some(schema) => format!(" in schema {}", schema.nspname),
                    None => String::new(),
                };
                format!("default privileges on new {objects} belonging to role {role}{schema}")
            }
            class::CAST => {
                let row: PgCast = self.one(index::CAST_OID, oid)?;
                let source = self.format_type(row.castsource, None, path)?;
                format!("cast from {source} to {}", self.format_type(row.casttarget, None, path)?)
            }
            class::OPERATOR => format!("operator {}", self.operator_signature(oid, path)?),
            class::OPCLASS => {
                let row: PgOpclass = self.one(index::OPCLASS_OID, oid)?;
                self.describe_method_part("class", row.opcnamespace, &row.opcname, row.opcmethod, path)?
            }
            class::OPFAMILY => {
                let row: PgOpfamily = self.one(index::OPFAMILY_OID, oid)?;
                self.describe_method_part("family", row.opfnamespace, &row.opfname, row.opfmethod, path)?
            }
            _ => self.describe_named(object, path)?,
        })
    }

    fn one<R: CatalogRow>(&self, index: Oid, oid: Oid) -> PgResult<R> {
        let found = self.probe(index, &[Datum::Oid(oid)])?.pop();
        found.ok_or_else(|| lost(R::CATALOG.name, oid))
    }

    fn described_relation(&self, oid: Oid) -> PgResult<std::sync::Arc<crate::Relation>> {
        self.relation_by_oid(oid)?.ok_or_else(|| lost("relation", oid))
    }

    fn describe_relation(&self, oid: Oid, path: &[Oid]) -> PgResult<String> {
        let relation = self.described_relation(oid)?;
        let name = self.relation_name(&relation, path)?;
        let word = match relation.kind {
            'r' | 'p' => "table",
            'i' | 'I' => "index",
            'S' => "sequence",
            't' => "toast table",
            'v' => "view",
            'm' => "materialized view",
            'c' => "composite type",
            'f' => "foreign table",
            _ => "relation",
        };
        Ok(format!("{word} {name}"))
    }

    fn describe_constraint(&self, oid: Oid, path: &[Oid]) -> PgResult<String> {
        let row = self.constraint_by_oid(oid)?.ok_or_else(|| lost("constraint", oid))?;
        Ok(if row.conrelid != 0 {
            format!("constraint {} on {}", row.conname, self.describe_relation(row.conrelid, path)?)
        } else {
            format!("constraint {}", row.conname)
        })
    }

    /// An operator with its argument types, as `regoperator` prints it: `+(integer,integer)`.
    ///
    /// # Errors
    /// `XX000` when there is no such operator; those of reading pages.
    pub fn operator_signature(&self, oid: Oid, path: &[Oid]) -> PgResult<String> {
        let row: PgOperator = self.one(index::OPERATOR_OID, oid)?;
        let same = |other: &PgOperator| {
            (&other.oprname, other.oprleft, other.oprright) == (&row.oprname, row.oprleft, row.oprright)
        };
        let rows = self.operators_by_name(&row.oprname)?;
        let mut schemas = Vec::from(path);
        if !schemas.contains(&super::PG_CATALOG) {
            schemas.insert(0, super::PG_CATALOG);
        }
        let seen = schemas.iter().find_map(|schema| {
            rows.iter().find(|other| other.oprnamespace == *schema && same(other)).map(|other| other.oid)
        });
        let mut text = String::new();
        if seen != Some(oid) {
            let schema = self.namespace_by_oid(row.oprnamespace)?;
            let schema = schema.ok_or_else(|| lost("schema", row.oprnamespace))?;
            text = format!("{}.", quote_identifier(&schema.nspname));
        }
        let argument = |oid| -> PgResult<String> {
            if oid == 0 { Ok("NONE".to_string()) } else { self.format_type(oid, None, path) }
        };
        Ok(format!("{text}{}({},{})", row.oprname, argument(row.oprleft)?, argument(row.oprright)?))
    }

    fn describe_method_part(
        &self,
        word: &str,
        schema: Oid,
        name: &str,
        method: Oid,
        path: &[Oid],
    ) -> PgResult<String> {
        let visible = path.contains(&schema) || schema == super::PG_CATALOG;
        let name = self.quote_in_schema((!visible).then_some(schema), name)?;
        let method = self.access_method_by_oid(method)?.ok_or_else(|| lost("access method", method))?;
        Ok(format!("operator {word} {name} for access method {}", method.amname))
    }

    fn describe_named(&self, object: ObjectAddress, path: &[Oid]) -> PgResult<String> {
        let unknown = || PgError::internal(format!("unrecognized object class: {}", object.class));
        let named = named_class(object.class).ok_or_else(unknown)?;
        let catalog = system_catalog(object.class).ok_or_else(unknown)?;
        let row = object_row(self.store(), object)?.ok_or_else(|| lost(named.word, object.object))?.1;
        let name = row[catalog.column(named.name)].as_str()?;
        let schema = match named.schema {
            Some(column) => Some(row[catalog.column(column)].as_oid()?),
            None => None,
        };
        let hidden = schema.filter(|schema| !path.contains(schema) && *schema != super::PG_CATALOG);
        Ok(match (schema, hidden) {
            (None, _) => format!("{} {name}", named.word),
            (Some(_), hidden) => format!("{} {}", named.word, self.quote_in_schema(hidden, name)?),
        })
    }
}

/// The row of any object that its catalog has an OID for.
pub(super) fn object_row(
    store: &dyn Store,
    object: ObjectAddress,
) -> PgResult<Option<(crate::store::RowId, Vec<Datum>)>> {
    let index = system_catalog(object.class).and_then(|catalog| catalog.oid_index());
    let index =
        index.ok_or_else(|| PgError::internal(format!("unrecognized object class: {}", object.class)))?;
    let mut found = None;
    store.probe(index, &[Datum::Oid(object.object)], &mut |id, row| {
        found = Some((id, row.to_vec()));
        Ok(())
    })?;
    Ok(found)
}

fn lost(what: &str, oid: Oid) -> PgError {
    PgError::internal(format!("cache lookup failed for {what} {oid}"))
}
