//! functions: see ARCHITECTURE.md.
