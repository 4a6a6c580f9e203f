//! Where bytes become durable: log files, page files and control files behind narrow traits.
//!
//! Two implementations: [`DiskStorage`] on a file system, by io_uring (through glommio) where the
//! kernel lets us have it and by blocking calls on a few threads ([`portable`]) where not; and [`forgetting`] in
//! memory, which loses on [`forgetting::ForgettingStorage::kill`] what a power cut could lose. Whoever uses one
//! lets [`Storage::drive`] run its futures: those of a ring need the executor that has it, the others any.
//!
//! The rules, which all implementations keep and all callers rely on:
//!
//! 1. What a completed `flush` covers is durable: every write that had completed before the flush began.
//!    A write still in progress then may or may not be.
//! 2. A flush that fails is never retried. Its device is dead: what it holds is known only from media, after
//!    opening it anew. Portable files refuse to go on; the forgetting ones do what a kernel does, and lose data.
//! 3. After a crash an unflushed write may be there, be absent, or be there in part, in any 512-byte sectors.
//!    Writes are not ordered against each other except through a flush.
//! 4. A name appears, disappears and changes what it stands for durably: directories are flushed as well.
//! 5. Dropping a future does not take its operation back for certain: it may happen, or not.

mod buffer;
mod device;
mod disk;
mod executor;
pub mod forgetting;
mod lock;
mod names;
pub mod portable;
mod ring;
mod shipping;

pub use buffer::{IO_ALIGNMENT, IoBuf};
pub use device::{LogDevice, PageDevice, Storage};
pub use disk::{Choice, Device, DiskLog, DiskPages, DiskStorage, IoMethod};
pub use executor::block_on;
pub use lock::{DirectoryLock, LockError};
pub use shipping::{SHIPMENT_BYTES, Stretch};
