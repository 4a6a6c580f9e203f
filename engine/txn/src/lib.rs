//! txn: see ARCHITECTURE.md.
