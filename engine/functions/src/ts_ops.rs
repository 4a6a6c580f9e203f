//! Functions and operators of `tsvector` and `tsquery`.

use crate::args::{CharArg, FromDatum, IntoDatum, arg, builtins};
use crate::set_returning::{Family, Rows};
use crate::ts_match::matches;
use crate::tsquery::{Join, Node, TsQuery, bad_distance};
use crate::tsvector::{Lexeme, MAX_LEXEME_BYTES, MAX_POSITION, Position, TsVector, weight_of};
use crate::{ArrayValue, Attribute, CallContext, Datum, RecordValue, TupleDesc, types};
use redoubt_error::{PgError, PgResult, code};

impl IntoDatum for TsVector {
    fn into_datum(self) -> PgResult<Datum> {
        Ok(TsVector::into_datum(self))
    }
}

impl IntoDatum for TsQuery {
    fn into_datum(self) -> PgResult<Datum> {
        Ok(TsQuery::into_datum(self))
    }
}

/// Comparisons of a type by its order.
macro_rules! comparisons {
    ($($type:ty: $cmp:ident $eq:ident $ne:ident $lt:ident $le:ident $gt:ident $ge:ident;)*) => {$(
        fn $cmp(a: &$type, b: &$type) -> i32 {
            a.order(b) as i32
        }
        fn $eq(a: &$type, b: &$type) -> bool {
            a.order(b).is_eq()
        }
        fn $ne(a: &$type, b: &$type) -> bool {
            a.order(b).is_ne()
        }
        fn $lt(a: &$type, b: &$type) -> bool {
            a.order(b).is_lt()
        }
        fn $le(a: &$type, b: &$type) -> bool {
            a.order(b).is_le()
        }
        fn $gt(a: &$type, b: &$type) -> bool {
            a.order(b).is_gt()
        }
        fn $ge(a: &$type, b: &$type) -> bool {
            a.order(b).is_ge()
        }
    )*};
}

comparisons! {
    TsVector: vector_cmp vector_eq vector_ne vector_lt vector_le vector_gt vector_ge;
    TsQuery: query_cmp query_eq query_ne query_lt query_le query_gt query_ge;
}

fn strip(vector: &TsVector) -> TsVector {
    let bare = |lexeme: &Lexeme| Lexeme { text: lexeme.text.clone(), positions: Vec::new() };
    TsVector { lexemes: vector.lexemes.iter().map(bare).collect() }
}

fn length(vector: &TsVector) -> i32 {
    vector.lexemes.len() as i32
}

/// Joins two vectors; the positions of the second come behind the last of the first.
fn concat(a: &TsVector, b: &TsVector) -> PgResult<TsVector> {
    let all = a.lexemes.iter().flat_map(|lexeme| &lexeme.positions);
    let last = all.map(|position| position.at).max().unwrap_or(0);
    let mut lexemes = a.lexemes.clone();
    lexemes.extend(b.lexemes.iter().map(|lexeme| {
        let moved = |position: &Position| Position {
            at: (u32::from(position.at) + u32::from(last)).min(MAX_POSITION.into()) as u16,
            weight: position.weight,
        };
        Lexeme { text: lexeme.text.clone(), positions: lexeme.positions.iter().map(moved).collect() }
    }));
    TsVector::from_lexemes(lexemes)
}

fn weight(letter: CharArg) -> PgResult<u8> {
    weight_of(letter.0)
        .ok_or_else(|| PgError::internal(format!("unrecognized weight: {}", char::from(letter.0))))
}

fn with_weight(lexeme: &Lexeme, weight: u8) -> Lexeme {
    let positions = lexeme.positions.iter().map(|position| Position { weight, ..*position }).collect();
    Lexeme { text: lexeme.text.clone(), positions }
}

fn set_weight(vector: &TsVector, letter: CharArg) -> PgResult<TsVector> {
    let weight = weight(letter)?;
    Ok(TsVector { lexemes: vector.lexemes.iter().map(|lexeme| with_weight(lexeme, weight)).collect() })
}

fn set_weight_of(vector: &TsVector, letter: CharArg, lexemes: &ArrayValue) -> PgResult<TsVector> {
    let weight = weight(letter)?;
    let mut changed = vector.clone();
    for text in lexemes.elems.iter().filter(|text| !text.is_null()) {
        if let Some(at) = vector.find(text.as_str()?) {
            changed.lexemes[at] = with_weight(&vector.lexemes[at], weight);
        }
    }
    Ok(changed)
}

