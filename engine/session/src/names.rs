//! Names of objects as SQL text: `format_type`, `regclass` output and their kin
//! (PostgreSQL's src/backend/utils/adt/format_type.c, regproc.c).

use redoubt_catalog::CatalogView;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, RegKind, types};

/// The catalogs along a search path.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// The catalogs.
    pub catalog: CatalogView<'a>,
    /// Schemas searched, `pg_catalog` at its place.
    pub path: &'a [Oid],
}

impl Names<'_> {
    /// The SQL name of a type with its modifier; `???` for one that does not exist.
    pub fn format_type(&self, oid: Oid, typmod: i32) -> PgResult<String> {
        if oid == 0 {
            return Ok("-".into());
        }
        let Some(info) = self.catalog.type_info(oid)? else { return Ok("???".into()) };
        if info.is_array() && info.storage != 'p' && info.typtype != 'd' {
            return Ok(format!("{}[]", self.format_type(info.elem, typmod)?));
        }
        if let Some(name) = builtin_name(oid, typmod) {
            return Ok(name);
        }
        let row = self.catalog.type_must(oid)?;
        let visible = self.catalog.type_in_path(self.path, &row.typname)?.is_some_and(|found| found.oid == oid);
        let name = self.qualified(&row.typname, row.typnamespace, visible)?;
        Ok(if typmod >= 0 { format!("{name}({typmod})") } else { name })
    }

    /// A quoted name, with its schema unless it is found without.
    fn qualified(&self, name: &str, schema: Oid, visible: bool) -> PgResult<String> {
        let quoted = quote_identifier(name);
        if visible {
            return Ok(quoted);
        }
        match self.catalog.namespace_by_oid(schema)? {
            Some(namespace) => Ok(format!("{}.{quoted}", quote_identifier(&namespace.nspname))),
            None => Ok(quoted),
        }
    }

    /// The text of a `reg*` value; `None` when there is no such object.
    pub fn reg_name(&self, kind: RegKind, oid: Oid) -> PgResult<Option<String>> {
        match kind {
            RegKind::Class => {
                let Some(relation) = self.catalog.relation_by_oid(oid)? else { return Ok(None) };
                let visible = self.catalog.relation_is_visible(self.path, &relation)?;
                self.qualified(&relation.name, relation.namespace, visible).map(Some)
            }
            RegKind::Type => match self.catalog.type_info(oid)? {
                Some(_) => self.format_type(oid, -1).map(Some),
                None => Ok(None),
            },
            RegKind::Namespace => {
                Ok(self.catalog.namespace_by_oid(oid)?.map(|namespace| quote_identifier(&namespace.nspname)))
            }
            RegKind::Role => Ok(self.catalog.role_by_oid(oid)?.map(|role| quote_identifier(&role.rolname))),
            RegKind::Proc => {
                let Some(proc) = self.catalog.proc_by_oid(oid)? else { return Ok(None) };
                let found = self.visible_procs(&proc.proname)?;
                let visible = found.len() == 1 && found[0] == oid;
                self.qualified(&proc.proname, proc.pronamespace, visible).map(Some)
            }
            RegKind::Procedure => {
                let Some(proc) = self.catalog.proc_by_oid(oid)? else { return Ok(None) };
                let visible = self.visible_procs(&proc.proname)?.contains(&oid);
                let args: Vec<String> =
                    proc.proargtypes.iter().map(|arg| self.format_type(*arg, -1)).collect::<PgResult<_>>()?;
                let name = self.qualified(&proc.proname, proc.pronamespace, visible)?;
                Ok(Some(format!("{name}({})", args.join(","))))
            }
            RegKind::Oper | RegKind::Operator => {
                let Some(operator) = self.catalog.operator_by_oid(oid)? else { return Ok(None) };
                if kind == RegKind::Oper {
                    return Ok(Some(operator.oprname.to_string()));
                }
                let side = |oid: Oid| if oid == 0 { Ok("NONE".to_string()) } else { self.format_type(oid, -1) };
                Ok(Some(format!("{}({},{})", operator.oprname, side(operator.oprleft)?, side(operator.oprright)?)))
            }
            RegKind::Collation => {
                let Some(collation) = self.catalog.collation_by_oid(oid)? else { return Ok(None) };
                let all = self.catalog.collations_by_name(&collation.collname)?;
                let first = self.path.iter().find_map(|schema| all.iter().find(|row| row.collnamespace == *schema));
                let visible = first.is_some_and(|row| row.oid == oid);
                self.qualified(&collation.collname, collation.collnamespace, visible).map(Some)
            }
            RegKind::Config | RegKind::Dictionary => Err(PgError::unsupported("text search object names")),
        }
    }

    fn visible_procs(&self, name: &str) -> PgResult<Vec<Oid>> {
        let all = self.catalog.procs_by_name(name)?;
        Ok(all.iter().filter(|proc| self.path.contains(&proc.pronamespace)).map(|proc| proc.oid).collect())
    }

    /// Resolves the text of a `reg*` value. `None`: no such object.
    pub fn reg_lookup(&self, kind: RegKind, text: &str) -> PgResult<Option<Oid>> {
        let parts = split_qualified(text)?;
        let (schema, name) = match parts.as_slice() {
            [name] => (None, name.as_str()),
            [schema, name] => (Some(schema.as_str()), name.as_str()),
            _ => {
                return Err(PgError::new(
                    code::SYNTAX_ERROR,
                    format!("improper relation name (too many dotted names): {text}"),
                ));
            }
        };
        let path = match schema {
            None => self.path.to_vec(),
            Some(schema) => match self.catalog.namespace_by_name(schema)? {
                Some(namespace) => vec![namespace.oid],
                None => return Ok(None),
            },
        };
        match kind {
            RegKind::Class => Ok(self.catalog.relation_in_path(&path, name)?.map(|relation| relation.oid)),
            RegKind::Namespace => Ok(self.catalog.namespace_by_name(name)?.map(|namespace| namespace.oid)),
            RegKind::Role => Ok(self.catalog.role_by_name(name)?.map(|role| role.oid)),
            RegKind::Proc => {
                let all = self.catalog.procs_by_name(name)?;
                let mut found = all.iter().filter(|proc| path.contains(&proc.pronamespace));
                match (found.next(), found.next()) {
                    (Some(_), Some(_)) => Err(PgError::new(
                        code::AMBIGUOUS_FUNCTION,
                        format!("more than one function named \"{text}\""),
                    )),
                    (found, _) => Ok(found.map(|proc| proc.oid)),
                }
            }
            RegKind::Collation => {
                let all = self.catalog.collations_by_name(name)?;
                Ok(path.iter().find_map(|schema| all.iter().find(|row| row.collnamespace == *schema)).map(|row| row.oid))
            }
            RegKind::Type => self.lookup_type(text, &path, name),
            RegKind::Procedure | RegKind::Oper | RegKind::Operator | RegKind::Config | RegKind::Dictionary => {
                Err(PgError::unsupported("input of this reg type"))
            }
        }
    }

    fn lookup_type(&self, text: &str, path: &[Oid], name: &str) -> PgResult<Option<Oid>> {
        if let Some(element) = text.trim().strip_suffix("[]") {
            return match self.reg_lookup(RegKind::Type, element)? {
                Some(element) => self.catalog.array_type(element),
                None => Ok(None),
            };
        }
        if let Some(oid) = type_by_sql_name(&text.trim().to_lowercase()) {
            return Ok(Some(oid));
        }
        Ok(self.catalog.type_in_path(path, name)?.map(|found| found.oid))
    }
}

