//! The parameters of a prepared statement: types declared by the client, or found out by use
//! (PostgreSQL's src/backend/parser/parse_param.c).

use crate::variables::VariableNames;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types};
use std::sync::Arc;

/// The types of `$1`, `$2`, ...
#[derive(Clone, Debug, Default)]
pub struct Params {
    types: Vec<Oid>,
    /// Types may still be found out; otherwise a number beyond the list is an error.
    variable: bool,
    names: Option<Arc<VariableNames>>,
}

impl Params {
    /// Exactly these parameters.
    pub fn fixed(types: Vec<Oid>) -> Params {
        Params { types, variable: false, names: None }
    }

    /// Exactly these parameters, which have names.
    pub fn named(types: Vec<Oid>, names: Arc<VariableNames>) -> Params {
        Params { types, variable: false, names: Some(names) }
    }

    /// Their names, if they have any.
    pub(crate) fn names(&self) -> Option<Arc<VariableNames>> {
        self.names.clone()
    }

    /// Parameters of a Parse message: 0 or `unknown` means that use decides.
    pub fn variable(types: Vec<Oid>) -> Params {
        Params { types, variable: true, names: None }
    }

    /// The types after analysis.
    pub fn types(&self) -> &[Oid] {
        &self.types
    }

    /// A reference to `$number`; its type so far.
    pub(crate) fn refer(&mut self, number: usize, position: usize) -> PgResult<Oid> {
        const MAX_PARAMS: usize = 65_535;
        let missing = number == 0
            || number > MAX_PARAMS
            || (!self.variable && self.types.get(number - 1).is_none_or(|oid| *oid == 0));
        if missing {
            let message = format!("there is no parameter ${number}");
            return Err(PgError::new(code::UNDEFINED_PARAMETER, message).at(Some(position)));
        }
        if self.types.len() < number {
            self.types.resize(number, 0);
        }
        let entry = &mut self.types[number - 1];
        if *entry == 0 {
            *entry = types::UNKNOWN;
        }
        Ok(*entry)
    }

    /// Whether the parameter's type is still to be found out.
    pub(crate) fn is_open(&self) -> bool {
        self.variable
    }

    /// Use decides the type of `$number`.
    pub(crate) fn settle(&mut self, number: usize, target: Oid, position: Option<usize>) -> PgResult<()> {
        let entry = &mut self.types[number - 1];
        if *entry == types::UNKNOWN {
            *entry = target;
        } else if *entry != target {
            let message = format!("inconsistent types deduced for parameter ${number}");
            return Err(PgError::new(code::AMBIGUOUS_PARAMETER, message).at(position));
        }
        Ok(())
    }

    /// After analysis: every parameter that was referred to must have a type.
    pub(crate) fn check_settled(&self) -> PgResult<()> {
        match self.types.iter().position(|oid| *oid == types::UNKNOWN) {
            Some(index) => Err(PgError::new(
                code::INDETERMINATE_DATATYPE,
                format!("could not determine data type of parameter ${}", index + 1),
            )),
            None => Ok(()),
        }
    }
}
