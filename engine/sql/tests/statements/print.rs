//! A compact printer of raw trees, with every operator in parentheses.

use redoubt_sql::tree::*;

fn list<T>(items: &[T], print: impl Fn(&T) -> String) -> String {
    items.iter().map(print).collect::<Vec<_>>().join(" ")
}

pub fn target(target: &Target) -> String {
    match &target.alias {
        Some(alias) => format!("{} AS {}", expr(&target.expr), alias.as_str()),
        None => expr(&target.expr),
    }
}

pub fn type_name(t: &TypeName) -> String {
    let mut text = t.name.dotted().replace("pg_catalog.", "");
    if t.setof {
        text = format!("setof {text}");
    }
    if !t.typmods.is_empty() {
        text += &format!("({})", list(&t.typmods, expr));
    }
    if let Some(typmod) = t.interval_typmod {
        text += &format!("<{typmod:#x}>");
    }
    for bound in &t.array_bounds {
        text += &bound.map_or("[]".into(), |b| format!("[{b}]"));
    }
    text
}

fn op(name: &OpName) -> String {
    let mut text: String = name.schema.iter().map(|s| format!("{}.", s.as_str())).collect();
    text += &name.symbol;
    text
}

fn not(negated: bool) -> &'static str {
    if negated { "not-" } else { "" }
}

pub fn sort(by: &SortBy) -> String {
    let direction = match &by.direction {
        SortDirection::Default => String::new(),
        SortDirection::Asc => " asc".into(),
        SortDirection::Desc => " desc".into(),
        SortDirection::Using(name) => format!(" using {}", op(name)),
    };
    let nulls = by.nulls_first.map_or("", |first| if first { " nulls-first" } else { " nulls-last" });
    format!("{}{direction}{nulls}", expr(&by.expr))
}

fn path(steps: &[Indirection]) -> String {
    steps
        .iter()
        .map(|step| match step {
            Indirection::Field(name) => format!(".{}", name.as_str()),
            Indirection::Star => ".*".into(),
            Indirection::Index(i) => format!("[{}]", expr(i)),
            Indirection::Slice(low, high) => format!(
                "[{}:{}]",
                low.as_ref().map_or(String::new(), expr),
                high.as_ref().map_or(String::new(), expr)
            ),
        })
        .collect()
}

fn call(c: &FuncCall) -> String {
    let mut parts = Vec::new();
    if c.star {
        parts.push("*".to_string());
    }
    if c.distinct {
        parts.push("distinct".into());
    }
    for (i, arg) in c.args.iter().enumerate() {
        let variadic = if c.variadic && i + 1 == c.args.len() { "variadic " } else { "" };
        let name = arg.name.as_ref().map_or(String::new(), |n| format!("{}=>", n.as_str()));
        parts.push(format!("{variadic}{name}{}", expr(&arg.value)));
    }
    if !c.order_by.is_empty() {
        let word = if c.within_group { "within-group" } else { "order" };
        parts.push(format!("{word}({})", list(&c.order_by, sort)));
    }
    if let Some(filter) = &c.filter {
        parts.push(format!("filter({})", expr(filter)));
    }
    if let Some(over) = &c.over {
        parts.push(format!("over({})", window(over)));
    }
    let special = if c.sql_syntax { "!" } else { "" };
    format!("{}{special}({})", c.name.dotted().replace("pg_catalog.", ""), parts.join(" "))
}

pub fn window(w: &WindowSpec) -> String {
    let mut parts = Vec::new();
    parts.extend(w.name.iter().map(|n| n.as_str().to_string()));
    parts.extend(w.refname.iter().map(|n| format!("from {}", n.as_str())));
    if !w.partition_by.is_empty() {
        parts.push(format!("partition {}", list(&w.partition_by, expr)));
    }
    if !w.order_by.is_empty() {
        parts.push(format!("order {}", list(&w.order_by, sort)));
    }
    if let Some(frame) = &w.frame {
        let bound = |b: &FrameBound| match b {
            FrameBound::UnboundedPreceding => "-inf".into(),
            FrameBound::Preceding(e) => format!("-{}", expr(e)),
            FrameBound::CurrentRow => "0".into(),
            FrameBound::Following(e) => format!("+{}", expr(e)),
            FrameBound::UnboundedFollowing => "+inf".to_string(),
        };
        let end = frame.end.as_ref().map_or(String::new(), |end| format!("..{}", bound(end)));
        parts.push(format!("{:?} {}{end} {:?}", frame.mode, bound(&frame.start), frame.exclude));
    }
    parts.join(" ")
}

