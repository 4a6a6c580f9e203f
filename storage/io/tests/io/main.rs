//! Tests of what every storage promises, and of what each one does beside.

mod block_on;
mod contract;
mod disk;
mod forgetting;
mod portable;
mod refused;
mod waking;
