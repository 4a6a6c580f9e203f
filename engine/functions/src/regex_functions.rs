//! SQL functions over regular expressions.

use crate::args::{arg, builtins};
use crate::regex::{Match, Regex, compile};
use crate::regex_parse::{Flags, Flavor};
use crate::set_returning::{Family, Rows};
use crate::string_ops::char_count;
use crate::{ArrayValue, CallContext, Datum, types};
use redoubt_error::{PgError, PgResult, code};
use std::rc::Rc;

fn invalid_parameter(message: String) -> PgError {
    PgError::new(code::INVALID_PARAMETER_VALUE, message)
}

/// Options of a function call: the expression's flags, and `g`.
struct Options {
    flags: Flags,
    global: bool,
}

fn parse_options(text: &str) -> PgResult<Options> {
    let mut options = Options { flags: Flags::DEFAULT, global: false };
    for option in text.chars() {
        if option == 'g' {
            options.global = true;
        } else if option == 'e' {
            // Unlike the option embedded in an expression, PostgreSQL's argument gives basic ones.
            if options.flags.flavor != Flavor::Literal {
                options.flags.flavor = Flavor::Basic;
            }
        } else if !options.flags.apply(option) {
            return Err(invalid_parameter(format!("invalid regular expression option: \"{option}\"")));
        }
    }
    Ok(options)
}

/// Options of a function that has no use for `g`.
fn options_without_global(text: &str, function: &str) -> PgResult<Flags> {
    let options = parse_options(text)?;
    if options.global {
        return Err(invalid_parameter(format!("{function} does not support the \"global\" option")));
    }
    Ok(options.flags)
}

const IGNORE_CASE: Flags = Flags { ignore_case: true, ..Flags::DEFAULT };

fn matches(text: &str, pattern: &str) -> PgResult<bool> {
    compile(pattern, Flags::DEFAULT)?.is_match(text)
}

fn not_matches(text: &str, pattern: &str) -> PgResult<bool> {
    matches(text, pattern).map(|found| !found)
}

fn imatches(text: &str, pattern: &str) -> PgResult<bool> {
    compile(pattern, IGNORE_CASE)?.is_match(text)
}

fn not_imatches(text: &str, pattern: &str) -> PgResult<bool> {
    imatches(text, pattern).map(|found| !found)
}

/// `substring(text from pattern)`: the first group, or the whole match when there is none.
fn substring(text: &str, pattern: &str) -> PgResult<Option<String>> {
    let regex = compile(pattern, Flags::DEFAULT)?;
    let Some(found) = regex.find(text, 0, true)? else { return Ok(None) };
    let range = if regex.group_count() > 0 { found.groups[0].clone() } else { Some(found.whole) };
    Ok(range.map(|range| text[range].to_owned()))
}

/// Appends a replacement: `\1` to `\9` are groups, `\&` the whole match, `\\` a backslash.
fn append_replacement(out: &mut String, replacement: &str, text: &str, found: &Match) {
    let mut rest = replacement;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(c) = rest.chars().next() else {
            out.push('\\');
            break;
        };
        match c {
            '1'..='9' => {
                let group = found.groups.get(c as usize - '1' as usize).cloned().flatten();
                out.push_str(group.map_or("", |range| &text[range]));
            }
            '&' => out.push_str(&text[found.whole.clone()]),
            '\\' => out.push('\\'),
            _ => {
                // Any other escape stands for itself.
                out.push('\\');
                continue;
            }
        }
        rest = &rest[c.len_utf8()..];
    }
    out.push_str(rest);
}

/// Replaces the `nth` match (0 for all of them) from a character position on.
fn replace(text: &str, regex: &Regex, replacement: &str, from: usize, nth: usize) -> PgResult<String> {
    let needs_groups = replacement.contains('\\');
    let mut out = String::with_capacity(text.len());
    let (mut copied, mut search, mut count) = (0, from, 0);
    while let Some(found) = regex.find(text, search, needs_groups)? {
        count += 1;
        let whole = found.whole.clone();
        if nth == 0 || count == nth {
            out.push_str(&text[copied..whole.start]);
            append_replacement(&mut out, replacement, text, &found);
            copied = whole.end;
            if nth > 0 {
                break;
            }
        }
        search = next_search(text, &whole);
        if search > text.len() {
            break;
        }
    }
    out.push_str(&text[copied..]);
    crate::text::check_allocation(out.len() + 4)?;
    Ok(out)
}

/// Where to look for the next match: an empty one advances by a character.
fn next_search(text: &str, whole: &std::ops::Range<usize>) -> usize {
    if whole.start < whole.end {
        return whole.end;
    }
    whole.end + text[whole.end..].chars().next().map_or(1, char::len_utf8)
}

