//! Names as SQL writes them: quoting, qualification, the names of types, and names made for objects that were
//! given none.

use crate::ddl::{MAX_NAME_BYTES, PG_CATALOG};
use crate::index_oids as index;
use crate::key_words::QUOTED_WORDS;
use crate::rows::PgConstraint;
use crate::view::CatalogView;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid, types as t};
use std::fmt::Write;

/// The identifier as SQL needs it written: quoted unless it is plain lower case and no key word.
pub fn quote_identifier(name: &str) -> String {
    let plain = name.bytes().enumerate().all(|(at, byte)| match byte {
        b'a'..=b'z' | b'_' => true,
        b'0'..=b'9' => at > 0,
        _ => false,
    });
    if plain && !name.is_empty() && QUOTED_WORDS.binary_search(&name).is_err() {
        return name.to_string();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `schema.name`, each quoted where it must be; without a schema, the name alone.
pub fn quote_qualified(schema: Option<&str>, name: &str) -> String {
    match schema {
        Some(schema) => format!("{}.{}", quote_identifier(schema), quote_identifier(name)),
        None => quote_identifier(name),
    }
}

/// `name1_name2_label` cut to the longest name there can be: the longer of the first two gives way
/// (PostgreSQL's `makeObjectName`).
pub fn make_object_name(name1: &str, name2: Option<&str>, label: Option<&str>) -> String {
    let overhead = name2.map_or(0, |_| 1) + label.map_or(0, |label| label.len() + 1);
    let room = MAX_NAME_BYTES.saturating_sub(overhead);
    let (mut len1, mut len2) = (name1.len(), name2.map_or(0, str::len));
    while len1 + len2 > room {
        if len1 > len2 { len1 -= 1 } else { len2 -= 1 }
    }
    let mut name = clip(name1, len1).to_string();
    if let Some(name2) = name2 {
        name.push('_');
        name.push_str(clip(name2, len2));
    }
    if let Some(label) = label {
        name.push('_');
        name.push_str(label);
    }
    name
}

fn clip(name: &str, mut len: usize) -> &str {
    while !name.is_char_boundary(len) {
        len -= 1;
    }
    &name[..len]
}

/// Types whose SQL names are not their `typname`s, with their names.
fn sql_name(oid: Oid) -> Option<&'static str> {
    Some(match oid {
        t::BOOL => "boolean",
        t::CHAR => "\"char\"",
        t::FLOAT4 => "real",
        t::FLOAT8 => "double precision",
        t::INT2 => "smallint",
        t::INT4 => "integer",
        t::INT8 => "bigint",
        t::NUMERIC => "numeric",
        t::INTERVAL => "interval",
        t::TIME => "time without time zone",
        t::TIMETZ => "time with time zone",
        t::TIMESTAMP => "timestamp without time zone",
        t::TIMESTAMPTZ => "timestamp with time zone",
        t::VARBIT => "bit varying",
        t::VARCHAR => "character varying",
        t::BPCHAR => "character",
        t::BIT => "bit",
        _ => return None,
    })
}

/// The length or precision that a modifier stands for, as it is written after the type's name.
fn typmod_suffix(oid: Oid, typmod: i32) -> Option<String> {
    if typmod < 0 {
        return None;
    }
    Some(match oid {
        t::VARCHAR | t::BPCHAR if typmod > 4 => format!("({})", typmod - 4),
        t::NUMERIC if typmod > 4 => {
            let packed = typmod - 4;
            // The scale has eleven bits and a sign.
            let scale = (packed & 0x7ff ^ 1024) - 1024;
            format!("({},{scale})", packed >> 16 & 0xffff)
        }
        t::BIT | t::VARBIT => format!("({typmod})"),
        t::TIME | t::TIMETZ | t::TIMESTAMP | t::TIMESTAMPTZ => format!("({typmod})"),
        t::INTERVAL => return interval_suffix(typmod),
        t::VARCHAR | t::BPCHAR | t::NUMERIC => return None,
        _ => format!("({typmod})"),
    })
}

/// An interval's modifier has its fields in the upper half, its precision in the lower.
fn interval_suffix(typmod: i32) -> Option<String> {
    const FULL_PRECISION: i32 = 0xffff;
    const MONTH: i32 = 1 << 1;
    const YEAR: i32 = 1 << 2;
    const DAY: i32 = 1 << 3;
    const HOUR: i32 = 1 << 10;
    const MINUTE: i32 = 1 << 11;
    const SECOND: i32 = 1 << 12;
    let precision = typmod & 0xffff;
    let fields = match typmod >> 16 & 0x7fff {
        YEAR => " year",
        MONTH => " month",
        DAY => " day",
        HOUR => " hour",
        MINUTE => " minute",
        SECOND => " second",
        f if f == YEAR | MONTH => " year to month",
        f if f == DAY | HOUR => " day to hour",
        f if f == DAY | HOUR | MINUTE => " day to minute",
        f if f == DAY | HOUR | MINUTE | SECOND => " day to second",
        f if f == HOUR | MINUTE => " hour to minute",
        f if f == HOUR | MINUTE | SECOND => " hour to second",
        f if f == MINUTE | SECOND => " minute to second",
        _ => "",
    };
    let mut suffix = fields.to_string();
    if precision != FULL_PRECISION {
        write!(suffix, "({precision})").expect("a String takes all writes");
    }
    Some(suffix)
}

impl CatalogView<'_> {
    /// The SQL name of a type, qualified if it is not found along `path`. With a modifier it is the type of
    /// a column (-1: without a limit), without one the type as such. `???` when there is no such type.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn format_type(&self, oid: Oid, typmod: Option<i32>, path: &[Oid]) -> PgResult<String> {
        if oid == 0 {
            return Ok("-".to_string());
        }
        let Some(info) = self.type_info(oid)? else { return Ok("???".to_string()) };
        if info.is_array() && info.elem != 0 && !matches!(oid, t::OIDVECTOR | t::INT2VECTOR) {
            return Ok(format!("{}[]", self.format_type(info.elem, typmod, path)?));
        }
        if let Some(name) = sql_name(oid) {
            return Ok(with_typmod(oid, name, typmod));
        }
        let found = self.type_must(oid)?;
        let mut name = self.qualified_type_name(found.typnamespace, &found.typname, oid, path)?;
        name.push_str(&typmod_suffix(oid, typmod.unwrap_or(-1)).unwrap_or_default());
        Ok(name)
    }

    fn qualified_type_name(&self, schema: Oid, name: &str, oid: Oid, path: &[Oid]) -> PgResult<String> {
        let visible = self.type_in_path(&with_system(path), name)?.is_some_and(|seen| seen.oid == oid);
        self.quote_in_schema((!visible).then_some(schema), name)
    }

    /// `schema.name`, or the name alone, quoted where it must be.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn quote_in_schema(&self, schema: Option<Oid>, name: &str) -> PgResult<String> {
        let schema = match schema {
            Some(oid) => self.namespace_by_oid(oid)?,
            None => None,
        };
        Ok(quote_qualified(schema.as_ref().map(|schema| &*schema.nspname), name))
    }

    /// The name of a relation, qualified if it is not found along `path`.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn relation_name(&self, relation: &crate::Relation, path: &[Oid]) -> PgResult<String> {
        let visible = self.relation_is_visible(&with_system(path), relation)?;
        self.quote_in_schema((!visible).then_some(relation.namespace), &relation.name)
    }

    /// A function with its argument types, as `regprocedure` prints it: `lower(text)`.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn function_signature(&self, row: &crate::rows::PgProc, path: &[Oid]) -> PgResult<String> {
        let mut visible = false;
        for schema in with_system(path) {
            let procs = self.procs_by_name(&row.proname)?;
            let same = procs.iter().find(|p| p.pronamespace == schema && p.proargtypes == row.proargtypes);
            if let Some(found) = same {
                visible = found.oid == row.oid;
                break;
            }
        }
        let mut text = self.quote_in_schema((!visible).then_some(row.pronamespace), &row.proname)?;
        text.push('(');
        text.push_str(&self.type_list(&row.proargtypes, path)?);
        text.push(')');
        Ok(text)
    }

    /// Types separated by commas.
    pub(crate) fn type_list(&self, types: &[Oid], path: &[Oid]) -> PgResult<String> {
        let names: PgResult<Vec<String>> =
            types.iter().map(|oid| self.format_type(*oid, None, path)).collect();
        Ok(names?.join(","))
    }

    /// A name for a relation made of up to three parts, with a number if it is taken. With
    /// `is_constraint` no constraint of the schema has it either.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn choose_relation_name(
        &self,
        name1: &str,
        name2: Option<&str>,
        label: &str,
        schema: Oid,
        is_constraint: bool,
    ) -> PgResult<String> {
        self.choose_name(name1, name2, label, |name| {
            Ok(self.relation_oid(schema, name)?.is_none()
                && !(is_constraint && self.schema_has_constraint(schema, name)?))
        })
    }

    /// A name for a constraint made of up to three parts, with a number if it is taken in the schema or
    /// among `others`.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn choose_constraint_name(
        &self,
        name1: &str,
        name2: Option<&str>,
        label: &str,
        schema: Oid,
        others: &[&str],
    ) -> PgResult<String> {
        self.choose_name(name1, name2, label, |name| {
            Ok(!others.contains(&name) && !self.schema_has_constraint(schema, name)?)
        })
    }

    fn choose_name(
        &self,
        name1: &str,
        name2: Option<&str>,
        label: &str,
        is_free: impl Fn(&str) -> PgResult<bool>,
    ) -> PgResult<String> {
        for number in 0.. {
            let numbered = if number == 0 { label.to_string() } else { format!("{label}{number}") };
            let label = Some(numbered.as_str()).filter(|label| !label.is_empty());
            let name = make_object_name(name1, name2, label);
            if is_free(&name)? {
                return Ok(name);
            }
        }
        unreachable!("numbers do not end")
    }

    fn schema_has_constraint(&self, schema: Oid, name: &str) -> PgResult<bool> {
        let key = [Datum::text(name), Datum::Oid(schema)];
        Ok(!self.probe::<PgConstraint>(index::CONSTRAINT_NAME, &key)?.is_empty())
    }
}

