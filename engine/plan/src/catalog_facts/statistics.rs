//! `pg_statistic` rows as the planner uses them.

use super::CatalogFacts;
use crate::facts::ColumnStats;
use redoubt_catalog::index_oids;
use redoubt_catalog::rows::PgStatistic;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid};
use std::sync::Arc;

/// `stakind`: most common values.
const KIND_COMMON: i16 = 1;
/// `stakind`: histogram.
const KIND_HISTOGRAM: i16 = 2;
/// `stakind`: correlation.
const KIND_CORRELATION: i16 = 3;

impl CatalogFacts<'_> {
    pub(super) fn stored_stats(&self, relid: Oid, attno: i16) -> PgResult<Option<Arc<ColumnStats>>> {
        let key = [Datum::Oid(relid), Datum::Int2(attno), Datum::Bool(false)];
        let rows = self.view.probe::<PgStatistic>(index_oids::STATISTIC_RELID, &key)?;
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let mut stats = ColumnStats {
            null_fraction: f64::from(row.stanullfrac),
            width: row.stawidth,
            distinct: f64::from(row.stadistinct),
            ..ColumnStats::default()
        };
        let slots = [
            (row.stakind1, row.stanumbers1, row.stavalues1),
            (row.stakind2, row.stanumbers2, row.stavalues2),
            (row.stakind3, row.stanumbers3, row.stavalues3),
            (row.stakind4, row.stanumbers4, row.stavalues4),
            (row.stakind5, row.stanumbers5, row.stavalues5),
        ];
        for (kind, numbers, values) in slots {
            let numbers = numbers.unwrap_or_default();
            let values = match values {
                Datum::Array(array) => array.elems.clone(),
                _ => Vec::new(),
            };
            match kind {
                KIND_COMMON => {
                    stats.common = values.into_iter().zip(numbers.into_iter().map(f64::from)).collect();
                }
                KIND_HISTOGRAM => stats.histogram = values,
                KIND_CORRELATION => stats.correlation = numbers.first().map(|value| f64::from(*value)),
                _ => {}
            }
        }
        Ok(Some(Arc::new(stats)))
    }
}