fn filter(vector: &TsVector, weights: &ArrayValue) -> PgResult<TsVector> {
    let mut wanted = 0_u8;
    for letter in &weights.elems {
        if letter.is_null() {
            let message = "weight array may not contain nulls";
            return Err(PgError::new(code::NULL_VALUE_NOT_ALLOWED, message));
        }
        let letter = letter.as_char()?;
        let weight = weight_of(letter).ok_or_else(|| {
            let message = format!("unrecognized weight: \"{}\"", char::from(letter));
            PgError::new(code::INVALID_PARAMETER_VALUE, message)
        })?;
        wanted |= 1 << weight;
    }
    let kept = |lexeme: &Lexeme| {
        let positions: Vec<_> =
            lexeme.positions.iter().filter(|position| wanted & 1 << position.weight != 0).copied().collect();
        (!positions.is_empty()).then(|| Lexeme { text: lexeme.text.clone(), positions })
    };
    Ok(TsVector { lexemes: vector.lexemes.iter().filter_map(kept).collect() })
}

fn delete(vector: &TsVector, text: &str) -> TsVector {
    let stays = |lexeme: &&Lexeme| &*lexeme.text != text;
    TsVector { lexemes: vector.lexemes.iter().filter(stays).cloned().collect() }
}

fn delete_all(vector: &TsVector, texts: &ArrayValue) -> TsVector {
    let goes = |lexeme: &Lexeme| {
        texts.elems.iter().any(|text| matches!(text, Datum::Text(text) if **text == *lexeme.text))
    };
    TsVector { lexemes: vector.lexemes.iter().filter(|lexeme| !goes(lexeme)).cloned().collect() }
}

fn to_array(vector: &TsVector) -> ArrayValue {
    let texts = vector.lexemes.iter().map(|lexeme| Datum::text(&*lexeme.text)).collect();
    ArrayValue::from_elems(types::TEXT, texts)
}

fn from_array(texts: &ArrayValue) -> PgResult<TsVector> {
    let mut lexemes = Vec::with_capacity(texts.elems.len());
    for text in &texts.elems {
        if text.is_null() {
            let message = "lexeme array may not contain nulls";
            return Err(PgError::new(code::NULL_VALUE_NOT_ALLOWED, message));
        }
        let text = text.as_str()?;
        if text.is_empty() {
            let message = "lexeme array may not contain empty strings";
            return Err(PgError::new(code::ZERO_LENGTH_CHARACTER_STRING, message));
        }
        if text.len() >= MAX_LEXEME_BYTES {
            let message = format!("word is too long ({} bytes, max {MAX_LEXEME_BYTES} bytes)", text.len());
            return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message));
        }
        lexemes.push(Lexeme { text: text.into(), positions: Vec::new() });
    }
    TsVector::from_lexemes(lexemes)
}

/// One row for each lexeme: the lexeme, its positions, their weights.
fn unnest(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let vector: &TsVector = arg(args, 0)?;
    let desc = TupleDesc::new(vec![
        Attribute::new("lexeme", types::TEXT),
        Attribute::new("positions", types::INT2_ARRAY),
        Attribute::new("weights", types::TEXT_ARRAY),
    ]);
    let row = |lexeme: &Lexeme| {
        let array = |element, elems: Vec<Datum>| Datum::Array(ArrayValue::from_elems(element, elems).into());
        let (positions, weights) = if lexeme.positions.is_empty() {
            (Datum::Null, Datum::Null)
        } else {
            let places = lexeme.positions.iter().map(|position| Datum::Int2(position.at as i16));
            let letter =
                |position: &Position| Datum::text(["D", "C", "B", "A"][usize::from(position.weight & 3)]);
            (
                array(types::INT2, places.collect()),
                array(types::TEXT, lexeme.positions.iter().map(letter).collect()),
            )
        };
        let fields = vec![Datum::text(&*lexeme.text), positions, weights].into();
        Datum::Record(RecordValue { type_oid: types::RECORD, desc: desc.clone(), fields }.into())
    };
    let rows: Vec<_> = vector.lexemes.iter().map(row).collect();
    Ok(Box::new(rows.into_iter().map(Ok)))
}

/// The empty query finds nothing.
fn vector_matches(vector: &TsVector, query: &TsQuery) -> bool {
    query.0.as_ref().is_some_and(|node| matches(vector, node))
}

fn query_matches(query: &TsQuery, vector: &TsVector) -> bool {
    vector_matches(vector, query)
}

fn node_count(query: &TsQuery) -> i32 {
    query.count() as i32
}