pub fn expr(e: &Expr) -> String {
    match e {
        Expr::Column(c) => {
            let star = if c.star { if c.parts.is_empty() { "*" } else { ".*" } } else { "" };
            c.parts.iter().map(Ident::as_str).collect::<Vec<_>>().join(".") + star
        }
        Expr::Param { number, .. } => format!("${number}"),
        Expr::Literal { value, .. } => match value {
            Literal::Integer(i) => i.to_string(),
            Literal::Number(n) => n.to_string(),
            Literal::String(s) => format!("{s:?}"),
            Literal::BitString(s) => format!("bits {s}"),
            Literal::Boolean(b) => b.to_string(),
            Literal::Null => "null".into(),
        },
        Expr::Op(o) => match &o.left {
            Some(left) => format!("({} {} {})", expr(left), op(&o.name), expr(&o.right)),
            None => format!("({} {})", op(&o.name), expr(&o.right)),
        },
        Expr::OpArray(o) => {
            let word = if o.any { "any" } else { "all" };
            format!("({} {} {word} {})", expr(&o.left), op(&o.name), expr(&o.right))
        }
        Expr::And { args, .. } => format!("(and {})", list(args, expr)),
        Expr::Or { args, .. } => format!("(or {})", list(args, expr)),
        Expr::Not { arg, .. } => format!("(not {})", expr(arg)),
        Expr::Distinct { left, right, negated, .. } => {
            format!("({} {}distinct {})", expr(left), not(*negated), expr(right))
        }
        Expr::NullIf { left, right, .. } => format!("nullif({} {})", expr(left), expr(right)),
        Expr::In { arg, list: items, negated, .. } => {
            format!("({} {}in {})", expr(arg), not(*negated), list(items, expr))
        }
        Expr::Like(l) => {
            let escape = l.escape.as_ref().map_or(String::new(), |e| format!(" escape {}", expr(e)));
            let kind = format!("{:?}", l.kind).to_lowercase();
            format!("({} {}{kind} {}{escape})", expr(&l.arg), not(l.negated), expr(&l.pattern))
        }
        Expr::Between(b) => {
            let symmetric = if b.symmetric { " symmetric" } else { "" };
            let bounds = format!("{} {}", expr(&b.low), expr(&b.high));
            format!("({} {}between{symmetric} {bounds})", expr(&b.arg), not(b.negated))
        }
        Expr::IsNull { arg, negated, .. } => format!("({} is-{}null)", expr(arg), not(*negated)),
        Expr::BooleanTest { arg, value, negated, .. } => {
            let value = value.map_or("unknown".to_string(), |v| v.to_string());
            format!("({} is-{}{value})", expr(arg), not(*negated))
        }
        Expr::SubLink(link) => {
            let inner = query(&link.query);
            match &link.kind {
                SubLinkKind::Exists => format!("exists{{{inner}}}"),
                SubLinkKind::Any { test, op: name, .. } => {
                    format!("({} {} any {{{inner}}})", expr(test), op(name))
                }
                SubLinkKind::All { test, op: name } => {
                    format!("({} {} all {{{inner}}})", expr(test), op(name))
                }
                SubLinkKind::Scalar => format!("{{{inner}}}"),
                SubLinkKind::Array => format!("array{{{inner}}}"),
            }
        }
        Expr::Call(c) => call(c),
        Expr::Cast { arg, type_name: t, .. } => format!("{}::{}", expr(arg), type_name(t)),
        Expr::Collate { arg, collation, .. } => format!("({} collate {})", expr(arg), collation.dotted()),
        Expr::Case(c) => {
            let arg = c.arg.as_ref().map_or(String::new(), |a| format!("{} ", expr(a)));
            let whens = list(&c.whens, |w| format!("{}->{}", expr(&w.condition), expr(&w.result)));
            let otherwise = c.otherwise.as_ref().map_or(String::new(), |o| format!(" else {}", expr(o)));
            format!("case({arg}{whens}{otherwise})")
        }
        Expr::Coalesce { args, .. } => format!("coalesce({})", list(args, expr)),
        Expr::MinMax { greatest, args, .. } => {
            format!("{}({})", if *greatest { "greatest" } else { "least" }, list(args, expr))
        }
        Expr::Row { fields, explicit, .. } => {
            format!("{}({})", if *explicit { "row" } else { "tuple" }, list(fields, expr))
        }
        Expr::Array { elements, .. } => format!("[{}]", list(elements, expr)),
        Expr::Indirection { arg, path: steps } => format!("({}){}", expr(arg), path(steps)),
        Expr::SqlValue { function, precision, .. } => {
            format!("{function:?}{}", precision.map_or(String::new(), |p| format!("({p})")))
        }
        Expr::Grouping { args, .. } => format!("grouping({})", list(args, expr)),
        Expr::Default { .. } => "default".into(),
        Expr::CurrentOf { cursor, .. } => format!("current of {}", cursor.as_str()),
    }
}

