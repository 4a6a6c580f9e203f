//! Operator classes of GiST indexes: what a generalized search tree has to know of a type (Hellerstein, Naughton and
//! Pfeffer, "Generalized Search Trees for Database Systems", 1995).
//!
//! A key stands for a value on a leaf, and for all values below it above. Keys are bytes that only their class reads.
//! Nothing here has to be exact: whoever reads an index tests its conditions again on the rows, so a class may say yes
//! too often, but never no to what is there.

use crate::Datum;
use crate::gist_boxes::BOXES;
use redoubt_error::PgResult;
use std::fmt::Debug;

/// How bad it would be to put a value under a key: less is better, the second number decides between equals.
pub type Penalty = (f64, f64);

/// An operator class.
pub trait GistClass: Debug + Send + Sync {
    /// Appends the key of a value that is not NULL.
    ///
    /// # Errors
    /// `XX000` for a value of another type.
    fn compress(&self, value: &Datum, out: &mut Vec<u8>) -> PgResult<()>;

    /// Whether an entry with this key, or one below it, may satisfy `value operator query`. The operator is told by
    /// its strategy number in the operator family, the query by [`GistClass::compress`].
    fn consistent(&self, key: &[u8], strategy: i16, query: &[u8], is_leaf: bool) -> bool;

    /// Widens `key` so that it stands for `other` as well.
    fn unite(&self, key: &mut Vec<u8>, other: &[u8]);

    /// How much worse `key` would become by standing for `added` as well.
    fn penalty(&self, key: &[u8], added: &[u8]) -> Penalty;

    /// Divides keys into two groups, neither of them empty: true for those of the second.
    fn pick_split(&self, keys: &[&[u8]]) -> Vec<bool>;
}

/// The class whose `consistent` support function has this C symbol; none if it is not there yet.
pub fn gist_class(consistent: &str) -> Option<&'static dyn GistClass> {
    match consistent {
        // All of them are boxes around values.
        "gist_point_consistent"
        | "gist_box_consistent"
        | "gist_poly_consistent"
        | "gist_circle_consistent" => Some(&BOXES),
        _ => None,
    }
}
