//! Granting and revoking in an access control list (aclupdate, recursive_revoke and select_best_grantor of
//! PostgreSQL's src/backend/utils/adt/acl.c).

use redoubt_catalog::acl::{Acl, AclItem, Privileges};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;

/// Adds privileges to a list, or with `grant_options` the right to grant them on too.
///
/// # Errors
/// `0LP01` for grant options given back to whom they came from.
pub(crate) fn add(acl: &mut Vec<AclItem>, item: AclItem, owner: Oid) -> PgResult<()> {
    if !item.grant_options.is_empty() {
        check_circularity(acl, &item, owner)?;
    }
    let known = position_or_new(acl, &item);
    acl[known].privileges = acl[known].privileges.union(item.privileges);
    acl[known].grant_options = acl[known].grant_options.union(item.grant_options);
    forget_if_empty(acl, known);
    Ok(())
}

/// Takes privileges, and grant options, from a list; what was granted on by means of a lost option goes
/// too, if `cascade` allows it.
///
/// # Errors
/// `2BP01` when something was granted on and may not go.
pub(crate) fn remove(acl: &mut Vec<AclItem>, item: AclItem, owner: Oid, cascade: bool) -> PgResult<()> {
    let known = position_or_new(acl, &item);
    let before = acl[known].grant_options;
    acl[known].privileges = acl[known].privileges.minus(item.privileges);
    acl[known].grant_options = before.minus(item.grant_options);
    let lost = before.minus(acl[known].grant_options);
    forget_if_empty(acl, known);
    if lost.is_empty() { Ok(()) } else { revoke_further(acl, item.grantee, lost, owner, cascade) }
}

fn position_or_new(acl: &mut Vec<AclItem>, item: &AclItem) -> usize {
    let same = |other: &AclItem| (other.grantee, other.grantor) == (item.grantee, item.grantor);
    acl.iter().position(same).unwrap_or_else(|| {
        let none = Privileges::NONE;
        acl.push(AclItem { privileges: none, grant_options: none, ..*item });
        acl.len() - 1
    })
}

fn forget_if_empty(acl: &mut Vec<AclItem>, at: usize) {
    if acl[at].privileges.is_empty() && acl[at].grant_options.is_empty() {
        acl.remove(at);
    }
}

/// The options that a role holds itself, or as PUBLIC; the owner has all.
fn options_of(acl: &[AclItem], role: Oid) -> Privileges {
    acl.iter()
        .filter(|item| item.grantee == role)
        .fold(Privileges::NONE, |all, item| all.union(item.grant_options))
}

fn revoke_further(
    acl: &mut Vec<AclItem>,
    grantor: Oid,
    lost: Privileges,
    owner: Oid,
    cascade: bool,
) -> PgResult<()> {
    // The owner never loses the right to grant.
    if grantor == owner {
        return Ok(());
    }
    let lost = lost.minus(options_of(acl, grantor));
    while !lost.is_empty() {
        let depends =
            |item: &AclItem| item.grantor == grantor && !item.privileges.intersection(lost).is_empty();
        let Some(found) = acl.iter().find(|item| depends(item)).copied() else { break };
        if !cascade {
            return Err(PgError::new(code::DEPENDENT_OBJECTS_STILL_EXIST, "dependent privileges exist")
                .hint("Use CASCADE to revoke them too."));
        }
        let item = AclItem { privileges: lost, grant_options: lost, ..found };
        remove(acl, item, owner, cascade)?;
    }
    Ok(())
}

