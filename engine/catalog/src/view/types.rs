//! Types, domains, enums, ranges and collations.

use super::CatalogView;
use crate::cache::{KeyRef, Lookup};
use crate::index_oids as index;
use crate::rows::{PgCollation, PgConstraint, PgEnum, PgRange, PgTsConfig, PgTsDict, PgType};
use crate::store::{probe_list, probe_one};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, EnumValue, Oid, TupleDesc, TypeInfo, TypeRef, builtin_type, types as t};
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

/// A type: its `pg_type` row, and the same as functions see it.
#[derive(Debug)]
pub struct Type {
    /// The row.
    pub row: PgType,
    /// What functions need of it.
    pub info: Arc<TypeInfo>,
}

impl Deref for Type {
    type Target = PgType;

    fn deref(&self) -> &PgType {
        &self.row
    }
}

impl From<PgType> for Type {
    fn from(row: PgType) -> Self {
        let info = Arc::new(TypeInfo {
            oid: row.oid,
            name: Cow::Owned(row.typname.to_string()),
            len: row.typlen,
            byval: row.typbyval,
            typtype: row.typtype,
            category: row.typcategory,
            preferred: row.typispreferred,
            delim: row.typdelim,
            align: row.typalign,
            storage: row.typstorage,
            elem: row.typelem,
            array: row.typarray,
            basetype: row.typbasetype,
            typmod: row.typtypmod,
            relation: row.typrelid,
            input: row.typinput,
            output: row.typoutput,
            receive: row.typreceive,
            send: row.typsend,
            modin: row.typmodin,
            modout: row.typmodout,
            collation: row.typcollation,
        });
        Type { row, info }
    }
}

