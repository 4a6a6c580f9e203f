//! Storage in memory that forgets: what was not flushed when the machine is killed may be lost, kept or torn.
//!
//! It models the kernel and the device below it, not a careful wrapper around them, and where they promise
//! nothing it keeps nothing:
//!
//! - A flush covers the writes that completed before it began, even if it takes long (see
//!   [`ForgettingStorage::hold_flushes`]).
//! - A kill picks, by its seed, for every unflushed 512-byte sector any of the versions written since the last
//!   flush, the one before, or a mixture of two neighbours torn inside the sector.
//! - After a failed flush the next one succeeds, reads still show what was written, and the data are gone at the
//!   next kill (Rebello and others, "Can Applications Recover from fsync Failures?", USENIX ATC 2020). A
//!   portable file would refuse; here whoever goes on loses acknowledged data, and a test sees it.

mod image;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;

use crate::buffer::IoBuf;
use crate::device::{LogDevice, PageDevice, Storage};
use crate::names::check_name;
use image::Image;
use image::Seeded;

/// What the next operation on a file fails with, once, as EIO; see [`ForgettingStorage::inject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A write, which leaves the first half of its bytes; of a control file, none.
    Write,
    /// A flush, whose data are lost although everything looks clean afterwards.
    Flush,
    /// A read.
    Read,
}

/// The storage of one simulated machine. Clones share it; it survives [`ForgettingStorage::kill`], its open
/// devices do not.
#[derive(Clone, Debug, Default)]
pub struct ForgettingStorage {
    disk: Arc<Mutex<Disk>>,
}

/// An open log of a [`ForgettingStorage`]; clones share it.
#[derive(Clone, Debug)]
pub struct ForgettingLog(Handle);

/// An open page file of a [`ForgettingStorage`]; clones share it.
#[derive(Clone, Debug)]
pub struct ForgettingPages(Handle);

impl ForgettingStorage {
    /// An empty storage without limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the machine at this instant. Open devices fail from now on and operations in progress never succeed;
    /// what was not flushed is decided by `seed`, as is whether a control file being replaced is the
    /// old or the new. Injected faults and held flushes are forgotten, the capacity stays.
    pub fn kill(&self, seed: u64) {
        self.disk().kill(seed);
    }

    /// Makes the next operation of this kind on this file fail.
    pub fn inject(&self, name: &str, fault: Fault) {
        self.disk().faults.insert((name.to_owned(), fault));
    }

    /// Limits the sum of the lengths of logs and page files; control files have reserved space. Nothing is
    /// taken away: a limit below what is used only prevents growth.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<u64>) {
        self.disk().capacity_bytes = capacity_bytes;
    }

    /// Lets flushes and control file writes start but not finish.
    pub fn hold_flushes(&self) {
        self.disk().is_holding = true;
    }

    /// How many flushes and control file writes have started and wait.
    pub fn held_flushes(&self) -> usize {
        self.disk().held.len()
    }

    /// Finishes what waits, in the order it began, and lets later ones finish at once.
    pub fn release_flushes(&self) {
        let mut disk = self.disk();
        disk.is_holding = false;
        let held = std::mem::take(&mut disk.held);
        let done: Vec<_> =
            held.into_iter().map(|(change, sender)| (disk.make_durable(change), sender)).collect();
        // Sending wakes tasks, which may come back here on this thread.
        drop(disk);
        for (result, sender) in done {
            let _ = sender.send(result);
        }
    }

    /// Overwrites stored bytes behind everyone's back: rot, or another write gone astray.
    ///
    /// # Panics
    /// When there is no such log or page file, or the bytes do not lie within it.
    pub fn damage(&self, name: &str, offset: u64, bytes: &[u8]) {
        let mut disk = self.disk();
        let Some(&Entry::File(id)) = disk.names.get(name) else { panic!("no file {name:?} to damage") };
        disk.images.get_mut(&id).expect("a named file has an image").damage(offset, bytes);
    }

    /// What a kill that loses everything unflushed would leave of a log or page file; nothing when there is none.
    pub fn durable(&self, name: &str) -> Option<Vec<u8>> {
        let disk = self.disk();
        match disk.names.get(name) {
            Some(Entry::File(id)) => disk.images.get(id).map(Image::durable),
            _ => None,
        }
    }

    /// How many flushes of logs and page files have succeeded so far.
    pub fn flush_count(&self) -> u64 {
        self.disk().flush_count
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        // A test that panics while it holds the lock fails anyway.
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, name: &str, new_len_bytes: u64) -> io::Result<Handle> {
        check_name(name)?;
        let mut disk = self.disk();
        let image = match disk.names.get(name) {
            Some(Entry::File(id)) => *id,
            Some(Entry::Control(_)) => return Err(wrong_kind(name)),
            None => disk.create(name, new_len_bytes)?,
        };
        Ok(Handle { storage: self.clone(), image, boot: disk.boot })
    }

    /// Begins a change, and waits for its end if flushes are held.
    async fn change(&self, begin: impl FnOnce(&mut Disk) -> io::Result<Change>) -> io::Result<()> {
        let receiver = {
            let mut disk = self.disk();
            let change = begin(&mut disk)?;
            if !disk.is_holding {
                return disk.make_durable(change);
            }
            let (sender, receiver) = oneshot::channel();
            disk.held.push((change, sender));
            receiver
        };
        receiver.await.unwrap_or_else(|_| Err(killed()))
    }
}

