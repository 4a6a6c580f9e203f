//! PostgreSQL 15's keywords (src/include/parser/kwlist.h), as `pg_get_keywords()` lists them.

/// How far a keyword may be used as a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Usable as any name.
    Unreserved,
    /// Usable as a column or table name, not as a function or type name.
    ColumnName,
    /// Usable as a function or type name, not as a column name.
    TypeOrFunction,
    /// Not usable as a name, except after AS.
    Reserved,
}

/// One keyword.
struct Entry {
    word: &'static str,
    category: Category,
    /// Usable as a column label without AS.
    bare_label: bool,
}

/// The category of a word (lower case), if it is a keyword.
pub fn category(word: &str) -> Option<Category> {
    lookup(word).map(|e| e.category)
}

/// Whether a word (lower case) may be a column label without AS; names that are no keywords may.
pub fn is_bare_label(word: &str) -> bool {
    lookup(word).is_none_or(|e| e.bare_label)
}

/// Whether an identifier must be quoted when it is printed because it is a keyword.
pub fn needs_quoting(word: &str) -> bool {
    category(word).is_some_and(|c| c != Category::Unreserved)
}

fn lookup(word: &str) -> Option<&'static Entry> {
    KEYWORDS.binary_search_by(|e| e.word.cmp(word)).ok().map(|i| &KEYWORDS[i])
}

const fn u(word: &'static str, bare_label: bool) -> Entry {
    Entry { word, category: Category::Unreserved, bare_label }
}
const fn c(word: &'static str, bare_label: bool) -> Entry {
    Entry { word, category: Category::ColumnName, bare_label }
}
const fn t(word: &'static str, bare_label: bool) -> Entry {
    Entry { word, category: Category::TypeOrFunction, bare_label }
}
const fn r(word: &'static str, bare_label: bool) -> Entry {
    Entry { word, category: Category::Reserved, bare_label }
}

