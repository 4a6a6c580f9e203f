//! A session's environment without a session: the catalogs answer what functions ask.

use redoubt_catalog::MemoryCatalog;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::random::Prng;
use redoubt_functions::{Datum, EnumValue, Env, Oid, PlainEnv, RegKind, Settings, TupleDesc, TypeRef};
use std::any::Any;
use std::sync::Arc;

pub struct CatalogEnv<'a> {
    pub catalog: &'a MemoryCatalog,
    pub path: &'a [Oid],
    pub plain: PlainEnv,
}

impl Env for CatalogEnv<'_> {
    fn settings(&self) -> Arc<Settings> {
        self.plain.settings()
    }
    fn transaction_timestamp_us(&self) -> i64 {
        0
    }
    fn statement_timestamp_us(&self) -> i64 {
        0
    }
    fn type_info(&self, oid: Oid) -> PgResult<Option<TypeRef>> {
        self.catalog.view().type_info(oid)
    }
    fn composite_desc(&self, type_oid: Oid) -> PgResult<TupleDesc> {
        self.catalog.view().composite_desc(type_oid)
    }
    fn enum_by_label(&self, type_oid: Oid, label: &str) -> PgResult<Option<EnumValue>> {
        self.catalog.view().enum_by_label(type_oid, label)
    }
    fn enum_label(&self, member: Oid) -> PgResult<Option<Arc<str>>> {
        self.catalog.view().enum_label(member)
    }
    fn enum_members(&self, _type_oid: Oid) -> PgResult<Vec<EnumValue>> {
        Ok(Vec::new())
    }
    fn check_domain(&self, _domain: Oid, _value: &Datum) -> PgResult<()> {
        Ok(())
    }
    fn reg_lookup(&self, kind: RegKind, text: &str) -> PgResult<Option<Oid>> {
        self.catalog.view().reg_lookup(kind, text, self.path)
    }
    fn reg_name(&self, kind: RegKind, oid: Oid) -> PgResult<Option<String>> {
        self.catalog.view().reg_name(kind, oid, self.path)
    }
    fn type_name(&self, oid: Oid, typmod: i32) -> PgResult<String> {
        self.catalog.view().format_type(oid, (typmod >= 0).then_some(typmod), self.path)
    }
    fn with_random(&self, draw: &mut dyn FnMut(&mut Prng)) {
        self.plain.with_random(draw);
    }
    fn notice(&self, report: PgError) {
        self.plain.notice(report);
    }
    fn as_any(&self) -> &dyn Any {
        &self.plain
    }
}