/// Joins two queries; the empty one disappears.
fn join(a: &TsQuery, b: &TsQuery, join: Join) -> TsQuery {
    match (&a.0, &b.0) {
        (Some(a), Some(b)) => TsQuery(Some(Node::Join(join, a.clone().into(), b.clone().into()))),
        (a, b) => TsQuery(a.clone().or_else(|| b.clone())),
    }
}

fn and(a: &TsQuery, b: &TsQuery) -> TsQuery {
    join(a, b, Join::And)
}

fn or(a: &TsQuery, b: &TsQuery) -> TsQuery {
    join(a, b, Join::Or)
}

fn not(query: &TsQuery) -> TsQuery {
    TsQuery(query.0.as_ref().map(|node| Node::Not(node.clone().into())))
}

fn phrase(a: &TsQuery, b: &TsQuery) -> TsQuery {
    join(a, b, Join::Phrase(1))
}

fn phrase_at(a: &TsQuery, b: &TsQuery, distance: i32) -> PgResult<TsQuery> {
    let distance = u16::try_from(distance).ok().filter(|distance| *distance <= MAX_POSITION + 1);
    Ok(join(a, b, Join::Phrase(distance.ok_or_else(bad_distance)?)))
}

/// The words of a query, in the order of their bytes.
fn words(query: &TsQuery) -> Vec<&str> {
    fn collect<'a>(node: &'a Node, words: &mut Vec<&'a str>) {
        match node {
            Node::Word(word) => words.push(&word.text),
            Node::Not(operand) => collect(operand, words),
            Node::Join(_, left, right) => {
                collect(left, words);
                collect(right, words);
            }
        }
    }
    let mut found = Vec::new();
    if let Some(node) = &query.0 {
        collect(node, &mut found);
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn contains(whole: &TsQuery, part: &TsQuery) -> bool {
    let whole = words(whole);
    words(part).iter().all(|word| whole.binary_search(word).is_ok())
}

fn contained(part: &TsQuery, whole: &TsQuery) -> bool {
    contains(whole, part)
}

impl<'a> FromDatum<'a> for &'a TsVector {
    fn from_datum(datum: &'a Datum) -> PgResult<Self> {
        match datum {
            Datum::TsVector(value) => Ok(value),
            other => Err(other.mismatch("tsvector")),
        }
    }
}

impl<'a> FromDatum<'a> for &'a TsQuery {
    fn from_datum(datum: &'a Datum) -> PgResult<Self> {
        match datum {
            Datum::TsQuery(value) => Ok(value),
            other => Err(other.mismatch("tsquery")),
        }
    }
}

builtins! {
    "tsvector_cmp" = vector_cmp: 2;
    "tsvector_eq" = vector_eq: 2;
    "tsvector_ne" = vector_ne: 2;
    "tsvector_lt" = vector_lt: 2;
    "tsvector_le" = vector_le: 2;
    "tsvector_gt" = vector_gt: 2;
    "tsvector_ge" = vector_ge: 2;
    "tsvector_strip" = strip: 1;
    "tsvector_length" = length: 1;
    "tsvector_concat" = concat: 2;
    "tsvector_setweight" = set_weight: 2;
    "tsvector_setweight_by_filter" = set_weight_of: 3;
    "tsvector_filter" = filter: 2;
    "tsvector_delete_str" = delete: 2;
    "tsvector_delete_arr" = delete_all: 2;
    "tsvector_to_array" = to_array: 1;
    "array_to_tsvector" = from_array: 1;
    "ts_match_vq" = vector_matches: 2;
    "ts_match_qv" = query_matches: 2;
    "tsquery_cmp" = query_cmp: 2;
    "tsquery_eq" = query_eq: 2;
    "tsquery_ne" = query_ne: 2;
    "tsquery_lt" = query_lt: 2;
    "tsquery_le" = query_le: 2;
    "tsquery_gt" = query_gt: 2;
    "tsquery_ge" = query_ge: 2;
    "tsquery_numnode" = node_count: 1;
    "tsquery_and" = and: 2;
    "tsquery_or" = or: 2;
    "tsquery_not" = not: 1;
    "tsquery_phrase" = phrase: 2;
    "tsquery_phrase_distance" = phrase_at: 3;
    "tsq_mcontains" = contains: 2;
    "tsq_mcontained" = contained: 2;
}

