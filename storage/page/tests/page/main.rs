//! Tests of the page format and of `apply`, in one binary.

mod fuzz_smoke;
mod golden;
mod model;
mod random_ops;
mod refusals;
mod seeded;
