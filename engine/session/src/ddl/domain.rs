//! CREATE and ALTER DOMAIN (PostgreSQL's src/backend/commands/typecmds.c).

use super::domain_rows::Violation;
use super::stored_text::{canonical, with_analysis};
use super::type_definition::unplaced;
use crate::access::Access;
use crate::session::Session;
use redoubt_analyze::query::Expr;
use redoubt_analyze::{
    analyze_check, analyze_default, domain_shape, references_of, resolve_collation, resolve_type_name,
};
use redoubt_catalog::ddl::{Behavior, Ddl, NewConstraint, NewDomain, ObjectAddress, class};
use redoubt_catalog::rows::PgConstraint;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Attribute, Oid};
use redoubt_sql::tree::{
    AlterDomainCommand, ColumnConstraint, ColumnConstraintKind, ConstraintAttributes, CreateDomain,
    DropBehavior, Expr as RawExpr, ObjectName, ObjectType, Persistence, TableConstraintKind,
};
use std::sync::Arc;

/// CHECK of a domain.
struct DomainCheck<'a> {
    name: Option<Arc<str>>,
    expr: &'a RawExpr,
}

impl Session {
    pub(crate) fn create_domain(&mut self, create: &CreateDomain) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let place = self.place_for(&access, &create.name, Persistence::Permanent)?;
        let (base, typmod) = with_analysis(&access, |context| resolve_type_name(&create.type_name, context))
            .map_err(unplaced)?;
        let catalog = access.catalog();
        let base_type = catalog.type_must(base)?;
        if !matches!(base_type.row.typtype, 'b' | 'c' | 'd' | 'e' | 'r' | 'm') {
            let message =
                format!("\"{}\" is not a valid base type for a domain", create.type_name.name.dotted());
            return Err(PgError::new(code::DATATYPE_MISMATCH, message));
        }
        let mut collation = base_type.row.typcollation;
        if let Some(name) = &create.collation {
            if collation == 0 {
                let shown = catalog.format_type(base, None, &access.path)?;
                let message = format!("collations are not supported by type {shown}");
                return Err(PgError::new(code::DATATYPE_MISMATCH, message));
            }
            collation = with_analysis(&access, |context| resolve_collation(name, context))?;
        }
        let said = Said::read(&create.constraints)?;
        let mut objects = Vec::new();
        let default = match said.default {
            Some(raw) => self.domain_default(&access, &place.name, base, typmod, raw, &mut objects)?,
            // A domain over a domain has its default.
            None => base_type.row.typdefaultbin.clone(),
        };
        let ddl = Ddl::new(access.store(), &access.path);
        let new = NewDomain {
            name: place.name.as_str().into(),
            namespace: place.namespace,
            owner: self.facts.user_oid,
            base,
            typmod,
            dimensions: create.type_name.array_bounds.len() as i32,
            collation,
            not_null: said.null == Some(false),
            default,
        };
        let domain = ddl.create_domain(&new, &objects)?;
        for check in &said.checks {
            self.add_domain_check(domain, check, true)?;
        }
        Ok(())
    }

    /// A default as the catalogs keep it; nothing for NULL.
    fn domain_default(
        &self,
        access: &Access<'_>,
        name: &str,
        base: Oid,
        typmod: i32,
        raw: &RawExpr,
        objects: &mut Vec<ObjectAddress>,
    ) -> PgResult<Option<Arc<str>>> {
        let mut attribute = Attribute::new(name, base);
        attribute.typmod = typmod;
        let expr = with_analysis(access, |context| analyze_default(raw, &attribute, context))?;
        if matches!(&expr, Expr::Const { value, .. } if value.is_null()) {
            return Ok(None);
        }
        objects.extend(references_of(&expr).objects);
        canonical(access, &expr, None).map(Some)
    }

    /// Adds a CHECK constraint; returns its name and its text.
    fn add_domain_check(
        &self,
        domain: Oid,
        check: &DomainCheck<'_>,
        validated: bool,
    ) -> PgResult<(Arc<str>, Arc<str>)> {
        let access = Access::current(self)?;
        let catalog = access.catalog();
        let row = catalog.type_must(domain)?;
        let shape = domain_shape(&row.row, &catalog)?;
        let expr =
            with_analysis(&access, |context| analyze_check(check.expr, &shape, context)).map_err(unplaced)?;
        let references = references_of(&expr);
        let ddl = Ddl::new(access.store(), &access.path);
        let name: Arc<str> = match &check.name {
            Some(name) => {
                ddl.check_constraint_name(0, domain, name)?;
                name.clone()
            }
            None => catalog
                .choose_constraint_name(&row.row.typname, None, "check", row.row.typnamespace, &[])?
                .into(),
        };
        let text = canonical(&access, &expr, Some(&shape))?;
        let constraint = NewConstraint {
            domain,
            validated,
            no_inherit: false,
            expression: Some(text.clone()),
            referenced: references.objects,
            ..NewConstraint::new('c', row.row.typnamespace, 0, name.clone())
        };
        ddl.create_constraint(&constraint)?;
        self.txn().advance_command()?;
        Ok((name, text))
    }

    pub(crate) fn alter_domain(&mut self, name: &ObjectName, command: &AlterDomainCommand) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let address = self.find_type_object(&access, ObjectType::Domain, name)?;
        self.check_object_owner(&access, address, false)?;
        let domain = address.object;
        let row = access.catalog().type_must(domain)?;
        let ddl = Ddl::new(access.store(), &access.path);
        match command {
            AlterDomainCommand::SetDefault(raw) => {
                let (base, typmod) = (row.row.typbasetype, row.row.typtypmod);
                let mut objects = Vec::new();
                let name = row.row.typname.clone();
                let text = self.domain_default(&access, &name, base, typmod, raw, &mut objects)?;
                ddl.set_domain_default(domain, text, &objects)
            }
            AlterDomainCommand::DropDefault => ddl.set_domain_default(domain, None, &[]),
            AlterDomainCommand::SetNotNull => {
                if row.row.typnotnull {
                    return Ok(());
                }
                self.check_rows_of_domain(domain, &Violation::Null)?;
                ddl.change_type(domain, |row| row.typnotnull = true)
            }
            AlterDomainCommand::DropNotNull => ddl.change_type(domain, |row| row.typnotnull = false),
            AlterDomainCommand::AddConstraint(constraint) => {
                let TableConstraintKind::Check { expr } = &constraint.kind else {
                    return Err(not_possible(constraint_word(&constraint.kind)));
                };
                check_attributes(&constraint.attributes)?;
                if constraint.attributes.no_inherit {
                    return Err(no_inherit_refused());
                }
                let name = constraint.name.as_ref().map(|name| name.name.clone());
                let validated = !constraint.attributes.not_valid;
                let (_, text) = self.add_domain_check(domain, &DomainCheck { name, expr }, validated)?;
                if validated {
                    self.check_rows_of_domain(domain, &Violation::Check(&text))?;
                }
                Ok(())
            }
            AlterDomainCommand::DropConstraint { name, if_exists, behavior } => {
                let Some(found) = ddl.find_constraint(0, domain, name.as_str())? else {
                    let message = self.no_domain_constraint(&access, domain, name.as_str())?;
                    if !if_exists {
                        return Err(PgError::new(code::UNDEFINED_OBJECT, message));
                    }
                    self.note(code::SUCCESSFUL_COMPLETION, format!("{message}, skipping"));
                    return Ok(());
                };
                let behavior = match behavior {
                    DropBehavior::Restrict => Behavior::Restrict,
                    DropBehavior::Cascade => Behavior::Cascade,
                };
                let address = ObjectAddress::new(class::CONSTRAINT, found.oid);
                let dropped = ddl.drop_objects(&[address], behavior)?;
                self.notices.borrow_mut().extend(dropped.notices);
                Ok(())
            }
            AlterDomainCommand::ValidateConstraint { name } => {
                let found = self.domain_constraint(&access, domain, name.as_str())?;
                if let Some(text) = &found.conbin {
                    self.check_rows_of_domain(domain, &Violation::Check(text))?;
                }
                ddl.change_constraint(found.oid, |row| row.convalidated = true)
            }
        }
    }

    fn no_domain_constraint(&self, access: &Access<'_>, domain: Oid, name: &str) -> PgResult<String> {
        let shown = access.catalog().format_type(domain, None, &access.path)?;
        Ok(format!("constraint \"{name}\" of domain \"{shown}\" does not exist"))
    }

    fn domain_constraint(&self, access: &Access<'_>, domain: Oid, name: &str) -> PgResult<PgConstraint> {
        match Ddl::new(access.store(), &access.path).find_constraint(0, domain, name)? {
            Some(found) => Ok(found),
            None => {
                let message = self.no_domain_constraint(access, domain, name)?;
                Err(PgError::new(code::UNDEFINED_OBJECT, message))
            }
        }
    }

    /// ALTER DOMAIN ... RENAME CONSTRAINT.
    pub(crate) fn rename_domain_constraint(
        &mut self,
        name: &ObjectName,
        old: &str,
        new: &str,
    ) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let address = self.find_type_object(&access, ObjectType::Domain, name)?;
        self.check_object_owner(&access, address, false)?;
        let found = Ddl::new(access.store(), &access.path).find_constraint(0, address.object, old)?;
        let Some(found) = found else {
            let shown = access.catalog().format_type(address.object, None, &access.path)?;
            let message = format!("constraint \"{old}\" for domain {shown} does not exist");
            return Err(PgError::new(code::UNDEFINED_OBJECT, message));
        };
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.check_constraint_name(0, address.object, new)?;
        ddl.change_constraint(found.oid, |row| row.conname = new.into())
    }
}