/// Types whose SQL name is not their catalog name, in both directions.
const SQL_NAMES: &[(Oid, &str)] = &[
    (types::BOOL, "boolean"),
    (types::INT2, "smallint"),
    (types::INT4, "integer"),
    (types::INT8, "bigint"),
    (types::FLOAT4, "real"),
    (types::FLOAT8, "double precision"),
    (types::NUMERIC, "numeric"),
    (types::BPCHAR, "character"),
    (types::VARCHAR, "character varying"),
    (types::BIT, "bit"),
    (types::VARBIT, "bit varying"),
    (types::TIME, "time without time zone"),
    (types::TIMETZ, "time with time zone"),
    (types::TIMESTAMP, "timestamp without time zone"),
    (types::TIMESTAMPTZ, "timestamp with time zone"),
    (types::INTERVAL, "interval"),
];

fn type_by_sql_name(name: &str) -> Option<Oid> {
    let alias = match name {
        "int" => "integer",
        "decimal" | "dec" => "numeric",
        "float" => "double precision",
        "char" => "character",
        "varchar" => "character varying",
        "timestamp" => "timestamp without time zone",
        "time" => "time without time zone",
        other => other,
    };
    SQL_NAMES.iter().find(|(_, sql)| *sql == alias).map(|(oid, _)| *oid)
}

