//! The positions that travel with a batch of records and are persisted with it: how they are stored.

use redoubt_page::{Lsn, VolumeEpoch};
use redoubt_protocol::Positions;

use super::bytes::u64_at;

/// Bytes of the positions at the start of a payload of records.
pub const POSITIONS_BYTES: usize = 32;

/// Positions as they are stored.
pub fn encode_positions(positions: &Positions) -> [u8; POSITIONS_BYTES] {
    let mut out = [0; POSITIONS_BYTES];
    out[0..8].copy_from_slice(&positions.volume_epoch.get().to_le_bytes());
    out[8..16].copy_from_slice(&positions.vdl.get().to_le_bytes());
    out[16..24].copy_from_slice(&positions.pg_tail.get().to_le_bytes());
    out[24..32].copy_from_slice(&positions.read_floor.get().to_le_bytes());
    out
}

/// Reads positions from the start of a payload, and returns the records behind them.
pub fn decode_positions(payload: &[u8]) -> Option<(Positions, &[u8])> {
    let (head, records) = payload.split_at_checked(POSITIONS_BYTES)?;
    let positions = Positions {
        volume_epoch: VolumeEpoch::new(u64_at(head, 0)),
        vdl: Lsn::new(u64_at(head, 8)),
        pg_tail: Lsn::new(u64_at(head, 16)),
        read_floor: Lsn::new(u64_at(head, 24)),
    };
    Some((positions, records))
}
