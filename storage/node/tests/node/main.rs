//! What is on disk, to the byte: logs and page stores written, killed, damaged and read again.

mod log_bytes;
mod page_store;
mod poll;
mod seeded;
