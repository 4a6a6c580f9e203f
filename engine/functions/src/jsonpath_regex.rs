//! Regular expressions of `like_regex`: XQuery's flags in terms of PostgreSQL's expressions.

use crate::jsonpath::RegexFlags;
use crate::regex::{Regex, compile as compile_regex};
use crate::regex_parse::{Flags, Flavor};
use redoubt_error::{PgError, PgResult, code};
use std::rc::Rc;

/// Compiles a pattern, or takes it from the cache.
///
/// # Errors
/// `2201B` for a malformed pattern, `0A000` for the flag `x`.
pub(crate) fn compile(pattern: &str, flags: RegexFlags) -> PgResult<Rc<Regex>> {
    if flags.white_space && !flags.quote {
        let message = "XQuery \"x\" flag (expanded regular expressions) is not implemented";
        return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
    }
    let flags = Flags {
        ignore_case: flags.ignore_case,
        flavor: if flags.quote { Flavor::Literal } else { Flavor::Advanced },
        newline_stops: !flags.quote && !flags.dot_all,
        newline_anchors: !flags.quote && flags.multi_line,
        ..Flags::DEFAULT
    };
    compile_regex(pattern, flags)
}
