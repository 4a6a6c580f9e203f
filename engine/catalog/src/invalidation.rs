//! Which cached answers a catalog row takes part in.

use crate::cache::{Key, KeyRef, Lookup};
use crate::rows::*;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid};

/// The questions whose answers may change when this row appears, changes or goes.
///
/// Catalogs that no lookup reads yield nothing: whoever reads them reads their pages.
///
/// # Errors
/// `XX000` when the row is not one of the catalog's.
pub fn keys_of_row(catalog: Oid, row: &[Datum]) -> PgResult<Vec<Key>> {
    let mut keys = Keys(Vec::new());
    if !keys.of_relation_part(catalog, row)?
        && !keys.of_type_part(catalog, row)?
        && !keys.of_function_part(catalog, row)?
    {
        keys.of_named_object(catalog, row)?;
    }
    Ok(keys.0)
}

struct Keys(Vec<Key>);

impl Keys {
    fn oid(&mut self, lookup: Lookup, oid: Oid) {
        self.0.push(KeyRef::oid(lookup, oid).to_key());
    }

    fn name(&mut self, lookup: Lookup, schema: Oid, name: &str) {
        self.0.push(KeyRef::name(lookup, schema, name).to_key());
    }

    fn named(&mut self, by_oid: Lookup, oid: Oid, by_name: Lookup, schema: Oid, name: &str) {
        self.oid(by_oid, oid);
        self.name(by_name, schema, name);
    }

    fn relation(&mut self, oid: Oid) {
        self.oid(Lookup::RelationByOid, oid);
    }

