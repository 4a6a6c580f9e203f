//! buffer: see ARCHITECTURE.md.
