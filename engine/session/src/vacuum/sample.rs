//! ANALYZE: a random sample of a table's rows, and what it says, written to `pg_statistic` and `pg_class`.

use super::column_statistics::{ColumnStatistics, Sample, compute};
use super::{Options, Target};
use crate::access::Access;
use crate::session::Session;
use crate::settings::Parameter;
use redoubt_access::{Direction, HeapScan, deform, value};
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::Ddl;
use redoubt_catalog::rows::PgStatistic;
use redoubt_error::PgResult;
use redoubt_exec::Relations;
use redoubt_functions::random::Prng;
use redoubt_functions::{ArrayValue, Datum, Oid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rows sampled for each unit of the statistics target: with a table of a million rows, a histogram's bins are
/// then within half of their height with 99 % probability (Chaudhuri, Motwani and Narasayya, SIGMOD 1998).
const ROWS_PER_TARGET: usize = 300;

/// `pg_class.oid` of `pg_statistic`.
const PG_STATISTIC: Oid = 2619;
/// `pg_statistic.stakind` of most common values, histogram and correlation.
const KIND_COMMON: i16 = 1;
const KIND_HISTOGRAM: i16 = 2;
const KIND_CORRELATION: i16 = 3;

/// Rows of a table, drawn at random, in the order of their places.
struct Rows {
    rows: Vec<Vec<Datum>>,
    /// How many the table has, by what was seen.
    table_rows: f64,
    pages: u32,
}

/// A column to look at.
struct Column {
    attno: i16,
    target: usize,
}

impl Session {
    pub(super) fn analyze_table(&self, target: &Target, options: Options) -> PgResult<()> {
        let Some(relation) = self.lock_target(target, options, "analyze")? else { return Ok(()) };
        if relation.oid == PG_STATISTIC {
            // Statistics of statistics: its values are of all types at once. PostgreSQL skips it silently, too.
            return Ok(());
        }
        let access = Access::current(self)?;
        let columns = self.columns_to_analyze(&relation, &target.columns);
        let most = columns.iter().map(|column| column.target).max().unwrap_or(0);
        let rows =
            redoubt_buffer::blocking(|| self.sample(&access, &relation, most.max(100) * ROWS_PER_TARGET))?;
        if options.verbose {
            let place = format!("{}.{}", access.open(relation.oid)?.schema, relation.name);
            self.inform(format!("analyzing \"{place}\""));
            self.inform(format!(
                "\"{}\": {} rows in sample, {:.0} estimated total rows in {} pages",
                relation.name,
                rows.rows.len(),
                rows.table_rows,
                rows.pages
            ));
        }
        for column in &columns {
            let statistics = self.column_statistics(&access, &relation, column, &rows)?;
            self.store_statistics(&access, &relation, column.attno, &statistics)?;
        }
        let visible = access.open(relation.oid)?.heap.all_visible_blocks()?;
        let store = access.store();
        store.set_relation_size(relation.oid, rows.pages as i32, rows.table_rows as f32, visible as i32)?;
        for index in access.catalog().indexes_of(&relation)? {
            let pages = index.open(access.engine())?.nblocks();
            store.set_relation_size(index.oid, pages as i32, rows.table_rows as f32, 0)?;
        }
        self.facts.instance.counters.analyzed((relation.database, relation.oid));
        self.txn().advance_command()
    }

    fn columns_to_analyze(&self, relation: &Relation, asked: &[i16]) -> Vec<Column> {
        let default = self.settings.int(Parameter::DefaultStatisticsTarget);
        let column = |attno: i16| {
            let attribute = &relation.attributes[attno as usize - 1];
            let target = if attribute.attstattarget < 0 { default } else { attribute.attstattarget.into() };
            Column { attno, target: target as usize }
        };
        (1..=relation.desc.len() as i16)
            .filter(|attno| !relation.desc.attrs[*attno as usize - 1].dropped)
            .filter(|attno| asked.is_empty() || asked.contains(attno))
            .map(column)
            .filter(|column| column.target > 0)
            .collect()
    }

    /// Draws rows in two stages: blocks at random, then of their rows by a reservoir, so that each row of the
    /// blocks is as likely as any other (Vitter, "Random Sampling with a Reservoir", 1985, algorithm R).
    fn sample(&self, access: &Access<'_>, relation: &Relation, wanted: usize) -> PgResult<Rows> {
        let table = access.open(relation.oid)?;
        let pages = table.heap.nblocks();
        let mut random = Prng::from_entropy();
        let mut below = |limit: u64| (random.next_f64() * limit as f64) as u64;
        let blocks = choose_blocks(pages, wanted, &mut below);
        let mut chosen: Vec<(u64, Vec<Datum>)> = Vec::new();
        let mut seen = 0u64;
        for &block in &blocks {
            self.facts.backend.check_for_interrupts()?;
            let mut scan =
                HeapScan::over(table.heap.clone(), access.snapshot.clone(), block, block + 1).once();
            while let Some((_, tuple)) = scan.next(Direction::Forward)? {
                let place = seen;
                seen += 1;
                let slot = if chosen.len() < wanted {
                    chosen.push((place, Vec::new()));
                    chosen.len() - 1
                } else {
                    match below(seen) as usize {
                        slot if slot < wanted => slot,
                        _ => continue,
                    }
                };
                let mut row = Vec::with_capacity(relation.desc.len());
                deform(tuple, &relation.desc, relation.desc.len(), &mut row)?;
                chosen[slot] = (place, row);
            }
        }
        chosen.sort_unstable_by_key(|(place, _)| *place);
        let table_rows = match blocks.len() {
            0 => 0.0,
            looked_at => seen as f64 / looked_at as f64 * f64::from(pages),
        };
        Ok(Rows { rows: chosen.into_iter().map(|(_, row)| row).collect(), table_rows, pages })
    }

    fn column_statistics(
        &self,
        access: &Access<'_>,
        relation: &Relation,
        column: &Column,
        rows: &Rows,
    ) -> PgResult<ColumnStatistics> {
        let type_oid = relation.desc.attrs[column.attno as usize - 1].type_oid;
        let mut bytes = Vec::new();
        let mut values = Vec::with_capacity(rows.rows.len());
        for row in &rows.rows {
            let value = &row[column.attno as usize - 1];
            bytes.clear();
            if !value.is_null() {
                value::encode(value, &mut bytes)?;
            }
            values.push((value.clone(), bytes.len()));
        }
        let is_sortable = access.catalog().sort_operators(type_oid)?.less != 0;
        let sample = Sample {
            type_oid,
            is_sortable,
            values: &values,
            table_rows: rows.table_rows,
            target: column.target,
        };
        Ok(compute(&sample))
    }

    fn store_statistics(
        &self,
        access: &Access<'_>,
        relation: &Relation,
        attno: i16,
        statistics: &ColumnStatistics,
    ) -> PgResult<()> {
        let attribute = &relation.desc.attrs[attno as usize - 1];
        let operators = access.catalog().sort_operators(attribute.type_oid)?;
        let mut slots = Slots::default();
        if !statistics.common.is_empty() {
            let (values, fractions) = statistics.common.iter().cloned().unzip::<_, _, Vec<_>, Vec<f64>>();
            slots.add(KIND_COMMON, operators.equal, Some(fractions), Some(values));
        }
        if !statistics.histogram.is_empty() {
            slots.add(KIND_HISTOGRAM, operators.less, None, Some(statistics.histogram.clone()));
        }
        if let Some(correlation) = statistics.correlation {
            slots.add(KIND_CORRELATION, operators.less, Some(vec![correlation]), None);
        }
        let row = slots.row(relation.oid, attno, statistics, attribute.type_oid, attribute.collation);
        Ddl::new(access.store(), &access.path).replace_statistics(&row)
    }
}

/// At most `wanted` blocks of a table, ascending: all of them if there are no more.
fn choose_blocks(pages: u32, wanted: usize, below: &mut impl FnMut(u64) -> u64) -> Vec<u32> {
    if pages as usize <= wanted {
        return (0..pages).collect();
    }
    // Floyd's way to draw a set: each step adds one block that was not drawn before.
    let mut drawn = BTreeSet::new();
    for limit in (u64::from(pages) - wanted as u64)..u64::from(pages) {
        let block = below(limit + 1) as u32;
        if !drawn.insert(block) {
            drawn.insert(limit as u32);
        }
    }
    drawn.into_iter().collect()
}

/// One of `pg_statistic`'s five places for statistics of whatever kind.
#[derive(Default)]
struct Slot {
    kind: i16,
    operator: Oid,
    numbers: Option<Vec<f32>>,
    values: Option<Vec<Datum>>,
}

#[derive(Default)]
struct Slots {
    used: usize,
    slots: [Slot; 5],
}

impl Slots {
    fn add(&mut self, kind: i16, operator: Oid, numbers: Option<Vec<f64>>, values: Option<Vec<Datum>>) {
        let numbers = numbers.map(|numbers| numbers.into_iter().map(|number| number as f32).collect());
        self.slots[self.used] = Slot { kind, operator, numbers, values };
        self.used += 1;
    }

    fn row(
        self,
        relid: Oid,
        attno: i16,
        statistics: &ColumnStatistics,
        type_oid: Oid,
        collation: Oid,
    ) -> PgStatistic {
        let [one, two, three, four, five] = self.slots;
        let collation_of = |slot: &Slot| if slot.kind == 0 { 0 } else { collation };
        let values = |values: Option<Vec<Datum>>| {
            values.map_or(Datum::Null, |values| {
                Datum::Array(Arc::new(ArrayValue::from_elems(type_oid, values)))
            })
        };
        PgStatistic {
            starelid: relid,
            staattnum: attno,
            stainherit: false,
            stanullfrac: statistics.null_fraction as f32,
            stawidth: statistics.width,
            stadistinct: statistics.distinct as f32,
            stakind1: one.kind,
            stakind2: two.kind,
            stakind3: three.kind,
            stakind4: four.kind,
            stakind5: five.kind,
            staop1: one.operator,
            staop2: two.operator,
            staop3: three.operator,
            staop4: four.operator,
            staop5: five.operator,
            stacoll1: collation_of(&one),
            stacoll2: collation_of(&two),
            stacoll3: collation_of(&three),
            stacoll4: collation_of(&four),
            stacoll5: collation_of(&five),
            stanumbers1: one.numbers,
            stanumbers2: two.numbers,
            stanumbers3: three.numbers,
            stanumbers4: four.numbers,
            stanumbers5: five.numbers,
            stavalues1: values(one.values),
            stavalues2: values(two.values),
            stavalues3: values(three.values),
            stavalues4: values(four.values),
            stavalues5: values(five.values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::choose_blocks;

    #[test]
    fn blocks_are_distinct_and_within_the_table() {
        let mut state = 1u64;
        let mut below = |limit: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % limit
        };
        let check = |pages: u32, wanted: usize, blocks: Vec<u32>| {
            assert_eq!(blocks.len(), wanted.min(pages as usize));
            assert!(blocks.windows(2).all(|pair| pair[0] < pair[1]), "{blocks:?}");
            assert!(blocks.iter().all(|block| *block < pages), "{blocks:?}");
        };
        for (pages, wanted) in [(0, 10), (3, 10), (10, 10), (11, 10), (1000, 30), (31, 30)] {
            let blocks = choose_blocks(pages, wanted, &mut below);
            check(pages, wanted, blocks);
        }
    }
}
