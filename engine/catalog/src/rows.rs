//! Typed rows of the system catalogs: one struct per catalog, its fields the columns.
//!
//! The structs have PostgreSQL's column names, in its order; what a column means is said in
//! its documentation (chapter "System Catalogs"). A test holds them against the facts.

mod cluster;
mod foreign;
mod functions;
mod objects;
mod relations;
mod text_search;
mod types;

pub use cluster::*;
pub use foreign::*;
pub use functions::*;
pub use objects::*;
pub use relations::*;
pub use text_search::*;
pub use types::*;

use crate::acl::{Acl, AclItem};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{ArrayValue, Datum, Oid, types as t};
use std::sync::Arc;

/// The types that catalog columns have.
pub(crate) mod column_types {
    pub(crate) use redoubt_functions::types::*;

    /// `pg_statistic[]`
    pub(crate) const PG_STATISTIC_ARRAY: u32 = 10028;
}

/// A catalog's name and columns, as the row structs define them.
#[derive(Clone, Copy, Debug)]
pub struct CatalogColumns {
    /// `pg_class.oid` of the catalog.
    pub oid: Oid,
    /// Its name.
    pub name: &'static str,
    /// Column names and type OIDs.
    pub columns: &'static [(&'static str, Oid)],
}

/// Every system catalog, in order of name.
pub const CATALOGS: &[CatalogColumns] = &[
    PgAggregate::CATALOG,
    PgAm::CATALOG,
    PgAmop::CATALOG,
    PgAmproc::CATALOG,
    PgAttrdef::CATALOG,
    PgAttribute::CATALOG,
    PgAuthMembers::CATALOG,
    PgAuthid::CATALOG,
    PgCast::CATALOG,
    PgClass::CATALOG,
    PgCollation::CATALOG,
    PgConstraint::CATALOG,
    PgConversion::CATALOG,
    PgDatabase::CATALOG,
    PgDbRoleSetting::CATALOG,
    PgDefaultAcl::CATALOG,
    PgDepend::CATALOG,
    PgDescription::CATALOG,
    PgEnum::CATALOG,
    PgEventTrigger::CATALOG,
    PgExtension::CATALOG,
    PgForeignDataWrapper::CATALOG,
    PgForeignServer::CATALOG,
    PgForeignTable::CATALOG,
    PgIndex::CATALOG,
    PgInherits::CATALOG,
    PgInitPrivs::CATALOG,
    PgLanguage::CATALOG,
    PgLargeobject::CATALOG,
    PgLargeobjectMetadata::CATALOG,
    PgNamespace::CATALOG,
    PgOpclass::CATALOG,
    PgOperator::CATALOG,
    PgOpfamily::CATALOG,
    PgParameterAcl::CATALOG,
    PgPartitionedTable::CATALOG,
    PgPolicy::CATALOG,
    PgProc::CATALOG,
    PgPublication::CATALOG,
    PgPublicationNamespace::CATALOG,
    PgPublicationRel::CATALOG,
    PgRange::CATALOG,
    PgReplicationOrigin::CATALOG,
    PgRewrite::CATALOG,
    PgSeclabel::CATALOG,
    PgSequence::CATALOG,
    PgShdepend::CATALOG,
    PgShdescription::CATALOG,
    PgShseclabel::CATALOG,
    PgStatistic::CATALOG,
    PgStatisticExt::CATALOG,
    PgStatisticExtData::CATALOG,
    PgSubscription::CATALOG,
    PgSubscriptionRel::CATALOG,
    PgTablespace::CATALOG,
    PgTransform::CATALOG,
    PgTrigger::CATALOG,
    PgTsConfig::CATALOG,
    PgTsConfigMap::CATALOG,
    PgTsDict::CATALOG,
    PgTsParser::CATALOG,
    PgTsTemplate::CATALOG,
    PgType::CATALOG,
    PgUserMapping::CATALOG,
];

/// A row of one system catalog.
pub trait CatalogRow: Sized {
    /// The catalog.
    const CATALOG: CatalogColumns;

    /// Reads a row.
    ///
    /// # Errors
    /// `XX000` when a value is missing or of another kind than its column.
    fn from_datums(row: &[Datum]) -> PgResult<Self>;

    /// The row's values, one per column.
    fn to_datums(&self) -> Vec<Datum>;
}

/// The Rust type of a catalog column.
pub trait Field: Sized {
    /// Reads a value; errors are `XX000`.
    ///
    /// # Errors
    /// `XX000` when the datum is of another kind.
    fn from_datum(datum: &Datum) -> PgResult<Self>;

    /// The value as a datum of the given type.
    fn to_datum(&self, type_oid: Oid) -> Datum;
}

/// Reads column `index` of a row, naming the column when it cannot be read.
pub(crate) fn field<T: Field>(row: &[Datum], index: usize, catalog: &CatalogColumns) -> PgResult<T> {
    let datum = row.get(index).unwrap_or(&Datum::Null);
    T::from_datum(datum).map_err(|error| {
        PgError::internal(format!(
            "column {}.{}: {}",
            catalog.name,
            catalog.columns[index].0,
            error.message()
        ))
    })
}

