//! Access privileges: PostgreSQL's `aclitem` (src/include/utils/acl.h).
//!
//! In a datum an `aclitem` is its text form with role OIDs in the place of role names (`10=arwd/10`,
//! `=r/10` for PUBLIC), so that renaming a role rewrites nothing. Names are put in on output, by those
//! who can ask for them.

use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use std::fmt;
use std::sync::Arc;

/// A set of privileges: one bit each, at PostgreSQL's positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Privileges(pub u32);

impl Privileges {
    /// `a`
    pub const INSERT: Self = Self(1 << 0);
    /// `r`
    pub const SELECT: Self = Self(1 << 1);
    /// `w`
    pub const UPDATE: Self = Self(1 << 2);
    /// `d`
    pub const DELETE: Self = Self(1 << 3);
    /// `D`
    pub const TRUNCATE: Self = Self(1 << 4);
    /// `x`
    pub const REFERENCES: Self = Self(1 << 5);
    /// `t`
    pub const TRIGGER: Self = Self(1 << 6);
    /// `X`
    pub const EXECUTE: Self = Self(1 << 7);
    /// `U`
    pub const USAGE: Self = Self(1 << 8);
    /// `C`
    pub const CREATE: Self = Self(1 << 9);
    /// `T`
    pub const TEMPORARY: Self = Self(1 << 10);
    /// `c`
    pub const CONNECT: Self = Self(1 << 11);
    /// `s`
    pub const SET: Self = Self(1 << 12);
    /// `A`
    pub const ALTER_SYSTEM: Self = Self(1 << 13);

    /// No privilege.
    pub const NONE: Self = Self(0);
    /// All that exist for a table.
    pub const ALL_TABLE: Self = Self(0x7f);
    /// All that exist for a column.
    pub const ALL_COLUMN: Self = Self(1 | 2 | 4 | 32);
    /// All that exist for a sequence.
    pub const ALL_SEQUENCE: Self = Self(2 | 4 | 256);
    /// All that exist for a database.
    pub const ALL_DATABASE: Self = Self(512 | 1024 | 2048);
    /// All that exist for a schema.
    pub const ALL_SCHEMA: Self = Self(256 | 512);

    /// Both sets.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both sets.
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those of `self` that `other` lacks.
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether every privilege of `other` is here.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The letters of the privileges, in bit order.
const LETTERS: &[u8; 14] = b"arwdDxtXUCTcsA";

/// Privileges that one role granted to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AclItem {
    /// Who may; 0 is PUBLIC.
    pub grantee: Oid,
    /// Who granted.
    pub grantor: Oid,
    /// What.
    pub privileges: Privileges,
    /// Which of them the grantee may grant on.
    pub grant_options: Privileges,
}

impl fmt::Display for AclItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.grantee != 0 {
            write!(f, "{}", self.grantee)?;
        }
        f.write_str("=")?;
        write_privileges(f, self.privileges, self.grant_options)?;
        write!(f, "/{}", self.grantor)
    }
}

fn write_privileges(f: &mut impl fmt::Write, all: Privileges, options: Privileges) -> fmt::Result {
    for (bit, letter) in LETTERS.iter().enumerate() {
        let one = Privileges(1 << bit);
        if all.contains(one) {
            f.write_char(char::from(*letter))?;
            if options.contains(one) {
                f.write_char('*')?;
            }
        }
    }
    Ok(())
}

impl AclItem {
    /// Reads `grantee=privileges/grantor`; `role` turns what stands for a role into its OID.
    ///
    /// # Errors
    /// `22P02` for anything that is not an `aclitem`, and those of `role`.
    pub fn parse(text: &str, mut role: impl FnMut(&str) -> PgResult<Oid>) -> PgResult<AclItem> {
        let bad =
            || PgError::new(code::INVALID_TEXT_REPRESENTATION, format!("malformed aclitem: \"{text}\""));
        let (grantee, rest) = text.split_once('=').ok_or_else(bad)?;
        let (letters, grantor) = rest.split_once('/').ok_or_else(bad)?;
        let mut privileges = 0;
        let mut grant_options = 0;
        let mut last = 0;
        for letter in letters.bytes() {
            if letter == b'*' {
                grant_options |= last;
                continue;
            }
            let bit = LETTERS.iter().position(|known| *known == letter).ok_or_else(bad)?;
            last = 1 << bit;
            privileges |= last;
        }
        Ok(AclItem {
            grantee: if grantee.is_empty() { 0 } else { role(grantee)? },
            grantor: role(grantor)?,
            privileges: Privileges(privileges),
            grant_options: Privileges(grant_options),
        })
    }

    /// Reads the form that datums hold, where roles are OIDs.
    ///
    /// # Errors
    /// `22P02` for anything else.
    pub fn from_stored(text: &str) -> PgResult<AclItem> {
        AclItem::parse(text, |role| {
            role.parse().map_err(|_| {
                PgError::new(code::INVALID_TEXT_REPRESENTATION, format!("malformed aclitem: \"{text}\""))
            })
        })
    }

    /// The text that clients see, with role names.
    pub fn to_text(&self, mut role_name: impl FnMut(Oid) -> String) -> String {
        let mut text = if self.grantee == 0 { String::new() } else { role_name(self.grantee) };
        text.push('=');
        write_privileges(&mut text, self.privileges, self.grant_options).expect("a String takes all writes");
        text.push('/');
        text.push_str(&role_name(self.grantor));
        text
    }
}

/// An access control list. A column that holds none (NULL) means the kind's default.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Acl(pub Arc<[AclItem]>);

