//! The session and the catalogs as functions see them while a statement runs.

use crate::access::Access;
use crate::functions::{SessionFn, SessionSetFn};
use crate::session::{Session, SessionFacts};
use redoubt_catalog::CatalogView;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::random::Prng;
use redoubt_functions::{
    CallContext, Datum, EnumValue, Env, Oid, RegKind, Rows, Settings as FormatSettings, TupleDesc, TypeRef,
};
use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

/// One statement's environment.
pub(crate) struct StatementEnv<'a> {
    pub session: &'a Session,
    pub access: &'a Access<'a>,
    pub facts: &'a SessionFacts,
    pub catalog: CatalogView<'a>,
    pub path: &'a [Oid],
    pub formats: Arc<FormatSettings>,
    pub random: &'a RefCell<Prng>,
    pub notices: &'a RefCell<Vec<PgError>>,
}

impl Env for StatementEnv<'_> {
    fn settings(&self) -> Arc<FormatSettings> {
        // `set_config` earlier in the same statement counts already.
        match &*self.session.changed_settings.borrow() {
            Some(changed) => changed.formats().clone(),
            None => self.formats.clone(),
        }
    }

    fn transaction_timestamp_us(&self) -> i64 {
        self.facts.transaction_timestamp_us
    }

    fn statement_timestamp_us(&self) -> i64 {
        self.facts.statement_timestamp_us
    }

    fn type_info(&self, oid: Oid) -> PgResult<Option<TypeRef>> {
        self.catalog.type_info(oid)
    }

    fn composite_desc(&self, type_oid: Oid) -> PgResult<TupleDesc> {
        self.catalog.composite_desc(type_oid)
    }

    fn enum_by_label(&self, type_oid: Oid, label: &str) -> PgResult<Option<EnumValue>> {
        self.catalog.enum_by_label(type_oid, label)
    }

    fn enum_label(&self, member: Oid) -> PgResult<Option<Arc<str>>> {
        self.catalog.enum_label(member)
    }

    fn enum_members(&self, type_oid: Oid) -> PgResult<Vec<EnumValue>> {
        let members = self.catalog.enum_members(type_oid)?;
        Ok(members.iter().map(|row| EnumValue { oid: row.oid, sort: row.enumsortorder }).collect())
    }

    fn check_domain(&self, domain: Oid, value: &Datum) -> PgResult<()> {
        self.check_domain_value(domain, value)
    }

    fn reg_lookup(&self, kind: RegKind, text: &str) -> PgResult<Option<Oid>> {
        self.catalog.reg_lookup(kind, text, self.path)
    }

    fn reg_name(&self, kind: RegKind, oid: Oid) -> PgResult<Option<String>> {
        self.catalog.reg_name(kind, oid, self.path)
    }

    fn type_name(&self, oid: Oid, typmod: i32) -> PgResult<String> {
        self.catalog.format_type(oid, (typmod >= 0).then_some(typmod), self.path)
    }

    fn check_schema_usage(&self, schema: Oid, path: &[Oid]) -> PgResult<()> {
        if std::ptr::eq(path, self.path) { self.access.check_schema_usage(schema) } else { Ok(()) }
    }

    fn with_random(&self, draw: &mut dyn FnMut(&mut Prng)) {
        draw(&mut self.random.borrow_mut());
    }

    fn check_interrupts(&self) -> PgResult<()> {
        self.facts.backend.check_for_interrupts()
    }

    fn notice(&self, report: PgError) {
        self.notices.borrow_mut().push(report);
    }

    fn as_any(&self) -> &dyn Any {
        self.facts
    }

    fn call_upper(&self, function: &dyn Any, context: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
        match function.downcast_ref::<SessionFn>() {
            Some(function) => function(self, context, args),
            None => Err(PgError::internal("a function of another crate was called through the session")),
        }
    }

    fn call_upper_set(
        &self,
        function: &dyn Any,
        context: &CallContext<'_>,
        args: &[Datum],
    ) -> PgResult<Rows> {
        match function.downcast_ref::<SessionSetFn>() {
            Some(function) => function(self, context, args),
            None => Err(PgError::internal("a function of another crate was called through the session")),
        }
    }
}