impl Storage for ForgettingStorage {
    type Log = ForgettingLog;
    type Pages = ForgettingPages;

    async fn open_log(&self, name: &str, len_bytes: u64) -> io::Result<ForgettingLog> {
        self.open(name, len_bytes).map(ForgettingLog)
    }

    async fn open_pages(&self, name: &str) -> io::Result<ForgettingPages> {
        self.open(name, 0).map(ForgettingPages)
    }

    async fn write_control(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        check_name(name)?;
        self.change(|disk| {
            if matches!(disk.names.get(name), Some(Entry::File(_))) {
                return Err(wrong_kind(name));
            }
            disk.take_fault(name, Fault::Write)?;
            Ok(Change::Control { name: name.to_owned(), bytes: bytes.to_vec() })
        })
        .await
    }

    async fn read_control(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        check_name(name)?;
        let mut disk = self.disk();
        disk.take_fault(name, Fault::Read)?;
        match disk.names.get(name) {
            None => Ok(None),
            Some(Entry::Control(bytes)) => Ok(Some(bytes.clone())),
            Some(Entry::File(_)) => Err(wrong_kind(name)),
        }
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
        self.disk().names.remove(name);
        Ok(())
    }

    async fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.disk().names.keys().cloned().collect())
    }
}

impl LogDevice for ForgettingLog {
    async fn write_at(&self, offset: u64, bytes: IoBuf) -> io::Result<()> {
        self.0.write(offset, &bytes)
    }

    async fn flush(&self) -> io::Result<()> {
        self.0.flush().await
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<IoBuf> {
        self.0.read(offset, len)
    }

    fn len_bytes(&self) -> u64 {
        self.0.len_bytes()
    }
}

impl PageDevice for ForgettingPages {
    async fn write_at(&self, offset: u64, bytes: IoBuf) -> io::Result<()> {
        self.0.write(offset, &bytes)
    }

    async fn flush(&self) -> io::Result<()> {
        self.0.flush().await
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<IoBuf> {
        self.0.read(offset, len)
    }

    async fn grow(&self, len_bytes: u64) -> io::Result<()> {
        self.0.grow(len_bytes)
    }

    fn len_bytes(&self) -> u64 {
        self.0.len_bytes()
    }
}

/// An open file: valid for the boot it was opened in.
#[derive(Clone, Debug)]
struct Handle {
    storage: ForgettingStorage,
    image: u64,
    boot: u64,
}

impl Handle {
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with(Fault::Write, |disk, id, fault| {
            let at = disk.next_time();
            let image = disk.image(id);
            if !image.contains(offset, bytes.len()) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "write beyond the end"));
            }
            let written = if fault.is_err() { bytes.len() / 2 } else { bytes.len() };
            image.write(at, offset, &bytes[..written]);
            fault
        })
    }

    async fn flush(&self) -> io::Result<()> {
        let begin = |disk: &mut Disk| {
            disk.check_boot(self.boot)?;
            let (image, up_to) = (self.image, disk.next_time());
            let name = disk.image(image).name().to_owned();
            if let Err(error) = disk.take_fault(&name, Fault::Flush) {
                disk.image(image).lose_unflushed();
                return Err(error);
            }
            Ok(Change::Flush { image, up_to })
        };
        self.storage.change(begin).await
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<IoBuf> {
        self.with(Fault::Read, |disk, id, fault| {
            fault?;
            let bytes = disk.image(id).read(offset, len);
            bytes
                .map(IoBuf::from_slice)
                .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "read beyond the end"))
        })
    }

    fn grow(&self, len_bytes: u64) -> io::Result<()> {
        self.with(Fault::Write, |disk, id, fault| {
            fault?;
            let at = disk.next_time();
            let added_bytes = len_bytes.saturating_sub(disk.image(id).len_bytes());
            disk.check_capacity(added_bytes)?;
            if added_bytes > 0 {
                disk.image(id).grow(at, len_bytes);
            }
            Ok(())
        })
    }

    fn len_bytes(&self) -> u64 {
        self.storage.disk().images.get(&self.image).map_or(0, Image::len_bytes)
    }

    /// Runs an operation on this file's image, with the fault meant for it.
    fn with<T>(
        &self,
        fault: Fault,
        operate: impl FnOnce(&mut Disk, u64, io::Result<()>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut disk = self.storage.disk();
        disk.check_boot(self.boot)?;
        let name = disk.image(self.image).name().to_owned();
        let fault = disk.take_fault(&name, fault);
        operate(&mut disk, self.image, fault)
    }
}

