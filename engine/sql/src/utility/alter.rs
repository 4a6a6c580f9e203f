//! ALTER: which object, and the forms that many objects share.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

/// Relations, whose ALTER takes ALTER TABLE's commands.
const RELATIONS: &[(&[&str], ObjectType)] = &[
    (&["table"], ObjectType::Table),
    (&["index"], ObjectType::Index),
    (&["sequence"], ObjectType::Sequence),
    (&["view"], ObjectType::View),
    (&["materialized", "view"], ObjectType::MaterializedView),
    (&["foreign", "table"], ObjectType::ForeignTable),
];

/// Objects of which only RENAME, OWNER TO and SET SCHEMA are built, and the statement's name.
const NAMED: &[(&[&str], (ObjectType, &str))] = &[
    (&["access", "method"], (ObjectType::AccessMethod, "ALTER ACCESS METHOD")),
    (&["collation"], (ObjectType::Collation, "ALTER COLLATION")),
    (&["conversion"], (ObjectType::Conversion, "ALTER CONVERSION")),
    (&["event", "trigger"], (ObjectType::EventTrigger, "ALTER EVENT TRIGGER")),
    (&["extension"], (ObjectType::Extension, "ALTER EXTENSION")),
    (&["foreign", "data", "wrapper"], (ObjectType::ForeignDataWrapper, "ALTER FOREIGN DATA WRAPPER")),
    (&["language"], (ObjectType::Language, "ALTER LANGUAGE")),
    (&["procedural", "language"], (ObjectType::Language, "ALTER LANGUAGE")),
    (&["publication"], (ObjectType::Publication, "ALTER PUBLICATION")),
    (&["schema"], (ObjectType::Schema, "ALTER SCHEMA")),
    (&["server"], (ObjectType::ForeignServer, "ALTER SERVER")),
    (&["statistics"], (ObjectType::Statistics, "ALTER STATISTICS")),
    (&["subscription"], (ObjectType::Subscription, "ALTER SUBSCRIPTION")),
    (&["tablespace"], (ObjectType::Tablespace, "ALTER TABLESPACE")),
    (
        &["text", "search", "configuration"],
        (ObjectType::TextSearchConfiguration, "ALTER TEXT SEARCH CONFIGURATION"),
    ),
    (&["text", "search", "dictionary"], (ObjectType::TextSearchDictionary, "ALTER TEXT SEARCH DICTIONARY")),
    (&["text", "search", "parser"], (ObjectType::TextSearchParser, "ALTER TEXT SEARCH PARSER")),
    (&["text", "search", "template"], (ObjectType::TextSearchTemplate, "ALTER TEXT SEARCH TEMPLATE")),
];