pub(crate) static SET_RETURNING: Family = &[("tsvector_unnest", unnest)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PlainEnv, io};

    fn value(type_oid: crate::Oid, text: &str) -> Datum {
        io::input(type_oid, -1, text, &PlainEnv::default()).unwrap()
    }

    fn shown(type_oid: crate::Oid, text: &str) -> String {
        let env = PlainEnv::default();
        io::input(type_oid, -1, text, &env)
            .and_then(|value| io::output_string(&value, type_oid, &env))
            .unwrap_or_else(|error| error.message().to_owned())
    }

    #[test]
    fn vectors() {
        for (text, expected) in [
            ("1 2", "'1' '2'"),
            ("'1 \\'2' ' 3' 4 ", "' 3' '1 ''2' '4'"),
            (
                "'\\\\as' ab\\c ab\\\\c AB\\\\\\c ab\\\\\\\\c",
                "'AB\\\\c' '\\\\as' 'ab\\\\\\\\c' 'ab\\\\c' 'abc'",
            ),
            ("'w':4A,3B,2C,1D,5 a:8", "'a':8 'w':1,2C,3B,4A,5"),
            ("w:12B w:13* w:12,5,6 a:1,3* a:3 w", "'a':1,3A 'w':5,6,12B,13A"),
            ("'' '1'", "syntax error in tsvector: \"'' '1'\""),
            ("a:0", "wrong position info in tsvector: \"a:0\""),
        ] {
            assert_eq!(shown(types::TSVECTOR, text), expected, "{text}");
        }
    }

    #[test]
    fn queries() {
        for (text, expected) in [
            ("!(1|!2)", "!( '1' | !'2' )"),
            ("1|2&3", "'1' | '2' & '3'"),
            ("(1|2)&3", "( '1' | '2' ) & '3'"),
            ("1&(2&(4&(5|!6)))", "'1' & '2' & '4' & ( '5' | !'6' )"),
            ("a:* & nbb:*ac | doo:a* | goo", "'a':* & 'nbb':*AC | 'doo':*A | 'goo'"),
            ("!!!b", "!!!'b'"),
            ("a <-> (b <3> c)", "'a' <-> ( 'b' <3> 'c' )"),
            ("a & b <-> c", "'a' & 'b' <-> 'c'"),
            ("a b", "syntax error in tsquery: \"a b\""),
            ("a &", "no operand in tsquery: \"a &\""),
            ("(a", "syntax error in tsquery: \"(a\""),
            ("", ""),
        ] {
            assert_eq!(shown(types::TSQUERY, text), expected, "{text}");
        }
    }

    #[test]
    fn stored_forms_come_back() {
        for text in ["'a':1,3A 'w':5,6,12B,13A", "", "'x'"] {
            let Datum::TsVector(vector) = value(types::TSVECTOR, text) else { panic!() };
            let back = TsVector::from_bytes(&vector.to_bytes()).unwrap();
            assert!(back.order(&vector).is_eq());
        }
        for text in ["'1' & ( '2' | !'3':*A ) <2> '4'", ""] {
            let Datum::TsQuery(query) = value(types::TSQUERY, text) else { panic!() };
            let back = TsQuery::from_bytes(&query.to_bytes()).unwrap();
            assert_eq!(back.to_bytes(), query.to_bytes());
        }
    }

    #[test]
    fn matching() {
        for (vector, query, expected) in [
            ("a b:89  ca:23A,64b d:34c", "d:AC & ca:C", false),
            ("a b:89  ca:23A,64b d:34c", "d:AC & c:*CB", true),
            ("wa:1D wb:2A", "w:*D <-> w:*A", true),
            ("wa:1A wb:2D", "w:*D <-> w:*A", false),
            ("wa", "!w:*D", false),
            ("supeznova supernova", "super:*", true),
            ("1:1,4 2:2 3:3", "1 <2> 3", true),
            ("1 2", "1 <-> 2", false),
            ("q:1 x:2 y:4", "q <-> (x & y)", false),
            ("q:1 y:2 z:3", "q <-> (x | y <-> z)", true),
            ("y:1,2 q:3", "(!x | y <-> z) <-> q", true),
            ("x:1 q:2", "(!x | y <-> z) <-> q", false),
            ("x:1 y:2,4 q:3", "!x <-> y", true),
            ("x:1 y:2,4 q:3", "!(x <-> y)", false),
            ("x:1 y:2,4 q:3", "!foo", true),
            ("a:1 b:3", "a <0> a:*", true),
        ] {
            let (left, right) = (value(types::TSVECTOR, vector), value(types::TSQUERY, query));
            let found = vector_matches(arg(&[left], 0).unwrap(), arg(&[right], 0).unwrap());
            assert_eq!(found, expected, "{vector} @@ {query}");
        }
    }
}
