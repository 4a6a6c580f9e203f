//! Numbers of the log: its identity, laps, positions.

/// Declares a newtype over `u64` with nothing but construction, reading and order.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Wraps the number.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The number itself.
            pub const fn get(self) -> u64 {
                self.0
            }
        }
    };
}

number! {
    /// A log's random identity, drawn when it is made.
    LogId
}
number! {
    /// The number of a chunk in the order in which chunks were begun. The first is 1; a slot of the file
    /// that is used again gets a new one.
    Lap
}
number! {
    /// A place in the log that only grows: lap times chunk size plus the offset in the chunk, in bytes.
    LogPosition
}

impl Lap {
    /// The lap after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
