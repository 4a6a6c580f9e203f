//! Which names storage takes. A name never leads out of the directory, nor to the files kept beside.

use std::io;

/// Checks a name, see [`crate::Storage`].
pub(crate) fn check_name(name: &str) -> io::Result<()> {
    let sound = |component: &str| {
        !component.is_empty()
            && !component.starts_with('.')
            && component.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if name.len() <= 200 && name.split('/').all(sound) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("not a storage file name: {name:?}")))
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn names() {
        let check = |name: &str, expected: bool| assert_eq!(check_name(name).is_ok(), expected, "{name:?}");
        check("log", true);
        check("node-1/segment_2.pages", true);
        check("a..b", true);
        check("", false);
        check("/etc/passwd", false);
        check("a//b", false);
        check("a/../b", false);
        check(".reserve", false);
        check("a/", false);
        check("a b", false);
        check("a\0", false);
        check("sch\u{f6}n", false);
        check(&"x".repeat(201), false);
    }
}
