//! Constraints of columns and tables.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::{PgError, PgResult, code};
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    /// What stands behind a column's type: COLLATE and constraints (ColQualList).
    pub(super) fn column_qualifiers(&mut self) -> PgResult<(Option<ObjectName>, Vec<ColumnConstraint>)> {
        let mut collation = None;
        let mut constraints: Vec<ColumnConstraint> = Vec::new();
        loop {
            let pos = self.pos();
            if self.eat("collate") {
                if collation.is_some() {
                    let error = PgError::new(code::SYNTAX_ERROR, "multiple COLLATE clauses not allowed");
                    return Err(error.at(Some(pos)));
                }
                collation = Some(self.any_name()?);
                continue;
            }
            if self.column_constraint_attribute(&mut constraints)? {
                continue;
            }
            let name = if self.eat("constraint") { Some(self.col_id()?) } else { None };
            match self.column_constraint_kind()? {
                Some(kind) => {
                    let attributes = ConstraintAttributes::default();
                    constraints.push(ColumnConstraint { name, kind, attributes, pos });
                }
                None if self.at_any(&["not", "initially"]) => return self.unexpected_nth(1),
                None if name.is_some() => return self.unexpected(),
                None => return Ok((collation, constraints)),
            }
        }
    }

    /// DEFERRABLE and INITIALLY apply to the foreign key, unique or primary key before them.
    fn column_constraint_attribute(&mut self, constraints: &mut [ColumnConstraint]) -> PgResult<bool> {
        let pos = self.pos();
        let clause = match self.word() {
            Some("deferrable") => "DEFERRABLE",
            Some("not") if self.at_nth(1, "deferrable") => "NOT DEFERRABLE",
            Some("initially") if self.at_nth(1, "deferred") => "INITIALLY DEFERRED",
            Some("initially") if self.at_nth(1, "immediate") => "INITIALLY IMMEDIATE",
            _ => return Ok(false),
        };
        let refuse = |message: String| Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(pos)));
        clause.split(' ').for_each(|_| self.advance());
        let target = constraints.last_mut().filter(|c| {
            use ColumnConstraintKind::*;
            matches!(c.kind, Unique(_) | PrimaryKey(_) | References(_))
        });
        let Some(target) = target else { return refuse(format!("misplaced {clause} clause")) };
        let attributes = &mut target.attributes;
        match clause {
            "DEFERRABLE" | "NOT DEFERRABLE" => {
                if attributes.deferrable.is_some() {
                    return refuse("multiple DEFERRABLE/NOT DEFERRABLE clauses not allowed".into());
                }
                attributes.deferrable = Some(clause == "DEFERRABLE");
            }
            _ => {
                if attributes.initially_deferred.is_some() {
                    return refuse("multiple INITIALLY IMMEDIATE/DEFERRED clauses not allowed".into());
                }
                let deferred = clause == "INITIALLY DEFERRED";
                attributes.initially_deferred = Some(deferred);
                if deferred && attributes.deferrable == Some(false) {
                    return refuse("constraint declared INITIALLY DEFERRED must be DEFERRABLE".into());
                }
                if deferred {
                    attributes.deferrable = Some(true);
                }
            }
        }
        Ok(true)
    }

    fn column_constraint_kind(&mut self) -> PgResult<Option<ColumnConstraintKind>> {
        use ColumnConstraintKind as K;
        let kind = match self.word() {
            Some("not") if self.at_nth(1, "null") => {
                self.advance();
                self.advance();
                K::NotNull
            }
            Some("null") => {
                self.advance();
                K::Null
            }
            Some("default") => {
                self.advance();
                K::Default(self.restricted_expr()?)
            }
            Some("check") => {
                self.advance();
                self.expect_lparen()?;
                let expr = self.expr()?;
                self.expect_rparen()?;
                K::Check { expr, no_inherit: self.eat_phrase(&["no", "inherit"])? }
            }
            Some("generated") => self.generated()?,
            Some("unique") => {
                self.advance();
                let nulls_not_distinct = self.nulls_not_distinct()?;
                K::Unique(IndexConstraint { nulls_not_distinct, ..self.index_parameters()? })
            }
            Some("primary") => {
                self.advance();
                self.expect("key")?;
                K::PrimaryKey(self.index_parameters()?)
            }
            Some("references") => K::References(self.references()?),
            _ => return Ok(None),
        };
        Ok(Some(kind))
    }

    fn generated(&mut self) -> PgResult<ColumnConstraintKind> {
        self.expect("generated")?;
        let pos = self.pos();
        let always = self.generated_when()?;
        self.expect("as")?;
        if self.eat("identity") {
            let options = self.parenthesised_sequence_options()?;
            return Ok(ColumnConstraintKind::Identity { always, options });
        }
        self.expect_lparen()?;
        let expr = self.expr()?;
        self.expect_rparen()?;
        self.expect("stored")?;
        if !always {
            let message = "for a generated column, GENERATED ALWAYS must be specified";
            return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(pos)));
        }
        Ok(ColumnConstraintKind::Generated { expr })
    }

    /// ALWAYS or BY DEFAULT.
    pub(super) fn generated_when(&mut self) -> PgResult<bool> {
        let always = self.expect_one(&["always", "by"])? == "always";
        if !always {
            self.expect("default")?;
        }
        Ok(always)
    }

    pub(super) fn nulls_not_distinct(&mut self) -> PgResult<bool> {
        if !self.eat("nulls") {
            return Ok(false);
        }
        let not = self.eat("not");
        self.expect("distinct")?;
        Ok(not)
    }

    /// `WITH (...)` and `USING INDEX TABLESPACE`.
    fn index_parameters(&mut self) -> PgResult<IndexConstraint> {
        let options = match self.at("with") && *self.peek_nth(1) == Token::LParen {
            true => {
                self.advance();
                self.definition()?
            }
            false => Vec::new(),
        };
        let tablespace = match self.eat_phrase(&["using", "index", "tablespace"])? {
            true => Some(self.col_id()?),
            false => None,
        };
        Ok(IndexConstraint { options, tablespace, ..IndexConstraint::default() })
    }

    /// REFERENCES table (columns) MATCH ... ON ...
    fn references(&mut self) -> PgResult<References> {
        self.expect("references")?;
        let table = self.qualified_name()?;
        let columns = self.optional_column_list()?;
        let mut references = References {
            table,
            columns,
            match_type: MatchType::Simple,
            on_update: ReferentialAction::NoAction,
            on_delete: ReferentialAction::NoAction,
            on_delete_columns: Vec::new(),
        };
        let match_pos = self.pos();
        if self.eat("match") {
            references.match_type = match self.expect_one(&["full", "partial", "simple"])? {
                "full" => MatchType::Full,
                "simple" => MatchType::Simple,
                _ => {
                    let error =
                        PgError::new(code::FEATURE_NOT_SUPPORTED, "MATCH PARTIAL not yet implemented");
                    return Err(error.at(Some(match_pos)));
                }
            };
        }
        let (mut seen_update, mut seen_delete) = (false, false);
        while self.at("on") {
            let pos = self.pos();
            self.advance();
            let on_update = match self.expect_one(&["update", "delete"])? {
                "update" if !seen_update => true,
                "delete" if !seen_delete => false,
                _ => {
                    self.back();
                    return self.unexpected();
                }
            };
            let (action, columns) = self.referential_action()?;
            if on_update {
                seen_update = true;
                references.on_update = action;
                if !columns.is_empty() {
                    let message = "a column list with SET NULL is only supported for ON DELETE actions";
                    let message = match action {
                        ReferentialAction::SetDefault => message.replace("SET NULL", "SET DEFAULT"),
                        _ => message.to_string(),
                    };
                    return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(Some(pos)));
                }
            } else {
                seen_delete = true;
                references.on_delete = action;
                references.on_delete_columns = columns;
            }
        }
        Ok(references)
    }

    fn referential_action(&mut self) -> PgResult<(ReferentialAction, Vec<Ident>)> {
        let action = match self.expect_one(&["no", "restrict", "cascade", "set"])? {
            "no" => {
                self.expect("action")?;
                ReferentialAction::NoAction
            }
            "restrict" => ReferentialAction::Restrict,
            "cascade" => ReferentialAction::Cascade,
            _ => {
                let action = match self.expect_one(&["null", "default"])? {
                    "null" => ReferentialAction::SetNull,
                    _ => ReferentialAction::SetDefault,
                };
                return Ok((action, self.optional_column_list()?));
            }
        };
        Ok((action, Vec::new()))
    }

    pub(super) fn at_table_constraint(&self) -> bool {
        match self.word() {
            Some("constraint" | "check" | "unique" | "primary" | "foreign") => true,
            Some("exclude") => *self.peek_nth(1) == Token::LParen || self.at_nth(1, "using"),
            _ => false,
        }
    }

    /// A constraint between a table's columns.
    pub(super) fn table_constraint(&mut self) -> PgResult<TableConstraint> {
        use TableConstraintKind as K;
        let pos = self.pos();
        let name = if self.eat("constraint") { Some(self.col_id()?) } else { None };
        let kind = match self.expect_one(&["check", "unique", "primary", "foreign", "exclude"])? {
            "check" => {
                self.expect_lparen()?;
                let expr = self.expr()?;
                self.expect_rparen()?;
                K::Check { expr }
            }
            "unique" => {
                let nulls_not_distinct = self.nulls_not_distinct()?;
                let (columns, index) = self.key_columns()?;
                K::Unique { columns, index: IndexConstraint { nulls_not_distinct, ..index } }
            }
            "primary" => {
                self.expect("key")?;
                let (columns, index) = self.key_columns()?;
                K::PrimaryKey { columns, index }
            }
            "foreign" => {
                self.expect("key")?;
                let columns = self.column_list()?;
                K::ForeignKey { columns, references: self.references()? }
            }
            _ => self.exclude()?,
        };
        let attributes = self.constraint_attributes()?;
        check_attributes(&kind, attributes)?;
        Ok(TableConstraint { name, kind, attributes, pos })
    }

    /// `(columns) INCLUDE ...` or `USING INDEX name`.
    fn key_columns(&mut self) -> PgResult<(Vec<Ident>, IndexConstraint)> {
        if self.eat_phrase(&["using", "index"])? {
            let existing_index = Some(self.col_id()?);
            return Ok((Vec::new(), IndexConstraint { existing_index, ..IndexConstraint::default() }));
        }
        let columns = self.column_list()?;
        let include = if self.eat("include") { self.column_list()? } else { Vec::new() };
        Ok((columns, IndexConstraint { include, ..self.index_parameters()? }))
    }

    fn exclude(&mut self) -> PgResult<TableConstraintKind> {
        let method = if self.eat("using") { Some(self.col_id()?) } else { None };
        self.expect_lparen()?;
        let elements = self.comma_list(|c| {
            let element = c.index_element()?;
            c.expect("with")?;
            let op = match c.eat("operator") {
                true => {
                    c.expect_lparen()?;
                    let op = c.any_operator()?;
                    c.expect_rparen()?;
                    op
                }
                false => c.any_operator()?,
            };
            Ok((element, op))
        })?;
        self.expect_rparen()?;
        let include = if self.eat("include") { self.column_list()? } else { Vec::new() };
        let index = IndexConstraint { include, ..self.index_parameters()? };
        let where_clause = match self.eat("where") {
            true => {
                self.expect_lparen()?;
                let expr = self.expr()?;
                self.expect_rparen()?;
                Some(expr)
            }
            false => None,
        };
        Ok(TableConstraintKind::Exclude { method, elements, index, where_clause })
    }

    /// Any of DEFERRABLE, INITIALLY, NOT VALID, NO INHERIT.
    pub(super) fn constraint_attributes(&mut self) -> PgResult<ConstraintAttributes> {
        let mut found = ConstraintAttributes::default();
        loop {
            let pos = self.pos();
            let before = found;
            if self.eat("deferrable") {
                found.deferrable = Some(true);
            } else if self.eat("not") {
                match self.expect_one(&["deferrable", "valid"])? {
                    "valid" => found.not_valid = true,
                    _ => found.deferrable = Some(false),
                }
            } else if self.eat("initially") {
                found.initially_deferred = Some(self.expect_one(&["immediate", "deferred"])? == "deferred");
            } else if self.eat_phrase(&["no", "inherit"])? {
                found.no_inherit = true;
            } else {
                break;
            }
            let refuse = |message: &str| Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(pos)));
            let flips = |old: Option<bool>, new: Option<bool>| old.is_some() && old != new;
            if found.initially_deferred == Some(true) && found.deferrable == Some(false) {
                return refuse("constraint declared INITIALLY DEFERRED must be DEFERRABLE");
            }
            if flips(before.deferrable, found.deferrable)
                || flips(before.initially_deferred, found.initially_deferred)
            {
                return refuse("conflicting constraint properties");
            }
        }
        if found.initially_deferred == Some(true) {
            found.deferrable = Some(true);
        }
        Ok(found)
    }
}

/// Refuses attributes that the kind of constraint cannot have; PostgreSQL gives no position.
fn check_attributes(kind: &TableConstraintKind, found: ConstraintAttributes) -> PgResult<()> {
    use TableConstraintKind as K;
    let (name, deferrable, not_valid, no_inherit) = match kind {
        K::Check { .. } => ("CHECK", false, true, true),
        K::Unique { .. } => ("UNIQUE", true, false, false),
        K::PrimaryKey { .. } => ("PRIMARY KEY", true, false, false),
        K::ForeignKey { .. } => ("FOREIGN KEY", true, true, false),
        K::Exclude { .. } => ("EXCLUDE", true, false, false),
    };
    let refuse = |what: &str| {
        let message = format!("{name} constraints cannot be marked {what}");
        Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message))
    };
    if !deferrable && (found.deferrable == Some(true) || found.initially_deferred == Some(true)) {
        return refuse("DEFERRABLE");
    }
    if !not_valid && found.not_valid {
        return refuse("NOT VALID");
    }
    if !no_inherit && found.no_inherit {
        return refuse("NO INHERIT");
    }
    Ok(())
}