/// Grant options may not come back to a role by way of whom it gave them to.
fn check_circularity(acl: &[AclItem], item: &AclItem, owner: Oid) -> PgResult<()> {
    if item.grantor == owner {
        return Ok(());
    }
    // Without what the grantee has, would the grantor still have the options that it gives?
    let mut rest = acl.to_vec();
    while let Some(held) =
        rest.iter().find(|other| other.grantee == item.grantee && !other.grant_options.is_empty())
    {
        let held = AclItem { privileges: held.grant_options, ..*held };
        remove(&mut rest, held, owner, true)?;
    }
    if item.grant_options.minus(options_of(&rest, item.grantor)).is_empty() {
        return Ok(());
    }
    Err(PgError::new(
        code::INVALID_GRANT_OPERATION,
        "grant options cannot be granted back to your own grantor",
    ))
}

/// Who grants, when a role with these memberships (itself first) grants privileges, and which of them it
/// may grant: the owner for its members, else the first role that may grant most.
pub(crate) fn grantor_for(
    acl: &Acl,
    owner: Oid,
    roles: &[Oid],
    acts_as_owner: bool,
    wanted: Privileges,
) -> (Oid, Privileges) {
    if acts_as_owner {
        return (owner, wanted);
    }
    let mut best = (roles[0], Privileges::NONE);
    for role in roles {
        let may = options_of(&acl.0, *role).intersection(wanted);
        if may == wanted {
            return (*role, may);
        }
        if may.0.count_ones() > best.1.0.count_ones() {
            best = (*role, may);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Vec<AclItem> {
        text.split_whitespace().map(|item| AclItem::from_stored(item).unwrap()).collect()
    }

    fn show(acl: &[AclItem]) -> String {
        acl.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    fn check(change: fn(&mut Vec<AclItem>, AclItem) -> PgResult<()>, before: &str, item: &str, expect: &str) {
        let mut acl = items(before);
        let change = change(&mut acl, items(item)[0]);
        let found = match change {
            Ok(()) => show(&acl),
            Err(error) => error.message().to_string(),
        };
        assert_eq!(found, expect, "{before} with {item}");
    }

    #[test]
    fn privileges_are_added_to_the_grantees_item() {
        let add_owned = |acl: &mut Vec<AclItem>, item| add(acl, item, 10);
        check(add_owned, "10=arwdDxt/10", "11=r/10", "10=arwdDxt/10 11=r/10");
        check(add_owned, "10=r/10 11=r/10", "11=w/10", "10=r/10 11=rw/10");
        check(add_owned, "10=r/10 11=r/10", "11=r*/10", "10=r/10 11=r*/10");
        check(
            add_owned,
            "11=r*/10 12=r*/11",
            "11=r*/12",
            "grant options cannot be granted back to your own grantor",
        );
    }

    #[test]
    fn what_was_granted_on_goes_with_the_option() {
        let restrict = |acl: &mut Vec<AclItem>, item| remove(acl, item, 10, false);
        let cascade = |acl: &mut Vec<AclItem>, item| remove(acl, item, 10, true);
        check(restrict, "10=r/10 11=rw/10", "11=w/10", "10=r/10 11=r/10");
        check(restrict, "10=r/10 11=r/10", "11=r/10", "10=r/10");
        check(restrict, "11=r*/10 12=r/11", "11=r*/10", "dependent privileges exist");
        check(cascade, "11=r*/10 12=r*/11 13=r/12", "11=r*/10", "");
        check(cascade, "11=r*w/10 12=r/11", "11=r*/10", "11=w/10");
    }

    #[test]
    fn the_owners_members_grant_as_the_owner() {
        let acl = Acl(items("10=rw/10 11=r*/10 12=r*w*/10").into());
        let wanted = Privileges::SELECT.union(Privileges::UPDATE);
        assert_eq!(grantor_for(&acl, 10, &[13, 11], true, wanted), (10, wanted));
        assert_eq!(grantor_for(&acl, 10, &[13, 11], false, wanted), (11, Privileges::SELECT));
        assert_eq!(grantor_for(&acl, 10, &[13, 11, 12], false, wanted), (12, wanted));
        assert_eq!(grantor_for(&acl, 10, &[13], false, wanted), (13, Privileges::NONE));
    }
}
