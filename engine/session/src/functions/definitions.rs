//! Definitions of objects as SQL: `pg_get_expr` and the `pg_get_*def` family.

use super::{Family, SetFamily, session_functions, session_sets};
use crate::env::StatementEnv;
use redoubt_analyze::DeparseContext;
use redoubt_catalog::ddl::ObjectAddress;
use redoubt_catalog::names::{quote_identifier, quote_qualified};
use redoubt_catalog::rows::{PgDepend, PgPartitionedTable, PgRewrite, PgStatisticExt, PgTrigger};
use redoubt_catalog::{Relation, index_oids, split_expressions};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{CallContext, Datum, Oid, RegKind, Rows};
use std::fmt::Write;
use std::sync::Arc;

pub(super) const BUILTINS: Family = session_functions! {
    "pg_get_expr": expression;
    "pg_get_expr_ext": expression;
    "pg_get_indexdef": index;
    "pg_get_indexdef_ext": index;
    "pg_get_constraintdef": constraint;
    "pg_get_constraintdef_ext": constraint;
    "pg_get_viewdef": view_by_oid;
    "pg_get_viewdef_ext": view_by_oid;
    "pg_get_viewdef_wrap": view_by_oid;
    "pg_get_viewdef_name": view_by_name;
    "pg_get_viewdef_name_ext": view_by_name;
    "pg_get_ruledef": rule;
    "pg_get_ruledef_ext": rule;
    "pg_get_triggerdef": trigger;
    "pg_get_triggerdef_ext": trigger;
    "pg_get_partkeydef": partition_key;
    "pg_get_partition_constraintdef": partition_constraint;
    "pg_get_statisticsobjdef": statistics_object;
    "pg_get_statisticsobjdef_columns": statistics_columns;
    "pg_get_serial_sequence": serial_sequence;
    "pg_describe_object": describe;
    "pg_relation_is_publishable": is_publishable;
    "pg_column_is_updatable": is_updatable_column;
    "pg_relation_is_updatable": updatable_events;
};

pub(super) const SETS: SetFamily = session_sets! {
    "pg_partition_ancestors": partition_ancestors;
};

type Env<'a> = StatementEnv<'a>;
type Context<'a> = CallContext<'a>;

