//! Operators: from a symbol and the operands' types to a call
//! (PostgreSQL's src/backend/parser/parse_oper.c).

use crate::analyzer::Analyzer;
use crate::candidate::Candidate;
use crate::coerce::Coercion;
use crate::query::{Call, CallForm, Expr};
use redoubt_catalog::rows::PgOperator;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types};
use redoubt_sql::tree::OpName;
use std::sync::Arc;

impl Analyzer<'_> {
    /// `left symbol right`, or `symbol right`, as a call (`make_op`). `positions` are where the
    /// operator and its operands stand.
    pub(crate) fn make_op(
        &mut self,
        name: &OpName,
        left: Option<Expr>,
        right: Expr,
        position: usize,
        operand_positions: (usize, usize),
    ) -> PgResult<Expr> {
        let left_type = left.as_ref().map(|left| left.ty().type_oid);
        let operator = self.find_operator(name, left_type, right.ty().type_oid, Some(position))?;
        let (args, positions) = match left {
            Some(left) => (vec![left, right], vec![operand_positions.0, operand_positions.1]),
            None => (vec![right], vec![operand_positions.1]),
        };
        let call = self.operator_call(&operator, args, &positions, position)?;
        if call.returns_set {
            self.note_set_returning(position)?;
        }
        Ok(Expr::Call(Box::new(call)))
    }

    /// Casts the operands to the operator's types and makes the call.
    pub(crate) fn operator_call(
        &mut self,
        operator: &PgOperator,
        args: Vec<Expr>,
        positions: &[usize],
        position: usize,
    ) -> PgResult<Call> {
        if operator.oprcode == 0 {
            return Err(PgError::new(
                code::UNDEFINED_FUNCTION,
                format!("operator is only a shell: {}", self.operator_signature(&operator.oprname, &args)?),
            )
            .at(Some(position)));
        }
        let actual: Vec<Oid> = args.iter().map(|arg| arg.ty().type_oid).collect();
        let mut declared = if actual.len() == 2 {
            vec![operator.oprleft, operator.oprright]
        } else {
            vec![operator.oprright]
        };
        let result = self.resolve_generics(&actual, &mut declared, operator.oprresult)?;
        let args = self.coerce_args(args, &declared, positions)?;
        let proc = self.proc_must(operator.oprcode)?;
        let collation = self.input_collation(&args);
        let mut ty = self.plain_type(result)?;
        if ty.collation != 0 && collation != 0 {
            ty.collation = collation;
        }
        Ok(Call {
            arg_types: args.iter().map(|arg| arg.ty().type_oid).collect(),
            ty,
            input_collation: collation,
            form: CallForm::Operator { oid: operator.oid, symbol: operator.oprname.clone() },
            position: Some(position),
            ..self.call_of(&proc, args)
        })
    }

    /// Casts arguments, implicitly, to declared types.
    pub(crate) fn coerce_args(
        &mut self,
        args: Vec<Expr>,
        declared: &[Oid],
        positions: &[usize],
    ) -> PgResult<Vec<Expr>> {
        args.into_iter()
            .zip(declared)
            .enumerate()
            .map(|(index, (arg, declared))| {
                let position = positions.get(index).copied();
                self.coerce(arg, *declared, -1, Coercion::Implicit, false, position)
            })
            .collect()
    }

    /// The collation of a call: that of its first argument with one. (C is the one collation that
    /// is built, so that conflicts cannot change a result.)
    pub(crate) fn input_collation(&self, args: &[Expr]) -> Oid {
        args.iter().map(|arg| arg.ty().collation).find(|collation| *collation != 0).unwrap_or(0)
    }

    /// The operator for these operand types, or PostgreSQL's error (`oper`, `left_oper`).
    pub(crate) fn find_operator(
        &self,
        name: &OpName,
        left: Option<Oid>,
        right: Oid,
        position: Option<usize>,
    ) -> PgResult<Arc<PgOperator>> {
        let candidates = self.visible_operators(name, left.is_some())?;
        // An unknown literal is first taken to be of the other operand's type.
        let (exact_left, exact_right) = match left {
            Some(types::UNKNOWN) if right != types::UNKNOWN => (right, right),
            Some(left) if right == types::UNKNOWN => (left, left),
            Some(left) => (left, right),
            None => (0, right),
        };
        let exact = |l: Oid, r: Oid| candidates.iter().find(|c| c.oprleft == l && c.oprright == r).cloned();
        if let Some(found) = exact(exact_left, exact_right) {
            return Ok(found);
        }
        if left.is_some() {
            let (l, r) =
                (self.catalog.base_type(exact_left, -1)?.0, self.catalog.base_type(exact_right, -1)?.0);
            if (l, r) != (exact_left, exact_right)
                && let Some(found) = exact(l, r)
            {
                return Ok(found);
            }
        }
        let actual: Vec<Oid> = left.into_iter().chain([right]).collect();
        let candidates = candidates
            .into_iter()
            .map(|operator| Candidate {
                args: if left.is_some() {
                    vec![operator.oprleft, operator.oprright]
                } else {
                    vec![operator.oprright]
                },
                target: operator,
            })
            .collect();
        let mut matching = self.matching(&actual, candidates)?;
        if matching.len() == 1 {
            return Ok(matching.pop().expect("there is one").target);
        }
        let ambiguous = !matching.is_empty();
        if ambiguous && let Some(best) = self.select_candidate(&actual, matching)? {
            return Ok(best.target);
        }
        Err(self.operator_error(name, left, right, ambiguous)?.at(position))
    }

    fn operator_error(
        &self,
        name: &OpName,
        left: Option<Oid>,
        right: Oid,
        ambiguous: bool,
    ) -> PgResult<PgError> {
        let symbol: String = name
            .schema
            .iter()
            .map(|part| format!("{}.", part.name))
            .chain([name.symbol.to_string()])
            .collect();
        let left = left.map(|oid| self.type_name(oid)).transpose()?;
        let right = self.type_name(right)?;
        let (signature, plural) = match left {
            Some(left) => (format!("{left} {symbol} {right}"), true),
            None => (format!("{symbol} {right}"), false),
        };
        let casts = if plural {
            "types. You might need to add explicit type casts."
        } else {
            "type. You might need to add an explicit type cast."
        };
        Ok(if ambiguous {
            PgError::new(code::AMBIGUOUS_FUNCTION, format!("operator is not unique: {signature}")).hint(
                "Could not choose a best candidate operator. You might need to add explicit type casts.",
            )
        } else {
            PgError::new(code::UNDEFINED_FUNCTION, format!("operator does not exist: {signature}"))
                .hint(format!("No operator matches the given name and argument {casts}"))
        })
    }

    fn operator_signature(&self, symbol: &str, args: &[Expr]) -> PgResult<String> {
        let names: Vec<String> =
            args.iter().map(|arg| self.type_name(arg.ty().type_oid)).collect::<PgResult<_>>()?;
        Ok(match names.as_slice() {
            [right] => format!("{symbol} {right}"),
            _ => format!("{} {symbol} {}", names[0], names[1]),
        })
    }

    /// Operators of this name along the search path; of several with the same operand types the
    /// first in the path stands.
    fn visible_operators(&self, name: &OpName, binary: bool) -> PgResult<Vec<Arc<PgOperator>>> {
        let path = match name.schema.last() {
            Some(schema) => vec![self.explicit_namespace(&schema.name, schema.pos)?],
            None => self.path.to_vec(),
        };
        let all = self.catalog.operators_by_name(&name.symbol)?;
        let mut found: Vec<Arc<PgOperator>> = Vec::new();
        for schema in &path {
            for operator in all.iter().filter(|o| o.oprnamespace == *schema && (o.oprleft != 0) == binary) {
                if !found.iter().any(|f| f.oprleft == operator.oprleft && f.oprright == operator.oprright) {
                    found.push(operator.clone());
                }
            }
        }
        Ok(found)
    }

    /// `x op ANY (array)` and `x op ALL (array)` (`make_scalar_array_op`).
    pub(crate) fn make_scalar_array_op(
        &mut self,
        name: &OpName,
        any: bool,
        left: Expr,
        right: Expr,
        position: usize,
        operand_positions: (usize, usize),
    ) -> PgResult<Expr> {
        let wrong = |message: &str| PgError::new(code::WRONG_OBJECT_TYPE, message).at(Some(position));
        let array = right.ty().type_oid;
        let element = if array == types::UNKNOWN {
            types::UNKNOWN
        } else {
            self.catalog
                .array_element(array)?
                .ok_or_else(|| wrong("op ANY/ALL (array) requires array on right side"))?
        };
        let operator = self.find_operator(name, Some(left.ty().type_oid), element, Some(position))?;
        let actual = [left.ty().type_oid, element];
        let mut declared = vec![operator.oprleft, operator.oprright];
        let result = self.resolve_generics(&actual, &mut declared, operator.oprresult)?;
        if result != types::BOOL {
            return Err(wrong("op ANY/ALL (array) requires operator to yield boolean"));
        }
        let proc = self.proc_must(operator.oprcode)?;
        if proc.proretset {
            return Err(wrong("op ANY/ALL (array) requires operator not to return a set"));
        }
        // An array that is polymorphic on the right goes as it is.
        let array_type = if declared[1] == element && element != types::UNKNOWN {
            self.catalog.base_type(array, -1)?.0
        } else {
            self.catalog.array_type(declared[1])?.ok_or_else(|| {
                PgError::new(code::UNDEFINED_OBJECT, "could not find array type").at(Some(position))
            })?
        };
        let positions = [operand_positions.0, operand_positions.1];
        let args = self.coerce_args(vec![left, right], &[declared[0], array_type], &positions)?;
        let collation = self.input_collation(&args);
        let call = Call {
            arg_types: declared,
            ty: self.plain_type(types::BOOL)?,
            input_collation: collation,
            form: CallForm::Operator { oid: operator.oid, symbol: operator.oprname.clone() },
            position: Some(position),
            ..self.call_of(&proc, args)
        };
        Ok(Expr::ScalarArrayOp { call: Box::new(call), any })
    }

    /// The default `<`, `=` and `>` of a type, for ORDER BY, GROUP BY and DISTINCT
    /// (`get_sort_group_operators`).
    pub(crate) fn sort_group_operators(
        &self,
        type_oid: Oid,
        position: Option<usize>,
    ) -> PgResult<(Oid, Oid, Oid)> {
        let found = self.catalog.sort_operators(type_oid)?;
        if found.less == 0 || found.equal == 0 || found.greater == 0 {
            return Err(PgError::new(
                code::UNDEFINED_FUNCTION,
                format!("could not identify an ordering operator for type {}", self.type_name(type_oid)?),
            )
            .hint("Use an explicit ordering operator or modify the query.")
            .at(position));
        }
        Ok((found.less, found.equal, found.greater))
    }
}