fn alias(alias: &Option<Alias>) -> String {
    match alias {
        None => String::new(),
        Some(a) if a.columns.is_empty() => format!(" as {}", a.name.as_str()),
        Some(a) => format!(" as {}({})", a.name.as_str(), list(&a.columns, |c| c.as_str().into())),
    }
}

fn column_definitions(columns: &[ColumnDefinition]) -> String {
    list(columns, |c| format!("{}:{}", c.name.as_str(), type_name(&c.type_name)))
}

pub fn table(t: &TableRef) -> String {
    match t {
        TableRef::Relation { relation, sample } => {
            let only = if relation.inherit { "" } else { "only " };
            let sample = sample.as_ref().map_or(String::new(), |s| {
                let repeat = s.repeatable.as_ref().map_or(String::new(), |r| format!(" repeat {}", expr(r)));
                format!(" sample {}({}){repeat}", s.method.dotted(), list(&s.args, expr))
            });
            format!("{only}{}{}{sample}", relation.name.dotted(), alias(&relation.alias))
        }
        TableRef::Subquery { lateral, query: q, alias: a, .. } => {
            format!("{}{{{}}}{}", if *lateral { "lateral " } else { "" }, query(q), alias(a))
        }
        TableRef::Function(f) => {
            let calls = list(&f.calls, |(e, columns)| match columns.is_empty() {
                true => expr(e),
                false => format!("{}({})", expr(e), column_definitions(columns)),
            });
            let lateral = if f.lateral { "lateral " } else { "" };
            let ordinality = if f.ordinality { " ordinality" } else { "" };
            let rows = if f.rows_from { "rows-from " } else { "" };
            let columns = match f.columns.is_empty() {
                true => String::new(),
                false => format!(" ({})", column_definitions(&f.columns)),
            };
            format!("{lateral}{rows}{calls}{ordinality}{}{columns}", alias(&f.alias))
        }
        TableRef::Join(j) => {
            let natural = if j.natural { "natural-" } else { "" };
            let mut condition = j.on.as_ref().map_or(String::new(), |on| format!(" on {}", expr(on)));
            if !j.using.is_empty() {
                condition = format!(" using({})", list(&j.using, |c| c.as_str().into()));
            }
            condition += &j.using_alias.as_ref().map_or(String::new(), |a| format!(" as {}", a.as_str()));
            let kind = format!("{natural}{:?}", j.kind).to_lowercase();
            format!("({} {kind} {}{condition}){}", table(&j.left), table(&j.right), alias(&j.alias))
        }
    }
}

fn group_by(g: &GroupBy) -> String {
    match g {
        GroupBy::Expr(e) => expr(e),
        GroupBy::Empty { .. } => "()".into(),
        GroupBy::Rollup { items, .. } => format!("rollup({})", list(items, expr)),
        GroupBy::Cube { items, .. } => format!("cube({})", list(items, expr)),
        GroupBy::Sets { items, .. } => format!("sets({})", list(items, group_by)),
    }
}

fn with(w: &With) -> String {
    let recursive = if w.recursive { "recursive " } else { "" };
    let ctes = list(&w.ctes, |c| {
        let columns = match c.columns.is_empty() {
            true => String::new(),
            false => format!("({})", list(&c.columns, |n| n.as_str().into())),
        };
        let materialized = c.materialized.map_or("", |m| if m { " materialized" } else { " inlined" });
        let search = if c.search.is_some() { " search" } else { "" };
        let cycle = if c.cycle.is_some() { " cycle" } else { "" };
        format!("{}{columns}{materialized} {{{}}}{search}{cycle}", c.name.as_str(), dml(&c.query))
    });
    format!("with {recursive}{ctes} ")
}

pub fn query(q: &Query) -> String {
    let mut text = q.with.as_ref().map_or(String::new(), with);
    text += &match &q.body {
        QueryBody::Select(s) => select(s),
        QueryBody::Values { rows, .. } => {
            format!("values {}", list(rows, |row| format!("({})", list(row, expr))))
        }
        QueryBody::SetOp(s) => {
            let op = format!("{}{}", s.op.as_str().to_lowercase(), if s.all { "-all" } else { "" });
            format!("{{{}}} {op} {{{}}}", query(&s.left), query(&s.right))
        }
    };
    if !q.order_by.is_empty() {
        text += &format!(" order[{}]", list(&q.order_by, sort));
    }
    if let Some(count) = &q.limit.count {
        text += &format!(" limit {}{}", expr(count), if q.limit.with_ties { " ties" } else { "" });
    }
    if let Some(offset) = &q.limit.offset {
        text += &format!(" offset {}", expr(offset));
    }
    for lock in &q.locking {
        text += &format!(" {}", lock.strength.as_str().to_lowercase());
        if !lock.of.is_empty() {
            text += &format!(" of {}", list(&lock.of, ObjectName::dotted));
        }
        if lock.wait != LockWait::Block {
            text += &format!(" {:?}", lock.wait).to_lowercase();
        }
    }
    text
}

