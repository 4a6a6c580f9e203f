//! `redoubt ctl`: what a cluster is doing, for people and for programs.

use crate::directory::{self, Found, Mode};
use crate::members::Cluster;
use crate::{control, inspect};
use clap::{Args, Subcommand};
use redoubt_client::{ChangeStep, Volume};
use redoubt_protocol::NodeId;
use redoubt_quic::MemberName;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `redoubt ctl`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Nodes, zones, epochs, and how far everything is durable.
    Status {
        /// The cluster's directory.
        #[arg(short = 'D', long = "pgdata", value_name = "DIR")]
        directory: PathBuf,
        /// One JSON document instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// A page, or a stretch of a storage node's log, in words. The cluster must not be running.
    Inspect(inspect::Arguments),
}

/// Does what was asked. The error is the one line that the user sees.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let text = match &arguments.what {
        What::Status { directory, json } => {
            let status = status(directory)?;
            if *json { format!("{status:#}\n") } else { table(&status) }
        }
        What::Inspect(arguments) => inspect::run(arguments)?,
    };
    // A reader that has seen enough closes its end; that is no panic.
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("standard output: {error}"))
}

/// What a writer says of its volume.
pub(crate) fn describe(volume: &Volume, zones: &[(NodeId, char)], port: i64) -> Value {
    let status = volume.status();
    let groups = status.groups.iter().map(|group| {
        let segments = group.segments.iter().map(|segment| {
            let zone = zones.iter().find(|(node, _)| *node == segment.node).map(|(_, zone)| zone.to_string());
            json!({
                "node": segment.node.get(),
                "zone": zone,
                "segment": segment.view.segment.get(),
                "scl": segment.view.scl.get(),
                "ready": segment.view.ready,
                "failed": segment.failed,
            })
        });
        json!({
            "pg": group.pg.get(),
            "pgcl": group.pgcl.get(),
            "tail": group.tail.get(),
            "membership_epoch": group.membership_epoch,
            "change": group.change.map(|change| json!({
                "leaving": change.leaving.get(),
                "joining": change.joining.get(),
                "join_point": change.join_point.get(),
                "step": word(change.step),
            })),
            "segments": segments.collect::<Vec<_>>(),
        })
    });
    json!({
        "pid": std::process::id(),
        "port": port,
        "volume_epoch": status.volume_epoch.get(),
        "vdl": status.vdl.get(),
        "vcl": status.vcl.get(),
        "next_lsn": status.next_lsn.get(),
        "read_floor": status.read_floor.get(),
        "unacked_bytes": status.unacked_bytes,
        "hedged_reads": status.hedged_reads,
        "damaged_reads": status.damaged_reads,
        "groups": groups.collect::<Vec<_>>(),
    })
}

fn word(step: ChangeStep) -> &'static str {
    match step {
        ChangeStep::Creating => "creating",
        ChangeStep::Naming => "naming",
        ChangeStep::Settling => "settling",
        ChangeStep::Filling => "filling",
    }
}

/// What all members that run say.
fn status(directory: &Path) -> Result<Value, String> {
    let mode = Mode::of(directory).unwrap_or(Mode::Embedded);
    if directory::examine(directory, mode)? != Found::Cluster {
        return Err(format!("directory \"{}\" holds no cluster", directory.display()));
    }
    match mode {
        Mode::Embedded => {
            let writer = control::ask(directory)
                .ok_or_else(|| format!("no server is running in \"{}\"", directory.display()))?;
            Ok(json!({ "mode": "embedded", "writer": writer, "nodes": [] }))
        }
        Mode::Processes => {
            let cluster = Cluster::read(directory)?;
            let writer = control::ask(&cluster.member_dir(MemberName::Writer));
            let nodes = cluster.nodes.iter().map(|entry| {
                let home = cluster.member_dir(MemberName::Node(entry.node()));
                let said = control::ask(&home);
                said.unwrap_or_else(
                    || json!({ "node": entry.id, "zone": entry.zone.to_string(), "running": false }),
                )
            });
            Ok(json!({ "mode": "processes", "writer": writer, "nodes": nodes.collect::<Vec<_>>() }))
        }
    }
}

/// What a segment has to do with a change of its group's membership, and how far it is with the images that a peer gives
/// it.
fn part_in_change(change: &Value, segment: &Value, nodes: &[Value]) -> String {
    let number = &segment["segment"];
    let mut out = String::new();
    if change["joining"] == *number {
        let (scl, point) = (&segment["scl"], &change["join_point"]);
        out.push_str(&format!(
            ", joining ({}): counts from SCL {point}, is at {scl}",
            word_of(&change["step"])
        ));
    } else if change["leaving"] == *number {
        out.push_str(", leaving");
    }
    let said = nodes.iter().filter_map(|node| node["segments"].as_array()).flatten();
    let images = said.filter(|said| said["segment"] == *number).map(|said| &said["images"]);
    for images in images.filter(|images| !images.is_null()) {
        let page = match &images["next_page"] {
            Value::Null => "the last".to_owned(),
            page => page.to_string(),
        };
        out.push_str(&format!(", images from segment {} up to page {page}", images["source"]));
    }
    out
}

fn word_of(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn table(status: &Value) -> String {
    let mut out = String::new();
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let writer = &status["writer"];
    if writer.is_null() {
        out.push_str("writer      not running\n");
    } else {
        for (label, key) in [
            ("writer", "pid"),
            ("port", "port"),
            ("epoch", "volume_epoch"),
            ("VDL", "vdl"),
            ("VCL", "vcl"),
            ("next LSN", "next_lsn"),
            ("read floor", "read_floor"),
        ] {
            out.push_str(&format!("{label:<11} {}\n", text(&writer[key])));
        }
    }
    let each = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for group in each(&writer["groups"]) {
        out.push_str(&format!(
            "\ngroup {}: PGCL {}, tail {}, membership epoch {}\n",
            group["pg"], group["pgcl"], group["tail"], group["membership_epoch"]
        ));
        out.push_str("  node  zone  segment          SCL  state\n");
        for segment in each(&group["segments"]) {
            let state = match (&segment["ready"], &segment["failed"]) {
                (Value::Bool(true), _) => "ready".to_owned(),
                (_, Value::Null) => "not connected".to_owned(),
                (_, reason) => text(reason),
            };
            let state = state + &part_in_change(&group["change"], &segment, &each(&status["nodes"]));
            out.push_str(&format!(
                "  {:>4}  {:>4}  {:>7}  {:>11}  {state}\n",
                text(&segment["node"]),
                text(&segment["zone"]),
                text(&segment["segment"]),
                text(&segment["scl"]),
            ));
        }
    }
    let nodes = each(&status["nodes"]);
    if !nodes.is_empty() {
        out.push_str(
            "\nnode  zone      pid  listen                 from writer   from peers  log writes  chunks\n",
        );
    }
    for node in nodes {
        if node["running"] == Value::Bool(false) {
            out.push_str(&format!("{:>4}  {:>4}  not running\n", text(&node["node"]), text(&node["zone"])));
            continue;
        }
        out.push_str(&format!(
            "{:>4}  {:>4}  {:>7}  {:<21}  {:>11}  {:>11}  {:>10}  {:>6}\n",
            text(&node["node"]),
            text(&node["zone"]),
            text(&node["pid"]),
            text(&node["listen"]),
            text(&node["writer_record_bytes"]),
            text(&node["peer_record_bytes"]),
            text(&node["log_writes"]),
            text(&node["chunks_in_use"]),
        ));
    }
    out
}
