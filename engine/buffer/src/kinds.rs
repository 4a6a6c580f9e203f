//! What the engine keeps in pages. Storage carries these numbers and never interprets them; they are part of
//! the format, so none is ever given a second meaning.

use redoubt_page::PageKind;

/// Page 0: ceilings and the space allocator's roots.
pub const CONTROL: PageKind = PageKind::new(1);
/// Entries of the relation directory.
pub const DIRECTORY: PageKind = PageKind::new(2);
/// A relation's first page: its length and its extents.
pub const RELATION_ROOT: PageKind = PageKind::new(3);
/// Further extents of a large relation.
pub const EXTENT_MAP: PageKind = PageKind::new(4);
/// Extents that belong to nobody.
pub const FREE_EXTENTS: PageKind = PageKind::new(5);
/// Two bits per transaction.
pub const TRANSACTION_STATUS: PageKind = PageKind::new(8);
/// Rows of a table.
pub const HEAP: PageKind = PageKind::new(16);
/// One bit per heap page: visible to everybody.
pub const VISIBILITY_MAP: PageKind = PageKind::new(17);
/// One byte per heap page: how much room there is.
pub const FREE_SPACE_MAP: PageKind = PageKind::new(18);
/// A B-tree's block 0: where its root is.
pub const BTREE_META: PageKind = PageKind::new(24);
/// A node of a B-tree.
pub const BTREE_NODE: PageKind = PageKind::new(25);
/// A node of a generalized search tree.
pub const GIST_NODE: PageKind = PageKind::new(26);
/// State of a sequence.
pub const SEQUENCE: PageKind = PageKind::new(32);