macro_rules! catalog_row {
    ($(#[$doc:meta])* $row:ident: $oid:literal, $name:literal {
        $($column:ident: $type:ty = $sql:ident,)*
    }) => {
        $(#[$doc])*
        #[allow(missing_docs)] // The columns are PostgreSQL's, see its documentation.
        #[derive(Clone, Debug)]
        pub struct $row {
            $(pub $column: $type,)*
        }

        impl crate::rows::CatalogRow for $row {
            const CATALOG: crate::rows::CatalogColumns = crate::rows::CatalogColumns {
                oid: $oid,
                name: $name,
                columns: &[$((stringify!($column), crate::rows::column_types::$sql),)*],
            };

            fn from_datums(row: &[redoubt_functions::Datum]) -> redoubt_error::PgResult<Self> {
                let mut index = 0..;
                Ok($row {
                    $($column: crate::rows::field(
                        row,
                        index.next().unwrap_or(usize::MAX),
                        &<Self as crate::rows::CatalogRow>::CATALOG,
                    )?,)*
                })
            }

            fn to_datums(&self) -> Vec<redoubt_functions::Datum> {
                vec![$(crate::rows::Field::to_datum(&self.$column, crate::rows::column_types::$sql),)*]
            }
        }
    };
}
pub(crate) use catalog_row;

macro_rules! plain_fields {
    ($($type:ty: $variant:ident;)*) => {$(
        impl Field for $type {
            fn from_datum(datum: &Datum) -> PgResult<Self> {
                match datum {
                    Datum::$variant(value) => Ok(*value),
                    other => Err(unexpected(other)),
                }
            }

            fn to_datum(&self, _type_oid: Oid) -> Datum {
                Datum::$variant(*self)
            }
        }
    )*};
}

plain_fields! {
    bool: Bool;
    i16: Int2;
    i32: Int4;
    f32: Float4;
    Oid: Oid;
    u64: Lsn;
}

#[cold]
fn unexpected(datum: &Datum) -> PgError {
    PgError::internal(format!("unexpected value of kind {}", datum.kind()))
}

impl Field for i64 {
    fn from_datum(datum: &Datum) -> PgResult<Self> {
        match datum {
            Datum::Int8(value) | Datum::TimestampTz(value) => Ok(*value),
            other => Err(unexpected(other)),
        }
    }

    fn to_datum(&self, type_oid: Oid) -> Datum {
        if type_oid == t::TIMESTAMPTZ { Datum::TimestampTz(*self) } else { Datum::Int8(*self) }
    }
}

impl Field for char {
    fn from_datum(datum: &Datum) -> PgResult<Self> {
        match datum {
            Datum::Char(byte) => Ok(char::from(*byte)),
            other => Err(unexpected(other)),
        }
    }

    fn to_datum(&self, _type_oid: Oid) -> Datum {
        Datum::Char(u8::try_from(*self).expect("catalog flags are ASCII letters"))
    }
}

impl Field for Arc<str> {
    fn from_datum(datum: &Datum) -> PgResult<Self> {
        match datum {
            Datum::Text(value) => Ok(value.clone()),
            other => Err(unexpected(other)),
        }
    }

    fn to_datum(&self, _type_oid: Oid) -> Datum {
        Datum::Text(self.clone())
    }
}

impl Field for Vec<u8> {
    fn from_datum(datum: &Datum) -> PgResult<Self> {
        Ok(datum.as_bytes()?.to_vec())
    }

    fn to_datum(&self, _type_oid: Oid) -> Datum {
        Datum::Bytea(self.as_slice().into())
    }
}

impl Field for Datum {
    fn from_datum(datum: &Datum) -> PgResult<Self> {
        Ok(datum.clone())
    }

    fn to_datum(&self, _type_oid: Oid) -> Datum {
        self.clone()
    }
}

impl<T: Field> Field for Option<T> {
    fn from_datum(datum: &Datum) -> PgResult<Self> {
        if datum.is_null() { Ok(None) } else { T::from_datum(datum).map(Some) }
    }

    fn to_datum(&self, type_oid: Oid) -> Datum {
        self.as_ref().map_or(Datum::Null, |value| value.to_datum(type_oid))
    }
}

macro_rules! array_fields {
    ($($element:ty;)*) => {$(
        impl Field for Vec<$element> {
            fn from_datum(datum: &Datum) -> PgResult<Self> {
                match datum {
                    Datum::Array(array) => array.elems.iter().map(Field::from_datum).collect(),
                    other => Err(unexpected(other)),
                }
            }

            fn to_datum(&self, type_oid: Oid) -> Datum {
                let element = element_type(type_oid);
                array_datum(type_oid, self.iter().map(|item| item.to_datum(element)).collect())
            }
        }
    )*};
}

array_fields! {
    Oid;
    i16;
    f32;
    char;
    Arc<str>;
}

/// The element type of the array types that occur in catalogs.
pub(crate) fn element_type(array: Oid) -> Oid {
    match array {
        t::OIDVECTOR | t::OID_ARRAY => t::OID,
        t::INT2VECTOR | t::INT2_ARRAY => t::INT2,
        t::CHAR_ARRAY => t::CHAR,
        t::TEXT_ARRAY => t::TEXT,
        t::FLOAT4_ARRAY => t::FLOAT4,
        t::ACLITEM_ARRAY => t::ACLITEM,
        other => unreachable!("no catalog column is an array of type {other}"),
    }
}

/// An array of one of those types; the vectors count from 0 and are never without a dimension.
pub(crate) fn array_datum(array: Oid, elems: Vec<Datum>) -> Datum {
    let element = element_type(array);
    Datum::Array(Arc::new(match array {
        t::OIDVECTOR | t::INT2VECTOR => ArrayValue::vector(element, elems),
        _ => ArrayValue::from_elems(element, elems),
    }))
}

impl Field for Acl {
    fn from_datum(datum: &Datum) -> PgResult<Self> {
        match datum {
            Datum::Array(array) => {
                let items: PgResult<Vec<AclItem>> =
                    array.elems.iter().map(|item| AclItem::from_stored(item.as_str()?)).collect();
                Ok(Acl(items?.into()))
            }
            other => Err(unexpected(other)),
        }
    }

    fn to_datum(&self, type_oid: Oid) -> Datum {
        array_datum(type_oid, self.0.iter().map(|item| Datum::text(item.to_string())).collect())
    }
}
