//! One module per family of nodes.

pub(crate) mod aggregate;
pub(crate) mod append;
pub(crate) mod bitmap_scan;
pub(crate) mod cte_scan;
pub(crate) mod function_scan;
pub(crate) mod hash_join;
pub(crate) mod index_scan;
pub(crate) mod limit;
pub(crate) mod lock_rows;
pub(crate) mod material;
pub(crate) mod merge_join;
pub(crate) mod modify;
pub(crate) mod nested_loop;
pub(crate) mod offload;
pub(crate) mod pass;
pub(crate) mod project_set;
pub(crate) mod recursive_union;
pub(crate) mod result;
mod sample;
pub(crate) mod seq_scan;
pub(crate) mod set_operation;
pub(crate) mod sort;
pub(crate) mod tid_scan;
pub(crate) mod unique;
pub(crate) mod values_scan;
pub(crate) mod window;
