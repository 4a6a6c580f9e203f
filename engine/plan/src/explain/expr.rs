//! Expressions of a plan as SQL.
//!
//! The analyzer prints expressions over one table. Columns of a plan come from many, and some stand
//! for what an inner node has computed or for a subquery; each is printed as a column of a made-up
//! table with a name that is then replaced by its text.

use super::ExplainContext;
use super::names::Names;
use crate::node::Plan;
use crate::range::RangeKind;
use crate::subplan::{SubPlanId, SubPlanKind};
use crate::walk;
use redoubt_analyze::query::{Expr, Var};
use redoubt_analyze::{DeparseContext, TableShape, deparse_expr};
use redoubt_error::PgResult;
use redoubt_functions::{Attribute, TupleDesc, quote_identifier};

/// Whether columns are printed with their relation's name.
#[derive(Clone, Copy)]
pub(super) enum Prefix {
    /// As the plan has one relation or several.
    ByPlan,
    /// As `ByPlan`, in the conditions of an aggregate node: its own calls stand bare.
    Aggregate,
    /// Not for this scan's own columns.
    Except(usize),
    /// Always.
    Always,
}

/// Prints plan expressions.
pub(super) struct Printer<'a> {
    pub plan: &'a Plan,
    pub context: &'a ExplainContext<'a>,
    pub names: &'a Names,
    pub verbose: bool,
}

/// What a made-up column's name begins with. It is no text that users write.
const MARK: &str = "zqxcolumn";

impl Printer<'_> {
    /// An expression as SQL.
    pub(super) fn expr(&self, expr: &Expr, prefix: Prefix) -> PgResult<String> {
        let mut expr = expr.clone();
        let mut columns: Vec<(Attribute, String)> = Vec::new();
        let mut failure = None;
        walk::rewrite(&mut expr, 0, &mut |node, _| {
            let replaced = match node {
                Expr::Var(var) => self.column(var, prefix).map(Some),
                // Inside an expression that was not kept for printing.
                Expr::SubLink(_) => Ok(Some("(SubPlan)".to_owned())),
                _ => Ok(None),
            };
            match replaced {
                Ok(None) => true,
                Ok(Some(text)) => {
                    let ty = node.ty();
                    let name = format!("{MARK}{}z", columns.len());
                    let mut attribute = Attribute::new(name, ty.type_oid).with_typmod(ty.typmod);
                    attribute.collation = ty.collation;
                    columns.push((attribute, text));
                    *node = crate::builder::column_var(0, columns.len() as i16, ty);
                    false
                }
                Err(error) => {
                    failure.get_or_insert(error);
                    false
                }
            }
        });
        if let Some(error) = failure {
            return Err(error);
        }
        let shape = TableShape {
            name: "".into(),
            relid: 0,
            desc: TupleDesc::new(columns.iter().map(|(attribute, _)| attribute.clone()).collect::<Vec<_>>()),
            row_type: 0,
        };
        let context = DeparseContext {
            catalog: self.context.catalog,
            env: self.context.env,
            path: self.context.path,
            pretty: false,
        };
        let mut text = deparse_expr(&expr, Some(&shape), context)?;
        for (index, (_, replacement)) in columns.iter().enumerate() {
            text = text.replace(&format!("{MARK}{index}z"), replacement);
        }
        Ok(text)
    }

    /// A list of conjuncts as one condition.
    pub(super) fn condition(&self, exprs: &[Expr], prefix: Prefix) -> PgResult<String> {
        match exprs {
            [single] => self.expr(single, prefix),
            several => self.expr(&Expr::And(several.to_vec()), prefix),
        }
    }

    fn column(&self, var: &Var, prefix: Prefix) -> PgResult<String> {
        let Some(range) = self.plan.ranges.get(var.rt) else { return Ok("?".to_owned()) };
        if let RangeKind::Computed(exprs) = &range.kind {
            let Some(inner) = exprs.get(var.attno as usize - 1) else { return Ok("?".to_owned()) };
            let text = self.expr(inner, prefix)?;
            let own = matches!(prefix, Prefix::Aggregate)
                && matches!(inner, Expr::Aggregate(_) | Expr::Grouping { .. });
            return Ok(if own || matches!(inner, Expr::Var(_)) { text } else { format!("({text})") });
        }
        if let RangeKind::SubPlan(id) = range.kind {
            return Ok(self.subplan(id));
        }
        let column = match var.attno {
            0 => return Ok(format!("{}.*", quote_identifier(&self.names.aliases[var.rt]))),
            -1 => "ctid".to_owned(),
            -2 => "xmin".to_owned(),
            -3 => "cmin".to_owned(),
            -4 => "xmax".to_owned(),
            -5 => "cmax".to_owned(),
            -6 => "tableoid".to_owned(),
            attno => match range.column_names.get(attno as usize - 1) {
                Some(name) => quote_identifier(name).to_string(),
                None => "?".to_owned(),
            },
        };
        let prefixed = match prefix {
            Prefix::Always => true,
            Prefix::ByPlan | Prefix::Aggregate => self.names.prefix || self.verbose,
            Prefix::Except(own) => self.verbose || var.rt != own,
        };
        let alias = &self.names.aliases[var.rt];
        Ok(if prefixed && !alias.is_empty() {
            format!("{}.{column}", quote_identifier(alias))
        } else {
            column
        })
    }

    /// A subquery by its number.
    fn subplan(&self, id: SubPlanId) -> String {
        let subplan = &self.plan.subplans[id.index()];
        if subplan.init {
            return format!("${}", subplan.param);
        }
        let hashed = matches!(subplan.kind, SubPlanKind::HashedAny { .. });
        format!("({}SubPlan {})", if hashed { "hashed " } else { "" }, subplan.number)
    }
}