/// Sorted by word.
#[rustfmt::skip]
static KEYWORDS: &[Entry] = &[
    u("abort", true), u("absolute", true), u("access", true), u("action", true), u("add", true),
    u("admin", true), u("after", true), u("aggregate", true), r("all", true), u("also", true),
    u("alter", true), u("always", true), r("analyse", true), r("analyze", true), r("and", true),
    r("any", true), r("array", false), r("as", false), r("asc", true), u("asensitive", true),
    u("assertion", true), u("assignment", true), r("asymmetric", true), u("at", true), u("atomic", true),
    u("attach", true), u("attribute", true), t("authorization", true), u("backward", true), u("before", true),
    u("begin", true), c("between", true), c("bigint", true), t("binary", true), c("bit", true),
    c("boolean", true), r("both", true), u("breadth", true), u("by", true), u("cache", true), u("call", true),
    u("called", true), u("cascade", true), u("cascaded", true), r("case", true), r("cast", true),
    u("catalog", true), u("chain", true), c("char", false), c("character", false), u("characteristics", true),
    r("check", true), u("checkpoint", true), u("class", true), u("close", true), u("cluster", true),
    c("coalesce", true), r("collate", true), t("collation", true), r("column", true), u("columns", true),
    u("comment", true), u("comments", true), u("commit", true), u("committed", true), u("compression", true),
    t("concurrently", true), u("configuration", true), u("conflict", true), u("connection", true),
    r("constraint", true), u("constraints", true), u("content", true), u("continue", true),
    u("conversion", true), u("copy", true), u("cost", true), r("create", false), t("cross", true),
    u("csv", true), u("cube", true), u("current", true), r("current_catalog", true), r("current_date", true),
    r("current_role", true), t("current_schema", true), r("current_time", true), r("current_timestamp", true),
    r("current_user", true), u("cursor", true), u("cycle", true), u("data", true), u("database", true),
    u("day", false), u("deallocate", true), c("dec", true), c("decimal", true), u("declare", true),
    r("default", true), u("defaults", true), r("deferrable", true), u("deferred", true), u("definer", true),
    u("delete", true), u("delimiter", true), u("delimiters", true), u("depends", true), u("depth", true),
    r("desc", true), u("detach", true), u("dictionary", true), u("disable", true), u("discard", true),
    r("distinct", true), r("do", true), u("document", true), u("domain", true), u("double", true),
    u("drop", true), u("each", true), r("else", true), u("enable", true), u("encoding", true),
    u("encrypted", true), r("end", true), u("enum", true), u("escape", true), u("event", true),
    r("except", false), u("exclude", true), u("excluding", true), u("exclusive", true), u("execute", true),
    c("exists", true), u("explain", true), u("expression", true), u("extension", true), u("external", true),
    c("extract", true), r("false", true), u("family", true), r("fetch", false), u("filter", false),
    u("finalize", true), u("first", true), c("float", true), u("following", true), r("for", false),
    u("force", true), r("foreign", true), u("forward", true), t("freeze", true), r("from", false),
    t("full", true), u("function", true), u("functions", true), u("generated", true), u("global", true),
    r("grant", false), u("granted", true), c("greatest", true), r("group", false), c("grouping", true),
    u("groups", true), u("handler", true), r("having", false), u("header", true), u("hold", true),
    u("hour", false), u("identity", true), u("if", true), t("ilike", true), u("immediate", true),
    u("immutable", true), u("implicit", true), u("import", true), r("in", true), u("include", true),
    u("including", true), u("increment", true), u("index", true), u("indexes", true), u("inherit", true),
    u("inherits", true), r("initially", true), u("inline", true), t("inner", true), c("inout", true),
    u("input", true), u("insensitive", true), u("insert", true), u("instead", true), c("int", true),
    c("integer", true), r("intersect", false), c("interval", true), r("into", false), u("invoker", true),
    t("is", true), t("isnull", false), u("isolation", true), t("join", true), u("key", true),
    u("label", true), u("language", true), u("large", true), u("last", true), r("lateral", true),
    r("leading", true), u("leakproof", true), c("least", true), t("left", true), u("level", true),
    t("like", true), r("limit", false), u("listen", true), u("load", true), u("local", true),
    r("localtime", true), r("localtimestamp", true), u("location", true), u("lock", true), u("locked", true),
    u("logged", true), u("mapping", true), u("match", true), u("matched", true), u("materialized", true),
    u("maxvalue", true), u("merge", true), u("method", true), u("minute", false), u("minvalue", true),
    u("mode", true), u("month", false), u("move", true), u("name", true), u("names", true),
    c("national", true), t("natural", true), c("nchar", true), u("new", true), u("next", true),
    u("nfc", true), u("nfd", true), u("nfkc", true), u("nfkd", true), u("no", true), c("none", true),
    c("normalize", true), u("normalized", true), r("not", true), u("nothing", true), u("notify", true),
    t("notnull", false), u("nowait", true), r("null", true), c("nullif", true), u("nulls", true),
    c("numeric", true), u("object", true), u("of", true), u("off", true), r("offset", false), u("oids", true),
    u("old", true), r("on", false), r("only", true), u("operator", true), u("option", true),
    u("options", true), r("or", true), r("order", false), u("ordinality", true), u("others", true),
    c("out", true), t("outer", true), u("over", false), t("overlaps", false), c("overlay", true),
    u("overriding", true), u("owned", true), u("owner", true), u("parallel", true), u("parameter", true),
    u("parser", true), u("partial", true), u("partition", true), u("passing", true), u("password", true),
    r("placing", true), u("plans", true), u("policy", true), c("position", true), u("preceding", true),
    c("precision", false), u("prepare", true), u("prepared", true), u("preserve", true), r("primary", true),
    u("prior", true), u("privileges", true), u("procedural", true), u("procedure", true),
    u("procedures", true), u("program", true), u("publication", true), u("quote", true), u("range", true),
    u("read", true), c("real", true), u("reassign", true), u("recheck", true), u("recursive", true),
    u("ref", true), r("references", true), u("referencing", true), u("refresh", true), u("reindex", true),
    u("relative", true), u("release", true), u("rename", true), u("repeatable", true), u("replace", true),
    u("replica", true), u("reset", true), u("restart", true), u("restrict", true), u("return", true),
    r("returning", false), u("returns", true), u("revoke", true), t("right", true), u("role", true),
    u("rollback", true), u("rollup", true), u("routine", true), u("routines", true), c("row", true),
    u("rows", true), u("rule", true), u("savepoint", true), u("schema", true), u("schemas", true),
    u("scroll", true), u("search", true), u("second", false), u("security", true), r("select", true),
    u("sequence", true), u("sequences", true), u("serializable", true), u("server", true), u("session", true),
    r("session_user", true), u("set", true), c("setof", true), u("sets", true), u("share", true),
    u("show", true), t("similar", true), u("simple", true), u("skip", true), c("smallint", true),
    u("snapshot", true), r("some", true), u("sql", true), u("stable", true), u("standalone", true),
    u("start", true), u("statement", true), u("statistics", true), u("stdin", true), u("stdout", true),
    u("storage", true), u("stored", true), u("strict", true), u("strip", true), u("subscription", true),
    c("substring", true), u("support", true), r("symmetric", true), u("sysid", true), u("system", true),
    r("table", true), u("tables", true), t("tablesample", true), u("tablespace", true), u("temp", true),
    u("template", true), u("temporary", true), u("text", true), r("then", true), u("ties", true),
    c("time", true), c("timestamp", true), r("to", false), r("trailing", true), u("transaction", true),
    u("transform", true), c("treat", true), u("trigger", true), c("trim", true), r("true", true),
    u("truncate", true), u("trusted", true), u("type", true), u("types", true), u("uescape", true),
    u("unbounded", true), u("uncommitted", true), u("unencrypted", true), r("union", false),
    r("unique", true), u("unknown", true), u("unlisten", true), u("unlogged", true), u("until", true),
    u("update", true), r("user", true), r("using", true), u("vacuum", true), u("valid", true),
    u("validate", true), u("validator", true), u("value", true), c("values", true), c("varchar", true),
    r("variadic", true), u("varying", false), t("verbose", true), u("version", true), u("view", true),
    u("views", true), u("volatile", true), r("when", true), r("where", false), u("whitespace", true),
    r("window", false), r("with", false), u("within", false), u("without", false), u("work", true),
    u("wrapper", true), u("write", true), u("xml", true), c("xmlattributes", true), c("xmlconcat", true),
    c("xmlelement", true), c("xmlexists", true), c("xmlforest", true), c("xmlnamespaces", true),
    c("xmlparse", true), c("xmlpi", true), c("xmlroot", true), c("xmlserialize", true), c("xmltable", true),
    u("year", false), u("yes", true), u("zone", true),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_complete() {
        assert_eq!(KEYWORDS.len(), 460);
        assert!(KEYWORDS.windows(2).all(|w| w[0].word < w[1].word));
        assert_eq!(category("select"), Some(Category::Reserved));
        assert_eq!(category("between"), Some(Category::ColumnName));
        assert_eq!(category("left"), Some(Category::TypeOrFunction));
        assert_eq!(category("abort"), Some(Category::Unreserved));
        assert_eq!(category("top"), None);
        assert!(!is_bare_label("year") && is_bare_label("select") && is_bare_label("x"));
    }
}
