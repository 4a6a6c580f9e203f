//! The judges: tests that look at the project from outside (see `tests/`).
