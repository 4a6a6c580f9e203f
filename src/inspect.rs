//! `redoubt ctl inspect`: what a storage node has on disk, in words. The cluster must not be running.

use crate::directory::{self, Found, Mode};
use crate::members::{Cluster, MemberLock};
use clap::{ArgGroup, Args};
use redoubt_io::portable::{PortableOptions, PortableStorage};
use redoubt_io::{DirectoryLock, LockError, block_on};
use redoubt_node::{Inspector, ShardError};
use redoubt_page::{Lsn, PageId};
use redoubt_protocol::NodeId;
use redoubt_quic::MemberName;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Arguments of `redoubt ctl inspect`.
#[derive(Args)]
#[command(group(ArgGroup::new("what").required(true).args(["page", "log"])))]
pub(crate) struct Arguments {
    /// The cluster's directory.
    #[arg(short = 'D', long = "pgdata", value_name = "DIR")]
    directory: PathBuf,
    /// The storage node: 0 to 5 in an embedded cluster, 1 to 6 in one of processes, as `ctl status` shows them.
    #[arg(long, value_name = "N")]
    node: u16,
    /// The number of a page of the volume: its newest image, the records above that, and what they make of it.
    #[arg(long, value_name = "PAGE")]
    page: Option<u64>,
    /// With --page: as of this record number; without, as far as the node knows that everything is durable.
    #[arg(long, value_name = "LSN", requires = "page")]
    lsn: Option<u64>,
    /// Record numbers: the blocks of the node's log that hold them, and these records.
    #[arg(long, value_name = "FROM..TO", value_parser = stretch)]
    log: Option<(Lsn, Lsn)>,
}

/// Reads `FROM..TO`, both included.
fn stretch(text: &str) -> Result<(Lsn, Lsn), String> {
    let (from, to) = text.split_once("..").ok_or("a stretch is FROM..TO")?;
    let number =
        |text: &str| text.trim().parse().map(Lsn::new).map_err(|_| format!("not a number: {text:?}"));
    let (from, to) = (number(from)?, number(to)?);
    if from > to { Err("a stretch begins before it ends".into()) } else { Ok((from, to)) }
}

/// What keeps others out while the files are read.
enum Held {
    Directory { _lock: DirectoryLock },
    Member { _lock: MemberLock },
}

/// Describes what was asked for. The error is the one line that the user sees.
pub(crate) fn run(arguments: &Arguments) -> Result<String, String> {
    let (_held, files) = take(&arguments.directory, arguments.node)?;
    let options = PortableOptions { log_threads: 1, page_threads: 1, ..PortableOptions::default() };
    let storage = PortableStorage::open(&files, options)
        .map_err(|error| format!("\"{}\": {error}", files.display()))?;
    let node = NodeId::new(arguments.node);
    let read = async {
        let mut inspector = Inspector::open(Rc::new(storage)).await?;
        match (arguments.page, arguments.log) {
            (Some(page), _) => inspector.page(node, PageId::new(page), arguments.lsn.map(Lsn::new)).await,
            (None, Some((from, to))) => inspector.log(node, from, to).await,
            (None, None) => unreachable!("one of the two is required"),
        }
    };
    block_on(read).map_err(|error: ShardError| format!("node {}: {error}", arguments.node))
}

/// Takes the files of a node for reading: a running server changes them under a reader it does not know of.
fn take(directory: &Path, node: u16) -> Result<(Held, PathBuf), String> {
    let mode = Mode::of(directory).unwrap_or(Mode::Embedded);
    if directory::examine(directory, mode)? != Found::Cluster {
        return Err(format!("directory \"{}\" holds no cluster", directory.display()));
    }
    match mode {
        Mode::Embedded => {
            let files = directory::volume_dir(directory);
            let lock = DirectoryLock::acquire(&files).map_err(|error| match error {
                LockError::Held { .. } => {
                    format!("a server is running in \"{}\"; stop it first", directory.display())
                }
                other => other.to_string(),
            })?;
            Ok((Held::Directory { _lock: lock }, files))
        }
        Mode::Processes => {
            let cluster = Cluster::read(directory)?;
            let member = MemberName::Node(cluster.node(node)?.node());
            let home = cluster.member_dir(member);
            let lock =
                MemberLock::exclusive(&home, member).map_err(|error| format!("{error}; stop it first"))?;
            Ok((Held::Member { _lock: lock }, home.join("data")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches() {
        let check = |text: &str, expect: Option<(u64, u64)>| {
            let got = stretch(text).ok().map(|(from, to)| (from.get(), to.get()));
            assert_eq!(got, expect, "{text}");
        };
        check("5..9", Some((5, 9)));
        check("7..7", Some((7, 7)));
        check("9..5", None);
        check("5", None);
        check("a..5", None);
        check("..", None);
    }
}
