//! Storage in a directory, by the best device that this machine lets us have.

use std::fmt;
use std::io;
use std::path::Path;

use crate::buffer::IoBuf;
use crate::device::{LogDevice, PageDevice, Storage};
use crate::executor::block_on;
use crate::portable::{LogFile, PageFile, PortableOptions, PortableStorage};
use crate::ring::{self, RingFile};
use crate::shipping::{Shipping, Stretch, check_size};

/// Which device is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IoMethod {
    /// io_uring where the kernel lets us have it, and blocking calls elsewhere.
    #[default]
    Auto,
    /// io_uring by glommio, or nothing.
    Glommio,
    /// Blocking calls on a few threads.
    Portable,
}

impl IoMethod {
    /// The method of this name: `auto`, `glommio` or `portable`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "glommio" => Some(Self::Glommio),
            "portable" => Some(Self::Portable),
            _ => None,
        }
    }

    /// Chooses a device: asks the kernel for a ring where one is wanted, and touches nothing.
    ///
    /// # Errors
    /// `Unsupported`, saying why, when glommio is wanted and cannot be had.
    pub fn choose(self) -> io::Result<Choice> {
        let refusal = if self == Self::Portable { None } else { ring::refusal() };
        match (self, refusal) {
            (Self::Portable, _) => Ok(Choice { device: Device::Portable, instead_because: None }),
            (_, None) => Ok(Choice { device: Device::Glommio, instead_because: None }),
            (Self::Auto, refusal) => Ok(Choice { device: Device::Portable, instead_because: refusal }),
            (Self::Glommio, Some(reason)) => Err(io::Error::new(io::ErrorKind::Unsupported, reason)),
        }
    }
}

/// A device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// io_uring, by glommio.
    Glommio,
    /// Blocking calls on a few threads.
    Portable,
}

/// The device that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The device.
    pub device: Device,
    /// Why it is not the one that would have been preferred.
    pub instead_because: Option<String>,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.device {
            Device::Glommio => "glommio",
            Device::Portable => "portable",
        })?;
        self.instead_because.iter().try_for_each(|reason| write!(f, ", because {reason}"))
    }
}

/// Storage in a directory. Clones share it, and may go to other threads; what is opened stays on its own.
#[derive(Clone, Debug)]
pub struct DiskStorage {
    portable: PortableStorage,
    device: Device,
    shipping: Shipping,
}

/// An open log of a [`DiskStorage`]; clones share it.
#[derive(Clone, Debug)]
pub struct DiskLog(AnyFile<LogFile>, Shipping);

/// An open page file of a [`DiskStorage`]; clones share it.
#[derive(Clone, Debug)]
pub struct DiskPages(AnyFile<PageFile>, Shipping);

#[derive(Clone, Debug)]
enum AnyFile<P> {
    Portable(P),
    Ring(RingFile),
}

impl DiskStorage {
    /// Opens a directory as [`PortableStorage::open`] does, for use by a device that [`IoMethod::choose`] found to be
    /// there. Blocks.
    ///
    /// # Errors
    /// As there.
    pub fn open(root: &Path, device: Device, options: PortableOptions) -> io::Result<Self> {
        let portable = PortableStorage::open(root, options)?;
        let shipping = Shipping::new(ring::bare_ring_refusal(), portable.page_threads());
        Ok(Self { portable, device, shipping })
    }

    /// What reads for peers that are catching up, and why it is not tokio-uring if it is not, in words for the log.
    pub fn reader_for_peers(&self) -> String {
        self.shipping.to_string()
    }

    /// Whether files are opened on the ring of this thread.
    fn is_on_ring(&self) -> io::Result<bool> {
        match self.device {
            Device::Glommio if ring::is_driven() => Ok(true),
            Device::Glommio => {
                let text = "a file of a ring can be opened only by what `Storage::drive` runs";
                Err(io::Error::new(io::ErrorKind::InvalidInput, text))
            }
            Device::Portable => Ok(false),
        }
    }
}

impl Storage for DiskStorage {
    type Log = DiskLog;
    type Pages = DiskPages;

    async fn open_log(&self, name: &str, len_bytes: u64) -> io::Result<DiskLog> {
        if !self.is_on_ring()? {
            let file = AnyFile::Portable(self.portable.open_log(name, len_bytes).await?);
            return Ok(DiskLog(file, self.shipping.clone()));
        }
        let (path, core, threads) = self.portable.open_log_core(name, len_bytes).await?;
        let file = AnyFile::Ring(RingFile::open_log(&path, core, threads).await?);
        Ok(DiskLog(file, self.shipping.clone()))
    }

