//! What the options of CREATE and ALTER SEQUENCE make of a sequence (init_params of PostgreSQL's
//! src/backend/commands/sequence.c).

use crate::sequence::SequenceRow;
use redoubt_catalog::rows::PgSequence;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types};
use redoubt_sql::tree::{ObjectName, SequenceOption, SequenceOptionKind as Kind, TypeName};

/// A sequence as it will be.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub parameters: PgSequence,
    /// The row, when it must be written anew.
    pub row: Option<SequenceRow>,
    /// OWNED BY.
    pub owned_by: Option<ObjectName>,
}

/// Options by name, each said at most once.
#[derive(Default)]
struct Said<'a> {
    type_oid: Option<Oid>,
    increment: Option<&'a str>,
    cycle: Option<bool>,
    max: Option<Option<&'a str>>,
    min: Option<Option<&'a str>>,
    start: Option<&'a str>,
    restart: Option<Option<&'a str>>,
    cache: Option<&'a str>,
    owned_by: Option<&'a ObjectName>,
}

/// The definition that the options give: of a new sequence, of type `type_oid` unless they say another, or
/// of `old` with its present row.
///
/// # Errors
/// `42601` for an option said twice; `22023` for values that do not go together; those of `type_oid`.
pub(crate) fn define(
    options: &[SequenceOption],
    old: Option<(&PgSequence, SequenceRow)>,
    type_oid: Oid,
    for_identity: bool,
    mut resolve: impl FnMut(&TypeName) -> PgResult<Oid>,
) -> PgResult<Definition> {
    let mut said = collect(options, &mut resolve)?;
    let is_new = old.is_none();
    if is_new {
        said.type_oid.get_or_insert(type_oid);
    }
    let (mut of, mut row) = match old {
        Some((parameters, row)) => (parameters.clone(), row),
        None => (blank(), SequenceRow::starting_at(1)),
    };
    let (mut reset_max, mut reset_min) = (false, false);
    if let Some(type_oid) = said.type_oid {
        let Some(bounds) = bounds(type_oid) else {
            return Err(invalid(if for_identity {
                "identity column type must be smallint, integer, or bigint".into()
            } else {
                "sequence type must be smallint, integer, or bigint".into()
            }));
        };
        if !is_new {
            // Bounds that were the old type's become the new one's.
            let old = self::bounds(of.seqtypid).unwrap_or(bounds);
            reset_max = of.seqmax == old.1;
            reset_min = of.seqmin == old.0;
        }
        of.seqtypid = type_oid;
    }
    let (type_min, type_max) = bounds(of.seqtypid).expect("a sequence's type is an integer's");
    if let Some(text) = said.increment {
        of.seqincrement = number(text)?;
        if of.seqincrement == 0 {
            return Err(invalid("INCREMENT must not be zero".into()));
        }
        row.log_cnt = 0;
    }
    if let Some(cycle) = said.cycle {
        of.seqcycle = cycle;
        row.log_cnt = 0;
    }
    let ascending = of.seqincrement > 0;
    match said.max {
        Some(Some(text)) => of.seqmax = number(text)?,
        None if !is_new && !reset_max => {}
        _ => of.seqmax = if ascending || reset_max { type_max } else { -1 },
    }
    match said.min {
        Some(Some(text)) => of.seqmin = number(text)?,
        None if !is_new && !reset_min => {}
        _ => of.seqmin = if !ascending || reset_min { type_min } else { 1 },
    }
    if said.max.is_some() || said.min.is_some() || reset_max || reset_min {
        row.log_cnt = 0;
    }
    check_bounds(&of, type_min, type_max)?;
    match said.start {
        Some(text) => of.seqstart = number(text)?,
        None if is_new => of.seqstart = if ascending { of.seqmin } else { of.seqmax },
        None => {}
    }
    within("START", of.seqstart, &of)?;
    match said.restart {
        Some(text) => row = SequenceRow::starting_at(text.map_or(Ok(of.seqstart), number)?),
        None if is_new => row = SequenceRow::starting_at(of.seqstart),
        None => {}
    }
    within("RESTART", row.last_value, &of)?;
    if let Some(text) = said.cache {
        of.seqcache = number(text)?;
        if of.seqcache <= 0 {
            return Err(invalid(format!("CACHE ({}) must be greater than zero", of.seqcache)));
        }
        row.log_cnt = 0;
    }
    let only_owner = options.iter().all(|option| matches!(option.kind, Kind::OwnedBy(_)));
    let row = (is_new || !only_owner).then_some(row);
    Ok(Definition { parameters: of, row, owned_by: said.owned_by.cloned() })
}

