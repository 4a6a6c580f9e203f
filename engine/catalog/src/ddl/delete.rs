//! Dropping objects with everything that depends on them.
//!
//! As PostgreSQL does it (src/backend/catalog/dependency.c): first the whole set is found, depth first, so that
//! every object comes after those that depend on it; then it is reported, and refused if RESTRICT forbids it;
//! then it is removed in that order.

use super::describe::object_row;
use super::{Ddl, DependencyKind, ObjectAddress, class};
use crate::index_oids as index;
use crate::relation::has_storage;
use crate::rows::*;
use crate::system::system_catalog;
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::{Datum, Oid};

/// What happens to objects that depend on a dropped one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behavior {
    /// Their existence forbids the drop.
    Restrict,
    /// They are dropped too.
    Cascade,
}

/// What was dropped.
#[derive(Debug, Default)]
pub struct Dropped {
    /// All objects, in the order in which they went.
    pub objects: Vec<ObjectAddress>,
    /// What the client is to be told.
    pub notices: Vec<PgError>,
}

/// The most objects that one message lists.
const MAX_REPORTED: usize = 100;

/// How an object came into the set.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    /// It was asked for.
    original: bool,
    /// Something in the set needs it to go along: no report, no refusal.
    silently: bool,
    /// A whole relation that goes takes its columns along.
    as_part: bool,
}

#[derive(Clone, Copy, Debug)]
struct Target {
    object: ObjectAddress,
    reached: Reached,
    /// What it depends on that brought it in.
    because_of: Option<ObjectAddress>,
}

struct Search<'s> {
    targets: Vec<Target>,
    /// Objects on the way from an original one to the current one.
    stack: Vec<(ObjectAddress, Reached)>,
    originals: &'s [ObjectAddress],
}