    async fn open_pages(&self, name: &str) -> io::Result<DiskPages> {
        if !self.is_on_ring()? {
            let file = AnyFile::Portable(self.portable.open_pages(name).await?);
            return Ok(DiskPages(file, self.shipping.clone()));
        }
        let (path, core, threads) = self.portable.open_pages_core(name).await?;
        let file = AnyFile::Ring(RingFile::open_pages(&path, core, threads).await?);
        Ok(DiskPages(file, self.shipping.clone()))
    }

    async fn write_control(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.portable.write_control(name, bytes).await
    }

    async fn read_control(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.portable.read_control(name).await
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        self.portable.remove(name).await
    }

    async fn names(&self) -> io::Result<Vec<String>> {
        self.portable.names().await
    }

    fn drive<F>(&self, future: F) -> io::Result<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        match self.device {
            Device::Glommio => ring::drive(future),
            Device::Portable => Ok(block_on(future)),
        }
    }
}

impl LogDevice for DiskLog {
    async fn write_at(&self, offset: u64, bytes: IoBuf) -> io::Result<()> {
        match &self.0 {
            AnyFile::Portable(file) => file.write_at(offset, bytes).await,
            AnyFile::Ring(file) => file.write_at(offset, bytes).await,
        }
    }

    async fn flush(&self) -> io::Result<()> {
        match &self.0 {
            AnyFile::Portable(file) => file.flush().await,
            AnyFile::Ring(file) => file.flush().await,
        }
    }

    async fn write_at_and_flush(&self, offset: u64, bytes: IoBuf) -> io::Result<()> {
        match &self.0 {
            AnyFile::Portable(file) => file.write_at_and_flush(offset, bytes).await,
            AnyFile::Ring(file) => {
                file.write_at(offset, bytes).await?;
                file.flush().await
            }
        }
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<IoBuf> {
        match &self.0 {
            AnyFile::Portable(file) => file.read_at(offset, len).await,
            AnyFile::Ring(file) => file.read_at(offset, len).await,
        }
    }

    async fn read_stretches(&self, stretches: &[Stretch]) -> io::Result<Vec<Vec<u8>>> {
        check_size(stretches)?;
        let core = match &self.0 {
            AnyFile::Portable(file) => file.core(),
            AnyFile::Ring(file) => file.core(),
        };
        self.1.read(core.handle_for(stretches)?, stretches).await
    }

    fn len_bytes(&self) -> u64 {
        match &self.0 {
            AnyFile::Portable(file) => file.len_bytes(),
            AnyFile::Ring(file) => file.len_bytes(),
        }
    }
}

impl PageDevice for DiskPages {
    async fn write_at(&self, offset: u64, bytes: IoBuf) -> io::Result<()> {
        match &self.0 {
            AnyFile::Portable(file) => file.write_at(offset, bytes).await,
            AnyFile::Ring(file) => file.write_at(offset, bytes).await,
        }
    }

    async fn flush(&self) -> io::Result<()> {
        match &self.0 {
            AnyFile::Portable(file) => file.flush().await,
            AnyFile::Ring(file) => file.flush().await,
        }
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<IoBuf> {
        match &self.0 {
            AnyFile::Portable(file) => file.read_at(offset, len).await,
            AnyFile::Ring(file) => file.read_at(offset, len).await,
        }
    }

    async fn read_stretches(&self, stretches: &[Stretch]) -> io::Result<Vec<Vec<u8>>> {
        check_size(stretches)?;
        let core = match &self.0 {
            AnyFile::Portable(file) => file.core(),
            AnyFile::Ring(file) => file.core(),
        };
        self.1.read(core.handle_for(stretches)?, stretches).await
    }

    async fn grow(&self, len_bytes: u64) -> io::Result<()> {
        match &self.0 {
            AnyFile::Portable(file) => file.grow(len_bytes).await,
            AnyFile::Ring(file) => file.grow(len_bytes).await,
        }
    }

    fn len_bytes(&self) -> u64 {
        match &self.0 {
            AnyFile::Portable(file) => file.len_bytes(),
            AnyFile::Ring(file) => file.len_bytes(),
        }
    }
}
