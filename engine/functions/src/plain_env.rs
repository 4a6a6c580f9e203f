//! An environment without session and catalog: for bootstrap, tools and tests.

use crate::random::Prng;
use crate::{Datum, EnumValue, Env, Oid, RegKind, Settings, TupleDesc};
use parking_lot::Mutex;
use redoubt_error::{PgError, PgResult, code};
use std::any::Any;
use std::sync::Arc;

/// Fixed settings, built-in types only; notices are collected.
pub struct PlainEnv {
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// What transaction and statement timestamps answer, microseconds since 2000-01-01 UTC.
    pub now_us: i64,
    notices: Mutex<Vec<PgError>>,
    random: Mutex<Prng>,
}

impl Default for PlainEnv {
    fn default() -> Self {
        Self::new(Settings::default(), crate::timestamp::now_us())
    }
}

impl PlainEnv {
    /// An environment with these settings and this transaction time.
    pub fn new(settings: Settings, now_us: i64) -> Self {
        PlainEnv {
            settings: Arc::new(settings),
            now_us,
            notices: Mutex::default(),
            random: Mutex::new(Prng::from_seed(0)),
        }
    }

    /// Takes the notices collected so far.
    pub fn take_notices(&self) -> Vec<PgError> {
        std::mem::take(&mut self.notices.lock())
    }
}

impl Env for PlainEnv {
    fn settings(&self) -> Arc<Settings> {
        self.settings.clone()
    }

    fn transaction_timestamp_us(&self) -> i64 {
        self.now_us
    }

    fn statement_timestamp_us(&self) -> i64 {
        self.now_us
    }

    fn composite_desc(&self, type_oid: Oid) -> PgResult<TupleDesc> {
        Err(PgError::new(code::WRONG_OBJECT_TYPE, format!("type with OID {type_oid} is not composite")))
    }

    fn enum_by_label(&self, _type_oid: Oid, _label: &str) -> PgResult<Option<EnumValue>> {
        Ok(None)
    }

    fn enum_label(&self, _member: Oid) -> PgResult<Option<Arc<str>>> {
        Ok(None)
    }

    fn enum_members(&self, _type_oid: Oid) -> PgResult<Vec<EnumValue>> {
        Ok(Vec::new())
    }

    fn check_domain(&self, _domain: Oid, _value: &Datum) -> PgResult<()> {
        Ok(())
    }

    fn reg_lookup(&self, _kind: RegKind, _text: &str) -> PgResult<Option<Oid>> {
        Ok(None)
    }

    fn reg_name(&self, _kind: RegKind, _oid: Oid) -> PgResult<Option<String>> {
        Ok(None)
    }

    fn type_name(&self, oid: Oid, typmod: i32) -> PgResult<String> {
        let typmod = (typmod >= 0).then_some(typmod);
        Ok(crate::builtin_type_name(oid, typmod)?.unwrap_or_else(|| "???".to_owned()))
    }

    fn with_random(&self, draw: &mut dyn FnMut(&mut Prng)) {
        draw(&mut self.random.lock());
    }

    fn notice(&self, report: PgError) {
        self.notices.lock().push(report);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
