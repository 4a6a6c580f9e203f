//! sql: see ARCHITECTURE.md.