    /// Catalogs whose rows make up a [`crate::Relation`] or an [`crate::Index`].
    fn of_relation_part(&mut self, catalog: Oid, row: &[Datum]) -> PgResult<bool> {
        match catalog {
            1259 => {
                let row = PgClass::from_datums(row)?;
                self.named(
                    Lookup::RelationByOid,
                    row.oid,
                    Lookup::RelationByName,
                    row.relnamespace,
                    &row.relname,
                );
                if matches!(row.relkind, 'i' | 'I') {
                    self.oid(Lookup::IndexByOid, row.oid);
                }
            }
            1249 => {
                let row = PgAttribute::from_datums(row)?;
                self.relation(row.attrelid);
                self.oid(Lookup::IndexByOid, row.attrelid);
            }
            2604 => self.relation(PgAttrdef::from_datums(row)?.adrelid),
            2606 => {
                let row = PgConstraint::from_datums(row)?;
                self.oid(Lookup::ConstraintByOid, row.oid);
                if row.conrelid != 0 {
                    self.relation(row.conrelid);
                }
                if row.confrelid != 0 {
                    self.relation(row.confrelid);
                }
                if row.contypid != 0 {
                    self.oid(Lookup::DomainConstraints, row.contypid);
                }
            }
            2610 => {
                let row = PgIndex::from_datums(row)?;
                self.relation(row.indrelid);
                self.oid(Lookup::IndexByOid, row.indexrelid);
            }
            2611 => {
                let row = PgInherits::from_datums(row)?;
                self.relation(row.inhrelid);
                self.relation(row.inhparent);
                self.oid(Lookup::ChildrenByParent, row.inhparent);
            }
            2224 => self.relation(PgSequence::from_datums(row)?.seqrelid),
            2618 => self.relation(PgRewrite::from_datums(row)?.ev_class),
            2620 => self.relation(PgTrigger::from_datums(row)?.tgrelid),
            3256 => self.relation(PgPolicy::from_datums(row)?.polrelid),
            3350 => self.relation(PgPartitionedTable::from_datums(row)?.partrelid),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn of_type_part(&mut self, catalog: Oid, row: &[Datum]) -> PgResult<bool> {
        match catalog {
            1247 => {
                let row = PgType::from_datums(row)?;
                self.named(Lookup::TypeByOid, row.oid, Lookup::TypeByName, row.typnamespace, &row.typname);
            }
            3501 => {
                let row = PgEnum::from_datums(row)?;
                self.oid(Lookup::EnumByType, row.enumtypid);
                self.oid(Lookup::EnumByOid, row.oid);
            }
            3541 => {
                let row = PgRange::from_datums(row)?;
                self.oid(Lookup::RangeByType, row.rngtypid);
                self.oid(Lookup::RangeByMultirange, row.rngmultitypid);
            }
            2605 => {
                let row = PgCast::from_datums(row)?;
                self.0.push(KeyRef::pair(Lookup::CastByTypes, row.castsource, row.casttarget).to_key());
            }
            3456 => {
                let row = PgCollation::from_datums(row)?;
                self.named(Lookup::CollationByOid, row.oid, Lookup::CollationsByName, 0, &row.collname);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn of_function_part(&mut self, catalog: Oid, row: &[Datum]) -> PgResult<bool> {
        match catalog {
            1255 => {
                let row = PgProc::from_datums(row)?;
                self.named(Lookup::ProcByOid, row.oid, Lookup::ProcsByName, 0, &row.proname);
            }
            2600 => self.oid(Lookup::AggregateByProc, PgAggregate::from_datums(row)?.aggfnoid),
            2617 => {
                let row = PgOperator::from_datums(row)?;
                self.named(Lookup::OperatorByOid, row.oid, Lookup::OperatorsByName, 0, &row.oprname);
            }
            2616 => {
                let row = PgOpclass::from_datums(row)?;
                self.oid(Lookup::OpclassByOid, row.oid);
                self.oid(Lookup::OpclassesByMethod, row.opcmethod);
            }
            2753 => self.oid(Lookup::OpfamilyByOid, PgOpfamily::from_datums(row)?.oid),
            2602 => {
                let row = PgAmop::from_datums(row)?;
                self.oid(Lookup::AmopsByFamily, row.amopfamily);
                self.oid(Lookup::AmopsByOperator, row.amopopr);
            }
            2603 => self.oid(Lookup::AmprocsByFamily, PgAmproc::from_datums(row)?.amprocfamily),
            2601 => {
                let row = PgAm::from_datums(row)?;
                self.named(Lookup::MethodByOid, row.oid, Lookup::MethodByName, 0, &row.amname);
            }
            2612 => {
                let row = PgLanguage::from_datums(row)?;
                self.named(Lookup::LanguageByOid, row.oid, Lookup::LanguageByName, 0, &row.lanname);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn of_named_object(&mut self, catalog: Oid, row: &[Datum]) -> PgResult<()> {
        match catalog {
            2615 => {
                let row = PgNamespace::from_datums(row)?;
                self.named(Lookup::NamespaceByOid, row.oid, Lookup::NamespaceByName, 0, &row.nspname);
            }
            3602 => {
                let row = PgTsConfig::from_datums(row)?;
                self.named(
                    Lookup::TsConfigByOid,
                    row.oid,
                    Lookup::TsConfigByName,
                    row.cfgnamespace,
                    &row.cfgname,
                );
            }
            3600 => {
                let row = PgTsDict::from_datums(row)?;
                self.named(
                    Lookup::TsDictByOid,
                    row.oid,
                    Lookup::TsDictByName,
                    row.dictnamespace,
                    &row.dictname,
                );
            }
            1260 => {
                let row = PgAuthid::from_datums(row)?;
                self.named(Lookup::RoleByOid, row.oid, Lookup::RoleByName, 0, &row.rolname);
            }
            1261 => self.oid(Lookup::MembershipsByMember, PgAuthMembers::from_datums(row)?.member),
            1262 => {
                let row = PgDatabase::from_datums(row)?;
                self.named(Lookup::DatabaseByOid, row.oid, Lookup::DatabaseByName, 0, &row.datname);
            }
            1213 => {
                let row = PgTablespace::from_datums(row)?;
                self.named(Lookup::TablespaceByOid, row.oid, Lookup::TablespaceByName, 0, &row.spcname);
            }
            _ => {}
        }
        Ok(())
    }
}