fn select(s: &Select) -> String {
    let mut text = "select".to_string();
    match &s.distinct {
        None => {}
        Some(Distinct::All) => text += " distinct",
        Some(Distinct::On(keys)) => text += &format!(" distinct-on({})", list(keys, expr)),
    }
    text += &format!(" [{}]", list(&s.targets, target));
    if !s.from.is_empty() {
        text += &format!(" from {}", list(&s.from, table));
    }
    if let Some(e) = &s.where_clause {
        text += &format!(" where {}", expr(e));
    }
    if !s.group_by.is_empty() {
        let distinct = if s.group_distinct { "distinct " } else { "" };
        text += &format!(" group[{distinct}{}]", list(&s.group_by, group_by));
    }
    if let Some(e) = &s.having {
        text += &format!(" having {}", expr(e));
    }
    if !s.windows.is_empty() {
        text += &format!(" window[{}]", list(&s.windows, window));
    }
    text
}

fn assign(a: &AssignTarget) -> String {
    format!("{}{}", a.column.as_str(), path(&a.path))
}

fn assignment(a: &Assignment) -> String {
    match a {
        Assignment::Single { target, value } => format!("{}={}", assign(target), expr(value)),
        Assignment::Multiple { targets, source } => format!("({})={}", list(targets, assign), expr(source)),
    }
}

fn tail(from: &[TableRef], filter: &Option<Expr>, returning: &[Target]) -> String {
    let mut text = String::new();
    if !from.is_empty() {
        text += &format!(" from {}", list(from, table));
    }
    if let Some(e) = filter {
        text += &format!(" where {}", expr(e));
    }
    if !returning.is_empty() {
        text += &format!(" returning [{}]", list(returning, target));
    }
    text
}

fn relation(r: &RelationName) -> String {
    table(&TableRef::Relation { relation: r.clone(), sample: None })
}

fn conflict(c: &OnConflict) -> String {
    let target = match &c.target {
        None => String::new(),
        Some(ConflictTarget::Constraint { name, .. }) => format!(" constraint {}", name.as_str()),
        Some(ConflictTarget::Columns { elements, where_clause, .. }) => {
            let filter = where_clause.as_ref().map_or(String::new(), |e| format!(" where {}", expr(e)));
            format!(" ({}){filter}", list(elements, |e| expr(&e.expr)))
        }
    };
    match &c.update {
        None => format!(" conflict{target} nothing"),
        Some(update) => {
            let filter =
                update.where_clause.as_ref().map_or(String::new(), |e| format!(" where {}", expr(e)));
            format!(" conflict{target} set [{}]{filter}", list(&update.set, assignment))
        }
    }
}

pub fn dml(statement: &DmlStatement) -> String {
    match statement {
        DmlStatement::Select(q) => query(q),
        DmlStatement::Insert(i) => {
            let with = i.with.as_ref().map_or(String::new(), with);
            let columns = match i.columns.is_empty() {
                true => String::new(),
                false => format!(" ({})", list(&i.columns, assign)),
            };
            let overriding = i.overriding_system.map_or("", |s| if s { " system" } else { " user" });
            let source = i.source.as_ref().map_or("default".into(), query);
            let conflict = i.on_conflict.as_ref().map_or(String::new(), conflict);
            let returning = tail(&[], &None, &i.returning);
            format!(
                "{with}insert {}{columns}{overriding} {source}{conflict}{returning}",
                relation(&i.relation)
            )
        }
        DmlStatement::Update(u) => {
            let with = u.with.as_ref().map_or(String::new(), with);
            let set = list(&u.set, assignment);
            let tail = tail(&u.from, &u.where_clause, &u.returning);
            format!("{with}update {} set [{set}]{tail}", relation(&u.relation))
        }
        DmlStatement::Delete(d) => {
            let with = d.with.as_ref().map_or(String::new(), with);
            format!("{with}delete {}{}", relation(&d.relation), tail(&d.using, &d.where_clause, &d.returning))
        }
    }
}