impl Cursor<'_> {
    pub(super) fn alter(&mut self) -> PgResult<UtilityStatement> {
        self.expect("alter")?;
        if let Some((words, object)) = RELATIONS.iter().find(|(words, _)| self.at_seq(words)) {
            words.iter().for_each(|_| self.advance());
            return self.alter_relation(*object);
        }
        if let Some((object, what)) = self.object_words(NAMED)? {
            let target = ObjectRef::named(self.any_name()?);
            return match self.alter_shared(object, target)? {
                Some(statement) => Ok(statement),
                None => self.not_yet(what),
            };
        }
        match self.word() {
            Some("user") if self.at_nth(1, "mapping") => self.not_yet("ALTER USER MAPPING"),
            Some("role" | "user" | "group") => self.alter_role(),
            Some("database") => self.alter_database(),
            Some("default") => self.alter_default_privileges(),
            Some("domain") => self.alter_domain(),
            Some("type") => self.alter_type(),
            Some("function" | "procedure" | "routine" | "aggregate") => self.alter_function(),
            Some("operator") => self.alter_operator(),
            Some("trigger" | "rule" | "policy") => self.alter_of_relation(),
            Some("system") => self.not_yet("ALTER SYSTEM"),
            Some("large") => self.not_yet("ALTER LARGE OBJECT"),
            _ => self.unexpected(),
        }
    }

    /// RENAME TO, OWNER TO and SET SCHEMA, which nearly every object has.
    fn alter_shared(&mut self, object: ObjectType, target: ObjectRef) -> PgResult<Option<UtilityStatement>> {
        if self.eat_seq(&["rename", "to"]) {
            return Ok(Some(UtilityStatement::Rename(Rename {
                object,
                relation_kind: object,
                target,
                subname: None,
                new_name: self.col_id()?,
                if_exists: false,
                behavior: DropBehavior::Restrict,
            })));
        }
        if self.eat_phrase(&["owner", "to"])? {
            let new_owner = self.role_spec()?;
            return Ok(Some(UtilityStatement::AlterOwner { object, target, new_owner }));
        }
        if self.eat_seq(&["set", "schema"]) {
            let new_schema = self.col_id()?;
            let if_exists = false;
            return Ok(Some(UtilityStatement::AlterObjectSchema { object, target, if_exists, new_schema }));
        }
        Ok(None)
    }

    fn alter_relation(&mut self, object: ObjectType) -> PgResult<UtilityStatement> {
        if object != ObjectType::Sequence && self.at_seq(&["all", "in"]) {
            return self.not_yet("ALTER TABLE ALL IN TABLESPACE");
        }
        let if_exists = self.if_exists()?;
        let relation = match object {
            ObjectType::Table | ObjectType::ForeignTable => self.relation_expr()?,
            _ => RelationName { name: self.qualified_name()?, inherit: true, alias: None },
        };
        let target = || ObjectRef::named(relation.name.clone());
        if self.eat("rename") {
            return self.rename_in_relation(object, target(), if_exists);
        }
        if self.at_seq(&["set", "schema"]) {
            self.advance();
            self.advance();
            let new_schema = self.col_id()?;
            return Ok(UtilityStatement::AlterObjectSchema {
                object,
                target: target(),
                if_exists,
                new_schema,
            });
        }
        let is_option = self.at_any(&[
            "as",
            "cache",
            "cycle",
            "no",
            "increment",
            "maxvalue",
            "minvalue",
            "owned",
            "sequence",
            "start",
            "restart",
        ]);
        if object == ObjectType::Sequence && is_option {
            let options = self.sequence_options()?;
            return Ok(UtilityStatement::AlterSequence(AlterSequence {
                name: relation.name,
                if_exists,
                options,
            }));
        }
        if object == ObjectType::Index && self.at("depends") {
            return self.not_yet("ALTER INDEX DEPENDS ON EXTENSION");
        }
        if object == ObjectType::MaterializedView && self.at_any(&["depends", "no"]) {
            return self.not_yet("ALTER MATERIALIZED VIEW DEPENDS ON EXTENSION");
        }
        let commands = self.alter_table_commands()?;
        Ok(UtilityStatement::AlterTable(AlterTable { object, if_exists, relation, commands }))
    }

    /// What stands behind `ALTER TABLE name RENAME`.
    fn rename_in_relation(
        &mut self,
        relation_kind: ObjectType,
        target: ObjectRef,
        if_exists: bool,
    ) -> PgResult<UtilityStatement> {
        let (object, subname) = if self.eat("to") {
            (relation_kind, None)
        } else if self.at("constraint") && relation_kind == ObjectType::Table {
            self.advance();
            (ObjectType::TableConstraint, Some(self.col_id()?))
        } else {
            self.eat("column");
            (ObjectType::Column, Some(self.col_id()?))
        };
        if subname.is_some() {
            self.expect("to")?;
        }
        let new_name = self.col_id()?;
        Ok(UtilityStatement::Rename(Rename {
            object,
            relation_kind,
            target,
            subname,
            new_name,
            if_exists,
            behavior: DropBehavior::Restrict,
        }))
    }

    fn alter_database(&mut self) -> PgResult<UtilityStatement> {
        self.expect("database")?;
        let name = self.col_id()?;
        if self.eat_seq(&["set", "tablespace"]) {
            return Ok(UtilityStatement::AlterDatabaseTablespace { name, tablespace: self.col_id()? });
        }
        let target = ObjectRef::named(ObjectName { parts: vec![name.clone()] });
        if let Some(statement) = self.alter_shared(ObjectType::Database, target)? {
            return Ok(statement);
        }
        if self.at_seq(&["refresh", "collation"]) {
            return self.not_yet("ALTER DATABASE REFRESH COLLATION VERSION");
        }
        if self.at_any(&["set", "reset"]) {
            return Ok(UtilityStatement::AlterDatabaseSet { name, setting: self.set_or_reset()? });
        }
        self.eat("with");
        let options = self.database_options()?;
        if options.is_empty() {
            return self.unexpected();
        }
        Ok(UtilityStatement::AlterDatabase { name, options })
    }

    fn alter_domain(&mut self) -> PgResult<UtilityStatement> {
        self.expect("domain")?;
        let name = self.any_name()?;
        if self.eat_seq(&["rename", "constraint"]) {
            let subname = Some(self.col_id()?);
            self.expect("to")?;
            return Ok(UtilityStatement::Rename(Rename {
                object: ObjectType::DomainConstraint,
                relation_kind: ObjectType::Domain,
                target: ObjectRef::named(name),
                subname,
                new_name: self.col_id()?,
                if_exists: false,
                behavior: DropBehavior::Restrict,
            }));
        }
        if let Some(statement) = self.alter_shared(ObjectType::Domain, ObjectRef::named(name.clone()))? {
            return Ok(statement);
        }
        Ok(UtilityStatement::AlterDomain { name, command: self.alter_domain_command()? })
    }

    fn alter_type(&mut self) -> PgResult<UtilityStatement> {
        self.expect("type")?;
        let name = self.any_name()?;
        if let Some(statement) = self.alter_shared(ObjectType::Type, ObjectRef::named(name.clone()))? {
            return Ok(statement);
        }
        if self.eat_seq(&["rename", "value"]) {
            let old = self.string()?;
            self.expect("to")?;
            return Ok(UtilityStatement::AlterEnum(AlterEnum::RenameValue {
                name,
                old,
                new: self.string()?,
            }));
        }
        if self.eat_seq(&["rename", "attribute"]) {
            let subname = Some(self.col_id()?);
            self.expect("to")?;
            let new_name = self.col_id()?;
            return Ok(UtilityStatement::Rename(Rename {
                object: ObjectType::Column,
                relation_kind: ObjectType::Type,
                target: ObjectRef::named(name),
                subname,
                new_name,
                if_exists: false,
                behavior: self.drop_behavior(),
            }));
        }
        if self.eat_seq(&["add", "value"]) {
            let if_not_exists = self.if_not_exists()?;
            let label = self.string()?;
            let neighbour = match self.at_any(&["before", "after"]) {
                true => {
                    let after = self.expect_one(&["before", "after"])? == "after";
                    Some((self.string()?, after))
                }
                false => None,
            };
            let add = AlterEnum::AddValue { name, if_not_exists, label, neighbour };
            return Ok(UtilityStatement::AlterEnum(add));
        }
        if self.at("set") && *self.peek_nth(1) == Token::LParen {
            return self.not_yet("ALTER TYPE SET");
        }
        let commands = self.comma_list(Self::alter_attribute)?;
        let relation = RelationName { name, inherit: true, alias: None };
        Ok(UtilityStatement::AlterTable(AlterTable {
            object: ObjectType::Type,
            if_exists: false,
            relation,
            commands,
        }))
    }

    /// ADD, DROP or ALTER ATTRIBUTE of a composite type.
    fn alter_attribute(&mut self) -> PgResult<AlterTableCommand> {
        let word = self.expect_one(&["add", "drop", "alter"])?;
        self.expect("attribute")?;
        Ok(match word {
            "add" => {
                let column = self.type_attribute()?;
                self.drop_behavior();
                AlterTableCommand::AddColumn { if_not_exists: false, column }
            }
            "drop" => {
                let if_exists = self.if_exists()?;
                let name = self.col_id()?;
                AlterTableCommand::DropColumn { if_exists, name, behavior: self.drop_behavior() }
            }
            _ => {
                let name = self.col_id()?;
                self.eat_seq(&["set", "data"]);
                self.expect("type")?;
                let type_name = self.type_name()?;
                let collation = if self.eat("collate") { Some(self.any_name()?) } else { None };
                self.drop_behavior();
                AlterTableCommand::AlterType { name, type_name, collation, using: None }
            }
        })
    }

    fn alter_function(&mut self) -> PgResult<UtilityStatement> {
        let word = self.expect_one(&["function", "procedure", "routine", "aggregate"])?;
        let object = match word {
            "function" => ObjectType::Function,
            "procedure" => ObjectType::Procedure,
            "routine" => ObjectType::Routine,
            _ => ObjectType::Aggregate,
        };
        let target = match object {
            ObjectType::Aggregate => self.aggregate_with_args()?,
            _ => self.function_with_args()?,
        };
        match self.alter_shared(object, target.clone())? {
            Some(statement) => Ok(statement),
            None if self.at_any(&["depends", "no"]) => {
                self.not_yet("ALTER FUNCTION ... DEPENDS ON EXTENSION")
            }
            None => self.alter_function_options(object, target),
        }
    }

    fn alter_operator(&mut self) -> PgResult<UtilityStatement> {
        self.expect("operator")?;
        let object = match self.word() {
            Some("class") => ObjectType::OperatorClass,
            Some("family") => ObjectType::OperatorFamily,
            _ => {
                let target = self.operator_with_args()?;
                return match self.alter_shared(ObjectType::Operator, target)? {
                    Some(statement) => Ok(statement),
                    None => self.not_yet("ALTER OPERATOR"),
                };
            }
        };
        self.advance();
        let name = self.any_name()?;
        self.expect("using")?;
        let of = Some(ObjectName { parts: vec![self.col_id()?] });
        match self.alter_shared(object, ObjectRef { name, args: None, of })? {
            Some(statement) => Ok(statement),
            None => self.not_yet("ALTER OPERATOR FAMILY"),
        }
    }

    fn alter_of_relation(&mut self) -> PgResult<UtilityStatement> {
        let (object, what) = match self.expect_one(&["trigger", "rule", "policy"])? {
            "trigger" => (ObjectType::Trigger, "ALTER TRIGGER"),
            "rule" => (ObjectType::Rule, "ALTER RULE"),
            _ => (ObjectType::Policy, "ALTER POLICY"),
        };
        let target = self.name_on_relation()?;
        match self.alter_shared(object, target)? {
            Some(statement) => Ok(statement),
            None => self.not_yet(what),
        }
    }
}