/// The schemas that names are looked for in: `pg_catalog` comes first unless the path names it.
pub(crate) fn with_system(path: &[Oid]) -> Vec<Oid> {
    let mut schemas = Vec::with_capacity(path.len() + 1);
    if !path.contains(&PG_CATALOG) {
        schemas.push(PG_CATALOG);
    }
    schemas.extend_from_slice(path);
    schemas
}

/// A type's SQL name with its modifier, which for times comes before the words about the zone.
fn with_typmod(oid: Oid, name: &str, typmod: Option<i32>) -> String {
    match (oid, typmod) {
        // These have no length limit, where the bare SQL name would mean one.
        (t::BPCHAR, Some(..0)) => return "bpchar".to_string(),
        (t::BIT, Some(..0)) => return "\"bit\"".to_string(),
        _ => {}
    }
    let suffix = typmod_suffix(oid, typmod.unwrap_or(-1)).unwrap_or_default();
    match name.split_once(' ') {
        Some((first, rest)) if matches!(oid, t::TIME | t::TIMETZ | t::TIMESTAMP | t::TIMESTAMPTZ) => {
            format!("{first}{suffix} {rest}")
        }
        _ => format!("{name}{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryCatalog;

    #[test]
    fn types_have_their_sql_names() {
        let catalog = MemoryCatalog::new();
        for (oid, typmod, expect) in [
            (1042, Some(-1), "bpchar"),
            (1042, None, "character"),
            (1042, Some(14), "character(10)"),
            (1560, Some(-1), "\"bit\""),
            (1560, None, "bit"),
            (1560, Some(5), "bit(5)"),
            (1043, None, "character varying"),
            (1700, Some(655_366), "numeric(10,2)"),
            (1700, Some(((5 << 16) | (-2 & 2047)) + 4), "numeric(5,-2)"),
            (1186, Some((4 << 16) | 65535), "interval year"),
            (1186, Some((65535 << 16) & 0x7fff_ffff | 3), "interval(3)"),
            (1114, Some(3), "timestamp(3) without time zone"),
            (1266, Some(2), "time(2) with time zone"),
            (22, None, "int2vector"),
            (30, Some(-1), "oidvector"),
            (1005, Some(-1), "smallint[]"),
            (1015, Some(14), "character varying(10)[]"),
            (600, Some(-1), "point"),
            (18, Some(-1), "\"char\""),
            (0, Some(-1), "-"),
            (99_999, Some(-1), "???"),
            (1002, None, "\"char\"[]"),
            (1014, Some(-1), "bpchar[]"),
            (1014, None, "character[]"),
            (1249, None, "???"),
            (83, None, "pg_class"),
        ] {
            assert_eq!(catalog.view().format_type(oid, typmod, &[2200]).unwrap(), expect, "{oid} {typmod:?}");
        }
    }

    #[test]
    fn identifiers_are_quoted_where_they_must_be() {
        for (name, expect) in [
            ("a", "a"),
            ("_a1", "_a1"),
            ("1a", "\"1a\""),
            ("A", "\"A\""),
            ("a b", "\"a b\""),
            ("a\"b", "\"a\"\"b\""),
            ("user", "\"user\""),
            ("abort", "abort"),
            ("a$", "\"a$\""),
            ("", "\"\""),
            ("é", "\"é\""),
        ] {
            assert_eq!(quote_identifier(name), expect);
        }
        assert_eq!(quote_qualified(Some("s"), "T"), "s.\"T\"");
    }

    #[test]
    fn made_names_fit() {
        let long = "x".repeat(60);
        for (name1, name2, label, expect) in [
            ("t", None, Some("pkey"), "t_pkey".to_string()),
            ("t", Some("a"), Some("check"), "t_a_check".to_string()),
            (&long, Some("ab"), Some("key"), format!("{}_ab_key", "x".repeat(56))),
            (&long, Some(&long), Some("fkey"), format!("{}_{}_fkey", "x".repeat(29), "x".repeat(28))),
        ] {
            assert_eq!(make_object_name(name1, name2, label), expect);
        }
        assert_eq!(make_object_name(&"é".repeat(40), None, Some("pkey")).len(), 63);
    }
}
