//! Access methods, operator classes and families: how values of a type are ordered, hashed and indexed.

use super::CatalogView;
use crate::cache::{KeyRef, Lookup};
use crate::index_oids as index;
use crate::rows::{PgAm, PgAmop, PgAmproc, PgOpclass, PgOpfamily};
use crate::store::probe_one;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid};
use std::sync::Arc;

/// `pg_am.oid` of btree.
pub const BTREE: Oid = 403;
/// `pg_am.oid` of hash.
pub const HASH: Oid = 405;
/// `pg_am.oid` of gist.
pub const GIST: Oid = 783;

/// Strategy numbers of btree, and of hash's only operator.
const LESS: i16 = 1;
const EQUAL: i16 = 3;
const GREATER: i16 = 5;
const HASH_EQUAL: i16 = 1;

/// The operators that sort and group values of a type; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SortOperators {
    /// `<`
    pub less: Oid,
    /// `=`, of the btree class or else of the hash class.
    pub equal: Oid,
    /// `>`
    pub greater: Oid,
    /// Whether values can be hashed consistently with `equal`.
    pub hashable: bool,
    /// The btree operator class's family.
    pub btree_family: Oid,
    /// The type that the operators take, which the sorted type is binary-coercible to.
    pub input_type: Oid,
}

impl CatalogView<'_> {
    /// The access method with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn access_method_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<PgAm>>> {
        self.row(KeyRef::oid(Lookup::MethodByOid, oid), index::AM_OID, &[Datum::Oid(oid)])
    }

    /// The access method with this name.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn access_method_by_name(&self, name: &str) -> PgResult<Option<Arc<PgAm>>> {
        let oid = self.oid(KeyRef::name(Lookup::MethodByName, 0, name), |store| {
            let row: Option<PgAm> = probe_one(store, index::AM_NAME, &[Datum::text(name)])?;
            Ok(row.map(|row| row.oid))
        })?;
        oid.map_or(Ok(None), |oid| self.access_method_by_oid(oid))
    }

    /// The operator class with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn opclass_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<PgOpclass>>> {
        self.row(KeyRef::oid(Lookup::OpclassByOid, oid), index::OPCLASS_OID, &[Datum::Oid(oid)])
    }

    /// All operator classes of an access method.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn opclasses_of(&self, method: Oid) -> PgResult<Arc<Vec<Arc<PgOpclass>>>> {
        let key = KeyRef::oid(Lookup::OpclassesByMethod, method);
        self.list(key, index::OPCLASS_METHOD, &[Datum::Oid(method)])
    }

    /// The operator family with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn opfamily_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<PgOpfamily>>> {
        self.row(KeyRef::oid(Lookup::OpfamilyByOid, oid), index::OPFAMILY_OID, &[Datum::Oid(oid)])
    }

    /// The operators of a family.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn operators_of_family(&self, family: Oid) -> PgResult<Arc<Vec<Arc<PgAmop>>>> {
        self.list(KeyRef::oid(Lookup::AmopsByFamily, family), index::AMOP_FAMILY, &[Datum::Oid(family)])
    }

    /// The families that an operator belongs to, with its strategy in each.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn families_of_operator(&self, operator: Oid) -> PgResult<Arc<Vec<Arc<PgAmop>>>> {
        let key = KeyRef::oid(Lookup::AmopsByOperator, operator);
        self.list(key, index::AMOP_OPERATOR, &[Datum::Oid(operator)])
    }

    /// The support functions of a family.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn procs_of_family(&self, family: Oid) -> PgResult<Arc<Vec<Arc<PgAmproc>>>> {
        let key = KeyRef::oid(Lookup::AmprocsByFamily, family);
        self.list(key, index::AMPROC_FAMILY, &[Datum::Oid(family)])
    }

    /// The operator of a family for two types and a strategy, or 0.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn family_operator(&self, family: Oid, left: Oid, right: Oid, strategy: i16) -> PgResult<Oid> {
        let rows = self.operators_of_family(family)?;
        let found = rows.iter().find(|row| {
            row.amoplefttype == left
                && row.amoprighttype == right
                && row.amopstrategy == strategy
                && row.amoppurpose == 's'
        });
        Ok(found.map_or(0, |row| row.amopopr))
    }

    /// The support function of a family for two types and a number, or 0.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn family_proc(&self, family: Oid, left: Oid, right: Oid, number: i16) -> PgResult<Oid> {
        let rows = self.procs_of_family(family)?;
        let found = rows.iter().find(|row| {
            row.amproclefttype == left && row.amprocrighttype == right && row.amprocnum == number
        });
        Ok(found.map_or(0, |row| row.amproc))
    }

    /// An operator's strategy in a family, if it is a search operator of it.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn strategy_in_family(&self, operator: Oid, family: Oid) -> PgResult<Option<Arc<PgAmop>>> {
        let rows = self.families_of_operator(operator)?;
        Ok(rows.iter().find(|row| row.amopfamily == family && row.amoppurpose == 's').cloned())
    }

    /// The class that an index method uses for a type when none is named: the one declared for the
    /// type, or the only one for a type that it is binary-coercible to, preferred types first.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn default_opclass(&self, method: Oid, type_oid: Oid) -> PgResult<Option<Arc<PgOpclass>>> {
        let type_oid = self.base_type(type_oid, -1)?.0;
        let category = self.type_info_must(type_oid)?.category;
        let mut preferred: Vec<&Arc<PgOpclass>> = Vec::new();
        let mut compatible: Vec<&Arc<PgOpclass>> = Vec::new();
        let classes = self.opclasses_of(method)?;
        let defaults = || classes.iter().filter(|class| class.opcdefault);
        if let Some(exact) = defaults().find(|class| class.opcintype == type_oid) {
            return Ok(Some(exact.clone()));
        }
        for class in defaults() {
            if self.is_binary_coercible(type_oid, class.opcintype)? {
                let input = self.type_info_must(class.opcintype)?;
                let is_preferred = input.preferred && input.category == category;
                if is_preferred { &mut preferred } else { &mut compatible }.push(class);
            }
        }
        let candidates = if preferred.is_empty() { compatible } else { preferred };
        Ok(if let [one] = candidates[..] { Some(one.clone()) } else { None })
    }

    /// How values of a type are sorted and grouped. Arrays and composite types can be if their
    /// elements and columns can.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn sort_operators(&self, type_oid: Oid) -> PgResult<SortOperators> {
        let mut operators = SortOperators::default();
        if let Some(class) = self.default_opclass(BTREE, type_oid)? {
            let (family, input) = (class.opcfamily, class.opcintype);
            operators.less = self.family_operator(family, input, input, LESS)?;
            operators.equal = self.family_operator(family, input, input, EQUAL)?;
            operators.greater = self.family_operator(family, input, input, GREATER)?;
            operators.btree_family = family;
            operators.input_type = input;
        }
        if let Some(class) = self.default_opclass(HASH, type_oid)? {
            let (family, input) = (class.opcfamily, class.opcintype);
            let equal = self.family_operator(family, input, input, HASH_EQUAL)?;
            if operators.equal == 0 {
                operators.equal = equal;
                operators.input_type = input;
            }
            operators.hashable = equal == operators.equal;
        }
        for part in self.parts_of(type_oid)? {
            let of_part = self.sort_operators(part)?;
            operators.hashable &= of_part.hashable;
            if of_part.less == 0 {
                (operators.less, operators.greater) = (0, 0);
            }
            if of_part.equal == 0 {
                return Ok(SortOperators::default());
            }
        }
        Ok(operators)
    }

    /// The types that values of a container type are compared by: an array's elements, a composite's
    /// columns, a range's bounds.
    fn parts_of(&self, type_oid: Oid) -> PgResult<Vec<Oid>> {
        let base = self.base_type(type_oid, -1)?.0;
        let info = self.type_info_must(base)?;
        if info.is_array() {
            return Ok(vec![info.elem]);
        }
        Ok(match info.typtype {
            'c' => {
                let desc = self.composite_desc(base)?;
                desc.attrs.iter().filter(|a| !a.dropped).map(|a| a.type_oid).collect()
            }
            'r' => self.range(base)?.map(|range| range.rngsubtype).into_iter().collect(),
            'm' => self.range_of_multirange(base)?.map(|range| range.rngsubtype).into_iter().collect(),
            _ => Vec::new(),
        })
    }
}
