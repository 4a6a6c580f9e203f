//! GRANT and REVOKE on objects (PostgreSQL's src/backend/catalog/aclchk.c).

use super::acl_update::{add, grantor_for, remove};
use super::privilege_names::{Wanted, kind_words, wanted_privileges};
use super::role::denied;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::Relation;
use redoubt_catalog::acl::{Acl, AclItem, AclObject, Privileges};
use redoubt_catalog::ddl::{Ddl, ObjectAddress, class};
use redoubt_error::{PgError, PgResult, Severity, SqlState, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{DropBehavior, Grant, GrantTarget, Ident, ObjectRef, ObjectType, RoleSpec};
use std::sync::Arc;

/// What a statement gives or takes, names resolved.
struct Change {
    is_grant: bool,
    grantees: Vec<Oid>,
    grant_option: bool,
    cascade: bool,
}

/// An object whose list is changed.
struct Target {
    name: String,
    kind: AclObject,
    owner: Oid,
    /// `None` is the kind's default.
    acl: Option<Acl>,
}

impl Session {
    pub(crate) fn grant(&mut self, grant: &Grant) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        if let Some(role) = &grant.granted_by
            && self.role_oid(&access, role)? != self.facts.user_oid
        {
            let message = "grantor must be current user";
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
        }
        let mut grantees = Vec::with_capacity(grant.grantees.len());
        for grantee in &grant.grantees {
            grantees.push(match grantee {
                RoleSpec::Public => 0,
                role => self.role_oid(&access, role)?,
            });
        }
        let change = Change {
            is_grant: grant.is_grant,
            grantees,
            grant_option: grant.grant_option,
            cascade: grant.behavior == DropBehavior::Cascade,
        };
        let wanted = wanted_privileges(grant)?;
        let addresses = match &grant.target {
            GrantTarget::Objects(objects) => {
                let found: PgResult<Vec<ObjectAddress>> =
                    objects.iter().map(|object| self.grant_object(&access, grant.object, object)).collect();
                found?
            }
            GrantTarget::AllInSchema(schemas) => self.all_in_schemas(&access, grant.object, schemas)?,
        };
        for address in addresses {
            let access = Access::current(self)?;
            match address.class {
                class::RELATION => {
                    let relation = access.relation_by_oid(address.object)?;
                    self.grant_on_relation(&access, &relation, grant.object, &wanted, &change)?;
                }
                _ => self.grant_on_object(&access, address, &wanted, &change)?,
            }
            self.txn().advance_command()?;
        }
        Ok(())
    }

    fn grant_object(
        &self,
        access: &Access<'_>,
        object: ObjectType,
        target: &ObjectRef,
    ) -> PgResult<ObjectAddress> {
        let name = target.name.last().as_str();
        let catalog = access.catalog();
        Ok(match object {
            ObjectType::Table | ObjectType::Sequence => {
                let relation = access.relation_named(&target.name)?;
                let wrong = |what: &str| {
                    let message = format!("\"{}\" is {what}", relation.name);
                    Err(PgError::new(code::WRONG_OBJECT_TYPE, message))
                };
                match relation.kind {
                    'i' | 'I' => return wrong("an index"),
                    'c' => return wrong("a composite type"),
                    kind if object == ObjectType::Sequence && kind != 'S' => return wrong("not a sequence"),
                    _ => ObjectAddress::relation(relation.oid),
                }
            }
            ObjectType::Database => {
                let row = catalog.database_by_name(name)?;
                let missing = || {
                    let message = format!("database \"{name}\" does not exist");
                    PgError::new(code::INVALID_CATALOG_NAME, message)
                };
                ObjectAddress::new(class::DATABASE, row.ok_or_else(missing)?.oid)
            }
            ObjectType::Language => {
                let row = catalog.language_by_name(name)?;
                let missing = || {
                    let message = format!("language \"{name}\" does not exist");
                    PgError::new(code::UNDEFINED_OBJECT, message)
                };
                ObjectAddress::new(class::LANGUAGE, row.ok_or_else(missing)?.oid)
            }
            ObjectType::Tablespace => {
                let row = catalog.tablespace_by_name(name)?;
                let missing = || {
                    let message = format!("tablespace \"{name}\" does not exist");
                    PgError::new(code::UNDEFINED_OBJECT, message)
                };
                ObjectAddress::new(class::TABLESPACE, row.ok_or_else(missing)?.oid)
            }
            other => self.find_object(access, other, target)?,
        })
    }

    fn all_in_schemas(
        &self,
        access: &Access<'_>,
        object: ObjectType,
        schemas: &[Ident],
    ) -> PgResult<Vec<ObjectAddress>> {
        use redoubt_catalog::rows::{PgClass, PgProc};
        let mut found = Vec::new();
        for schema in schemas {
            let schema = access.schema_named(schema.as_str())?;
            match object {
                ObjectType::Table | ObjectType::Sequence => {
                    let sequences = object == ObjectType::Sequence;
                    let fits = |row: &PgClass| {
                        row.relnamespace == schema
                            && match row.relkind {
                                'S' => sequences,
                                'r' | 'v' | 'm' | 'f' | 'p' => !sequences,
                                _ => false,
                            }
                    };
                    let rows: Vec<PgClass> = access.catalog().scan()?;
                    found.extend(
                        rows.iter().filter(|row| fits(row)).map(|row| ObjectAddress::relation(row.oid)),
                    );
                }
                _ => {
                    let fits = |row: &PgProc| {
                        row.pronamespace == schema
                            && match object {
                                ObjectType::Function => row.prokind != 'p',
                                ObjectType::Procedure => row.prokind == 'p',
                                _ => true,
                            }
                    };
                    let rows: Vec<PgProc> = access.catalog().scan()?;
                    found.extend(
                        rows.iter()
                            .filter(|row| fits(row))
                            .map(|row| ObjectAddress::new(class::PROC, row.oid)),
                    );
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn grant_on_relation(
        &self,
        access: &Access<'_>,
        relation: &Arc<Relation>,
        said: ObjectType,
        wanted: &Wanted,
        change: &Change,
    ) -> PgResult<()> {
        let is_sequence = relation.kind == 'S';
        let kind = if is_sequence { AclObject::Sequence } else { AclObject::Table };
        let mut privileges = if wanted.all { kind.all() } else { wanted.privileges };
        if said == ObjectType::Table && !wanted.all {
            if is_sequence && !kind.all().contains(privileges) {
                let message = format!(
                    "sequence \"{}\" only supports USAGE, SELECT, and UPDATE privileges",
                    relation.name
                );
                self.warn_of_privileges(code::INVALID_GRANT_OPERATION, message);
                privileges = privileges.intersection(kind.all());
            } else if !is_sequence && !kind.all().contains(privileges) {
                let message = "invalid privilege type USAGE for table";
                return Err(PgError::new(code::INVALID_GRANT_OPERATION, message));
            }
        }
        let target = Target {
            name: relation.name.to_string(),
            kind,
            owner: relation.owner,
            acl: relation.class.relacl.clone(),
        };
        let ddl = Ddl::new(access.store(), &access.path);
        if !privileges.is_empty() {
            let new = self.changed_list(access, &target, None, privileges, wanted.all, change)?;
            ddl.set_relation_acl(relation.oid, Some(new))?;
        }
        for column in relation.attributes.iter().filter(|column| !column.attisdropped) {
            let mut on_column = Privileges::NONE;
            for (privilege, names) in &wanted.columns {
                if names.iter().any(|name| *name.name == *column.attname) {
                    on_column = on_column.union(*privilege);
                }
            }
            // What is revoked from the table is revoked from its columns.
            if !change.is_grant && column.attacl.is_some() {
                on_column = on_column.union(privileges.intersection(Privileges::ALL_COLUMN));
            }
            if on_column.is_empty() {
                continue;
            }
            let own = Target {
                name: column.attname.to_string(),
                kind: AclObject::Column,
                owner: relation.owner,
                acl: column.attacl.clone(),
            };
            let new = self.changed_list(access, &own, Some(&target), on_column, wanted.all, change)?;
            ddl.set_column_acl(relation.oid, column.attnum, (!new.0.is_empty()).then_some(new))?;
        }
        check_columns_exist(relation, wanted)
    }

    fn grant_on_object(
        &self,
        access: &Access<'_>,
        address: ObjectAddress,
        wanted: &Wanted,
        change: &Change,
    ) -> PgResult<()> {
        let catalog = access.catalog();
        let oid = address.object;
        let gone = || PgError::internal(format!("cache lookup failed for object {oid}"));
        let (kind, name, owner, acl) = match address.class {
            class::DATABASE => {
                let row = catalog.database_by_oid(oid)?.ok_or_else(gone)?;
                (AclObject::Database, row.datname.to_string(), row.datdba, row.datacl.clone())
            }
            class::NAMESPACE => {
                let row = catalog.namespace_by_oid(oid)?.ok_or_else(gone)?;
                (AclObject::Schema, row.nspname.to_string(), row.nspowner, row.nspacl.clone())
            }
            class::PROC => {
                let row = catalog.proc_by_oid(oid)?.ok_or_else(gone)?;
                (AclObject::Function, row.proname.to_string(), row.proowner, row.proacl.clone())
            }
            class::LANGUAGE => {
                let row = catalog.language_by_oid(oid)?.ok_or_else(gone)?;
                if !row.lanpltrusted {
                    let message = format!("language \"{}\" is not trusted", row.lanname);
                    let detail = "GRANT and REVOKE are not allowed on untrusted languages, \
                                  because only superusers can use untrusted languages.";
                    return Err(PgError::new(code::WRONG_OBJECT_TYPE, message).detail(detail));
                }
                (AclObject::Language, row.lanname.to_string(), row.lanowner, row.lanacl.clone())
            }
            class::TABLESPACE => {
                let row = catalog.tablespace_by_oid(oid)?.ok_or_else(gone)?;
                (AclObject::Tablespace, row.spcname.to_string(), row.spcowner, row.spcacl.clone())
            }
            class::TYPE => {
                let row = catalog.type_by_oid(oid)?.ok_or_else(gone)?;
                if row.row.typelem != 0 && row.row.typlen == -1 && row.row.typcategory == 'A' {
                    return Err(PgError::new(
                        code::INVALID_GRANT_OPERATION,
                        "cannot set privileges of array types",
                    )
                    .hint("Set the privileges of the element type instead."));
                }
                (AclObject::Type, row.row.typname.to_string(), row.row.typowner, row.row.typacl.clone())
            }
            _ => return Err(PgError::unsupported("privileges on objects of this kind")),
        };
        let privileges = if wanted.all { kind.all() } else { wanted.privileges };
        let target = Target { name, kind, owner, acl };
        let new = self.changed_list(access, &target, None, privileges, wanted.all, change)?;
        let ddl = Ddl::new(access.store(), &access.path);
        match address.class {
            class::DATABASE => ddl.set_database_acl(oid, Some(new)),
            class::NAMESPACE => ddl.set_schema_acl(oid, Some(new)),
            class::TYPE => ddl.set_type_acl(oid, Some(new)),
            _ => ddl.set_object_acl(address, Some(new)),
        }
    }

    /// The list after the change, by the grantor that the current role may act as. A column's grantor may
    /// also be one of its table's (`table`).
    fn changed_list(
        &self,
        access: &Access<'_>,
        target: &Target,
        table: Option<&Target>,
        wanted: Privileges,
        all: bool,
        change: &Change,
    ) -> PgResult<Acl> {
        let current = |target: &Target| {
            target.acl.clone().unwrap_or_else(|| Acl::default_for(target.kind, target.owner))
        };
        let old = current(target);
        let mut considered = old.0.to_vec();
        if let Some(table) = table {
            considered.extend(current(table).0.iter().copied());
        }
        let considered = Acl(considered.into());
        let catalog = access.catalog();
        let roles = catalog.roles_of(self.facts.user_oid, true)?;
        let as_owner = catalog.has_privileges_of(self.facts.user_oid, target.owner)?;
        let (grantor, may) = grantor_for(&considered, target.owner, &roles, as_owner, wanted);
        if may.is_empty() {
            let mut held = Privileges::NONE;
            for item in considered.0.iter().filter(|item| item.grantee == 0 || roles.contains(&item.grantee))
            {
                held = held.union(item.privileges).union(item.grant_options);
            }
            if held.intersection(target.kind.all()).is_empty() {
                let name = match table {
                    Some(table) => format!("column \"{}\" of relation \"{}\"", target.name, table.name),
                    None => format!("{} {}", kind_words(target.kind), target.name),
                };
                return Err(denied(format!("permission denied for {name}")));
            }
        }
        let name = &target.name;
        let (code, none, some) = match change.is_grant {
            true => (
                code::WARNING_PRIVILEGE_NOT_GRANTED,
                "no privileges were granted",
                "not all privileges were granted",
            ),
            false => (
                code::WARNING_PRIVILEGE_NOT_REVOKED,
                "no privileges could be revoked",
                "not all privileges could be revoked",
            ),
        };
        if may.is_empty() {
            self.warn_of_privileges(code, format!("{none} for {}", about(table, name)));
        } else if !all && may != wanted {
            self.warn_of_privileges(code, format!("{some} for {}", about(table, name)));
        }
        let mut items = old.0.to_vec();
        for grantee in &change.grantees {
            if change.is_grant && change.grant_option && *grantee == 0 {
                let message = "grant options can only be granted to roles";
                return Err(PgError::new(code::INVALID_GRANT_OPERATION, message));
            }
            let only = |yes: bool| if yes { may } else { Privileges::NONE };
            let item = AclItem {
                grantee: *grantee,
                grantor,
                privileges: only(change.is_grant || !change.grant_option),
                grant_options: only(!change.is_grant || change.grant_option),
            };
            if change.is_grant {
                add(&mut items, item, target.owner)?;
            } else {
                remove(&mut items, item, target.owner, change.cascade)?;
            }
        }
        Ok(Acl(items.into()))
    }

    fn warn_of_privileges(&self, code: SqlState, message: String) {
        self.notices.borrow_mut().push(PgError::report(Severity::Warning, code, message));
    }
}

fn about(table: Option<&Target>, name: &str) -> String {
    match table {
        Some(table) => format!("column \"{name}\" of relation \"{}\"", table.name),
        None => format!("\"{name}\""),
    }
}

fn check_columns_exist(relation: &Relation, wanted: &Wanted) -> PgResult<()> {
    for name in wanted.columns.iter().flat_map(|(_, names)| names) {
        let known =
            |row: &&redoubt_catalog::rows::PgAttribute| !row.attisdropped && *row.attname == *name.name;
        if relation.attributes.iter().find(known).is_none() {
            let message =
                format!("column \"{}\" of relation \"{}\" does not exist", name.name, relation.name);
            return Err(PgError::new(code::UNDEFINED_COLUMN, message));
        }
    }
    Ok(())
}