/// Kinds of object that have privileges, and with them a default list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclObject {
    /// Table, view, materialised view, foreign table.
    Table,
    /// Column: nothing by default.
    Column,
    /// Sequence.
    Sequence,
    /// Database.
    Database,
    /// Function, procedure, aggregate.
    Function,
    /// Language.
    Language,
    /// Large object.
    LargeObject,
    /// Schema.
    Schema,
    /// Tablespace.
    Tablespace,
    /// Foreign data wrapper.
    ForeignDataWrapper,
    /// Foreign server.
    ForeignServer,
    /// Type, domain.
    Type,
    /// Configuration parameter.
    Parameter,
}

impl AclObject {
    /// Every privilege that the kind knows.
    pub fn all(self) -> Privileges {
        match self {
            AclObject::Table => Privileges::ALL_TABLE,
            AclObject::Column => Privileges::ALL_COLUMN,
            AclObject::Sequence => Privileges::ALL_SEQUENCE,
            AclObject::Database => Privileges::ALL_DATABASE,
            AclObject::Schema => Privileges::ALL_SCHEMA,
            AclObject::Function => Privileges::EXECUTE,
            AclObject::LargeObject => Privileges::SELECT.union(Privileges::UPDATE),
            AclObject::Tablespace => Privileges::CREATE,
            AclObject::Parameter => Privileges::SET.union(Privileges::ALTER_SYSTEM),
            AclObject::Language
            | AclObject::ForeignDataWrapper
            | AclObject::ForeignServer
            | AclObject::Type => Privileges::USAGE,
        }
    }

    /// What everybody may do with a new object of the kind.
    pub fn public(self) -> Privileges {
        match self {
            AclObject::Database => Privileges::TEMPORARY.union(Privileges::CONNECT),
            AclObject::Function => Privileges::EXECUTE,
            AclObject::Language | AclObject::Type => Privileges::USAGE,
            _ => Privileges::NONE,
        }
    }
}

impl Acl {
    /// The list that a NULL stands for: PUBLIC's defaults and all for the owner.
    pub fn default_for(kind: AclObject, owner: Oid) -> Acl {
        let item = |grantee, privileges| AclItem {
            grantee,
            grantor: owner,
            privileges,
            grant_options: Privileges::NONE,
        };
        let mut items = Vec::new();
        if !kind.public().is_empty() {
            items.push(item(0, kind.public()));
        }
        if kind != AclObject::Column && kind != AclObject::Parameter {
            items.push(item(owner, kind.all()));
        }
        Acl(items.into())
    }

    /// The same privileges after the object has gone from one owner to another: what the old one held and
    /// granted is the new one's.
    pub fn with_owner(&self, old: Oid, new: Oid) -> Acl {
        let moved = |role| if role == old { new } else { role };
        let mut items: Vec<AclItem> = Vec::with_capacity(self.0.len());
        for item in self.0.iter() {
            let (grantee, grantor) = (moved(item.grantee), moved(item.grantor));
            match items.iter_mut().find(|known| (known.grantee, known.grantor) == (grantee, grantor)) {
                Some(known) => {
                    known.privileges = known.privileges.union(item.privileges);
                    known.grant_options = known.grant_options.union(item.grant_options);
                }
                None => items.push(AclItem { grantee, grantor, ..*item }),
            }
        }
        Acl(items.into())
    }

    /// The privileges that PUBLIC and any role for which `is_member` holds have together. The
    /// owner's implied grant options are the caller's business.
    pub fn privileges(&self, mut is_member: impl FnMut(Oid) -> bool) -> Privileges {
        let mut held = Privileges::NONE;
        for item in self.0.iter() {
            if !held.contains(item.privileges) && (item.grantee == 0 || is_member(item.grantee)) {
                held = held.union(item.privileges);
            }
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<AclItem>) {
        let found = AclItem::from_stored(text);
        assert_eq!(found.as_ref().ok(), expect.as_ref(), "{text}");
        if let Ok(item) = found {
            assert_eq!(item.to_string(), text);
        }
    }

    #[test]
    fn items_are_read_and_written() {
        let item = |grantee, grantor, privileges, grant_options| {
            Some(AclItem {
                grantee,
                grantor,
                privileges: Privileges(privileges),
                grant_options: Privileges(grant_options),
            })
        };
        check("10=arwdDxt/10", item(10, 10, 0x7f, 0));
        check("=r/10", item(0, 10, 2, 0));
        check("11=r*w/10", item(11, 10, 6, 2));
        check("11=/10", item(11, 10, 0, 0));
        check("11=q/10", None);
        check("11", None);
        check("x=r/10", None);
        check("11=r/", None);
    }

    #[test]
    fn privileges_add_up_over_memberships() {
        let acl = Acl(["=r/10", "11=w/10", "12=d/10"].map(|t| AclItem::from_stored(t).unwrap()).into());
        assert_eq!(acl.privileges(|_| false), Privileges::SELECT);
        assert_eq!(acl.privileges(|role| role == 12), Privileges::SELECT.union(Privileges::DELETE));
    }

    #[test]
    fn defaults_are_as_documented() {
        let shown = |kind| {
            let acl = Acl::default_for(kind, 10);
            acl.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        };
        assert_eq!(shown(AclObject::Database), "=Tc/10,10=CTc/10");
        assert_eq!(shown(AclObject::Function), "=X/10,10=X/10");
        assert_eq!(shown(AclObject::Table), "10=arwdDxt/10");
        assert_eq!(shown(AclObject::Schema), "10=UC/10");
        assert_eq!(shown(AclObject::Column), "");
    }
}
