//! Time zones.

use std::sync::Arc;

/// A time zone as `TimeZone` names it.
#[derive(Clone, Debug)]
pub struct Zone {
    name: Arc<str>,
}

impl Zone {
    /// Coordinated universal time, the default.
    pub fn utc() -> Arc<Zone> {
        Arc::new(Zone { name: "UTC".into() })
    }

    /// The name under which it was found.
    pub fn name(&self) -> &str {
        &self.name
    }
}