impl CatalogView<'_> {
    /// The type with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn type_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<Type>>> {
        self.object(KeyRef::oid(Lookup::TypeByOid, oid), |store| {
            let row: Option<PgType> = probe_one(store, index::TYPE_OID, &[Datum::Oid(oid)])?;
            Ok(row.map(Type::from))
        })
    }

    /// The type with this OID, which something in the catalogs refers to.
    ///
    /// # Errors
    /// `XX000` when there is none; those of reading pages.
    pub fn type_must(&self, oid: Oid) -> PgResult<Arc<Type>> {
        self.type_by_oid(oid)?.ok_or_else(|| PgError::internal(format!("cache lookup failed for type {oid}")))
    }

    /// The type of this name in this schema.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn type_by_name(&self, schema: Oid, name: &str) -> PgResult<Option<Arc<Type>>> {
        let oid = self.oid(KeyRef::name(Lookup::TypeByName, schema, name), |store| {
            let key = [Datum::text(name), Datum::Oid(schema)];
            let row: Option<PgType> = probe_one(store, index::TYPE_NAME, &key)?;
            Ok(row.map(|row| row.oid))
        })?;
        oid.map_or(Ok(None), |oid| self.type_by_oid(oid))
    }

    /// The first type of this name in the schemas of `path`, in order.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn type_in_path(&self, path: &[Oid], name: &str) -> PgResult<Option<Arc<Type>>> {
        for schema in path {
            if let Some(found) = self.type_by_name(*schema, name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// What functions need of a type. Built-in types cost no lookup.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn type_info(&self, oid: Oid) -> PgResult<Option<TypeRef>> {
        match builtin_type(oid) {
            Some(info) => Ok(Some(TypeRef::Builtin(info))),
            None => Ok(self.type_by_oid(oid)?.map(|found| TypeRef::Catalog(found.info.clone()))),
        }
    }

    /// As [`CatalogView::type_info`], for a type that must be there.
    ///
    /// # Errors
    /// `XX000` when there is none; those of reading pages.
    pub fn type_info_must(&self, oid: Oid) -> PgResult<TypeRef> {
        self.type_info(oid)?.ok_or_else(|| PgError::internal(format!("cache lookup failed for type {oid}")))
    }

    /// The type under all domains, and the typmod that the outermost domain with one gives it; any
    /// other type is its own base.
    ///
    /// # Errors
    /// As [`CatalogView::type_info_must`].
    pub fn base_type(&self, oid: Oid, mut typmod: i32) -> PgResult<(Oid, i32)> {
        let mut base = oid;
        loop {
            let info = self.type_info_must(base)?;
            if info.typtype != 'd' {
                return Ok((base, typmod));
            }
            if typmod == -1 {
                typmod = info.typmod;
            }
            base = info.basetype;
        }
    }

    /// The element type of an array type (of its base type, for a domain); `None` for other types.
    ///
    /// # Errors
    /// As [`CatalogView::type_info_must`].
    pub fn array_element(&self, oid: Oid) -> PgResult<Option<Oid>> {
        let info = self.type_info_must(self.base_type(oid, -1)?.0)?;
        Ok(info.is_array().then_some(info.elem))
    }

    /// The array type over a type, or `None`.
    ///
    /// # Errors
    /// As [`CatalogView::type_info_must`].
    pub fn array_type(&self, element: Oid) -> PgResult<Option<Oid>> {
        let array = self.type_info_must(element)?.array;
        Ok((array != 0).then_some(array))
    }

    /// The columns of a composite type, or of a domain over one.
    ///
    /// # Errors
    /// `42809` when the type is not composite; those of reading pages.
    pub fn composite_desc(&self, type_oid: Oid) -> PgResult<TupleDesc> {
        let info = self.type_info_must(self.base_type(type_oid, -1)?.0)?;
        let relation = if info.relation == 0 { None } else { self.relation_by_oid(info.relation)? };
        relation.map(|relation| relation.desc.clone()).ok_or_else(|| {
            PgError::new(code::WRONG_OBJECT_TYPE, format!("type {} is not composite", info.name))
        })
    }

    /// Whether values of one type are, as they stand, values of the other: the same type, a domain
    /// over it, a fitting pseudo-type, or a pair that `pg_cast` calls binary-coercible and implicit.
    ///
    /// # Errors
    /// As [`CatalogView::type_info_must`].
    pub fn is_binary_coercible(&self, source: Oid, target: Oid) -> PgResult<bool> {
        if source == target || matches!(target, t::ANY | t::ANYELEMENT | t::ANYCOMPATIBLE) {
            return Ok(true);
        }
        let source = self.base_type(source, -1)?.0;
        if source == target {
            return Ok(true);
        }
        let info = self.type_info_must(source)?;
        let fits = match target {
            t::ANYARRAY | t::ANYCOMPATIBLEARRAY => info.is_array(),
            t::ANYNONARRAY | t::ANYCOMPATIBLENONARRAY => !info.is_array(),
            t::ANYENUM => info.typtype == 'e',
            t::ANYRANGE | t::ANYCOMPATIBLERANGE => info.typtype == 'r',
            t::ANYMULTIRANGE | t::ANYCOMPATIBLEMULTIRANGE => info.typtype == 'm',
            t::RECORD => info.relation != 0,
            t::RECORD_ARRAY => info.is_array() && self.type_info_must(info.elem)?.relation != 0,
            _ => false,
        };
        let cast = if fits { None } else { self.cast(source, target)? };
        Ok(fits || cast.is_some_and(|cast| cast.castmethod == 'b' && cast.castcontext == 'i'))
    }

    /// CHECK constraints of a domain itself (not of the domains under it), in order of name.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn domain_constraints(&self, domain: Oid) -> PgResult<Arc<Vec<Arc<PgConstraint>>>> {
        let found = self.object(KeyRef::oid(Lookup::DomainConstraints, domain), |store| {
            let key = [Datum::Oid(domain)];
            let mut rows: Vec<PgConstraint> = probe_list(store, index::CONSTRAINT_CONTYPID, &key)?;
            rows.sort_by(|a, b| a.conname.cmp(&b.conname));
            Ok(Some(rows.into_iter().map(Arc::new).collect::<Vec<_>>()))
        })?;
        Ok(found.expect("a list is never absent"))
    }

    /// The members of an enum type, in sort order.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn enum_members(&self, type_oid: Oid) -> PgResult<Arc<Vec<Arc<PgEnum>>>> {
        let found = self.object(KeyRef::oid(Lookup::EnumByType, type_oid), |store| {
            let mut rows: Vec<PgEnum> = probe_list(store, index::ENUM_TYPE, &[Datum::Oid(type_oid)])?;
            rows.sort_by(|a, b| a.enumsortorder.total_cmp(&b.enumsortorder));
            Ok(Some(rows.into_iter().map(Arc::new).collect::<Vec<_>>()))
        })?;
        Ok(found.expect("a list is never absent"))
    }

    /// The member of an enum type with this label.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn enum_by_label(&self, type_oid: Oid, label: &str) -> PgResult<Option<EnumValue>> {
        let members = self.enum_members(type_oid)?;
        let found = members.iter().find(|member| &*member.enumlabel == label);
        Ok(found.map(|member| EnumValue { oid: member.oid, sort: member.enumsortorder }))
    }

    /// The label of an enum member.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn enum_label(&self, member: Oid) -> PgResult<Option<Arc<str>>> {
        let key = KeyRef::oid(Lookup::EnumByOid, member);
        let row: Option<Arc<PgEnum>> = self.row(key, index::ENUM_OID, &[Datum::Oid(member)])?;
        Ok(row.map(|row| row.enumlabel.clone()))
    }

    /// What a range type is over.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn range(&self, range: Oid) -> PgResult<Option<Arc<PgRange>>> {
        self.row(KeyRef::oid(Lookup::RangeByType, range), index::RANGE_TYPE, &[Datum::Oid(range)])
    }

    /// The range type that a multirange type is of.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn range_of_multirange(&self, multirange: Oid) -> PgResult<Option<Arc<PgRange>>> {
        let key = KeyRef::oid(Lookup::RangeByMultirange, multirange);
        self.row(key, index::RANGE_MULTIRANGE, &[Datum::Oid(multirange)])
    }

    /// The collation with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn collation_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<PgCollation>>> {
        self.row(KeyRef::oid(Lookup::CollationByOid, oid), index::COLLATION_OID, &[Datum::Oid(oid)])
    }

    /// All collations of this name, in all schemas, that work with UTF8.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn collations_by_name(&self, name: &str) -> PgResult<Arc<Vec<Arc<PgCollation>>>> {
        const UTF8: i32 = 6;
        let found = self.object(KeyRef::name(Lookup::CollationsByName, 0, name), |store| {
            let mut rows: Vec<PgCollation> = probe_list(store, index::COLLATION_NAME, &[Datum::text(name)])?;
            rows.retain(|row| matches!(row.collencoding, -1 | UTF8));
            Ok(Some(rows.into_iter().map(Arc::new).collect::<Vec<_>>()))
        })?;
        Ok(found.expect("a list is never absent"))
    }

    /// The text search configuration with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn ts_config_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<PgTsConfig>>> {
        self.row(KeyRef::oid(Lookup::TsConfigByOid, oid), index::TS_CONFIG_OID, &[Datum::Oid(oid)])
    }

    /// The text search configuration of this name in this schema.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn ts_config_by_name(&self, schema: Oid, name: &str) -> PgResult<Option<Arc<PgTsConfig>>> {
        let key = KeyRef::name(Lookup::TsConfigByName, schema, name);
        self.row(key, index::TS_CONFIG_NAME, &[Datum::text(name), Datum::Oid(schema)])
    }

    /// The text search dictionary with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn ts_dict_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<PgTsDict>>> {
        self.row(KeyRef::oid(Lookup::TsDictByOid, oid), index::TS_DICT_OID, &[Datum::Oid(oid)])
    }

    /// The text search dictionary of this name in this schema.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn ts_dict_by_name(&self, schema: Oid, name: &str) -> PgResult<Option<Arc<PgTsDict>>> {
        let key = KeyRef::name(Lookup::TsDictByName, schema, name);
        self.row(key, index::TS_DICT_NAME, &[Datum::text(name), Datum::Oid(schema)])
    }
}
