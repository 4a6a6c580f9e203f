//! What is on disk, to the byte: logs and page stores written, killed, damaged and read again; and whole shards.

mod log_bytes;
mod nodes;
mod page_store;
mod poll;
mod round;
mod seeded;
