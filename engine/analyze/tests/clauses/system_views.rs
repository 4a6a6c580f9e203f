//! The system views' queries yield the columns that the catalogs say the views have.

use crate::analyze;
use redoubt_catalog::rows::PgClass;
use redoubt_catalog::{CatalogView, MemoryCatalog, Relation};

/// What is wrong with a view, if anything.
fn complaint(catalog: &MemoryCatalog, view: CatalogView<'_>, relation: &Relation) -> Option<String> {
    let text = relation.view_definition().expect("a view has a query");
    let query = match analyze(catalog, text) {
        Ok((query, _)) => query,
        Err(error) => return Some(format!("{}: {}", relation.name, error.message())),
    };
    let name = |oid| view.format_type(oid, None, &[11]).unwrap();
    let found: Vec<String> =
        query.target_list.iter().filter(|e| !e.junk).map(|e| name(e.expr.ty().type_oid)).collect();
    let declared: Vec<String> = relation.desc.attrs.iter().map(|a| name(a.type_oid)).collect();
    (found != declared).then(|| {
        let wrong = found.iter().zip(&declared).zip(relation.desc.attrs.iter()).filter(|((f, d), _)| f != d);
        let wrong: Vec<String> = wrong.map(|((f, d), a)| format!("{} {f} not {d}", a.name)).collect();
        format!("{} ({} columns of {}): {}", relation.name, found.len(), declared.len(), wrong.join(", "))
    })
}

#[test]
fn columns_have_their_types() {
    let catalog = MemoryCatalog::new();
    let view = catalog.view();
    let classes: Vec<PgClass> = view.scan().unwrap();
    let mut complaints = Vec::new();
    let mut count = 0;
    for class in classes.iter().filter(|class| class.relkind == 'v') {
        let relation = view.relation_by_oid(class.oid).unwrap().unwrap();
        complaints.extend(complaint(&catalog, view, &relation));
        count += 1;
    }
    assert!(count > 70, "{count} views");
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
