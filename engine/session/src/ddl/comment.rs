//! COMMENT ON.

use super::object_names::{not_for, relation_words};
use super::stored_text::with_analysis;
use crate::access::Access;
use crate::session::Session;
use redoubt_analyze::resolve_type_name;
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::{Ddl, ObjectAddress, class};
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{CommentTarget, ObjectName, ObjectRef, ObjectType, TypeName};
use redoubt_txn::LockMode;
use std::sync::Arc;

impl Session {
    /// Sets the comment on an object, or takes it away.
    pub(crate) fn comment_on(
        &mut self,
        object: ObjectType,
        target: &CommentTarget,
        text: Option<&str>,
    ) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let address = match target {
            CommentTarget::Object(named) if object == ObjectType::Database => {
                let name = named.name.last().as_str();
                let Some(row) = access.catalog().database_by_name(name)? else {
                    // A dump may name a database that is called otherwise where it is restored.
                    let message = format!("database \"{name}\" does not exist");
                    let warning = PgError::report(Severity::Warning, code::INVALID_CATALOG_NAME, message);
                    self.notices.borrow_mut().push(warning);
                    return Ok(());
                };
                ObjectAddress::new(class::DATABASE, row.oid)
            }
            CommentTarget::Object(named) => self.commented(&access, object, named)?,
            CommentTarget::Type(name) => self.commented_type(&access, object, name)?,
            CommentTarget::Cast { source, target } => {
                let of = |name| with_analysis(&access, |context| resolve_type_name(name, context));
                let (from, to) = (of(source)?.0, of(target)?.0);
                let cast = access.catalog().cast(from, to)?;
                let cast = cast.ok_or_else(|| {
                    let shown =
                        |oid| access.catalog().format_type(oid, None, &access.path).unwrap_or_default();
                    let message =
                        format!("cast from type {} to type {} does not exist", shown(from), shown(to));
                    PgError::new(code::UNDEFINED_OBJECT, message)
                })?;
                ObjectAddress::new(class::CAST, cast.oid)
            }
            CommentTarget::DomainConstraint { constraint, domain } => {
                let domain = self.commented_type(&access, ObjectType::Domain, domain)?;
                self.check_object_owner(&access, domain, false)?;
                let ddl = Ddl::new(access.store(), &access.path);
                let found = ddl.find_constraint(0, domain.object, constraint.as_str())?;
                let row = found.ok_or_else(|| {
                    let shown = access.catalog().format_type(domain.object, None, &access.path);
                    let message = format!(
                        "constraint \"{}\" for domain {} does not exist",
                        constraint.name,
                        shown.unwrap_or_default()
                    );
                    PgError::new(code::UNDEFINED_OBJECT, message)
                })?;
                ObjectAddress::new(class::CONSTRAINT, row.oid)
            }
            CommentTarget::LargeObject(_) => return Err(PgError::unsupported("large objects")),
        };
        self.check_may_comment(&access, address)?;
        Ddl::new(access.store(), &access.path).set_comment(address, text)
    }

    fn commented_type(
        &self,
        access: &Access<'_>,
        object: ObjectType,
        name: &TypeName,
    ) -> PgResult<ObjectAddress> {
        let (oid, _) = with_analysis(access, |context| resolve_type_name(name, context))?;
        if object == ObjectType::Domain && !super::is_domain(access, oid)? {
            let shown = access.catalog().format_type(oid, None, &access.path)?;
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, format!("\"{shown}\" is not a domain")));
        }
        Ok(ObjectAddress::type_(oid))
    }

    fn commented(
        &self,
        access: &Access<'_>,
        object: ObjectType,
        target: &ObjectRef,
    ) -> PgResult<ObjectAddress> {
        use ObjectType as O;
        let name = &target.name;
        Ok(match object {
            O::Table | O::Index | O::Sequence | O::View | O::MaterializedView | O::ForeignTable => {
                ObjectAddress::relation(self.commented_relation(object, name)?.oid)
            }
            O::Column => self.commented_column(name)?,
            O::TableConstraint | O::Rule | O::Trigger | O::Policy => {
                self.commented_part(access, object, target)?
            }
            O::Role => ObjectAddress::new(class::ROLE, self.role_named(access, name.last().as_str())?),
            O::AccessMethod => self.commented_by_name(access, class::ACCESS_METHOD, name)?,
            O::Collation => self.commented_by_name(access, class::COLLATION, name)?,
            O::Conversion => self.commented_by_name(access, class::CONVERSION, name)?,
            O::EventTrigger => self.commented_by_name(access, class::EVENT_TRIGGER, name)?,
            O::Extension => self.commented_by_name(access, class::EXTENSION, name)?,
            O::ForeignDataWrapper => self.commented_by_name(access, class::FOREIGN_DATA_WRAPPER, name)?,
            O::ForeignServer => self.commented_by_name(access, class::FOREIGN_SERVER, name)?,
            O::Language => self.commented_by_name(access, class::LANGUAGE, name)?,
            O::Publication => self.commented_by_name(access, class::PUBLICATION, name)?,
            O::Statistics => self.commented_by_name(access, class::STATISTIC_EXT, name)?,
            O::Tablespace => self.commented_by_name(access, class::TABLESPACE, name)?,
            O::TextSearchConfiguration => self.commented_by_name(access, class::TS_CONFIG, name)?,
            O::TextSearchDictionary => self.commented_by_name(access, class::TS_DICT, name)?,
            O::TextSearchParser => self.commented_by_name(access, class::TS_PARSER, name)?,
            O::TextSearchTemplate => self.commented_by_name(access, class::TS_TEMPLATE, name)?,
            other => self.find_object(access, other, target)?,
        })
    }

    fn commented_relation(&self, object: ObjectType, name: &ObjectName) -> PgResult<Arc<Relation>> {
        let relation = self.lock_existing(name, LockMode::ShareUpdateExclusive)?;
        let (what, kinds) = match object {
            ObjectType::Table => ("a table", "rp"),
            ObjectType::Index => ("an index", "iI"),
            ObjectType::Sequence => ("a sequence", "S"),
            ObjectType::View => ("a view", "v"),
            ObjectType::MaterializedView => ("a materialized view", "m"),
            _ => ("a foreign table", "f"),
        };
        if kinds.contains(relation.kind) {
            return Ok(relation);
        }
        let message = format!("\"{}\" is not {what}", relation.name);
        Err(PgError::new(code::WRONG_OBJECT_TYPE, message))
    }

    fn commented_column(&self, name: &ObjectName) -> PgResult<ObjectAddress> {
        let [qualifiers @ .., column] = name.parts.as_slice() else {
            return Err(PgError::internal("a name has at least one part"));
        };
        if qualifiers.is_empty() {
            let message = "column name must be qualified";
            return Err(PgError::new(code::SYNTAX_ERROR, message));
        }
        let table = ObjectName { parts: qualifiers.to_vec() };
        let relation = self.lock_existing(&table, LockMode::ShareUpdateExclusive)?;
        let found = relation.attributes.iter().find(|row| !row.attisdropped && *row.attname == *column.name);
        let system = redoubt_catalog::ddl::system_column(column.as_str()).filter(|_| relation.kind == 'r');
        let attnum = found.map(|row| row.attnum).or(system.map(|(attnum, _)| attnum)).ok_or_else(|| {
            let message =
                format!("column \"{}\" of relation \"{}\" does not exist", column.name, relation.name);
            PgError::new(code::UNDEFINED_COLUMN, message)
        })?;
        if !matches!(relation.kind, 'r' | 'v' | 'm' | 'c' | 'f' | 'p') {
            let message = format!("cannot set comment on relation \"{}\"", relation.name);
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message).detail(not_for(relation.kind)));
        }
        Ok(ObjectAddress::column(relation.oid, attnum))
    }

    /// A constraint, rule, trigger or policy of a relation.
    fn commented_part(
        &self,
        access: &Access<'_>,
        object: ObjectType,
        target: &ObjectRef,
    ) -> PgResult<ObjectAddress> {
        let of = target.of.as_ref().ok_or_else(|| PgError::internal("a part of a relation names it"))?;
        let relation = self.lock_existing(of, LockMode::ShareUpdateExclusive)?;
        let relation = access.relation(relation.oid)?;
        let name = target.name.last().as_str();
        let (class, word, whose, oid) = match object {
            ObjectType::Rule => {
                let found = relation.rules.iter().find(|row| *row.rulename == *name);
                (class::REWRITE, "rule", "relation", found.map(|row| row.oid))
            }
            ObjectType::Trigger => {
                let found = relation.triggers.iter().find(|row| *row.tgname == *name);
                (class::TRIGGER, "trigger", "table", found.map(|row| row.oid))
            }
            ObjectType::Policy => {
                let found = relation.policies.iter().find(|row| *row.polname == *name);
                (class::POLICY, "policy", "table", found.map(|row| row.oid))
            }
            _ => {
                let found = relation.constraints.iter().find(|row| *row.conname == *name);
                (class::CONSTRAINT, "constraint", "table", found.map(|row| row.oid))
            }
        };
        let oid = oid.ok_or_else(|| {
            let message = format!("{word} \"{name}\" for {whose} \"{}\" does not exist", relation.name);
            PgError::new(code::UNDEFINED_OBJECT, message)
        })?;
        self.check_object_owner(access, ObjectAddress::relation(relation.oid), false)?;
        Ok(ObjectAddress::new(class, oid))
    }

    fn commented_by_name(
        &self,
        access: &Access<'_>,
        class: Oid,
        name: &ObjectName,
    ) -> PgResult<ObjectAddress> {
        let schema = name.schema().map(|schema| access.schema_named(schema.as_str())).transpose()?;
        let found = access.catalog().object_named(class, schema, &access.path, name.last().as_str())?;
        let (oid, word) = found;
        let shown = relation_words(name);
        let message = match class {
            class::COLLATION => format!("collation \"{shown}\" for encoding \"UTF8\" does not exist"),
            _ => format!("{word} \"{shown}\" does not exist"),
        };
        let oid = oid.ok_or_else(|| PgError::new(code::UNDEFINED_OBJECT, message))?;
        Ok(ObjectAddress::new(class, oid))
    }

    /// Who owns an object may comment on it; on what nobody owns, superusers.
    fn check_may_comment(&self, access: &Access<'_>, object: ObjectAddress) -> PgResult<()> {
        if self.facts.superuser {
            return Ok(());
        }
        match object.class {
            class::ROLE if self.may_create_roles(access)? => Ok(()),
            class::ROLE => {
                let message = "must have CREATEROLE privilege";
                Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message))
            }
            class::CONSTRAINT | class::REWRITE | class::TRIGGER | class::POLICY => Ok(()),
            _ if self.owner_of(access, object)?.is_some() => self.check_object_owner(access, object, false),
            _ => {
                let described = access.catalog().describe_object(object, &access.path)?;
                let owner = access.catalog().object_owner(object)?;
                if let Some(owner) = owner
                    && access.catalog().has_privileges_of(self.facts.user_oid, owner)?
                {
                    return Ok(());
                }
                let message = format!("must be owner of {described}");
                Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message))
            }
        }
    }
}
