//! The built-in functions in language SQL: what each computes, in one statement of our own.
//!
//! A body is analysed with `pg_catalog` as the whole search path, so that nothing in it needs to be
//! qualified.

use redoubt_functions::Oid;

/// The body of the built-in SQL function with this OID.
pub fn sql_body(function: Oid) -> Option<&'static str> {
    let at = BODIES.binary_search_by_key(&function, |(oid, _)| *oid).ok()?;
    Some(BODIES[at].1)
}

/// `timetz + date`, `interval + time` and the like are their operators' mirror images.
const SUM_SWAPPED: &str = "SELECT $2 + $1";
const PERIODS: &str = "SELECT ($1, $1 + $2) OVERLAPS ($3, $3 + $4)";
const POINTS_PERIOD: &str = "SELECT ($1, $2) OVERLAPS ($3, $3 + $4)";
const PERIOD_POINTS: &str = "SELECT ($1, $1 + $2) OVERLAPS ($3, $4)";

/// In order of OID.
static BODIES: &[(Oid, &str)] = &[
    (879, "SELECT lpad($1, $2, ' ')"),
    (880, "SELECT rpad($1, $2, ' ')"),
    (1176, "SELECT CAST($1 + $2 AS timestamptz)"),
    (
        1215,
        "SELECT d.description FROM pg_description d JOIN pg_class c ON c.oid = d.classoid \
         WHERE d.objoid = $1 AND d.objsubid = 0 AND c.relname = $2 AND c.relnamespace = 11",
    ),
    (1216, "SELECT description FROM pg_description WHERE objoid = $1 AND classoid = 1259 AND objsubid = $2"),
    (1285, "SELECT quote_literal(CAST($1 AS text))"),
    (1290, "SELECT quote_nullable(CAST($1 AS text))"),
    (1296, SUM_SWAPPED),
    (1298, SUM_SWAPPED),
    (1305, PERIODS),
    (1306, POINTS_PERIOD),
    (1307, PERIOD_POINTS),
    (1309, PERIODS),
    (1310, POINTS_PERIOD),
    (1311, PERIOD_POINTS),
    (1348, "SELECT description FROM pg_description WHERE objoid = $1 AND objsubid = 0"),
    (1384, "SELECT date_part($1, CAST($2 AS timestamp))"),
    (1386, "SELECT age(CAST(current_date AS timestamptz), $1)"),
    (1426, "SELECT on_ppath($2, $1)"),
    (1481, "SELECT log(CAST(10 AS numeric), $1)"),
    (1544, "SELECT polygon(12, $1)"),
    (1708, "SELECT round($1, 0)"),
    (1710, "SELECT trunc($1, 0)"),
    (1741, "SELECT log(CAST(10 AS numeric), $1)"),
    (1810, "SELECT 8 * octet_length($1)"),
    (1811, "SELECT 8 * octet_length($1)"),
    (1812, "SELECT length($1)"),
    (1848, SUM_SWAPPED),
    (
        1993,
        "SELECT d.description FROM pg_shdescription d JOIN pg_class c ON c.oid = d.classoid \
         WHERE d.objoid = $1 AND c.relname = $2 AND c.relnamespace = 11",
    ),
    (2003, "SELECT $1 || CAST($2 AS text)"),
    (2004, "SELECT CAST($1 AS text) || $2"),
    (2042, PERIODS),
    (2043, POINTS_PERIOD),
    (2044, PERIOD_POINTS),
    (2059, "SELECT age(CAST(current_date AS timestamp), $1)"),
    (2074, "SELECT \"substring\"($1, similar_to_escape($2, $3))"),
    (2325, "SELECT pg_relation_size($1, 'main')"),
    (2546, SUM_SWAPPED),
    (2547, SUM_SWAPPED),
    (2548, SUM_SWAPPED),
    (2549, SUM_SWAPPED),
    (2550, SUM_SWAPPED),
    (2631, SUM_SWAPPED),
    (2932, "SELECT xpath($1, $2, CAST('{}' AS text[]))"),
    (3050, "SELECT xpath_exists($1, $2, CAST('{}' AS text[]))"),
    (3935, "SELECT pg_sleep(CAST(extract(epoch FROM $1 + clock_timestamp() - clock_timestamp()) AS float8))"),
    (3936, "SELECT pg_sleep(CAST(extract(epoch FROM $1) - extract(epoch FROM clock_timestamp()) AS float8))"),
    (5023, SUM_SWAPPED),
    (6183, TS_DEBUG),
    (6184, "SELECT * FROM ts_debug(get_current_ts_config(), $1)"),
];

/// Each token of the document, with the dictionaries its configuration consults and the first that
/// knows it.
const TS_DEBUG: &str = "SELECT kind.alias, kind.description, word.token, \
     ARRAY(SELECT CAST(m.mapdict AS regdictionary) FROM pg_ts_config_map m \
           WHERE m.mapcfg = $1 AND m.maptokentype = word.tokid ORDER BY m.mapseqno), \
     first_hit.dictionary, ts_lexize(first_hit.dictionary, word.token) \
     FROM pg_ts_config c \
     CROSS JOIN LATERAL ts_parse(c.cfgparser, $2) AS word(tokid, token) \
     JOIN LATERAL ts_token_type(c.cfgparser) AS kind(tokid, alias, description) ON kind.tokid = word.tokid \
     LEFT JOIN LATERAL (SELECT CAST(m.mapdict AS regdictionary) AS dictionary FROM pg_ts_config_map m \
         WHERE m.mapcfg = $1 AND m.maptokentype = word.tokid \
         ORDER BY ts_lexize(CAST(m.mapdict AS regdictionary), word.token) IS NULL, m.mapseqno \
         LIMIT 1) AS first_hit ON true \
     WHERE c.oid = $1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::PgProc;

    #[test]
    fn bodies_are_sorted_and_complete() {
        assert!(BODIES.is_sorted_by_key(|(oid, _)| *oid));
        let functions: Vec<PgProc> = crate::facts::typed();
        let in_sql: Vec<_> = functions.iter().filter(|p| p.prolang == 14).map(|p| p.oid).collect();
        assert_eq!(in_sql, BODIES.iter().map(|(oid, _)| *oid).collect::<Vec<_>>());
    }
}
