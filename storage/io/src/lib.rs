//! io: see ARCHITECTURE.md.
