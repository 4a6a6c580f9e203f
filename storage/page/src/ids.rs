//! One newtype per kind of number, with no arithmetic between kinds.

use core::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[repr(transparent)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($inner);

        impl $name {
            /// The bare number.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

macro_rules! unrestricted {
    ($name:ident($inner:ty)) => {
        impl $name {
            /// Wraps the bare number; every value is allowed.
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }
        }
    };
}

number! {
    /// A record's number in the volume's single redo stream. LSNs count records, not bytes; the
    /// first record is 1, and [`Lsn::ZERO`] means "nothing yet".
    Lsn(u64)
}
unrestricted!(Lsn(u64));

impl Lsn {
    /// Before the first record.
    pub const ZERO: Self = Self(0);
    /// Above every record that can exist.
    pub const MAX: Self = Self(u64::MAX);

    /// The number after this one.
    ///
    /// # Panics
    /// When the numbers are exhausted, which at a billion records a second takes five centuries.
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(value) => Self(value),
            None => panic!("the LSNs are exhausted"),
        }
    }

    /// This number moved up by `count` records, or nothing on overflow.
    pub const fn checked_add(self, count: u64) -> Option<Self> {
        match self.0.checked_add(count) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// This number moved down by `count` records, or nothing below zero.
    pub const fn checked_sub(self, count: u64) -> Option<Self> {
        match self.0.checked_sub(count) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// How many records lie in `(earlier, self]`; zero when `earlier` is not earlier.
    pub const fn records_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

number! {
    /// A page's number in the volume; below 2^48, so that it fits beside a tag in one word.
    PageId(u64)
}

impl PageId {
    /// The highest page number there can be.
    pub const MAX: Self = Self((1 << 48) - 1);

    /// Wraps a number known to be in range.
    ///
    /// # Panics
    /// When `value` is 2^48 or more; numbers that come from outside go through [`PageId::try_new`].
    pub const fn new(value: u64) -> Self {
        match Self::try_new(value) {
            Some(id) => id,
            None => panic!("a page id is below 2^48"),
        }
    }

    /// Wraps a number, or refuses it when it is 2^48 or more.
    pub const fn try_new(value: u64) -> Option<Self> {
        if value <= Self::MAX.0 { Some(Self(value)) } else { None }
    }
}

number! {
    /// A protection group's number: the PG of a page is its id divided by the pages in a segment.
    PgId(u32)
}
unrestricted!(PgId(u32));

number! {
    /// The volume's fencing number: one per writer incarnation, persisted before it is used.
    VolumeEpoch(u64)
}
unrestricted!(VolumeEpoch(u64));

number! {
    /// A protection group's fencing number: one per change of its members.
    MembershipEpoch(u64)
}
unrestricted!(MembershipEpoch(u64));

macro_rules! epoch {
    ($name:ident) => {
        impl $name {
            /// The epoch of a volume that was never opened.
            pub const ZERO: Self = Self(0);

            /// The epoch after this one.
            ///
            /// # Panics
            /// When the numbers are exhausted.
            pub const fn next(self) -> Self {
                match self.0.checked_add(1) {
                    Some(value) => Self(value),
                    None => panic!("the epochs are exhausted"),
                }
            }
        }
    };
}
epoch!(VolumeEpoch);
epoch!(MembershipEpoch);

number! {
    /// What the engine keeps in a page. Opaque to storage: it is carried, shown, and never interpreted.
    PageKind(u8)
}
unrestricted!(PageKind(u8));
