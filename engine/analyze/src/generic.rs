//! Polymorphic types: what ANYELEMENT, ANYARRAY, ANYCOMPATIBLE and their kin stand for in a call
//! (documentation, "Polymorphic Types"; PostgreSQL's enforce_generic_type_consistency).

use crate::analyzer::Analyzer;
use crate::coerce::{Coercion, is_polymorphic};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types};

/// The concrete types found for the two families.
#[derive(Default)]
struct Found {
    /// ANYELEMENT's type, 0 while unknown.
    element: Oid,
    /// ANYARRAY's type, 0 if no argument gave one.
    array: Oid,
    /// ANYRANGE's type, 0 if no argument gave one.
    range: Oid,
    /// ANYMULTIRANGE's type, 0 if no argument gave one.
    multirange: Oid,
    /// Some argument of the first family is there.
    simple: bool,
    /// The types that ANYCOMPATIBLE must reconcile.
    compatible_inputs: Vec<Oid>,
    /// Some argument of the second family is there.
    compatible_family: bool,
    /// ANYCOMPATIBLE's type.
    compatible: Oid,
    /// ANYCOMPATIBLERANGE's type, 0 if no argument gave one.
    compatible_range: Oid,
    /// ANYCOMPATIBLEMULTIRANGE's type, 0 if no argument gave one.
    compatible_multirange: Oid,
}

