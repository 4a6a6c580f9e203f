//! `redoubt node`: one storage node in a process of its own.

use crate::control::Control;
use crate::members::{Cluster, Endpoints, MemberLock};
use crate::{NodeArguments, directory, settings, signals};
use redoubt_embedded::{ShardThread, new_identity};
use redoubt_io::portable::PortableOptions;
use redoubt_io::{DiskStorage, block_on};
use redoubt_node::{ShardError, ShardHandle, ShardIdentity};
use redoubt_quic::{Addresses, MemberName, NodeServer};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Runs a node until it is told to stop. The error is the one line that the user sees.
pub(crate) fn run(arguments: &NodeArguments) -> Result<(), String> {
    directory::examine(&arguments.directory, directory::Mode::Processes)?;
    let cluster = Cluster::read(&arguments.directory)?;
    let entry = cluster.node(arguments.id)?.clone();
    if let Some(zone) = arguments.zone.filter(|zone| *zone != entry.zone) {
        return Err(format!("node {} is in zone {}, not in {zone}", entry.id, entry.zone));
    }
    let settings = settings::load_for_node(&arguments.directory, &arguments.settings)?;
    let (device, options) = (settings::device(&settings)?, settings::shard_options(&settings)?);
    let (node, member) = (entry.node(), MemberName::Node(entry.node()));
    let home = cluster.member_dir(member);
    let _lock = MemberLock::exclusive(&home, member)?;
    let storage_error = |error: &dyn std::fmt::Display| format!("node {}: {error}", entry.id);
    let storage = DiskStorage::open(&home.join("data"), device.device, PortableOptions::default())
        .map_err(|error| storage_error(&error))?;
    let known = block_on(ShardIdentity::read(&storage)).map_err(|error| storage_error(&error))?;
    let identity = match known {
        Some(_) => None,
        // New, or its disk was lost: whatever it held before, it holds no segment now, and gets new ones.
        None => Some(new_identity(vec![node], options.chunk_bytes).map_err(|error| storage_error(&error))?),
    };
    let is_new = identity.is_some();
    let listen = arguments.listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let handle = ShardHandle::new();
    let server = NodeServer::bind(&cluster.identity(member)?, listen, handle.clone())
        .map_err(|error| storage_error(&error))?;
    let reader = storage.reader_for_peers();
    let shard = ShardThread::start(storage, identity, options, handle, server.outbound(), stop_when_failed)
        .map_err(|error| storage_error(&error))?;
    let endpoints = Endpoints(cluster.metadata()?);
    endpoints.publish(node, server.address())?;
    let addresses: Arc<dyn Addresses> = Arc::new(endpoints);
    server.serve(&cluster.node_ids(), &addresses);
    let (shown, zone, address) = (shard.handle().clone(), entry.zone, server.address());
    let _control = Control::serve(&home, move || describe(node.get(), zone, address, &shown));
    tracing::info!(node = entry.id, zone = %entry.zone, listen = %server.address(), is_new, reader, %device, "storage node is ready");
    signals::wait(arguments.owned);
    drop(server);
    shard.stop().map_err(|error| storage_error(&error))
}

/// A failed flush or write: what is durable is known only from media, by whoever opens it next.
fn stop_when_failed(result: &Result<(), ShardError>) {
    if let Err(error) = result {
        eprintln!("redoubt: storage failed, stopping: {error}");
        std::process::exit(1);
    }
}

/// What `ctl status` shows of a node.
fn describe(id: u16, zone: char, listen: SocketAddr, shard: &ShardHandle) -> serde_json::Value {
    let counters = shard.counters();
    let taking = shard.taking();
    let segments: Vec<serde_json::Value> = shard
        .statuses()
        .iter()
        .map(|status| {
            let taken = taking.iter().find(|(segment, _)| *segment == status.from.segment);
            let images = taken.map(|(_, progress)| {
                json!({
                    "source": progress.source.get(),
                    "at": progress.at.get(),
                    "next_page": progress.next_page.map(|page| page.get()),
                })
            });
            json!({
                "pg": status.from.pg.get(),
                "segment": status.from.segment.get(),
                "scl": status.scl.get(),
                "highest_received": status.highest_received.get(),
                "persisted_vdl": status.persisted_vdl.get(),
                "coalesced": status.coalesced.get(),
                "read_floor": status.read_floor.get(),
                "volume_epoch": status.volume_epoch.get(),
                "history_epoch": status.history_epoch.get(),
                "membership_epoch": status.membership_epoch.get(),
                "joined": status.joined,
                "clean": status.clean,
                "images": images,
            })
        })
        .collect();
    json!({
        "node": id,
        "zone": zone.to_string(),
        "pid": std::process::id(),
        "listen": listen.to_string(),
        "segments": segments,
        "log_writes": counters.log_writes,
        "pages_served": counters.pages_served,
        "images_written": counters.images_written,
        "chunks_in_use": counters.chunks_in_use,
        "chunks_recycled": counters.chunks_recycled,
        "damage_found": counters.damage_found,
        "damage_repaired": counters.damage_repaired,
        "writer_record_bytes": counters.writer_record_bytes,
        "peer_record_bytes": counters.peer_record_bytes,
        "peer_images": counters.peer_images,
    })
}
