//! Rules of the house that no compiler checks: layers, file lengths, paths that documents name.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each crate with the crates of ours it may import. A crate that is not listed fails the test, so
/// that a new one states its place. (`docs` and `ARCHITECTURE.md` explain the order.)
const LAYERS: &[(&str, &[&str])] = &[
    ("page", &[]),
    ("protocol", &["page"]),
    ("io", &[]),
    ("node", &["page", "protocol", "io"]),
    ("client", &["page", "protocol"]),
    ("embedded", &["page", "protocol", "io", "node", "client"]),
    ("quic", &["page", "protocol", "node", "client"]),
    ("sim", &["page", "protocol", "io", "node"]),
    ("error", &[]),
    ("functions", &["error"]),
    ("sql", &["error"]),
    ("buffer", &["page", "client", "error"]),
    ("txn", &["page", "buffer", "error"]),
    ("access", &["page", "buffer", "txn", "functions", "error"]),
    ("catalog", &["page", "buffer", "txn", "access", "functions", "error"]),
    ("analyze", &["sql", "catalog", "functions", "error"]),
    ("plan", &["sql", "analyze", "catalog", "functions", "error"]),
    ("exec", &["page", "plan", "analyze", "catalog", "access", "txn", "buffer", "functions", "error"]),
    ("columnar", &["exec", "plan", "analyze", "access", "txn", "buffer", "functions", "error"]),
    (
        "session",
        &[
            "page",
            "columnar",
            "exec",
            "plan",
            "analyze",
            "sql",
            "catalog",
            "access",
            "txn",
            "buffer",
            "functions",
            "error",
        ],
    ),
    ("wire", &["session", "functions", "error", "page"]),
    ("conformance", &[]),
    ("bench", &["conformance"]),
];

/// Longest source file.
const MAX_LINES: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace root").to_path_buf()
}

fn tracked(pattern: &str) -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", pattern])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git ls-files failed");
    String::from_utf8(output.stdout).expect("paths are UTF-8").lines().map(PathBuf::from).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Workspace packages with their normal (non-dev, non-build) dependencies.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let text = |value: &Value| value.as_str().expect("a string").to_string();
    metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"]
                .as_array()
                .expect("dependencies")
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| text(&dependency["name"]))
                .collect();
            (text(&package["name"]), dependencies)
        })
        .collect()
}

#[test]
fn imports_point_one_way() {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (name, dependencies) in packages() {
        // The binary joins everything; it may import whatever it starts.
        if name == "redoubt" {
            continue;
        }
        let short = name.strip_prefix("redoubt-").expect("our crates are named redoubt-*");
        let Some(allowed) = layers.get(short) else {
            wrong.push(format!("{name} has no place in the table of layers"));
            continue;
        };
        for dependency in &dependencies {
            if let Some(ours) = dependency.strip_prefix("redoubt-")
                && !allowed.contains(&ours)
            {
                wrong.push(format!("{name} may not import {dependency}"));
            }
            if (dependency.starts_with("datafusion") || dependency.starts_with("arrow"))
                && short != "columnar"
            {
                wrong.push(format!("{name} may not import {dependency}: only columnar knows DataFusion"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The pure crates are `no_std`, so that no clock, socket or file can slip in.
#[test]
fn pure_crates_are_no_std() {
    for path in ["storage/page/src/lib.rs", "storage/protocol/src/lib.rs"] {
        assert!(read(Path::new(path)).contains("#![no_std]"), "{path} must be no_std");
    }
}

#[test]
fn files_are_short_and_finished() {
    let mut wrong = Vec::new();
    for path in tracked("*.rs") {
        let text = read(&path);
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{}: {lines} lines, more than {MAX_LINES}", path.display()));
        }
        // Examples are measurements, which may run for a stretch of time.
        let measures = path.components().any(|part| part.as_os_str() == "examples");
        // Spelt in two halves so that this file does not find itself.
        for banned in [
            concat!("todo", "!("),
            concat!("unimplemented", "!("),
            concat!("#[ign", "ore"),
            concat!("thread::", "sleep("),
        ] {
            if measures && banned.starts_with("thread") {
                continue;
            }
            if let Some(line) =
                text.lines().position(|line| line.contains(banned) && !line.trim_start().starts_with("//"))
            {
                wrong.push(format!("{}:{}: {banned} has no place here", path.display(), line + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every path that ARCHITECTURE.md and README.md write in backquotes exists.
#[test]
fn documents_name_paths_that_exist() {
    let mut missing = Vec::new();
    for document in ["ARCHITECTURE.md", "README.md"] {
        let text = read(Path::new(document));
        for (index, quoted) in text.split('`').enumerate() {
            let is_path = index % 2 == 1
                && quoted.contains('/')
                && quoted.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
                && !quoted.starts_with(['/', '.']);
            if is_path && !root().join(quoted.trim_end_matches('/')).exists() {
                missing.push(format!("{document} names {quoted}, which does not exist"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn hard_subsystems_have_a_readme() {
    for path in [
        "README.md",
        "ARCHITECTURE.md",
        "LICENSE",
        "docs/glossary.md",
        "docs/page-format.md",
        "docs/protocol.md",
        "storage/page/README.md",
        "storage/protocol/README.md",
        "storage/node/README.md",
        "storage/client/README.md",
        "engine/buffer/README.md",
        "engine/txn/README.md",
        "engine/access/src/heap/README.md",
        "engine/access/src/btree/README.md",
        "engine/catalog/README.md",
        "wire/README.md",
        "conformance/README.md",
    ] {
        let text = read(Path::new(path));
        assert!(text.lines().count() >= 10, "{path} says too little");
    }
}