impl Analyzer<'_> {
    /// Whether actual types fit declared ones (`check_generic_type_consistency`).
    pub(crate) fn generics_are_consistent(&self, actual: &[Oid], declared: &[Oid]) -> PgResult<bool> {
        match self.find_generics(actual, declared) {
            Ok(_) => Ok(true),
            Err(error) if error.code() == code::DATATYPE_MISMATCH => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Replaces polymorphic types in `declared` by what they stand for, and gives the result type.
    pub(crate) fn resolve_generics(
        &self,
        actual: &[Oid],
        declared: &mut [Oid],
        result: Oid,
    ) -> PgResult<Oid> {
        if !declared.iter().any(|oid| is_polymorphic(*oid)) {
            return Ok(result);
        }
        let mut found = self.find_generics(actual, declared)?;
        // Statistics have columns of type anyarray, which stay that.
        if found.simple && found.element == 0 && found.array != types::ANYARRAY {
            return Err(mismatch(
                "could not determine polymorphic type because input has type unknown".into(),
            ));
        }
        if found.simple
            && found.element == 0
            && (result == types::ANYELEMENT || declared.contains(&types::ANYELEMENT))
        {
            let message = "cannot determine element type of \"anyarray\" argument";
            return Err(mismatch(message.into()));
        }
        let needs_array = |oid: Oid| oid == types::ANYARRAY;
        if found.array == 0 && (needs_array(result) || declared.iter().any(|oid| needs_array(*oid))) {
            found.array = self.array_over(found.element)?;
        }
        for declared in declared.iter_mut().filter(|oid| is_polymorphic(**oid)) {
            *declared = self.substitute(&found, *declared)?;
        }
        if is_polymorphic(result) { self.substitute(&found, result) } else { Ok(result) }
    }

    fn substitute(&self, found: &Found, generic: Oid) -> PgResult<Oid> {
        match generic {
            types::ANYELEMENT | types::ANYNONARRAY | types::ANYENUM => Ok(found.element),
            types::ANYARRAY => Ok(found.array),
            types::ANYCOMPATIBLE | types::ANYCOMPATIBLENONARRAY => Ok(found.compatible),
            types::ANYCOMPATIBLEARRAY => self.array_over(found.compatible),
            types::ANYRANGE if found.range != 0 => Ok(found.range),
            types::ANYMULTIRANGE if found.range != 0 => self.multirange_of(found.range),
            types::ANYCOMPATIBLERANGE if found.compatible_range != 0 => Ok(found.compatible_range),
            types::ANYCOMPATIBLEMULTIRANGE if found.compatible_range != 0 => {
                self.multirange_of(found.compatible_range)
            }
            _ => Err(mismatch(format!(
                "could not determine polymorphic type {} because input has type unknown",
                self.type_name(generic)?
            ))),
        }
    }

    fn array_over(&self, element: Oid) -> PgResult<Oid> {
        match self.catalog.array_type(element)? {
            Some(array) => Ok(array),
            None => Err(PgError::new(
                code::UNDEFINED_OBJECT,
                format!("could not find array type for data type {}", self.type_name(element)?),
            )),
        }
    }

    fn find_generics(&self, actual: &[Oid], declared: &[Oid]) -> PgResult<Found> {
        let mut found = Found::default();
        for (&actual, &declared) in actual.iter().zip(declared) {
            self.note_generic(&mut found, actual, declared)?;
        }
        if found.array != 0 && found.array != types::ANYARRAY {
            let element = self.element_of(found.array, types::ANYARRAY)?;
            self.reconcile(&mut found.element, element, "anyarray")?;
        }
        self.range_of(&mut found.range, found.multirange, "anyrange", "anymultirange")?;
        if found.range != 0 {
            let bound = self.range_bound(found.range, "anyrange")?;
            self.reconcile(&mut found.element, bound, "anyrange")?;
        }
        let (range, multirange) = (&mut found.compatible_range, found.compatible_multirange);
        self.range_of(range, multirange, "anycompatiblerange", "anycompatiblemultirange")?;
        self.check_restrictions(&found, declared)?;
        if found.compatible_range != 0 {
            // Ranges are never cast: the others must become their bounds' type.
            let bound = self.range_bound(found.compatible_range, "anycompatiblerange")?;
            found.compatible_inputs.push(bound);
            found.compatible = self.common_of(&found.compatible_inputs)?;
            if found.compatible != bound {
                return Err(mismatch(format!(
                    "anycompatiblerange type {} does not match anycompatible type {}",
                    self.type_name(found.compatible_range)?,
                    self.type_name(found.compatible)?
                )));
            }
        } else if found.compatible_family {
            found.compatible = self.common_of(&found.compatible_inputs)?;
        }
        Ok(found)
    }

    /// A multirange gives the range type that it is of.
    fn range_of(&self, range: &mut Oid, multirange: Oid, name: &str, multi_name: &str) -> PgResult<()> {
        if multirange == 0 {
            return Ok(());
        }
        let Some(row) = self.catalog.range_of_multirange(multirange)? else {
            return Err(mismatch(format!(
                "argument declared {multi_name} is not a multirange type but type {}",
                self.type_name(multirange)?
            )));
        };
        if *range != 0 && *range != row.rngtypid {
            let message =
                format!("argument declared {multi_name} is not consistent with argument declared {name}");
            return Err(mismatch(message).detail(format!(
                "{} versus {}",
                self.type_name(multirange)?,
                self.type_name(*range)?
            )));
        }
        *range = row.rngtypid;
        Ok(())
    }

    fn range_bound(&self, range: Oid, name: &str) -> PgResult<Oid> {
        match self.catalog.range(range)? {
            Some(row) => Ok(row.rngsubtype),
            None => Err(mismatch(format!(
                "argument declared {name} is not a range type but type {}",
                self.type_name(range)?
            ))),
        }
    }

    fn multirange_of(&self, range: Oid) -> PgResult<Oid> {
        match self.catalog.range(range)? {
            Some(row) => Ok(row.rngmultitypid),
            None => Err(PgError::internal(format!("cache lookup failed for range type {range}"))),
        }
    }

    fn note_generic(&self, found: &mut Found, actual: Oid, declared: Oid) -> PgResult<()> {
        if !is_polymorphic(declared) {
            return Ok(());
        }
        let family2 = matches!(
            declared,
            types::ANYCOMPATIBLE
                | types::ANYCOMPATIBLENONARRAY
                | types::ANYCOMPATIBLEARRAY
                | types::ANYCOMPATIBLERANGE
                | types::ANYCOMPATIBLEMULTIRANGE
        );
        found.compatible_family |= family2;
        found.simple |= !family2;
        if actual == types::UNKNOWN {
            return Ok(());
        }
        match declared {
            types::ANYELEMENT | types::ANYNONARRAY | types::ANYENUM => {
                self.settle(&mut found.element, actual, "anyelement")
            }
            types::ANYARRAY => {
                let actual = self.catalog.base_type(actual, -1)?.0;
                self.settle(&mut found.array, actual, "anyarray")
            }
            types::ANYRANGE => {
                let actual = self.catalog.base_type(actual, -1)?.0;
                self.settle(&mut found.range, actual, "anyrange")
            }
            types::ANYCOMPATIBLE | types::ANYCOMPATIBLENONARRAY => {
                found.compatible_inputs.push(actual);
                Ok(())
            }
            types::ANYCOMPATIBLEARRAY => {
                let actual = self.catalog.base_type(actual, -1)?.0;
                found.compatible_inputs.push(self.element_of(actual, declared)?);
                Ok(())
            }
            types::ANYMULTIRANGE => {
                let actual = self.catalog.base_type(actual, -1)?.0;
                self.settle(&mut found.multirange, actual, "anymultirange")
            }
            types::ANYCOMPATIBLERANGE => {
                let actual = self.catalog.base_type(actual, -1)?.0;
                self.settle(&mut found.compatible_range, actual, "anycompatiblerange")
            }
            types::ANYCOMPATIBLEMULTIRANGE => {
                let actual = self.catalog.base_type(actual, -1)?.0;
                self.settle(&mut found.compatible_multirange, actual, "anycompatiblemultirange")
            }
            _ => unreachable!("is_polymorphic knows these types"),
        }
    }

    fn settle(&self, slot: &mut Oid, actual: Oid, declared: &str) -> PgResult<()> {
        if *slot != 0 && *slot != actual {
            return Err(mismatch(format!("arguments declared \"{declared}\" are not all alike"))
                .detail(format!("{} versus {}", self.type_name(*slot)?, self.type_name(actual)?)));
        }
        *slot = actual;
        Ok(())
    }

    fn reconcile(&self, element: &mut Oid, other: Oid, declared: &str) -> PgResult<()> {
        if *element != 0 && *element != other {
            let message =
                format!("argument declared {declared} is not consistent with argument declared anyelement");
            return Err(mismatch(message).detail(format!(
                "{} versus {}",
                self.type_name(other)?,
                self.type_name(*element)?
            )));
        }
        *element = other;
        Ok(())
    }

    fn element_of(&self, array: Oid, declared: Oid) -> PgResult<Oid> {
        let info = self.type_info(array)?;
        if info.is_array() {
            return Ok(info.elem);
        }
        Err(mismatch(format!(
            "argument declared {} is not an array but type {}",
            self.type_name(declared)?,
            self.type_name(array)?
        )))
    }

    fn check_restrictions(&self, found: &Found, declared: &[Oid]) -> PgResult<()> {
        if found.element == 0 {
            return Ok(());
        }
        let info = self.type_info(found.element)?;
        if declared.contains(&types::ANYNONARRAY) && info.is_array() {
            return Err(mismatch(format!(
                "type matched to anynonarray is an array type: {}",
                self.type_name(found.element)?
            )));
        }
        if declared.contains(&types::ANYENUM) && info.typtype != 'e' {
            return Err(mismatch(format!(
                "type matched to anyenum is not an enum type: {}",
                self.type_name(found.element)?
            )));
        }
        Ok(())
    }

    /// The common type of the inputs of the second family (`select_common_type_from_oids`).
    fn common_of(&self, inputs: &[Oid]) -> PgResult<Oid> {
        let Some((&first, rest)) = inputs.split_first() else { return Ok(types::TEXT) };
        let mut chosen = first;
        for &next in rest.iter().filter(|next| **next != first) {
            let (a, b) = (self.type_info(chosen)?, self.type_info(next)?);
            if a.category != b.category {
                return Err(mismatch(
                    "arguments of anycompatible family cannot be cast to a common type".into(),
                ));
            }
            if !a.preferred
                && self.can_coerce_types(&[chosen], &[next], Coercion::Implicit)?
                && !self.can_coerce_types(&[next], &[chosen], Coercion::Implicit)?
            {
                chosen = next;
            }
        }
        for &input in inputs {
            if !self.can_coerce_types(&[input], &[chosen], Coercion::Implicit)? {
                return Err(mismatch(
                    "arguments of anycompatible family cannot be cast to a common type".into(),
                ));
            }
        }
        Ok(chosen)
    }
}

fn mismatch(message: String) -> PgError {
    PgError::new(code::DATATYPE_MISMATCH, message)
}
