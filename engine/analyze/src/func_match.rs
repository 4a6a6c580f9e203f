//! Fitting a call's actual arguments to a function's parameters: defaults, VARIADIC, named notation.

use crate::candidate::Candidate;
use crate::func::Match;
use redoubt_catalog::rows::PgProc;
use redoubt_functions::types;
use std::sync::Arc;

/// Whether a function can take so many arguments in this notation, and with which declared types.
pub(crate) fn arrange(
    proc: &Arc<PgProc>,
    count: usize,
    names: &[Option<Arc<str>>],
    variadic: bool,
) -> Option<Candidate<Match>> {
    let parameters = proc.pronargs as usize;
    let defaults = proc.pronargdefaults as usize;
    if names.iter().any(Option::is_some) {
        let order = match_named(proc, count, names)?;
        // Declared types in the order of the actual arguments.
        let mut args = vec![0; count];
        for (parameter, source) in order.iter().enumerate() {
            if let Some(index) = source {
                args[*index] = proc.proargtypes[parameter];
            }
        }
        return Some(Candidate {
            args,
            target: Match { proc: proc.clone(), order: Some(order), variadic_from: None },
        });
    }
    let expand = proc.provariadic != 0 && !variadic && count >= parameters;
    if expand {
        let first = parameters - 1;
        let mut args = proc.proargtypes[..first].to_vec();
        args.resize(count, proc.provariadic);
        // VARIADIC "any" takes its arguments as they are.
        let variadic_from = (proc.provariadic != types::ANY).then_some(first);
        return Some(Candidate { args, target: Match { proc: proc.clone(), order: None, variadic_from } });
    }
    if variadic && proc.provariadic == 0 {
        return None;
    }
    if count > parameters || count + defaults < parameters {
        return None;
    }
    let args = proc.proargtypes[..count].to_vec();
    Some(Candidate { args, target: Match { proc: proc.clone(), order: None, variadic_from: None } })
}

/// Named notation: which actual argument each parameter takes; every one without must have a
/// default (`MatchNamedCall`).
fn match_named(proc: &PgProc, count: usize, names: &[Option<Arc<str>>]) -> Option<Vec<Option<usize>>> {
    let parameters = proc.pronargs as usize;
    if count > parameters || proc.provariadic != 0 {
        return None;
    }
    let declared = proc.proargnames.as_ref()?;
    // Input parameters only; without modes all are.
    let inputs: Vec<&Arc<str>> = match &proc.proargmodes {
        None => declared.iter().collect(),
        Some(modes) => declared
            .iter()
            .zip(modes)
            .filter(|(_, mode)| matches!(mode, 'i' | 'b' | 'v'))
            .map(|(name, _)| name)
            .collect(),
    };
    let mut order = vec![None; parameters];
    for (index, name) in names.iter().enumerate() {
        let parameter = match name {
            None => index,
            Some(name) => inputs.iter().position(|declared| *declared == name)?,
        };
        if order.get(parameter)?.is_some() {
            return None;
        }
        order[parameter] = Some(index);
    }
    let first_default = parameters - proc.pronargdefaults as usize;
    let complete = order.iter().enumerate().all(|(index, source)| source.is_some() || index >= first_default);
    complete.then_some(order)
}