impl<'a> StatementEnv<'a> {
    /// A printer whose names are qualified as far as the search path asks.
    fn printer(&'a self, pretty: bool) -> DeparseContext<'a> {
        DeparseContext { catalog: self.catalog, env: self, path: self.path, pretty }
    }
}

/// The `pretty` argument at a place, if there is one.
fn pretty(args: &[Datum], at: usize) -> bool {
    matches!(args.get(at), Some(Datum::Bool(true)))
}

fn expression(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let oid = args[1].as_oid()?;
    let table = match oid {
        0 => None,
        oid => match env.catalog.relation_by_oid(oid)? {
            Some(table) => Some(table),
            None => return Ok(Datum::Null),
        },
    };
    let text = args[0].as_str()?;
    let printer = env.printer(pretty(args, 2));
    let parts: PgResult<Vec<String>> = split_expressions(text)
        .iter()
        .map(|text| printer.stored_expression(text, table.as_deref()))
        .collect();
    Ok(Datum::text(parts?.join(", ")))
}

fn index(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let Some(index) = env.catalog.index_by_oid(args[0].as_oid()?)? else { return Ok(Datum::Null) };
    let column = args.get(1).map_or(Ok(0), Datum::as_int4)?;
    let printer = env.printer(pretty(args, 2));
    if column == 0 {
        return Ok(Datum::text(printer.index_definition(&index)?));
    }
    let text = match usize::try_from(column) {
        Ok(number) => printer.index_column_definition(&index, number)?,
        Err(_) => None,
    };
    Ok(Datum::text(text.unwrap_or_default()))
}

fn constraint(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    match env.catalog.constraint_by_oid(args[0].as_oid()?)? {
        Some(row) => Ok(Datum::text(env.printer(pretty(args, 1)).constraint_definition(&row)?)),
        None => Ok(Datum::Null),
    }
}

/// A line width in the place of `pretty` asks for pretty printing too; lists are not broken by it.
fn view_by_oid(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let pretty = pretty(args, 1) || matches!(args.get(1), Some(Datum::Int4(_)));
    view(env, args[0].as_oid()?, pretty)
}

fn view_by_name(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let name = args[0].as_str()?;
    let oid = env.catalog.reg_lookup(RegKind::Class, name, env.path)?;
    let oid = oid.ok_or_else(|| env.catalog.reg_missing(RegKind::Class, name))?;
    view(env, oid, pretty(args, 1))
}

fn view(env: &Env<'_>, oid: Oid, pretty: bool) -> PgResult<Datum> {
    match env.catalog.relation_by_oid(oid)?.filter(|relation| matches!(relation.kind, 'v' | 'm')) {
        Some(relation) => Ok(Datum::text(env.printer(pretty).view_definition(&relation)?)),
        None => Ok(Datum::Null),
    }
}

/// Only the rule that makes a view a view is kept as something that can be printed.
fn rule(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let key = [args[0].clone()];
    let Some(row) = env.catalog.probe::<PgRewrite>(index_oids::REWRITE_OID, &key)?.pop() else {
        return Ok(Datum::Null);
    };
    if row.ev_type != '1' {
        return Err(PgError::unsupported("printing a rewrite rule"));
    }
    let relation = relation_must(env, row.ev_class)?;
    let name = env.catalog.quote_in_schema(Some(relation.namespace), &relation.name)?;
    let query = env.printer(pretty(args, 1)).view_definition(&relation)?;
    let rule = quote_identifier(&row.rulename);
    Ok(Datum::text(format!("CREATE RULE {rule} AS\n    ON SELECT TO {name} DO INSTEAD {query}")))
}

fn relation_must(env: &Env<'_>, oid: Oid) -> PgResult<Arc<Relation>> {
    env.catalog
        .relation_by_oid(oid)?
        .ok_or_else(|| PgError::internal(format!("cache lookup failed for relation {oid}")))
}

/// Bits of `pg_trigger.tgtype` (PostgreSQL's src/include/catalog/pg_trigger.h).
const TRIGGER_ROW: i16 = 1;
const TRIGGER_BEFORE: i16 = 2;
const TRIGGER_INSERT: i16 = 4;
const TRIGGER_DELETE: i16 = 8;
const TRIGGER_UPDATE: i16 = 16;
const TRIGGER_TRUNCATE: i16 = 32;
const TRIGGER_INSTEAD: i16 = 64;

fn trigger(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let key = [args[0].clone()];
    let Some(row) = env.catalog.probe::<PgTrigger>(index_oids::TRIGGER_OID, &key)?.pop() else {
        return Ok(Datum::Null);
    };
    let table = relation_must(env, row.tgrelid)?;
    let is_constraint = row.tgconstraint != 0;
    let timing = match row.tgtype & (TRIGGER_BEFORE | TRIGGER_INSTEAD) {
        TRIGGER_BEFORE => "BEFORE",
        TRIGGER_INSTEAD => "INSTEAD OF",
        _ => "AFTER",
    };
    let mut out = format!(
        "CREATE {}TRIGGER {} {timing}",
        if is_constraint { "CONSTRAINT " } else { "" },
        quote_identifier(&row.tgname)
    );
    let mut events = Vec::new();
    for (bit, word) in [
        (TRIGGER_INSERT, "INSERT"),
        (TRIGGER_DELETE, "DELETE"),
        (TRIGGER_UPDATE, "UPDATE"),
        (TRIGGER_TRUNCATE, "TRUNCATE"),
    ] {
        if row.tgtype & bit == 0 {
            continue;
        }
        let mut event = word.to_string();
        if bit == TRIGGER_UPDATE && !row.tgattr.is_empty() {
            write!(event, " OF {}", column_names(&table, &row.tgattr)).expect("a String takes all writes");
        }
        events.push(event);
    }
    let pretty = pretty(args, 1);
    let name = |relation: &Relation| match pretty {
        true => env.catalog.relation_name(relation, env.path),
        false => env.catalog.quote_in_schema(Some(relation.namespace), &relation.name),
    };
    write!(out, " {} ON {}", events.join(" OR "), name(&table)?).expect("a String takes all writes");
    if is_constraint {
        if row.tgconstrrelid != 0 {
            let other = relation_must(env, row.tgconstrrelid)?;
            write!(out, " FROM {}", env.catalog.relation_name(&other, env.path)?)
                .expect("a String takes all writes");
        }
        if !row.tgdeferrable {
            out += " NOT";
        }
        out += " DEFERRABLE INITIALLY ";
        out += if row.tginitdeferred { "DEFERRED" } else { "IMMEDIATE" };
    }
    let transitions = [("OLD", &row.tgoldtable), ("NEW", &row.tgnewtable)];
    if transitions.iter().any(|(_, name)| name.is_some()) {
        out += " REFERENCING";
        for (word, name) in transitions {
            if let Some(name) = name {
                write!(out, " {word} TABLE AS {}", quote_identifier(name))
                    .expect("a String takes all writes");
            }
        }
    }
    out += if row.tgtype & TRIGGER_ROW != 0 { " FOR EACH ROW" } else { " FOR EACH STATEMENT" };
    if let Some(condition) = &row.tgqual {
        // Conditions are kept as they were written, over OLD and NEW.
        write!(out, " WHEN ({condition})").expect("a String takes all writes");
    }
    let function = env.catalog.reg_name(RegKind::Proc, row.tgfoid, env.path)?.unwrap_or_default();
    let function_args: Vec<String> = row
        .tgargs
        .split(|byte| *byte == 0)
        .take(usize::try_from(row.tgnargs).unwrap_or(0))
        .map(|arg| redoubt_functions::quote_literal(&String::from_utf8_lossy(arg)).to_string())
        .collect();
    write!(out, " EXECUTE FUNCTION {function}({})", function_args.join(", "))
        .expect("a String takes all writes");
    Ok(Datum::text(out))
}

fn column_names(table: &Relation, numbers: &[i16]) -> String {
    let name = |number: &i16| {
        let attribute = usize::try_from(*number - 1).ok().and_then(|at| table.desc.attrs.get(at));
        attribute.map_or_else(|| "???".to_string(), |attribute| quote_identifier(&attribute.name))
    };
    numbers.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn partition_key(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let key = [args[0].clone()];
    let Some(row) = env.catalog.probe::<PgPartitionedTable>(index_oids::PARTITIONED_PARTRELID, &key)?.pop()
    else {
        return Ok(Datum::Null);
    };
    let table = relation_must(env, row.partrelid)?;
    let strategy = match row.partstrat {
        'h' => "HASH",
        'l' => "LIST",
        _ => "RANGE",
    };
    let stored = row.partexprs.as_deref().map(split_expressions).unwrap_or_default();
    let mut expressions = stored.iter();
    let mut keys = Vec::new();
    for number in &row.partattrs {
        keys.push(match *number {
            0 => {
                let text = expressions.next().ok_or_else(|| PgError::internal("too few partexprs"))?;
                let printed = env.printer(false).stored_expression(text, Some(&table))?;
                format!("({printed})")
            }
            number => column_names(&table, &[number]),
        });
    }
    Ok(Datum::text(format!("{strategy} ({})", keys.join(", "))))
}

fn partition_constraint(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    match env.catalog.relation_by_oid(args[0].as_oid()?)?.filter(|relation| relation.class.relispartition) {
        Some(_) => Err(PgError::unsupported("printing the constraint of a partition")),
        None => Ok(Datum::Null),
    }
}

fn statistics_row(env: &Env<'_>, oid: Oid) -> PgResult<Option<PgStatisticExt>> {
    Ok(env.catalog.scan::<PgStatisticExt>()?.into_iter().find(|row| row.oid == oid))
}

fn statistics_columns(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    match statistics_row(env, args[0].as_oid()?)? {
        Some(row) => Ok(Datum::text(statistics_list(env, &row)?)),
        None => Ok(Datum::Null),
    }
}

fn statistics_list(env: &Env<'_>, row: &PgStatisticExt) -> PgResult<String> {
    let table = relation_must(env, row.stxrelid)?;
    let mut parts: Vec<String> =
        row.stxkeys.iter().map(|number| column_names(&table, std::slice::from_ref(number))).collect();
    for text in row.stxexprs.as_deref().map(split_expressions).unwrap_or_default() {
        parts.push(format!("({})", env.printer(false).stored_expression(&text, Some(&table))?));
    }
    Ok(parts.join(", "))
}

fn statistics_object(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let Some(row) = statistics_row(env, args[0].as_oid()?)? else { return Ok(Datum::Null) };
    let schema = env.catalog.namespace_by_oid(row.stxnamespace)?;
    let name = quote_qualified(schema.as_ref().map(|schema| &*schema.nspname), &row.stxname);
    let kinds: Vec<&str> = [('d', "ndistinct"), ('f', "dependencies"), ('m', "mcv")]
        .iter()
        .filter(|(letter, _)| row.stxkind.contains(letter))
        .map(|(_, word)| *word)
        .collect();
    // All of them is what CREATE STATISTICS makes when none is named.
    let listed =
        if kinds.len() == 3 || kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let table = relation_must(env, row.stxrelid)?;
    let table = env.catalog.relation_name(&table, env.path)?;
    let columns = statistics_list(env, &row)?;
    Ok(Datum::text(format!("CREATE STATISTICS {name}{listed} ON {columns} FROM {table}")))
}

/// The sequence that belongs to a column: the one that depends on it, automatically or internally.
fn serial_sequence(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let (table, column) = (args[0].as_str()?, args[1].as_str()?);
    let oid = env.catalog.reg_lookup(RegKind::Class, table, env.path)?;
    let oid = oid.ok_or_else(|| env.catalog.reg_missing(RegKind::Class, table))?;
    let relation = relation_must(env, oid)?;
    let Some(position) = relation.desc.position(column) else {
        let message = format!("column \"{column}\" of relation \"{}\" does not exist", relation.name);
        return Err(PgError::new(code::UNDEFINED_COLUMN, message));
    };
    const PG_CLASS: Oid = 1259;
    let key = [Datum::Oid(PG_CLASS), Datum::Oid(oid), Datum::Int4(position as i32 + 1)];
    for row in env.catalog.probe::<PgDepend>(index_oids::DEPEND_REFERENCE, &key)? {
        if row.classid != PG_CLASS || row.objsubid != 0 || !matches!(row.deptype, 'a' | 'i') {
            continue;
        }
        let Some(found) = env.catalog.relation_by_oid(row.objid)? else { continue };
        if found.kind == 'S' {
            return Ok(Datum::text(env.catalog.quote_in_schema(Some(found.namespace), &found.name)?));
        }
    }
    Ok(Datum::Null)
}

fn describe(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let (class, object, sub) = (args[0].as_oid()?, args[1].as_oid()?, args[2].as_int4()?);
    // Rows of pg_depend that describe nothing have zeros.
    if class == 0 && object == 0 {
        return Ok(Datum::Null);
    }
    let address = ObjectAddress { class, object, sub };
    Ok(Datum::text(env.catalog.describe_object(address, env.path)?))
}

/// Whether a publication may contain the relation: ordinary and partitioned tables of users that are logged.
fn is_publishable(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    const FIRST_NORMAL_OID: Oid = 16384;
    let Some(relation) = env.catalog.relation_by_oid(args[0].as_oid()?)? else { return Ok(Datum::Null) };
    Ok(Datum::Bool(
        matches!(relation.kind, 'r' | 'p')
            && relation.class.relpersistence == 'p'
            && relation.oid >= FIRST_NORMAL_OID,
    ))
}

/// The partition and its parents, innermost first; nothing for what is in no partition tree.
fn partition_ancestors(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Rows> {
    let mut chain = Vec::new();
    let mut next = Some(args[0].as_oid()?);
    while let Some(oid) = next {
        let Some(relation) = env.catalog.relation_by_oid(oid)? else { break };
        if !relation.class.relispartition && !matches!(relation.kind, 'p' | 'I') {
            break;
        }
        chain.push(oid);
        let parents = env
            .catalog
            .probe::<redoubt_catalog::rows::PgInherits>(index_oids::INHERITS_RELID, &[Datum::Oid(oid)])?;
        next = parents.first().filter(|_| relation.class.relispartition).map(|row| row.inhparent);
    }
    Ok(Box::new(chain.into_iter().map(|oid| Ok(Datum::Oid(oid)))))
}

/// Events that can be carried out on a relation: bits of UPDATE, INSERT and DELETE.
const ALL_EVENTS: i32 = (1 << 2) | (1 << 3) | (1 << 4);

fn updatable_events(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Int4(match env.catalog.relation_by_oid(args[0].as_oid()?)? {
        Some(relation) if matches!(relation.kind, 'r' | 'p') => ALL_EVENTS,
        Some(relation) if relation.kind == 'v' => {
            let context = redoubt_analyze::AnalyzeContext {
                catalog: env.catalog,
                env,
                path: env.path,
                params: redoubt_analyze::Params::default(),
            };
            if redoubt_analyze::is_updatable_view(&relation, context) { ALL_EVENTS } else { 0 }
        }
        _ => 0,
    }))
}

/// All columns of a table can be changed, and those of a view that can be changed at all.
fn is_updatable_column(env: &Env<'_>, context: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    if args[1].as_int2()? <= 0 {
        return Ok(Datum::Bool(false));
    }
    let Datum::Int4(events) = updatable_events(env, context, args)? else { return Ok(Datum::Null) };
    Ok(Datum::Bool(events == ALL_EVENTS))
}