/// SQL's own names, with modifiers in SQL's form.
fn builtin_name(oid: Oid, typmod: i32) -> Option<String> {
    /// Modifiers of lengths carry four bytes of PostgreSQL's varlena header.
    const HEADER: i32 = 4;
    let (_, name) = SQL_NAMES.iter().find(|(known, _)| *known == oid)?;
    if typmod < 0 {
        // character without a length means character(1); the type without a modifier is "bpchar".
        return match oid {
            types::BPCHAR => Some("character".into()),
            types::BIT => Some("\"bit\"".into()),
            _ => Some((*name).into()),
        };
    }
    Some(match oid {
        types::BPCHAR | types::VARCHAR => format!("{name}({})", typmod - HEADER),
        types::BIT | types::VARBIT => format!("{name}({typmod})"),
        types::NUMERIC => {
            let packed = typmod - HEADER;
            // The scale is 11 bits, signed, since PostgreSQL 15.
            let scale = ((packed & 0x7ff) ^ 1024) - 1024;
            format!("{name}({},{scale})", (packed >> 16) & 0xffff)
        }
        types::TIME | types::TIMETZ | types::TIMESTAMP | types::TIMESTAMPTZ => {
            let (first, rest) = name.split_once(' ').expect("time types have several words");
            format!("{first}({typmod}) {rest}")
        }
        types::INTERVAL => format!("{name}{}", interval_modifier(typmod)),
        _ => (*name).into(),
    })
}

/// Interval's fields and precision (PostgreSQL's intervaltypmodout).
fn interval_modifier(typmod: i32) -> String {
    const FULL_RANGE: i32 = 0x7fff;
    const FULL_PRECISION: i32 = 0xffff;
    const FIELDS: &[(i32, &str)] = &[
        (1 << 2, " year"),
        (1 << 1, " month"),
        (1 << 3, " day"),
        (1 << 10, " hour"),
        (1 << 11, " minute"),
        (1 << 12, " second"),
        (1 << 2 | 1 << 1, " year to month"),
        (1 << 3 | 1 << 10, " day to hour"),
        (1 << 3 | 1 << 10 | 1 << 11, " day to minute"),
        (1 << 3 | 1 << 10 | 1 << 11 | 1 << 12, " day to second"),
        (1 << 10 | 1 << 11, " hour to minute"),
        (1 << 10 | 1 << 11 | 1 << 12, " hour to second"),
        (1 << 11 | 1 << 12, " minute to second"),
    ];
    let (range, precision) = ((typmod >> 16) & FULL_RANGE, typmod & FULL_PRECISION);
    let fields = FIELDS.iter().find(|(mask, _)| *mask == range).map_or("", |(_, words)| *words);
    if precision == FULL_PRECISION { fields.into() } else { format!("{fields}({precision})") }
}

/// Quotes an identifier if it must be: not lower case, or a keyword that cannot be a name.
pub fn quote_identifier(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !redoubt_sql::keywords::needs_quoting(name);
    if plain { name.into() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Splits `a."B".c` into its parts, folding what is not quoted.
fn split_qualified(text: &str) -> PgResult<Vec<String>> {
    let invalid = || PgError::new(code::INVALID_NAME, "invalid name syntax");
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut part = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                let (at, c) = chars.next().ok_or_else(invalid)?;
                if c != '"' {
                    part.push(c);
                } else if quoted[at + 1..].starts_with('"') {
                    part.push('"');
                    chars.next();
                } else {
                    break at + 1;
                }
            };
            parts.push(part);
            rest = quoted[end..].trim_start();
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            let part = rest[..end].trim();
            if part.is_empty() {
                return Err(invalid());
            }
            parts.push(part.to_lowercase());
            rest = &rest[end..];
        }
        if rest.is_empty() {
            return Ok(parts);
        }
        rest = rest.strip_prefix('.').ok_or_else(invalid)?.trim_start();
    }
}
