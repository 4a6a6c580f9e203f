//! conformance: see ARCHITECTURE.md.
