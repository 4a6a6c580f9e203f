//! Our errors on their way through DataFusion, and DataFusion's on their way to the client.

use arrow::error::ArrowError;
use datafusion_common::DataFusionError;
use redoubt_error::{PgError, code};

/// Wraps an error so that [`from_datafusion`] finds it again.
pub(crate) fn to_datafusion(error: PgError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The error to report. Ours comes back as it was, SQLSTATE and all.
pub(crate) fn from_datafusion(error: &DataFusionError) -> PgError {
    match error {
        DataFusionError::External(inner) => match inner.downcast_ref::<PgError>() {
            Some(ours) => ours.clone(),
            None => match inner.downcast_ref::<DataFusionError>() {
                Some(nested) => from_datafusion(nested),
                None => PgError::internal(format!("DataFusion: {inner}")),
            },
        },
        DataFusionError::ArrowError(inner, _) => from_arrow(inner),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => from_datafusion(inner),
        DataFusionError::Shared(inner) => from_datafusion(inner),
        DataFusionError::Collection(errors) if !errors.is_empty() => from_datafusion(&errors[0]),
        DataFusionError::ResourcesExhausted(what) => {
            let mut error = PgError::new(code::OUT_OF_MEMORY, "out of memory");
            error = error.detail(what.clone());
            error.hint("Raise redoubt.datafusion_mem, or set redoubt.executor to row.")
        }
        other => PgError::internal(format!("DataFusion: {other}")),
    }
}

fn from_arrow(error: &ArrowError) -> PgError {
    match error {
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(nested) => from_datafusion(nested),
            None => match inner.downcast_ref::<PgError>() {
                Some(ours) => ours.clone(),
                None => PgError::internal(format!("Arrow: {inner}")),
            },
        },
        other => PgError::internal(format!("Arrow: {other}")),
    }
}
