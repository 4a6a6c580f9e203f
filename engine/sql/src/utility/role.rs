//! Roles.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::{PgError, PgResult, code};

impl Cursor<'_> {
    /// A role's name, or one of the words that stand for a role.
    pub(super) fn role_spec(&mut self) -> PgResult<RoleSpec> {
        let special = match self.word() {
            Some("current_role") => RoleSpec::CurrentRole,
            Some("current_user") => RoleSpec::CurrentUser,
            Some("session_user") => RoleSpec::SessionUser,
            _ => {
                let quoted = self.word().is_none();
                let name = self.non_reserved_word()?;
                if name.as_str() == "public" && !quoted {
                    return Ok(RoleSpec::Public);
                }
                if name.as_str() == "none" {
                    let error = PgError::new(code::RESERVED_NAME, "role name \"none\" is reserved");
                    return Err(error.at(Some(name.pos)));
                }
                return Ok(RoleSpec::Name(name));
            }
        };
        self.advance();
        Ok(special)
    }

    pub(super) fn role_list(&mut self) -> PgResult<Vec<RoleSpec>> {
        self.comma_list(Self::role_spec)
    }

    pub(super) fn create_role(&mut self) -> PgResult<UtilityStatement> {
        let kind = match self.expect_one(&["role", "user", "group"])? {
            "role" => RoleKind::Role,
            "user" => RoleKind::User,
            _ => RoleKind::Group,
        };
        let name = self.role_spec()?;
        self.eat("with");
        let options = self.role_options(true)?;
        Ok(UtilityStatement::CreateRole { kind, name, options })
    }

    /// ALTER ROLE, USER or GROUP, behind the keyword ALTER.
    pub(super) fn alter_role(&mut self) -> PgResult<UtilityStatement> {
        let is_group = self.expect_one(&["role", "user", "group"])? == "group";
        if !is_group && self.eat("all") {
            let database = self.in_database()?;
            return Ok(UtilityStatement::AlterRoleSet {
                role: None,
                database,
                setting: self.set_or_reset()?,
            });
        }
        let role = self.role_spec()?;
        if self.eat_phrase(&["rename", "to"])? {
            let RoleSpec::Name(name) = role else { return self.unexpected() };
            return Ok(UtilityStatement::Rename(Rename {
                object: ObjectType::Role,
                relation_kind: ObjectType::Role,
                target: ObjectRef::named(ObjectName { parts: vec![name] }),
                subname: None,
                new_name: self.col_id()?,
                if_exists: false,
                behavior: DropBehavior::Restrict,
            }));
        }
        if is_group {
            let add = self.expect_one(&["add", "drop"])? == "add";
            self.expect("user")?;
            return Ok(UtilityStatement::AlterGroup { group: role, add, members: self.role_list()? });
        }
        if self.at_any(&["in", "set", "reset"]) {
            let database = self.in_database()?;
            let setting = self.set_or_reset()?;
            return Ok(UtilityStatement::AlterRoleSet { role: Some(role), database, setting });
        }
        self.eat("with");
        let options = self.role_options(false)?;
        Ok(UtilityStatement::AlterRole { role, options })
    }

    fn in_database(&mut self) -> PgResult<Option<Ident>> {
        if !self.eat("in") {
            return Ok(None);
        }
        self.expect("database")?;
        self.col_id().map(Some)
    }

    fn role_options(&mut self, create: bool) -> PgResult<Vec<RoleOption>> {
        let mut options = Vec::new();
        while let Some(kind) = self.role_option(create)? {
            options.push(kind);
        }
        Ok(options)
    }

    fn role_option(&mut self, create: bool) -> PgResult<Option<RoleOption>> {
        use RoleOptionKind as K;
        let pos = self.pos();
        let Some(word) = self.word() else { return Ok(None) };
        let flag = match word {
            "superuser" => K::Superuser(true),
            "nosuperuser" => K::Superuser(false),
            "createdb" => K::CreateDb(true),
            "nocreatedb" => K::CreateDb(false),
            "createrole" => K::CreateRole(true),
            "nocreaterole" => K::CreateRole(false),
            "inherit" => K::Inherit(true),
            "noinherit" => K::Inherit(false),
            "login" => K::Login(true),
            "nologin" => K::Login(false),
            "replication" => K::Replication(true),
            "noreplication" => K::Replication(false),
            "bypassrls" => K::BypassRls(true),
            "nobypassrls" => K::BypassRls(false),
            _ => return self.role_option_with_value(create, pos),
        };
        self.advance();
        Ok(Some(RoleOption { kind: flag, pos }))
    }

    fn role_option_with_value(&mut self, create: bool, pos: usize) -> PgResult<Option<RoleOption>> {
        use RoleOptionKind as K;
        let kind = match self.word().unwrap_or_default() {
            "password" => {
                self.advance();
                K::Password(if self.eat("null") { None } else { Some(self.string()?) })
            }
            "encrypted" => {
                self.advance();
                self.expect("password")?;
                K::Password(Some(self.string()?))
            }
            "unencrypted" => {
                let error =
                    PgError::new(code::FEATURE_NOT_SUPPORTED, "UNENCRYPTED PASSWORD is no longer supported");
                let hint = "Remove UNENCRYPTED to store the password in encrypted form instead.";
                return Err(error.hint(hint).at(Some(pos)));
            }
            "connection" => {
                self.advance();
                self.expect("limit")?;
                K::ConnectionLimit(self.signed_integer()?)
            }
            "valid" => {
                self.advance();
                self.expect("until")?;
                K::ValidUntil(self.string()?)
            }
            "user" => {
                self.advance();
                K::RoleMembers(self.role_list()?)
            }
            "sysid" if create => {
                self.advance();
                K::SysId(self.integer()?)
            }
            "admin" if create => {
                self.advance();
                K::Admin(self.role_list()?)
            }
            "role" if create => {
                self.advance();
                K::RoleMembers(self.role_list()?)
            }
            "in" if create => {
                self.advance();
                self.expect_one(&["role", "group"])?;
                K::InRole(self.role_list()?)
            }
            other => {
                // Any other plain word is an option that PostgreSQL does not know either.
                if crate::keywords::category(other).is_some() {
                    return Ok(None);
                }
                let error = PgError::new(code::SYNTAX_ERROR, format!("unrecognized role option \"{other}\""));
                return Err(error.at(Some(pos)));
            }
        };
        Ok(Some(RoleOption { kind, pos }))
    }

    pub(super) fn reassign_owned(&mut self) -> PgResult<UtilityStatement> {
        self.expect_seq(&["reassign", "owned", "by"])?;
        let roles = self.role_list()?;
        self.expect("to")?;
        Ok(UtilityStatement::ReassignOwned { roles, new_role: self.role_spec()? })
    }
}
