//! SQL scripts through psql, compared with what PostgreSQL 15.18 printed for them.
//!
//! `conformance/scripts/<topic>.sql` is fed to `psql -X -a -q`; `<topic>.out` is PostgreSQL's output, errors
//! included. Each script runs against a server and data directory of its own. `SCRIPT=topic` selects one.

use redoubt_conformance::{Server, scratch_dir};
use std::fs;
use std::path::{Path, PathBuf};

fn scripts() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let selected = std::env::var("SCRIPT").ok();
    let mut scripts: Vec<PathBuf> = fs::read_dir(dir)
        .expect("conformance/scripts exists")
        .map(|entry| entry.expect("the directory can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .filter(|path| {
            selected.as_ref().is_none_or(|name| path.file_stem().is_some_and(|stem| stem == name.as_str()))
        })
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "no script is called {selected:?}");
    scripts
}

/// The output of psql over a script, standard error mixed in where it occurred.
fn run(script: &Path) -> String {
    let name = script.file_stem().expect("a script has a name").to_string_lossy().into_owned();
    let scratch = scratch_dir(&name);
    let server = Server::start(&scratch.join("data"));
    let file = scratch.join("out");
    let output = fs::File::create(&file).expect("the scratch directory is writable");
    let errors = output.try_clone().expect("file handles can be copied");
    let dir = script.parent().expect("a script lies in a directory");
    let mut command = server.psql_command();
    command.current_dir(dir).arg("-aqf").arg(script).stdout(output).stderr(errors);
    let status = command.status().expect("psql is installed");
    assert!(status.success(), "{name}: psql ended with {status}\n{}", server.log_tail());
    // Messages name the script by the path that psql was given.
    let text = String::from_utf8_lossy(&fs::read(&file).expect("psql wrote its output")).into_owned();
    text.replace(&format!("{}/", dir.display()), "")
}

#[test]
fn psql_prints_what_postgresql_makes_it_print() {
    let mut failed = Vec::new();
    for script in scripts() {
        let expected = fs::read_to_string(script.with_extension("out")).unwrap_or_else(|error| {
            panic!("{}: {error}", script.with_extension("out").display());
        });
        let got = run(&script);
        if got != expected {
            let line = got.lines().zip(expected.lines()).take_while(|(a, b)| a == b).count();
            let show = |text: &str| {
                text.lines().skip(line.saturating_sub(3)).take(12).collect::<Vec<_>>().join("\n")
            };
            eprintln!(
                "== {}, line {} of the output\n-- expected\n{}\n-- got\n{}\n",
                script.display(),
                line + 1,
                show(&expected),
                show(&got)
            );
            failed.push(script.file_stem().expect("a script has a name").to_string_lossy().into_owned());
        }
    }
    assert!(failed.is_empty(), "scripts that differ: {failed:?}");
}
