//! page: see ARCHITECTURE.md.