fn regexp_replace(text: &str, pattern: &str, replacement: &str) -> PgResult<String> {
    replace(text, &*compile(pattern, Flags::DEFAULT)?, replacement, 0, 1)
}

fn regexp_replace_flags(text: &str, pattern: &str, replacement: &str, options: &str) -> PgResult<String> {
    // A number here is likely meant for the longer form of the function.
    if options.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(invalid_parameter(format!(
            "invalid regular expression option: \"{}\"",
            options.chars().next().unwrap_or(' ')
        ))
        .hint("If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly."));
    }
    let options = parse_options(options)?;
    replace(text, &*compile(pattern, options.flags)?, replacement, 0, usize::from(!options.global))
}

fn invalid_value(parameter: &str, value: i32) -> PgError {
    invalid_parameter(format!("invalid value for parameter \"{parameter}\": {value}"))
}

/// A start position as a byte offset; beyond the end of the text there is none.
fn start_offset(text: &str, start: i32) -> PgResult<Option<usize>> {
    if start <= 0 {
        return Err(invalid_value("start", start));
    }
    let skip = start as usize - 1;
    Ok(if skip > char_count(text) {
        None
    } else {
        Some(text.char_indices().nth(skip).map_or(text.len(), |(at, _)| at))
    })
}

/// `regexp_replace(text, pattern, replacement, start [, n [, flags]])`.
fn regexp_replace_extended(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let (text, pattern, replacement): (&str, &str, &str) = (arg(args, 0)?, arg(args, 1)?, arg(args, 2)?);
    let start = start_offset(text, arg(args, 3)?)?;
    let nth: i32 = if args.len() > 4 { arg(args, 4)? } else { 1 };
    if nth < 0 {
        return Err(invalid_value("n", nth));
    }
    let options = parse_options(if args.len() > 5 { arg(args, 5)? } else { "" })?;
    // "g" only counts when no number is given.
    let nth = if options.global && args.len() <= 4 { 0 } else { nth };
    let regex = compile(pattern, options.flags)?;
    match start {
        Some(from) => replace(text, &regex, replacement, from, nth as usize).map(Datum::text),
        None => Ok(args[0].clone()),
    }
}

fn regexp_like(text: &str, pattern: &str, options: &str) -> PgResult<bool> {
    compile(pattern, options_without_global(options, "regexp_like()")?)?.is_match(text)
}

/// What a match shows as an array: its groups, or the whole when there are none.
fn match_array(text: &str, regex: &Regex, found: &Match) -> Datum {
    let elems = if regex.group_count() == 0 {
        vec![Datum::text(&text[found.whole.clone()])]
    } else {
        let shown = |group: &Option<std::ops::Range<usize>>| {
            group.clone().map_or(Datum::Null, |range| Datum::text(&text[range]))
        };
        found.groups.iter().map(shown).collect()
    };
    Datum::Array(ArrayValue::from_elems(types::TEXT, elems).into())
}

fn first_match(text: &str, pattern: &str, flags: Flags) -> PgResult<Datum> {
    let regex = compile(pattern, flags)?;
    Ok(regex.find(text, 0, true)?.map_or(Datum::Null, |found| match_array(text, &regex, &found)))
}

fn regexp_match(text: &str, pattern: &str) -> PgResult<Datum> {
    first_match(text, pattern, Flags::DEFAULT)
}

fn regexp_match_flags(text: &str, pattern: &str, options: &str) -> PgResult<Datum> {
    let options = parse_options(options)?;
    if options.global {
        return Err(invalid_parameter("regexp_match() does not support the \"global\" option".to_owned())
            .hint("Use the regexp_matches function instead."));
    }
    first_match(text, pattern, options.flags)
}

/// All matches in order. Splitting ignores empty matches at the end of the text and right after
/// another match.
fn all_matches(
    text: &str,
    regex: &Regex,
    from: usize,
    global: bool,
    splitting: bool,
    with_groups: bool,
) -> PgResult<Vec<Match>> {
    let mut matches = Vec::new();
    let (mut search, mut last_end) = (from, 0);
    while search <= text.len()
        && let Some(found) = regex.find(text, search, with_groups)?
    {
        let whole = found.whole.clone();
        let ignored = splitting && (whole.start >= text.len() || whole.end <= last_end);
        search = next_search(text, &whole);
        last_end = whole.end.max(last_end);
        if !ignored {
            matches.push(found);
        }
        if !global {
            break;
        }
    }
    Ok(matches)
}

fn regexp_matches(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let (text, pattern): (&str, &str) = (arg(args, 0)?, arg(args, 1)?);
    let options = parse_options(if args.len() > 2 { arg(args, 2)? } else { "" })?;
    let regex = compile(pattern, options.flags)?;
    let rows: Vec<PgResult<Datum>> = all_matches(text, &regex, 0, options.global, false, true)?
        .iter()
        .map(|found| Ok(match_array(text, &regex, found)))
        .collect();
    Ok(Box::new(rows.into_iter()))
}

