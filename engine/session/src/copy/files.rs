//! Files of the server that COPY reads and writes: superusers only.

use crate::session::Session;
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree::Copy;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens the file that a COPY FROM names; nothing if it reads from the client.
pub(super) fn open_to_read(session: &Session, copy: &Copy) -> PgResult<Option<File>> {
    let Some(name) = &copy.filename else { return Ok(None) };
    check_permission(session, copy)?;
    let file = File::open(name).map_err(|error| {
        could_not_open(name, "reading", &error).hint(
            "COPY FROM instructs the PostgreSQL server process to read a file. You may want a client-side \
             facility such as psql's \\copy.",
        )
    })?;
    refuse_directory(name)?;
    Ok(Some(file))
}

/// Opens, and empties, the file that a COPY TO names; nothing if it writes to the client.
pub(super) fn open_to_write(session: &Session, copy: &Copy) -> PgResult<Option<File>> {
    let Some(name) = &copy.filename else { return Ok(None) };
    check_permission(session, copy)?;
    if !Path::new(name).is_absolute() {
        let message = "relative path not allowed for COPY to file";
        return Err(PgError::new(code::INVALID_NAME, message));
    }
    let opened = OpenOptions::new().write(true).create(true).truncate(true).open(name);
    opened.map(Some).map_err(|error| {
        could_not_open(name, "writing", &error).hint(
            "COPY TO instructs the PostgreSQL server process to write a file. You may want a client-side \
             facility such as psql's \\copy.",
        )
    })
}

fn check_permission(session: &Session, copy: &Copy) -> PgResult<()> {
    if copy.is_program {
        let direction = if copy.is_from { "FROM" } else { "TO" };
        return Err(PgError::unsupported(format!("COPY {direction} PROGRAM")));
    }
    if session.facts.superuser {
        return Ok(());
    }
    let (role, direction) =
        if copy.is_from { ("pg_read_server_files", "from") } else { ("pg_write_server_files", "to") };
    let message =
        format!("must be superuser or have privileges of the {role} role to COPY {direction} a file");
    Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message)
        .hint("Anyone can COPY to stdout or from stdin. psql's \\copy command also works for anyone."))
}

fn refuse_directory(name: &str) -> PgResult<()> {
    if Path::new(name).is_dir() {
        return Err(PgError::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is a directory")));
    }
    Ok(())
}

fn could_not_open(name: &str, purpose: &str, error: &io::Error) -> PgError {
    let code = match error.kind() {
        io::ErrorKind::NotFound => code::UNDEFINED_FILE,
        io::ErrorKind::AlreadyExists => code::DUPLICATE_FILE,
        io::ErrorKind::PermissionDenied => code::INSUFFICIENT_PRIVILEGE,
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => code::WRONG_OBJECT_TYPE,
        io::ErrorKind::StorageFull => code::DISK_FULL,
        _ => code::IO_ERROR,
    };
    let reason = super::os_error(error);
    PgError::new(code, format!("could not open file \"{name}\" for {purpose}: {reason}"))
}