impl Ddl<'_> {
    /// Drops objects, and what depends on them as `behavior` says.
    ///
    /// # Errors
    /// `2BP01` when something depends on them, when one is part of another object, or when the
    /// system needs one.
    pub fn drop_objects(&self, objects: &[ObjectAddress], behavior: Behavior) -> PgResult<Dropped> {
        let mut search = Search { targets: Vec::new(), stack: Vec::new(), originals: objects };
        for object in objects {
            self.store.lock_for_drop(*object)?;
            let original = Reached { original: true, ..Reached::default() };
            self.collect(*object, original, None, &mut search)?;
        }
        let mut dropped = Dropped::default();
        self.report(&search, behavior, objects, &mut dropped)?;
        for target in &search.targets {
            if !target.reached.as_part {
                self.drop_one(target.object)?;
            }
            dropped.objects.push(target.object);
        }
        Ok(dropped)
    }

    /// Drops what depends on objects, but not the objects themselves.
    ///
    /// # Errors
    /// As for [`Ddl::drop_objects`].
    pub fn drop_dependents(&self, object: ObjectAddress, behavior: Behavior) -> PgResult<Dropped> {
        let mut search = Search { targets: Vec::new(), stack: Vec::new(), originals: &[object] };
        let original = Reached { original: true, ..Reached::default() };
        self.collect(object, original, None, &mut search)?;
        let mut dropped = Dropped::default();
        self.report(&search, behavior, &[object], &mut dropped)?;
        for target in search.targets.iter().filter(|target| target.object != object) {
            if !target.reached.as_part {
                self.drop_one(target.object)?;
            }
            dropped.objects.push(target.object);
        }
        Ok(dropped)
    }

    /// Adds an object to the set after everything that depends on it.
    fn collect(
        &self,
        object: ObjectAddress,
        reached: Reached,
        because_of: Option<ObjectAddress>,
        search: &mut Search<'_>,
    ) -> PgResult<()> {
        if search.is_on_stack(object, reached) || search.is_target(object, reached) {
            return Ok(());
        }
        if object.is_pinned() {
            return Err(PgError::new(
                code::DEPENDENT_OBJECTS_STILL_EXIST,
                format!(
                    "cannot drop {} because it is required by the database system",
                    self.describe(object)?
                ),
            ));
        }
        if let Some(owner) = self.owner_to_drop_instead(object, because_of, search)? {
            // The whole is dropped; this part, and why it was reached, follow from it.
            let through = Reached { original: false, ..reached };
            return self.collect(owner, through, because_of, search);
        }
        search.stack.push((object, reached));
        for (dependent, silently) in self.direct_dependents(object)? {
            self.store.lock_for_drop(dependent)?;
            let how = Reached { silently, ..Reached::default() };
            self.collect(dependent, how, Some(object), search)?;
        }
        let (_, reached) = search.stack.pop().expect("it was pushed above");
        search.targets.push(Target { object, reached, because_of });
        Ok(())
    }

    /// The object that this one is a part of, when it is not that object that brought us here.
    fn owner_to_drop_instead(
        &self,
        object: ObjectAddress,
        because_of: Option<ObjectAddress>,
        search: &Search<'_>,
    ) -> PgResult<Option<ObjectAddress>> {
        let mut partition_owner = None;
        for row in self.dependencies_of(object)? {
            if row.objsubid != object.sub && object.sub == 0 {
                continue;
            }
            let owner = ObjectAddress { class: row.refclassid, object: row.refobjid, sub: row.refobjsubid };
            let is_whole = |other: ObjectAddress| covers(other, owner);
            match DependencyKind::from_letter(row.deptype) {
                Some(DependencyKind::Internal | DependencyKind::Extension) => {
                    if because_of.is_some_and(is_whole) || search.is_under_way(owner) {
                        continue;
                    }
                    if because_of.is_none() {
                        if search.originals.iter().copied().any(is_whole) {
                            return Ok(Some(owner));
                        }
                        return Err(self.part_of_another(object, owner)?);
                    }
                    return Ok(Some(owner));
                }
                Some(DependencyKind::PartitionPrimary | DependencyKind::PartitionSecondary) => {
                    if because_of.is_some_and(is_whole) || search.is_under_way(owner) {
                        return Ok(None);
                    }
                    if row.deptype == 'P' || partition_owner.is_none() {
                        partition_owner = Some(owner);
                    }
                }
                _ => {}
            }
        }
        match partition_owner {
            Some(owner) if because_of.is_none() => Err(self.part_of_another(object, owner)?),
            other => Ok(other),
        }
    }

    fn part_of_another(&self, object: ObjectAddress, owner: ObjectAddress) -> PgResult<PgError> {
        let owner = self.describe(owner)?;
        Ok(PgError::new(
            code::DEPENDENT_OBJECTS_STILL_EXIST,
            format!("cannot drop {} because {owner} requires it", self.describe(object)?),
        )
        .hint(format!("You can drop {owner} instead.")))
    }

    /// What depends on the object, newest first, with whether it goes without being mentioned.
    fn direct_dependents(&self, object: ObjectAddress) -> PgResult<Vec<(ObjectAddress, bool)>> {
        let mut found: Vec<(ObjectAddress, bool)> = Vec::new();
        for row in self.dependents_of(object)? {
            let dependent = ObjectAddress { class: row.classid, object: row.objid, sub: row.objsubid };
            if covers(object, dependent) {
                // A table's columns depend on each other through it.
                continue;
            }
            let silently = row.deptype != DependencyKind::Normal.letter();
            match found.iter_mut().find(|(known, _)| *known == dependent) {
                Some((_, known)) => *known |= silently,
                None => found.push((dependent, silently)),
            }
        }
        found.sort_by(|(a, _), (b, _)| (b.object, b.class, a.sub).cmp(&(a.object, a.class, b.sub)));
        Ok(found)
    }

    /// Refuses the drop, or says what it takes along.
    fn report(
        &self,
        search: &Search<'_>,
        behavior: Behavior,
        asked: &[ObjectAddress],
        dropped: &mut Dropped,
    ) -> PgResult<()> {
        let mentioned: Vec<&Target> = search
            .targets
            .iter()
            .rev()
            .filter(|target| {
                let Reached { original, silently, as_part } = target.reached;
                !original && !silently && !as_part
            })
            .collect();
        let Some(first) = mentioned.first() else { return Ok(()) };
        let mut lines = Vec::new();
        for target in mentioned.iter().take(MAX_REPORTED) {
            let object = self.describe(target.object)?;
            lines.push(match (behavior, target.because_of) {
                (Behavior::Restrict, Some(needed)) => {
                    format!("{object} depends on {}", self.describe(needed)?)
                }
                _ => format!("drop cascades to {object}"),
            });
        }
        if mentioned.len() > MAX_REPORTED {
            let more = mentioned.len() - MAX_REPORTED;
            let objects = if more == 1 { "object" } else { "objects" };
            lines.push(format!("and {more} other {objects} (see server log for list)"));
        }
        if behavior == Behavior::Restrict {
            let message = match asked {
                [object] => {
                    format!("cannot drop {} because other objects depend on it", self.describe(*object)?)
                }
                _ => "cannot drop desired object(s) because other objects depend on them".to_string(),
            };
            return Err(PgError::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(lines.join("\n"))
                .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        let notice = |text: String| PgError::report(Severity::Notice, code::SUCCESSFUL_COMPLETION, text);
        dropped.notices.push(if mentioned.len() == 1 {
            notice(format!("drop cascades to {}", self.describe(first.object)?))
        } else {
            notice(format!("drop cascades to {} other objects", mentioned.len())).detail(lines.join("\n"))
        });
        Ok(())
    }

    /// Removes one object's rows, and what is noted about it.
    fn drop_one(&self, object: ObjectAddress) -> PgResult<()> {
        match object.class {
            class::RELATION if object.sub != 0 => self.remove_column(object.object, object.sub as i16)?,
            class::RELATION => self.remove_relation(object.object)?,
            class::TYPE => self.remove_type(object.object)?,
            class::CONSTRAINT => self.remove_constraint_row(object.object)?,
            class::ATTRDEF => self.remove_default_row(object.object)?,
            class::PROC => {
                let key = [Datum::Oid(object.object)];
                self.remove_all::<PgAggregate>(index::AGGREGATE_FNOID, &key)?;
                self.remove_object_row(object)?;
            }
            class::TS_CONFIG => {
                let key = [Datum::Oid(object.object)];
                self.remove_all::<PgTsConfigMap>(index::TS_CONFIG_MAP, &key)?;
                self.remove_object_row(object)?;
            }
            _ => self.remove_object_row(object)?,
        }
        self.forget_dependencies(object, None, None)?;
        if object.sub == 0 {
            self.forget_roles(object, None)?;
        } else {
            self.record_acl_roles(object, 0, &[])?;
        }
        self.remove_comments(object)?;
        let key = [Datum::Oid(object.object), Datum::Oid(object.class)];
        if object.sub == 0 {
            self.remove_all::<PgInitPrivs>(index::INIT_PRIVS_OBJECT, &key)?;
            self.remove_all::<PgSeclabel>(index::SECLABEL_OBJECT, &key)?;
        }
        Ok(())
    }

    /// Removes the row that an object has in its catalog.
    fn remove_object_row(&self, object: ObjectAddress) -> PgResult<()> {
        let catalog = system_catalog(object.class)
            .ok_or_else(|| PgError::internal(format!("unrecognized object class: {}", object.class)))?;
        let (id, row) = object_row(self.store, object)?.ok_or_else(|| {
            PgError::internal(format!("could not find tuple {} in {}", object.object, catalog.name))
        })?;
        self.store.delete(catalog, id, &row)
    }

    fn remove_relation(&self, oid: Oid) -> PgResult<()> {
        let key = [Datum::Oid(oid)];
        let relation = self.view().relation_by_oid(oid)?;
        let relation =
            relation.ok_or_else(|| PgError::internal(format!("cache lookup failed for relation {oid}")))?;
        if has_storage(relation.kind) {
            self.store.drop_storage(relation.node)?;
        }
        match relation.kind {
            'S' => self.remove_all::<PgSequence>(index::SEQUENCE_SEQRELID, &key)?,
            'p' => self.remove_all::<PgPartitionedTable>(index::PARTITIONED_PARTRELID, &key)?,
            'i' | 'I' => self.remove_all::<PgIndex>(index::INDEX_INDEXRELID, &key)?,
            'f' => self.remove_all::<PgForeignTable>(index::FOREIGN_TABLE_RELID, &key)?,
            _ => {}
        }
        self.remove_all::<PgInherits>(index::INHERITS_RELID, &key)?;
        self.remove_all::<PgStatistic>(index::STATISTIC_RELID, &key)?;
        self.remove_all::<PgAttribute>(index::ATTRIBUTE_ATTNUM, &key)?;
        self.remove_object_row(ObjectAddress::relation(oid))
    }

    fn remove_type(&self, oid: Oid) -> PgResult<()> {
        let key = [Datum::Oid(oid)];
        let kind = self.view().type_by_oid(oid)?.map(|row| row.typtype);
        match kind {
            Some('e') => self.remove_all::<PgEnum>(index::ENUM_TYPE, &key)?,
            Some('r') => self.remove_all::<PgRange>(index::RANGE_TYPE, &key)?,
            _ => {}
        }
        self.remove_object_row(ObjectAddress::type_(oid))
    }
}

/// Whether dropping `whole` drops `object` as it is: the same object, or the relation of a column.
fn covers(whole: ObjectAddress, object: ObjectAddress) -> bool {
    (whole.class, whole.object) == (object.class, object.object)
        && (whole.sub == 0 || whole.sub == object.sub)
}

impl Search<'_> {
    /// Whether the object, or the relation of a column, is being looked at already. How it was reached this
    /// time counts too.
    fn is_on_stack(&mut self, object: ObjectAddress, reached: Reached) -> bool {
        let Some((_, known)) = self.stack.iter_mut().find(|(other, _)| covers(*other, object)) else {
            return false;
        };
        known.original |= reached.original;
        known.silently |= reached.silently;
        true
    }

    fn is_under_way(&self, object: ObjectAddress) -> bool {
        self.stack.iter().any(|(other, _)| covers(*other, object))
    }

    /// Whether the object is in the set. A column of a relation that is there needs nothing more; a
    /// relation makes parts of the columns of it that are there.
    fn is_target(&mut self, object: ObjectAddress, reached: Reached) -> bool {
        let mut known = false;
        for target in &mut self.targets {
            if target.object == object {
                target.reached.original |= reached.original;
                target.reached.silently |= reached.silently;
                known = true;
            } else if covers(target.object, object) {
                known = true;
            } else if covers(object, target.object) {
                target.reached.as_part = true;
            }
        }
        known
    }
}