/// The pieces between matches.
fn split(args: &[Datum], function: &str) -> PgResult<Vec<Datum>> {
    let (text, pattern): (&str, &str) = (arg(args, 0)?, arg(args, 1)?);
    let flags = options_without_global(if args.len() > 2 { arg(args, 2)? } else { "" }, function)?;
    let regex = compile(pattern, flags)?;
    let mut pieces = Vec::new();
    let mut start = 0;
    for found in all_matches(text, &regex, 0, true, true, false)? {
        pieces.push(Datum::text(&text[start..found.whole.start]));
        start = found.whole.end;
    }
    pieces.push(Datum::text(&text[start..]));
    Ok(pieces)
}

fn split_to_array(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let pieces = split(args, "regexp_split_to_array()")?;
    Ok(Datum::Array(ArrayValue::from_elems(types::TEXT, pieces).into()))
}

fn split_to_table(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let pieces = split(args, "regexp_split_to_table()")?;
    Ok(Box::new(pieces.into_iter().map(Ok)))
}

/// `regexp_count(text, pattern [, start [, flags]])`.
fn regexp_count(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let (text, pattern): (&str, &str) = (arg(args, 0)?, arg(args, 1)?);
    let start = start_offset(text, if args.len() > 2 { arg(args, 2)? } else { 1 })?;
    let flags = options_without_global(if args.len() > 3 { arg(args, 3)? } else { "" }, "regexp_count()")?;
    let regex = compile(pattern, flags)?;
    let Some(from) = start else { return Ok(Datum::Int4(0)) };
    Ok(Datum::Int4(all_matches(text, &regex, from, true, false, false)?.len() as i32))
}

/// The arguments that `regexp_instr` and `regexp_substr` share.
struct Selection {
    regex: Rc<Regex>,
    from: Option<usize>,
    nth: usize,
    group: usize,
}

impl Selection {
    fn range(&self, text: &str) -> PgResult<Option<std::ops::Range<usize>>> {
        let Some(from) = self.from else { return Ok(None) };
        // Without groups, the whole match counts as the first one.
        let group = if self.group == 1 && self.regex.group_count() == 0 { 0 } else { self.group };
        if group > self.regex.group_count() {
            return Ok(None);
        }
        let mut search = from;
        for round in 1..=self.nth {
            if search > text.len() {
                return Ok(None);
            }
            let Some(found) = self.regex.find(text, search, group > 0)? else { return Ok(None) };
            if round == self.nth {
                let whole = Some(found.whole);
                return Ok(if group == 0 { whole } else { found.groups[group - 1].clone() });
            }
            search = next_search(text, &found.whole);
        }
        Ok(None)
    }
}

fn selection(args: &[Datum], flags_at: usize, function: &str) -> PgResult<Selection> {
    let (text, pattern): (&str, &str) = (arg(args, 0)?, arg(args, 1)?);
    let number = |at: usize, default: i32| if args.len() > at { arg::<i32>(args, at) } else { Ok(default) };
    let start = number(2, 1)?;
    if start <= 0 {
        return Err(invalid_value("start", start));
    }
    let nth = number(3, 1)?;
    if nth <= 0 {
        return Err(invalid_value("n", nth));
    }
    if flags_at > 4 {
        let end_option = number(4, 0)?;
        if !(0..=1).contains(&end_option) {
            return Err(invalid_value("endoption", end_option));
        }
    }
    let group = number(flags_at + 1, 0)?;
    if group < 0 {
        return Err(invalid_value("subexpr", group));
    }
    let flags =
        options_without_global(if args.len() > flags_at { arg(args, flags_at)? } else { "" }, function)?;
    Ok(Selection {
        regex: compile(pattern, flags)?,
        from: start_offset(text, start)?,
        nth: nth as usize,
        group: group as usize,
    })
}

/// `regexp_instr(text, pattern, start, n, endoption, flags, subexpr)`.
fn regexp_instr(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let text: &str = arg(args, 0)?;
    let selection = selection(args, 5, "regexp_instr()")?;
    let at_end = args.len() > 4 && arg::<i32>(args, 4)? == 1;
    let place = |range: std::ops::Range<usize>| {
        let at = if at_end { range.end } else { range.start };
        char_count(&text[..at]) as i32 + 1
    };
    Ok(Datum::Int4(selection.range(text)?.map_or(0, place)))
}

/// `regexp_substr(text, pattern, start, n, flags, subexpr)`.
fn regexp_substr(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let text: &str = arg(args, 0)?;
    let range = selection(args, 4, "regexp_substr()")?.range(text)?;
    Ok(range.map_or(Datum::Null, |range| Datum::text(&text[range])))
}

