//! The control page: what must survive any crash and belongs to no relation.

use parking_lot::Mutex;
use redoubt_error::PgResult;
use redoubt_page::{Op, PageId, PatchTarget};

use crate::fields::{u32_at, u64_at};
use crate::kinds;
use crate::latch::PinnedPage;
use crate::pool::BufferPool;
use crate::space::{damaged, directory};

pub(super) const CONTROL_PAGE: PageId = PageId::new(0);

const MAGIC: u64 = u64::from_le_bytes(*b"REDOUBT1");
const FORMAT_VERSION: u32 = 1;
/// Object ids below are for the bootstrap facts, as in PostgreSQL.
const FIRST_NORMAL_OID: u64 = 16384;

const AT_MAGIC: usize = 0;
const AT_FORMAT: usize = 8;
const AT_SYSTEM_IDENTIFIER: usize = 16;
const AT_CEILINGS: usize = 24;
pub(super) const AT_FRONTIER: usize = 56;
pub(super) const AT_FREE_HEAD: usize = 64;
const AT_REGISTERS: usize = 72;
const REGISTERS: usize = 8;
const SPECIAL_BYTES: usize = AT_REGISTERS + REGISTERS * 8;

/// A kind of id that is given out in order and must never be given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling {
    /// Transaction ids.
    Xid = 0,
    /// Object ids.
    Oid = 1,
    /// Numbers of relation storage.
    RelNode = 2,
    /// Sets of row lockers.
    MultiXact = 3,
}

/// A number on the control page that upper layers own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// Which version of the bootstrap facts the catalog was made from; 0 while it is not complete.
    CatalogVersion = 0,
    /// Changes whenever cached plans and descriptors of other instances are out of date.
    CatalogGeneration = 1,
    /// Free for the session layer.
    Session = 2,
}

/// The control page's numbers, kept in memory beside the pinned page.
pub(super) struct Control {
    page: PinnedPage,
    system_identifier: u64,
    numbers: Mutex<Numbers>,
}

struct Numbers {
    ceilings: [u64; 4],
    registers: [u64; REGISTERS],
}

/// Writes the first pages of an empty volume.
pub(super) fn format(pool: &BufferPool, system_identifier: u64) -> PgResult<()> {
    pool.volume().reserve_pages(PageId::new(super::EXTENT_PAGES - 1))?;
    let (control, first) = (pool.pin(CONTROL_PAGE)?, pool.pin(directory::FIRST_DIRECTORY_PAGE)?);
    let mut special = [0; SPECIAL_BYTES];
    let mut put = |at: usize, value: u64| special[at..at + 8].copy_from_slice(&value.to_le_bytes());
    put(AT_MAGIC, MAGIC);
    put(AT_FORMAT, u64::from(FORMAT_VERSION));
    put(AT_SYSTEM_IDENTIFIER, system_identifier);
    // The first ids that may be given out: PostgreSQL's FirstNormalTransactionId and FirstNormalObjectId.
    let first_node = u64::from(super::FIRST_ORDINARY_NODE);
    for (which, value) in [3, FIRST_NORMAL_OID, first_node, 1].iter().enumerate() {
        put(AT_CEILINGS + which * 8, *value);
    }
    put(AT_FRONTIER, 1);
    let mut mtr = pool.begin_mtr(2, 512)?;
    let (control, first) = (mtr.latch(&control), mtr.latch(&first));
    if mtr.page(control).is_initialised() {
        return Err(damaged(CONTROL_PAGE, "the volume is already formatted"));
    }
    mtr.change(control, &Op::Initialise { kind: kinds::CONTROL, special: &special });
    mtr.change(first, &Op::Initialise { kind: kinds::DIRECTORY, special: &[0; 8] });
    mtr.commit();
    Ok(())
}

impl Control {
    pub(super) fn open(pool: &BufferPool) -> PgResult<Self> {
        let page = pool.pin(CONTROL_PAGE)?;
        let guard = page.read();
        let special = guard.special();
        if guard.kind() != kinds::CONTROL || special.len() != SPECIAL_BYTES {
            return Err(damaged(CONTROL_PAGE, "it is not a control page"));
        }
        if u64_at(special, AT_MAGIC) != MAGIC || u32_at(special, AT_FORMAT) != FORMAT_VERSION {
            return Err(damaged(CONTROL_PAGE, "unknown volume format"));
        }
        let system_identifier = u64_at(special, AT_SYSTEM_IDENTIFIER);
        let ceilings = std::array::from_fn(|which| u64_at(special, AT_CEILINGS + which * 8));
        let registers = std::array::from_fn(|which| u64_at(special, AT_REGISTERS + which * 8));
        drop(guard);
        Ok(Self { page, system_identifier, numbers: Mutex::new(Numbers { ceilings, registers }) })
    }

    pub(super) fn page(&self) -> &PinnedPage {
        &self.page
    }

    pub(super) fn system_identifier(&self) -> u64 {
        self.system_identifier
    }

    pub(super) fn ceiling(&self, which: Ceiling) -> u64 {
        self.numbers.lock().ceilings[which as usize]
    }

    pub(super) fn raise_ceiling(&self, pool: &BufferPool, which: Ceiling, to: u64) -> PgResult<u64> {
        let mut numbers = self.numbers.lock();
        if numbers.ceilings[which as usize] < to {
            self.put(pool, AT_CEILINGS + which as usize * 8, to)?;
            numbers.ceilings[which as usize] = to;
        }
        Ok(numbers.ceilings[which as usize])
    }

    pub(super) fn register(&self, which: Register) -> u64 {
        self.numbers.lock().registers[which as usize]
    }

    pub(super) fn set_register(&self, pool: &BufferPool, which: Register, value: u64) -> PgResult<()> {
        let mut numbers = self.numbers.lock();
        self.put(pool, AT_REGISTERS + which as usize * 8, value)?;
        numbers.registers[which as usize] = value;
        Ok(())
    }

    fn put(&self, pool: &BufferPool, at: usize, value: u64) -> PgResult<()> {
        let mut mtr = pool.begin_mtr(1, 32)?;
        let page = mtr.latch(&self.page);
        mtr.change(page, &patch_u64(at, &value.to_le_bytes()));
        mtr.commit();
        Ok(())
    }
}

/// Overwrites eight bytes of a special area.
pub(super) fn patch_u64(at: usize, bytes: &[u8; 8]) -> Op<'_> {
    let offset = u16::try_from(at).expect("special areas are shorter than a page");
    Op::PatchBytes { target: PatchTarget::Special, offset, bytes }
}