fn blank() -> PgSequence {
    PgSequence {
        seqrelid: 0,
        seqtypid: types::INT8,
        seqstart: 1,
        seqincrement: 1,
        seqmax: i64::MAX,
        seqmin: 1,
        seqcache: 1,
        seqcycle: false,
    }
}

fn collect<'a>(
    options: &'a [SequenceOption],
    resolve: &mut dyn FnMut(&TypeName) -> PgResult<Oid>,
) -> PgResult<Said<'a>> {
    let mut said = Said::default();
    for option in options {
        let fresh = match &option.kind {
            Kind::As(name) => said.type_oid.replace(resolve(name)?).is_none(),
            Kind::Cache(text) => said.cache.replace(text).is_none(),
            Kind::Cycle(cycle) => said.cycle.replace(*cycle).is_none(),
            Kind::Increment(text) => said.increment.replace(text).is_none(),
            Kind::MaxValue(text) => said.max.replace(text.as_deref()).is_none(),
            Kind::MinValue(text) => said.min.replace(text.as_deref()).is_none(),
            Kind::OwnedBy(name) => said.owned_by.replace(name).is_none(),
            Kind::Start(text) => said.start.replace(text).is_none(),
            Kind::Restart(text) => said.restart.replace(text.as_deref()).is_none(),
            Kind::SequenceName(_) => {
                let message = "invalid sequence option SEQUENCE NAME";
                return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(option.pos)));
            }
        };
        if !fresh {
            let message = "conflicting or redundant options";
            return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(option.pos)));
        }
    }
    Ok(said)
}

fn check_bounds(of: &PgSequence, type_min: i64, type_max: i64) -> PgResult<()> {
    let type_name = match of.seqtypid {
        types::INT2 => "smallint",
        types::INT4 => "integer",
        _ => "bigint",
    };
    for (word, value) in [("MAXVALUE", of.seqmax), ("MINVALUE", of.seqmin)] {
        if !(type_min..=type_max).contains(&value) {
            let message = format!("{word} ({value}) is out of range for sequence data type {type_name}");
            return Err(invalid(message));
        }
    }
    if of.seqmin >= of.seqmax {
        let (min, max) = (of.seqmin, of.seqmax);
        return Err(invalid(format!("MINVALUE ({min}) must be less than MAXVALUE ({max})")));
    }
    Ok(())
}

fn within(word: &str, value: i64, of: &PgSequence) -> PgResult<()> {
    if value < of.seqmin {
        return Err(invalid(format!("{word} value ({value}) cannot be less than MINVALUE ({})", of.seqmin)));
    }
    if value > of.seqmax {
        return Err(invalid(format!(
            "{word} value ({value}) cannot be greater than MAXVALUE ({})",
            of.seqmax
        )));
    }
    Ok(())
}

fn bounds(type_oid: Oid) -> Option<(i64, i64)> {
    match type_oid {
        types::INT2 => Some((i64::from(i16::MIN), i64::from(i16::MAX))),
        types::INT4 => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        types::INT8 => Some((i64::MIN, i64::MAX)),
        _ => None,
    }
}

fn number(text: &str) -> PgResult<i64> {
    let plain = text.strip_prefix('+').unwrap_or(text);
    plain.parse().map_err(|_| {
        let digits = plain.strip_prefix('-').unwrap_or(plain);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("value \"{plain}\" is out of range for type bigint");
            return PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, message);
        }
        let message = format!("invalid input syntax for type bigint: \"{plain}\"");
        PgError::new(code::INVALID_TEXT_REPRESENTATION, message)
    })
}

fn invalid(message: String) -> PgError {
    PgError::new(code::INVALID_PARAMETER_VALUE, message)
}
