//! Row plans: an analyzed query made a tree of physical nodes.
//!
//! [`plan`] turns a typed query tree into a [`Plan`]: immutable, shareable, and resolved down to
//! numbered slots of one frame, so that executing it looks nothing up. Costs and choices follow
//! PostgreSQL's planner, so that EXPLAIN shows plans of the same shape.

pub mod aggregate;
mod builder;
mod catalog_facts;
mod compile;
mod equal;
pub mod explain;
pub mod facts;
mod flatten;
pub mod join;
pub mod modify;
pub mod node;
mod offload;
mod planner;
pub mod program;
pub mod range;
mod relabel;
mod row_program;
pub mod scan;
pub mod slot;
pub mod subplan;
pub mod walk;
pub mod window;

pub use catalog_facts::{CatalogFacts, FactsHost};
pub use facts::{PlanCatalog, PlannerContext, PlannerSettings};
pub use node::{NodeId, NodeKind, Plan, PlanNode};
pub use planner::{children, plan, plan_copy};
pub use row_program::{RowProgram, plan_row};
pub use slot::{Slot, SlotSet};