#[derive(Debug)]
enum Entry {
    File(u64),
    Control(Vec<u8>),
}

/// Something on its way to being durable.
#[derive(Debug)]
enum Change {
    Flush { image: u64, up_to: u64 },
    Control { name: String, bytes: Vec<u8> },
}

#[derive(Debug, Default)]
struct Disk {
    names: BTreeMap<String, Entry>,
    /// By number and not by name: a removed file stays usable for those who have it open, until the kill.
    images: BTreeMap<u64, Image>,
    next_image: u64,
    /// How often the machine was killed.
    boot: u64,
    /// Orders writes and flushes.
    time: u64,
    capacity_bytes: Option<u64>,
    faults: BTreeSet<(String, Fault)>,
    is_holding: bool,
    held: Vec<(Change, oneshot::Sender<io::Result<()>>)>,
    flush_count: u64,
}

impl Disk {
    fn next_time(&mut self) -> u64 {
        self.time += 1;
        self.time
    }

    fn image(&mut self, id: u64) -> &mut Image {
        self.images.get_mut(&id).expect("a handle of this boot has an image")
    }

    fn check_boot(&self, boot: u64) -> io::Result<()> {
        if boot == self.boot { Ok(()) } else { Err(killed()) }
    }

    fn take_fault(&mut self, name: &str, fault: Fault) -> io::Result<()> {
        if self.faults.is_empty() || !self.faults.remove(&(name.to_owned(), fault)) {
            return Ok(());
        }
        Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()))
    }

    fn check_capacity(&self, added_bytes: u64) -> io::Result<()> {
        let named = self.names.values().filter_map(|entry| match entry {
            Entry::File(id) => self.images.get(id).map(Image::len_bytes),
            Entry::Control(_) => None,
        });
        let needed_bytes = named.sum::<u64>().saturating_add(added_bytes);
        if added_bytes > 0 && self.capacity_bytes.is_some_and(|capacity_bytes| needed_bytes > capacity_bytes)
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn create(&mut self, name: &str, len_bytes: u64) -> io::Result<u64> {
        self.check_capacity(len_bytes)?;
        self.next_image += 1;
        self.images.insert(self.next_image, Image::new(name, len_bytes));
        self.names.insert(name.to_owned(), Entry::File(self.next_image));
        Ok(self.next_image)
    }

    fn make_durable(&mut self, change: Change) -> io::Result<()> {
        match change {
            Change::Flush { image, up_to } => {
                self.image(image).flush(up_to);
                self.flush_count += 1;
            }
            Change::Control { name, bytes } => {
                self.names.insert(name, Entry::Control(bytes));
            }
        }
        Ok(())
    }

    fn kill(&mut self, seed: u64) {
        let mut random = Seeded::new(seed);
        self.boot += 1;
        // Dropping the senders fails the operations in progress.
        for (change, _) in std::mem::take(&mut self.held) {
            if matches!(change, Change::Control { .. }) && random.below(2) == 0 {
                let _ = self.make_durable(change);
            }
        }
        let named: BTreeSet<u64> = self
            .names
            .values()
            .filter_map(|entry| if let Entry::File(id) = entry { Some(*id) } else { None })
            .collect();
        self.images.retain(|id, _| named.contains(id));
        let now = self.time;
        self.images.values_mut().for_each(|image| image.kill(&mut random, now));
        self.faults.clear();
        self.is_holding = false;
    }
}

fn killed() -> io::Error {
    io::Error::other("the machine was killed")
}

fn wrong_kind(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is a file of another kind"))
}
