//! GRANT, REVOKE, ALTER DEFAULT PRIVILEGES.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    pub(super) fn grant(&mut self) -> PgResult<UtilityStatement> {
        let is_grant = self.expect_one(&["grant", "revoke"])? == "grant";
        let option = self.option_for(is_grant)?;
        let privileges = self.privileges()?;
        if self.at("on") {
            let (object, target) = self.grant_object()?;
            return self
                .grant_rest(is_grant, privileges, object, target, option.is_some())
                .map(UtilityStatement::Grant);
        }
        self.grant_role(is_grant, privileges, option)
    }

    /// REVOKE's GRANT OPTION FOR or ADMIN OPTION FOR.
    fn option_for(&mut self, is_grant: bool) -> PgResult<Option<&'static str>> {
        if is_grant || !self.at_any(&["grant", "admin"]) || !self.at_nth(1, "option") {
            return Ok(None);
        }
        let word = self.expect_one(&["grant", "admin"])?;
        self.expect_seq(&["option", "for"])?;
        Ok(Some(word))
    }

    /// ALL [PRIVILEGES] [(columns)], or a list; empty is ALL without columns.
    fn privileges(&mut self) -> PgResult<Vec<Privilege>> {
        if self.eat("all") {
            self.eat("privileges");
            let columns = self.optional_column_list()?;
            return Ok(if columns.is_empty() { Vec::new() } else { vec![Privilege { name: None, columns }] });
        }
        self.comma_list(|c| {
            let reserved = c.at_any(&["select", "references", "create"]);
            let name = if reserved { c.col_label()? } else { c.col_id()? };
            if name.as_str() == "alter" && c.at("system") {
                c.advance();
                return Ok(Privilege {
                    name: Some(Ident { name: "alter system".into(), ..name }),
                    columns: Vec::new(),
                });
            }
            Ok(Privilege { name: Some(name), columns: c.optional_column_list()? })
        })
    }

    /// ON kind names.
    fn grant_object(&mut self) -> PgResult<(ObjectType, GrantTarget)> {
        use ObjectType as O;
        self.expect("on")?;
        if self.at("all") {
            self.advance();
            let object =
                match self.expect_one(&["tables", "sequences", "functions", "procedures", "routines"])? {
                    "tables" => O::Table,
                    "sequences" => O::Sequence,
                    "functions" => O::Function,
                    "procedures" => O::Procedure,
                    _ => O::Routine,
                };
            self.expect_seq(&["in", "schema"])?;
            return Ok((object, GrantTarget::AllInSchema(self.comma_list(Self::col_id)?)));
        }
        let kinds: &[(&[&str], ObjectType)] = &[
            (&["table"], O::Table),
            (&["sequence"], O::Sequence),
            (&["foreign", "data", "wrapper"], O::ForeignDataWrapper),
            (&["foreign", "server"], O::ForeignServer),
            (&["function"], O::Function),
            (&["procedure"], O::Procedure),
            (&["routine"], O::Routine),
            (&["database"], O::Database),
            (&["domain"], O::Domain),
            (&["language"], O::Language),
            (&["large", "object"], O::LargeObject),
            (&["schema"], O::Schema),
            (&["tablespace"], O::Tablespace),
            (&["type"], O::Type),
        ];
        let names_follow = |n: usize| {
            !matches!(self.peek_nth(n), Token::Comma | Token::Period)
                && !self.at_nth(n, "to")
                && !self.at_nth(n, "from")
        };
        let kind = kinds.iter().find(|(words, _)| self.at_seq(words) && names_follow(words.len()));
        let object = kind.map_or(O::Table, |(_, object)| *object);
        if let Some((words, _)) = kind {
            words.iter().for_each(|_| self.advance());
        }
        let target = match object {
            O::Function | O::Procedure | O::Routine => self.comma_list(Self::function_with_args)?,
            O::LargeObject => self.comma_list(|c| {
                let pos = c.pos();
                let name = c.numeric_only()?.as_str().into();
                Ok(ObjectRef::named(ObjectName { parts: vec![Ident { name, pos }] }))
            })?,
            _ => self.comma_list(|c| Ok(ObjectRef::named(c.any_name()?)))?,
        };
        Ok((object, GrantTarget::Objects(target)))
    }

    fn grant_rest(
        &mut self,
        is_grant: bool,
        privileges: Vec<Privilege>,
        object: ObjectType,
        target: GrantTarget,
        mut grant_option: bool,
    ) -> PgResult<Grant> {
        self.expect(if is_grant { "to" } else { "from" })?;
        let grantees = self.grantees()?;
        if is_grant {
            grant_option = self.eat("with");
            if grant_option {
                self.expect_seq(&["grant", "option"])?;
            }
        }
        let granted_by = self.granted_by()?;
        let behavior = if is_grant { DropBehavior::Restrict } else { self.drop_behavior() };
        Ok(Grant { is_grant, privileges, object, target, grantees, grant_option, granted_by, behavior })
    }

    fn grantees(&mut self) -> PgResult<Vec<RoleSpec>> {
        self.comma_list(|c| {
            if c.at("group") {
                c.advance();
            }
            c.role_spec()
        })
    }

    fn granted_by(&mut self) -> PgResult<Option<RoleSpec>> {
        if !self.eat_phrase(&["granted", "by"])? {
            return Ok(None);
        }
        self.role_spec().map(Some)
    }

    fn grant_role(
        &mut self,
        is_grant: bool,
        privileges: Vec<Privilege>,
        option: Option<&'static str>,
    ) -> PgResult<UtilityStatement> {
        if privileges.is_empty()
            || option == Some("grant")
            || privileges.iter().any(|p| !p.columns.is_empty())
        {
            return self.unexpected();
        }
        let roles = privileges.into_iter().filter_map(|p| p.name).collect();
        self.expect(if is_grant { "to" } else { "from" })?;
        let grantees = self.role_list()?;
        let admin_option = match is_grant {
            true if self.eat("with") => {
                self.expect_seq(&["admin", "option"])?;
                true
            }
            true => false,
            false => option.is_some(),
        };
        let granted_by = self.granted_by()?;
        let behavior = if is_grant { DropBehavior::Restrict } else { self.drop_behavior() };
        let grant = GrantRole { is_grant, roles, grantees, admin_option, granted_by, behavior };
        Ok(UtilityStatement::GrantRole(grant))
    }

    /// ALTER DEFAULT PRIVILEGES, behind ALTER.
    pub(super) fn alter_default_privileges(&mut self) -> PgResult<UtilityStatement> {
        use ObjectType as O;
        self.expect_seq(&["default", "privileges"])?;
        let (mut schemas, mut roles) = (Vec::new(), Vec::new());
        loop {
            if self.eat_phrase(&["in", "schema"])? {
                schemas = self.comma_list(Self::col_id)?;
            } else if self.eat("for") {
                self.expect_one(&["role", "user"])?;
                roles = self.role_list()?;
            } else {
                break;
            }
        }
        let is_grant = self.expect_one(&["grant", "revoke"])? == "grant";
        let option = self.option_for(is_grant)?;
        let privileges = self.privileges()?;
        self.expect("on")?;
        let object =
            match self.expect_one(&["tables", "functions", "routines", "sequences", "types", "schemas"])? {
                "tables" => O::Table,
                "functions" | "routines" => O::Function,
                "sequences" => O::Sequence,
                "types" => O::Type,
                _ => O::Schema,
            };
        let target = GrantTarget::Objects(Vec::new());
        let action = self.grant_rest(is_grant, privileges, object, target, option.is_some())?;
        Ok(UtilityStatement::AlterDefaultPrivileges(AlterDefaultPrivileges { schemas, roles, action }))
    }
}
