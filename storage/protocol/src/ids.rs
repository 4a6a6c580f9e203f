//! Numbers that name the parties of the protocol. Each is its own type, so that one cannot be passed
//! for another; none supports arithmetic.

use core::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $prefix:literal) => {
        $(#[$doc])*
        #[repr(transparent)]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name($inner);

        impl $name {
            /// Wraps a raw number.
            pub const fn new(raw: $inner) -> Self {
                Self(raw)
            }

            /// The raw number.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number!(
    /// A storage node: a process (or an in-process shard) that holds segments.
    NodeId, u16, "node "
);
number!(
    /// One copy of one protection group. An identity is used once: a node that lost its disk comes back
    /// as new segments, because a voter that forgot its promises loses data.
    SegmentId, u64, "segment "
);
number!(
    /// An availability zone: what is expected to fail together.
    Zone, u8, "zone "
);
number!(
    /// Chosen by the asker and echoed in the answer; unique among its outstanding requests.
    RequestId, u64, "request "
);
number!(
    /// Where a message came from, in the driver's own numbering (a connection, say). The machines only
    /// store it and hand it back with the answer.
    Origin, u64, "origin "
);
number!(
    /// Names one intent to persist records. Tokens of a segment rise by one; completing a token completes
    /// every lower one.
    PersistToken, u64, "persist "
);
number!(
    /// Names one intent to persist a segment's control state. Rises by one, completes as `PersistToken` does.
    ControlToken, u64, "control "
);

/// The identity of a volume, drawn at random when it is created.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct VolumeId([u8; 16]);

impl VolumeId {
    /// Wraps raw identity bytes.
    pub const fn new(raw: [u8; 16]) -> Self {
        Self(raw)
    }

    /// The raw identity bytes.
    pub const fn get(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "volume {self}")
    }
}
