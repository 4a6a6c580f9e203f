//! Control files: small, replaced as a whole, possible to write on a full disk.
//!
//! ```text
//! 0   magic    8 bytes  "RDBTCTL" and the layout's version, 1
//! 8   length   u64      of the payload, little endian
//! 16  checksum u32      CRC-32 (IEEE) of the first 16 bytes and the payload, little endian
//! 20  payload
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{create_atomically, sync_parent};

const MAGIC: [u8; 8] = *b"RDBTCTL\x01";
const HEADER_BYTES: usize = 20;
/// Kept allocated for the day the disk is full; several times what the largest control file needs.
const RESERVE_BYTES: u64 = 256 * 1024;
const RESERVE_NAME: &str = ".reserve";

/// Writes the control files of one directory.
#[derive(Debug)]
pub(super) struct ControlFiles {
    /// Space that a write on a full disk takes first. Its lock makes writes take turns.
    reserve: Mutex<Reserve>,
}

impl ControlFiles {
    /// Sets space aside in `root`, if there is any.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let mut reserve = Reserve { path: root.join(RESERVE_NAME), held: false };
        match reserve.refill() {
            Err(error) if !is_full(&error) => Err(error),
            _ => Ok(Self { reserve: Mutex::new(reserve) }),
        }
    }

    /// Replaces a control file.
    pub(super) fn write(&self, path: &Path, payload: &[u8]) -> io::Result<()> {
        let framed = frame(payload);
        let mut reserve = self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        with_reserve(&mut *reserve, || create_atomically(path, |mut file, _| file.write_all(&framed)))
    }
}

/// Reads a control file; nothing when there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match payload(&bytes) {
        Ok(payload) => Ok(Some(payload.to_vec())),
        Err(what) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("control file {}: {what}", path.display()),
        )),
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&checksum(&bytes, payload).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn payload(bytes: &[u8]) -> Result<&[u8], &'static str> {
    let (header, payload) = bytes.split_at_checked(HEADER_BYTES).ok_or("shorter than its header")?;
    if header[..8] != MAGIC {
        return Err("not a control file of a known version");
    }
    if header[8..16] != (payload.len() as u64).to_le_bytes() {
        return Err("not of the length it states");
    }
    if header[16..] != checksum(&header[..16], payload).to_le_bytes() {
        return Err("checksum mismatch");
    }
    Ok(payload)
}

fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}

/// Space that can be given up and taken back.
trait Space {
    fn release(&mut self) -> io::Result<()>;
    fn refill(&mut self) -> io::Result<()>;
}

/// Writes, on a full disk into the reserve, which is afterwards refilled as soon as that succeeds again: the
/// replaced file has given its space back.
fn with_reserve(reserve: &mut impl Space, mut write: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut result = write();
    if result.as_ref().is_err_and(is_full) {
        reserve.release()?;
        result = write();
    }
    // The write counts; a reserve that is still missing is tried again at the next one.
    let _ = reserve.refill();
    result
}

#[derive(Debug)]
struct Reserve {
    path: PathBuf,
    held: bool,
}

impl Space for Reserve {
    fn release(&mut self) -> io::Result<()> {
        self.held = false;
        // Truncating, not removing: it frees the blocks without a change of the directory. The flush makes
        // them available at once where freed blocks wait for the journal.
        let file = File::options().write(true).create(true).truncate(true).open(&self.path)?;
        file.sync_all()
    }

    fn refill(&mut self) -> io::Result<()> {
        if self.held {
            return Ok(());
        }
        if !fs::metadata(&self.path).is_ok_and(|found| found.len() == RESERVE_BYTES) {
            let file = File::options().write(true).create(true).truncate(true).open(&self.path)?;
            // Written and not only allocated, because some file systems promise space they do not have.
            let filled = (&file).write_all(&vec![0; RESERVE_BYTES as usize]).and_then(|()| file.sync_all());
            if let Err(error) = filled {
                // Part of a reserve would be taken for a whole one by nobody, and would take others' space.
                let _ = file.set_len(0);
                return Err(error);
            }
            sync_parent(&self.path)?;
        }
        self.held = true;
        Ok(())
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with so many bytes free, of which a write takes 10 and the reserve 20.
    struct Disk {
        free_bytes: u64,
        reserve_bytes: u64,
    }

    impl Space for Disk {
        fn release(&mut self) -> io::Result<()> {
            self.free_bytes += std::mem::take(&mut self.reserve_bytes);
            Ok(())
        }

        fn refill(&mut self) -> io::Result<()> {
            if self.reserve_bytes == 0 && self.free_bytes < 20 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.free_bytes -= 20 - self.reserve_bytes;
            self.reserve_bytes = 20;
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_written_from_the_reserve() {
        let check = |free_bytes: u64, reserve_bytes: u64, expected: Option<(u64, u64)>| {
            let disk = std::cell::RefCell::new(Disk { free_bytes, reserve_bytes });
            struct Shared<'a>(&'a std::cell::RefCell<Disk>);
            impl Space for Shared<'_> {
                fn release(&mut self) -> io::Result<()> {
                    self.0.borrow_mut().release()
                }
                fn refill(&mut self) -> io::Result<()> {
                    self.0.borrow_mut().refill()
                }
            }
            let result = with_reserve(&mut Shared(&disk), || {
                let mut disk = disk.borrow_mut();
                disk.free_bytes = disk.free_bytes.checked_sub(10).ok_or(io::ErrorKind::StorageFull)?;
                Ok(())
            });
            let disk = disk.into_inner();
            assert_eq!(result.ok().map(|()| (disk.free_bytes, disk.reserve_bytes)), expected);
        };
        check(100, 20, Some((90, 20)));
        check(5, 20, Some((15, 0)));
        check(15, 0, Some((5, 0)));
        check(5, 0, None);
        check(30, 0, Some((0, 20)));
    }

    #[test]
    fn damage_is_not_absence() {
        let sound = frame(b"epoch 7");
        assert_eq!(payload(&sound), Ok(&b"epoch 7"[..]));
        for bit in 0..sound.len() * 8 {
            let mut damaged = sound.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(payload(&damaged).is_err(), "bit {bit}");
        }
        for len in 0..sound.len() {
            assert!(payload(&sound[..len]).is_err(), "{len} bytes");
        }
        assert_eq!(payload(&frame(b"")), Ok(&b""[..]));
    }
}
