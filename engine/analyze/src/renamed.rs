//! Trees that were analyzed before something was renamed, made to be printed under the new names.
//!
//! A tree refers to columns by number; the names in it are those that the printer shows. An alias that the user has
//! chosen stays. A name that was the relation's or the column's own becomes the new one, except where it joins two
//! columns (`USING`, `NATURAL`): there PostgreSQL keeps the old name alive by a list of column aliases, and so do we.
//!
//! `t_1` stands in texts for the second `t`, whose user gave it no alias: it is taken for the relation's own name too,
//! and numbered again when it is printed.

use crate::query::{FromItem, Query, RteKind};
use crate::visit;
use redoubt_catalog::Relation;
use std::sync::Arc;

/// Changes the names of one relation and its columns throughout a query: from those of `before` to those of `after`.
pub fn rename_in_query(query: &mut Query, before: &Relation, after: &Relation) {
    visit::each_query(query, 0, &mut |query, _| {
        let mut joined = Vec::new();
        query.jointree.items.iter().for_each(|item| names_joined(item, &mut joined));
        for entry in &mut query.rtable {
            match &mut entry.kind {
                RteKind::Relation { relid, desc, .. } if *relid == before.oid => *desc = after.desc.clone(),
                RteKind::Subquery(_) if entry.perms_relid == before.oid => {}
                _ => continue,
            }
            if is_own_name(&entry.alias, &before.name) {
                entry.alias = after.name.clone();
            }
            let columns = before.desc.attrs.iter().zip(after.desc.attrs.iter());
            for (name, (old, new)) in entry.column_names.iter_mut().zip(columns) {
                if *name == old.name && !joined.contains(name) {
                    *name = new.name.clone();
                }
            }
        }
    });
}

/// Whether an alias is the relation's name, or that with the number that made it unique.
fn is_own_name(alias: &str, name: &str) -> bool {
    let Some(rest) = alias.strip_prefix(name) else { return false };
    let digits = rest.strip_prefix('_').unwrap_or_default();
    rest.is_empty() || !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The columns that joins merge by name.
fn names_joined(item: &FromItem, found: &mut Vec<Arc<str>>) {
    if let FromItem::Join { left, right, using, .. } = item {
        found.extend(using.iter().cloned());
        names_joined(left, found);
        names_joined(right, found);
    }
}
