//! `redoubt writer`: the engine in a process of its own, over storage nodes that are reached by QUIC.

use crate::directory::{self, Found, Mode};
use crate::members::{Cluster, Endpoints, MemberLock};
use crate::server::{self, Storage};
use crate::{Start, WriterArguments};
use redoubt_client::{OpenError, Receiver, Volume, VolumeShape, WriterOptions};
use redoubt_embedded::random;
use redoubt_protocol::{LSN_ALLOCATION_LIMIT, VolumeGeometry, VolumeId};
use redoubt_quic::{MemberName, QuicTransport};
use std::path::Path;
use std::sync::Arc;

/// Runs a writer until it is told to stop or a newer one fences it. The error is the one line that the user sees.
pub(crate) fn run(arguments: &WriterArguments) -> Result<(), String> {
    let found = directory::examine(&arguments.start.directory, Mode::Processes)?;
    if found == Found::Empty {
        let dir = arguments.start.directory.display();
        return Err(format!("directory \"{dir}\" holds no cluster; make one with redoubt start --processes"));
    }
    let cluster = Cluster::read(&arguments.start.directory)?;
    let home = cluster.member_dir(MemberName::Writer);
    let _lock = match arguments.exclusive {
        true => MemberLock::exclusive(&home, MemberName::Writer)?,
        false => MemberLock::shared(&home)?,
    };
    let start: &Start = &arguments.start;
    server::serve(start, &found, Mode::Processes, arguments.owned, &home, |found, _| {
        open(&cluster, found, start.segment_pages)
    })
}

/// Opens the volume, or makes it in a directory that is being initialised.
fn open(cluster: &Cluster, found: &Found, segment_pages: Option<u64>) -> Result<Storage, String> {
    let metadata = cluster.metadata()?;
    let receiver = Receiver::new();
    let addresses = Arc::new(Endpoints(Arc::clone(&metadata)));
    let identity = cluster.identity(MemberName::Writer)?;
    let transport = QuicTransport::start(&identity, &cluster.node_ids(), addresses, &receiver)
        .map_err(|error| error.to_string())?;
    let options = WriterOptions::default();
    let volume = match found {
        Found::Cluster => Volume::open(options, metadata, Arc::clone(&transport) as _, &receiver),
        Found::Empty | Found::Unfinished => {
            let shape = VolumeShape {
                volume: VolumeId::new(random().map_err(|error| error.to_string())?),
                segment_pages: segment_pages.unwrap_or(VolumeGeometry::DEFAULT_SEGMENT_PAGES),
                allocation_limit: LSN_ALLOCATION_LIMIT,
                nodes: cluster.nodes.iter().map(|node| (node.node(), node.protocol_zone())).collect(),
            };
            Volume::create(&shape, options, metadata, Arc::clone(&transport) as _, &receiver)
        }
    };
    let volume = volume.map_err(|error: OpenError| error.to_string())?;
    let zones = cluster.nodes.iter().map(|node| (node.node(), node.zone)).collect();
    let stop = Box::new(move || {
        transport.stop();
        Ok(())
    });
    Ok(Storage { volume, zones, stop })
}

/// Whether a writer runs and is ready in this cluster.
pub(crate) fn is_ready(home: &Path) -> bool {
    crate::control::is_there(home)
}
