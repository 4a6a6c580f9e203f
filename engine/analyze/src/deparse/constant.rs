//! Constants (ruleutils.c's `get_const_expr`).

use super::Printer;
use crate::query::ColumnType;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, io, types};

/// Whether a constant's type is printed behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    /// Never: a cast around it says the type.
    Never,
    /// Where the literal alone would be read as another type.
    Needed,
    /// Always: a bare number would be read as a column's number.
    Always,
}

impl Printer<'_> {
    pub(super) fn constant(&mut self, value: &Datum, ty: ColumnType, label: Label) -> PgResult<()> {
        if value.is_null() {
            self.text("NULL");
            if label != Label::Never {
                self.text("::");
                self.type_name(ty.type_oid, ty.typmod)?;
            }
            return self.constant_collation(ty, label);
        }
        let text = io::output_string(value, ty.type_oid, self.context.env)?;
        let mut needs_label = true;
        match ty.type_oid {
            // A sign would be an operator of its own.
            types::INT4 if !text.starts_with('-') => {
                self.text(&text);
                needs_label = false;
            }
            types::NUMERIC
                if text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(['e', 'E', '.']) =>
            {
                self.text(&text);
                needs_label = ty.typmod >= 0;
            }
            types::BOOL => {
                self.text(if text == "t" { "true" } else { "false" });
                needs_label = false;
            }
            types::INT4 | types::NUMERIC => {
                self.text(&format!("'{text}'"));
            }
            _ => {
                self.quoted(&text);
                needs_label = ty.type_oid != types::UNKNOWN;
            }
        }
        if label == Label::Always || (needs_label && label != Label::Never) {
            self.text("::");
            self.type_name(ty.type_oid, ty.typmod)?;
        }
        self.constant_collation(ty, label)
    }

    /// A collation other than the type's own must be said.
    fn constant_collation(&mut self, ty: ColumnType, label: Label) -> PgResult<()> {
        if ty.collation == 0 || label == Label::Never {
            return Ok(());
        }
        let own = self.context.catalog.type_info_must(ty.type_oid)?.collation;
        if ty.collation != own {
            let name = self.collation_name(ty.collation)?;
            self.text(&format!(" COLLATE {name}"));
        }
        Ok(())
    }

    /// A string literal. Backslashes stand for themselves, as standard_conforming_strings is on.
    pub(super) fn quoted(&mut self, text: &str) {
        self.out.push('\'');
        self.out.push_str(&text.replace('\'', "''"));
        self.out.push('\'');
    }
}
