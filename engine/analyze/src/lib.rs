//! analyze: see ARCHITECTURE.md.
