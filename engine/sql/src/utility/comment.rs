//! COMMENT ON.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::PgResult;

/// Objects that a qualified name identifies.
const BY_NAME: &[(&[&str], ObjectType)] = &[
    (&["access", "method"], ObjectType::AccessMethod),
    (&["collation"], ObjectType::Collation),
    (&["column"], ObjectType::Column),
    (&["conversion"], ObjectType::Conversion),
    (&["database"], ObjectType::Database),
    (&["event", "trigger"], ObjectType::EventTrigger),
    (&["extension"], ObjectType::Extension),
    (&["foreign", "data", "wrapper"], ObjectType::ForeignDataWrapper),
    (&["foreign", "table"], ObjectType::ForeignTable),
    (&["index"], ObjectType::Index),
    (&["language"], ObjectType::Language),
    (&["materialized", "view"], ObjectType::MaterializedView),
    (&["procedural", "language"], ObjectType::Language),
    (&["publication"], ObjectType::Publication),
    (&["role"], ObjectType::Role),
    (&["schema"], ObjectType::Schema),
    (&["sequence"], ObjectType::Sequence),
    (&["server"], ObjectType::ForeignServer),
    (&["statistics"], ObjectType::Statistics),
    (&["subscription"], ObjectType::Subscription),
    (&["table"], ObjectType::Table),
    (&["tablespace"], ObjectType::Tablespace),
    (&["text", "search", "configuration"], ObjectType::TextSearchConfiguration),
    (&["text", "search", "dictionary"], ObjectType::TextSearchDictionary),
    (&["text", "search", "parser"], ObjectType::TextSearchParser),
    (&["text", "search", "template"], ObjectType::TextSearchTemplate),
    (&["view"], ObjectType::View),
];

impl Cursor<'_> {
    pub(super) fn comment(&mut self) -> PgResult<UtilityStatement> {
        self.expect_seq(&["comment", "on"])?;
        let (object, target) = self.commented_object()?;
        self.expect("is")?;
        let text = if self.eat("null") { None } else { Some(self.string()?) };
        Ok(UtilityStatement::Comment { object, target, text })
    }

    fn commented_object(&mut self) -> PgResult<(ObjectType, CommentTarget)> {
        use ObjectType as O;
        if let Some(object) = self.object_words(BY_NAME)? {
            let name = self.any_name()?;
            return Ok((object, CommentTarget::Object(ObjectRef::named(name))));
        }
        let word = self.expect_one(&[
            "type",
            "domain",
            "aggregate",
            "function",
            "procedure",
            "routine",
            "operator",
            "constraint",
            "policy",
            "rule",
            "trigger",
            "cast",
            "large",
            "transform",
        ])?;
        let named = |object, target| Ok((object, CommentTarget::Object(target)));
        match word {
            "type" => Ok((O::Type, CommentTarget::Type(self.type_name()?))),
            "domain" => Ok((O::Domain, CommentTarget::Type(self.type_name()?))),
            "aggregate" => named(O::Aggregate, self.aggregate_with_args()?),
            "function" => named(O::Function, self.function_with_args()?),
            "procedure" => named(O::Procedure, self.function_with_args()?),
            "routine" => named(O::Routine, self.function_with_args()?),
            "operator" => self.commented_operator(),
            "constraint" => self.commented_constraint(),
            "policy" => named(O::Policy, self.name_on_relation()?),
            "rule" => named(O::Rule, self.name_on_relation()?),
            "trigger" => named(O::Trigger, self.name_on_relation()?),
            "cast" => {
                self.expect_lparen()?;
                let source = self.type_name()?;
                self.expect("as")?;
                let target = self.type_name()?;
                self.expect_rparen()?;
                Ok((O::Cast, CommentTarget::Cast { source, target }))
            }
            "large" => {
                self.expect("object")?;
                Ok((O::LargeObject, CommentTarget::LargeObject(self.numeric_only()?)))
            }
            _ => Err(redoubt_error::PgError::unsupported("COMMENT ON TRANSFORM")),
        }
    }

    fn commented_operator(&mut self) -> PgResult<(ObjectType, CommentTarget)> {
        let object = match self.word() {
            Some("class") => ObjectType::OperatorClass,
            Some("family") => ObjectType::OperatorFamily,
            _ => {
                return Ok((ObjectType::Operator, CommentTarget::Object(self.operator_with_args()?)));
            }
        };
        self.advance();
        let name = self.any_name()?;
        self.expect("using")?;
        let of = Some(ObjectName { parts: vec![self.col_id()?] });
        Ok((object, CommentTarget::Object(ObjectRef { name, args: None, of })))
    }

    fn commented_constraint(&mut self) -> PgResult<(ObjectType, CommentTarget)> {
        let constraint = self.col_id()?;
        self.expect("on")?;
        if self.at("domain") && self.at_col_id_nth(1) {
            self.advance();
            let domain = TypeName::plain(self.any_name()?, Vec::new());
            return Ok((
                ObjectType::DomainConstraint,
                CommentTarget::DomainConstraint { constraint, domain },
            ));
        }
        let of = Some(self.any_name()?);
        let name = ObjectName { parts: vec![constraint] };
        Ok((ObjectType::TableConstraint, CommentTarget::Object(ObjectRef { name, args: None, of })))
    }
}