/// What the constraints of CREATE DOMAIN say.
#[derive(Default)]
struct Said<'a> {
    default: Option<&'a RawExpr>,
    /// `Some(false)` is NOT NULL.
    null: Option<bool>,
    checks: Vec<DomainCheck<'a>>,
}

impl<'a> Said<'a> {
    fn read(constraints: &'a [ColumnConstraint]) -> PgResult<Said<'a>> {
        let mut said = Said::default();
        for constraint in constraints {
            check_attributes(&constraint.attributes)?;
            match &constraint.kind {
                ColumnConstraintKind::Default(expr) => {
                    if said.default.replace(expr).is_some() {
                        return Err(PgError::new(code::SYNTAX_ERROR, "multiple default expressions"));
                    }
                }
                ColumnConstraintKind::NotNull => said.say_null(false)?,
                ColumnConstraintKind::Null => said.say_null(true)?,
                ColumnConstraintKind::Check { no_inherit: true, .. } => return Err(no_inherit_refused()),
                ColumnConstraintKind::Check { expr, .. } => {
                    let name = constraint.name.as_ref().map(|name| name.name.clone());
                    said.checks.push(DomainCheck { name, expr });
                }
                ColumnConstraintKind::Unique(_) => return Err(not_possible("unique")),
                ColumnConstraintKind::PrimaryKey(_) => return Err(not_possible("primary key")),
                ColumnConstraintKind::References(_) => return Err(not_possible("foreign key")),
                ColumnConstraintKind::Generated { .. } | ColumnConstraintKind::Identity { .. } => {
                    return Err(PgError::unsupported("GENERATED for domains"));
                }
            }
        }
        Ok(said)
    }

    fn say_null(&mut self, null: bool) -> PgResult<()> {
        match self.null.replace(null) {
            Some(before) if before != null => {
                Err(PgError::new(code::SYNTAX_ERROR, "conflicting NULL/NOT NULL constraints"))
            }
            _ => Ok(()),
        }
    }
}

fn constraint_word(kind: &TableConstraintKind) -> &'static str {
    match kind {
        TableConstraintKind::Unique { .. } => "unique",
        TableConstraintKind::PrimaryKey { .. } => "primary key",
        TableConstraintKind::ForeignKey { .. } => "foreign key",
        _ => "exclusion",
    }
}

fn not_possible(word: &str) -> PgError {
    PgError::new(code::SYNTAX_ERROR, format!("{word} constraints not possible for domains"))
}

fn no_inherit_refused() -> PgError {
    let message = "check constraints for domains cannot be marked NO INHERIT";
    PgError::new(code::INVALID_OBJECT_DEFINITION, message)
}

fn check_attributes(attributes: &ConstraintAttributes) -> PgResult<()> {
    if attributes.deferrable.is_none() && attributes.initially_deferred.is_none() {
        return Ok(());
    }
    let message = "specifying constraint deferrability not supported for domains";
    Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message))
}
