//! The commands of ALTER TABLE (alter_table_cmd).

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::{PgError, PgResult, code};
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    /// One or more commands, or a single partition command.
    pub(super) fn alter_table_commands(&mut self) -> PgResult<Vec<AlterTableCommand>> {
        if self.eat_phrase(&["attach", "partition"])? {
            let partition = self.qualified_name()?;
            // ALTER INDEX ... ATTACH PARTITION has no bound.
            let bound = match self.at_any(&["for", "default"]) {
                true => Some(self.partition_bound()?),
                false => None,
            };
            return Ok(vec![AlterTableCommand::AttachPartition { partition, bound }]);
        }
        if self.eat_phrase(&["detach", "partition"])? {
            let partition = self.qualified_name()?;
            let concurrently = self.eat("concurrently");
            let finalize = !concurrently && self.eat("finalize");
            return Ok(vec![AlterTableCommand::DetachPartition { partition, concurrently, finalize }]);
        }
        self.comma_list(Self::alter_table_command)
    }

    fn alter_table_command(&mut self) -> PgResult<AlterTableCommand> {
        use AlterTableCommand as C;
        let word = self.expect_one(&[
            "add", "alter", "drop", "set", "reset", "validate", "owner", "cluster", "inherit", "no", "of",
            "not", "replica", "enable", "disable", "force",
        ])?;
        Ok(match word {
            "add" => return self.alter_table_add(),
            "alter" => return self.alter_table_alter(),
            "drop" => return self.alter_table_drop(),
            "set" => return self.alter_table_set(),
            "enable" | "disable" => return self.enable_or_disable(word == "enable"),
            "reset" => C::ResetOptions(self.reloptions()?),
            "validate" => {
                self.expect("constraint")?;
                C::ValidateConstraint { name: self.col_id()? }
            }
            "owner" => {
                self.expect("to")?;
                C::OwnerTo(self.role_spec()?)
            }
            "cluster" => {
                self.expect("on")?;
                C::ClusterOn { index: self.col_id()? }
            }
            "inherit" => C::Inherit(self.qualified_name()?),
            "no" => match self.expect_one(&["inherit", "force"])? {
                "inherit" => C::NoInherit(self.qualified_name()?),
                _ => {
                    self.expect_seq(&["row", "level", "security"])?;
                    C::ForceRowSecurity { force: false }
                }
            },
            "force" => {
                self.expect_seq(&["row", "level", "security"])?;
                C::ForceRowSecurity { force: true }
            }
            "of" => C::OfType(TypeName::plain(self.any_name()?, Vec::new())),
            "not" => {
                self.expect("of")?;
                C::NotOf
            }
            _ => {
                self.expect("identity")?;
                C::ReplicaIdentity(match self.expect_one(&["default", "full", "nothing", "using"])? {
                    "default" => ReplicaIdentity::Default,
                    "full" => ReplicaIdentity::Full,
                    "nothing" => ReplicaIdentity::Nothing,
                    _ => {
                        self.expect("index")?;
                        ReplicaIdentity::Index(self.col_id()?)
                    }
                })
            }
        })
    }

    fn alter_table_add(&mut self) -> PgResult<AlterTableCommand> {
        if self.at_table_constraint() {
            return Ok(AlterTableCommand::AddConstraint(self.table_constraint()?));
        }
        self.eat("column");
        let if_not_exists = self.if_not_exists()?;
        Ok(AlterTableCommand::AddColumn { if_not_exists, column: self.column_def()? })
    }

    fn alter_table_drop(&mut self) -> PgResult<AlterTableCommand> {
        if self.eat("constraint") {
            let if_exists = self.if_exists()?;
            let name = self.col_id()?;
            return Ok(AlterTableCommand::DropConstraint { name, if_exists, behavior: self.drop_behavior() });
        }
        self.eat("column");
        let if_exists = self.if_exists()?;
        let name = self.col_id()?;
        Ok(AlterTableCommand::DropColumn { if_exists, name, behavior: self.drop_behavior() })
    }

    fn alter_table_set(&mut self) -> PgResult<AlterTableCommand> {
        use AlterTableCommand as C;
        if *self.peek() == Token::LParen {
            return Ok(C::SetOptions(self.reloptions()?));
        }
        Ok(match self.expect_one(&["tablespace", "without", "logged", "unlogged", "access"])? {
            "tablespace" => C::SetTablespace(self.col_id()?),
            "logged" => C::SetLogged,
            "unlogged" => C::SetUnlogged,
            "access" => {
                self.expect("method")?;
                C::SetAccessMethod(self.col_id()?)
            }
            _ => match self.expect_one(&["oids", "cluster"])? {
                "oids" => C::SetWithoutOids,
                _ => C::SetWithoutCluster,
            },
        })
    }

    fn alter_table_alter(&mut self) -> PgResult<AlterTableCommand> {
        use AlterTableCommand as C;
        if self.eat("constraint") {
            let name = self.col_id()?;
            return Ok(C::AlterConstraint { name, attributes: self.constraint_attributes()? });
        }
        self.eat("column");
        if let Token::Number(..) = self.peek() {
            let pos = self.pos();
            let number = self.integer()?;
            self.expect_seq(&["set", "statistics"])?;
            let target = self.signed_integer()?;
            if !(1..=i32::from(i16::MAX)).contains(&number) {
                let message = format!("column number must be in range from 1 to {}", i16::MAX);
                return Err(PgError::new(code::INVALID_PARAMETER_VALUE, message).at(Some(pos)));
            }
            return Ok(C::SetStatistics { name: None, number: Some(number), target });
        }
        let name = self.col_id()?;
        match self.expect_one(&["set", "drop", "reset", "type", "add", "restart"])? {
            "set" => self.alter_column_set(name),
            "drop" => Ok(match self.expect_one(&["default", "not", "identity", "expression"])? {
                "default" => C::DropDefault { name },
                "not" => {
                    self.expect("null")?;
                    C::DropNotNull { name }
                }
                "identity" => C::DropIdentity { name, if_exists: self.if_exists()? },
                _ => C::DropExpression { name, if_exists: self.if_exists()? },
            }),
            "reset" => Ok(C::ResetColumnOptions { name, options: self.reloptions()? }),
            "add" => {
                self.expect("generated")?;
                let always = self.generated_when()?;
                self.expect_seq(&["as", "identity"])?;
                let options = self.parenthesised_sequence_options()?;
                Ok(C::AddIdentity { name, always, options })
            }
            "restart" => {
                self.back();
                self.alter_identity(name)
            }
            _ => self.alter_column_type(name),
        }
    }

    fn alter_column_set(&mut self, name: Ident) -> PgResult<AlterTableCommand> {
        use AlterTableCommand as C;
        if *self.peek() == Token::LParen {
            return Ok(C::SetColumnOptions { name, options: self.reloptions()? });
        }
        let is_identity = self.at_any(&[
            "generated",
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
        if is_identity {
            self.back();
            return self.alter_identity(name);
        }
        Ok(match self.expect_one(&["default", "not", "statistics", "storage", "compression", "data"])? {
            "default" => C::SetDefault { name, expr: self.expr()? },
            "not" => {
                self.expect("null")?;
                C::SetNotNull { name }
            }
            "statistics" => {
                C::SetStatistics { name: Some(name), number: None, target: self.signed_integer()? }
            }
            "storage" => C::SetStorage { name, storage: self.col_id()? },
            "compression" => C::SetCompression { name, method: self.compression_method()? },
            _ => {
                self.expect("type")?;
                return self.alter_column_type(name);
            }
        })
    }

    /// Behind TYPE.
    fn alter_column_type(&mut self, name: Ident) -> PgResult<AlterTableCommand> {
        let type_name = self.type_name()?;
        let collation = if self.eat("collate") { Some(self.any_name()?) } else { None };
        let using = if self.eat("using") { Some(self.expr()?) } else { None };
        Ok(AlterTableCommand::AlterType { name, type_name, collation, using })
    }

    /// SET GENERATED, SET option, RESTART of an identity column.
    fn alter_identity(&mut self, name: Ident) -> PgResult<AlterTableCommand> {
        let (mut always, mut options) = (None, Vec::new());
        while self.at_any(&["set", "restart"]) {
            if self.at("restart") {
                options.push(self.sequence_option()?);
                continue;
            }
            self.advance();
            if self.eat("generated") {
                always = Some(self.generated_when()?);
            } else {
                options.push(self.sequence_option()?);
            }
        }
        Ok(AlterTableCommand::SetIdentity { name, always, options })
    }

    fn enable_or_disable(&mut self, enable: bool) -> PgResult<AlterTableCommand> {
        use AlterTableCommand as C;
        if self.eat("row") {
            self.expect_seq(&["level", "security"])?;
            return Ok(C::RowSecurity { enable });
        }
        let state = match enable {
            false => TriggerState::Disabled,
            true if self.eat("always") => TriggerState::Always,
            true if self.eat("replica") => TriggerState::Replica,
            true => TriggerState::Enabled,
        };
        if self.expect_one(&["trigger", "rule"])? == "rule" {
            return Ok(C::Rule { name: self.col_id()?, state });
        }
        let plain = matches!(state, TriggerState::Enabled | TriggerState::Disabled);
        let name = if plain && self.eat("all") {
            TriggerTarget::All
        } else if plain && self.eat("user") {
            TriggerTarget::User
        } else {
            TriggerTarget::Named(self.col_id()?)
        };
        Ok(C::Trigger { name, state })
    }
}