/// Turns an SQL regular expression (SIMILAR TO) into an advanced one.
fn similar_to_escape(pattern: &str, escape: Option<&str>) -> PgResult<String> {
    let escape = match escape {
        None => Some('\\'),
        Some(escape) => {
            let mut chars = escape.chars();
            let first = chars.next();
            if chars.next().is_some() {
                return Err(PgError::new(code::INVALID_ESCAPE_SEQUENCE, "invalid escape string")
                    .hint("Escape string must be empty or one character."));
            }
            first
        }
    };
    let mut out = String::with_capacity(pattern.len() * 3 + 23);
    out.push_str("^(?:");
    let (mut after_escape, mut separators) = (false, 0);
    // Nesting of brackets, and how far into one: 1 right after it opens, 2 after its caret.
    let (mut depth, mut place) = (0, 0);
    for c in pattern.chars() {
        if after_escape {
            after_escape = false;
            if c == '"' && depth < 1 {
                separators += 1;
                out.push_str(match separators {
                    1 => "){1,1}?(",
                    2 => "){1,1}(?:",
                    _ => {
                        return Err(PgError::new(
                            code::INVALID_USE_OF_ESCAPE_CHARACTER,
                            "SQL regular expression may not contain more than two escape-double-quote separators",
                        ));
                    }
                });
            } else {
                out.push('\\');
                out.push(c);
                place = 3;
            }
        } else if Some(c) == escape {
            after_escape = true;
        } else if depth > 0 {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
            match c {
                ']' if place > 2 => depth -= 1,
                '[' => {
                    depth += 1;
                    place = 3;
                }
                '^' => place += 1,
                _ => place = 3,
            }
        } else {
            match c {
                '[' => {
                    out.push(c);
                    (depth, place) = (1, 1);
                }
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '\\' | '.' | '^' | '$' => {
                    out.push('\\');
                    out.push(c);
                }
                _ => out.push(c),
            }
        }
    }
    out.push_str(")$");
    Ok(out)
}

fn similar_to_escape_1(pattern: &str) -> PgResult<String> {
    similar_to_escape(pattern, None)
}

fn similar_to_escape_2(pattern: &str, escape: &str) -> PgResult<String> {
    similar_to_escape(pattern, Some(escape))
}

/// The older form: a NULL escape means the default one.
fn similar_escape(pattern: Option<&str>, escape: Option<&str>) -> PgResult<Option<String>> {
    pattern.map(|pattern| similar_to_escape(pattern, escape)).transpose()
}

pub(crate) static SET_RETURNING: Family = &[
    ("regexp_matches", regexp_matches),
    ("regexp_matches_no_flags", regexp_matches),
    ("regexp_split_to_table", split_to_table),
    ("regexp_split_to_table_no_flags", split_to_table),
];

builtins! {
    "textregexeq" = matches: 2;
    "textregexne" = not_matches: 2;
    "texticregexeq" = imatches: 2;
    "texticregexne" = not_imatches: 2;
    "nameregexeq" = matches: 2;
    "nameregexne" = not_matches: 2;
    "nameicregexeq" = imatches: 2;
    "nameicregexne" = not_imatches: 2;
    "textregexsubstr" = substring: 2;
    "textregexreplace_noopt" = regexp_replace: 3;
    "textregexreplace" = regexp_replace_flags: 4;
    "textregexreplace_extended" = regexp_replace_extended;
    "textregexreplace_extended_no_flags" = regexp_replace_extended;
    "textregexreplace_extended_no_n" = regexp_replace_extended;
    "regexp_like" = regexp_like: 3;
    "regexp_like_no_flags" = matches: 2;
    "regexp_match" = regexp_match_flags: 3;
    "regexp_match_no_flags" = regexp_match: 2;
    "regexp_split_to_array" = split_to_array;
    "regexp_split_to_array_no_flags" = split_to_array;
    "regexp_count" = regexp_count;
    "regexp_count_no_start" = regexp_count;
    "regexp_count_no_flags" = regexp_count;
    "regexp_instr" = regexp_instr;
    "regexp_instr_no_start" = regexp_instr;
    "regexp_instr_no_n" = regexp_instr;
    "regexp_instr_no_endoption" = regexp_instr;
    "regexp_instr_no_flags" = regexp_instr;
    "regexp_instr_no_subexpr" = regexp_instr;
    "regexp_substr" = regexp_substr;
    "regexp_substr_no_start" = regexp_substr;
    "regexp_substr_no_n" = regexp_substr;
    "regexp_substr_no_flags" = regexp_substr;
    "regexp_substr_no_subexpr" = regexp_substr;
    "similar_to_escape_1" = similar_to_escape_1: 1;
    "similar_to_escape_2" = similar_to_escape_2: 2;
    "similar_escape" = similar_escape: 2;
}
