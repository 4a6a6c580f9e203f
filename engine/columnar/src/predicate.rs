//! A join condition as DataFusion asks for it: an expression over a batch of candidate pairs.

use crate::error::to_datafusion;
use crate::evaluate::Surroundings;
use crate::flow::Rows;
use crate::program_exec::load;
use crate::repr::Repr;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use redoubt_plan::Slot;
use redoubt_plan::program::Program;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// True for the pairs that pass a program.
pub(crate) struct Predicate {
    pub around: Arc<Surroundings>,
    pub program: Program,
    /// The slots of the batch's columns.
    pub columns: Vec<Option<(Slot, Repr)>>,
}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Predicate({} steps)", self.program.steps.len())
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

// Every predicate is its own: DataFusion must not take two for one.
impl PartialEq for Predicate {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Predicate {}

impl Hash for Predicate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self as *const Self).hash(state);
    }
}

impl PhysicalExpr for Predicate {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, input: &RecordBatch) -> Result<ColumnarValue> {
        let mut batch = load(&self.around, &self.columns, input);
        let passing = batch.run(&self.program, Rows::All).map_err(to_datafusion)?;
        let mut flags = vec![false; input.num_rows()];
        passing.iter(input.num_rows()).for_each(|row| flags[row] = true);
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(flags))))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(self)
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
