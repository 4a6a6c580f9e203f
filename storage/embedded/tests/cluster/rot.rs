//! What was durable and rots: found, never believed, never taken for absent, and repaired from the other nodes.

use redoubt_client::Volume;
use redoubt_embedded::{ClusterHandle, EmbeddedCluster};
use redoubt_io::Storage;
use redoubt_io::block_on;
use redoubt_io::forgetting::ForgettingStorage;
use redoubt_node::log::block::{BlockHeader, SECTOR_BYTES, block_bytes};
use redoubt_page::{Lsn, PageId};

use crate::kills::Seeded;
use crate::model::{Model, small_options};

fn files(storage: &ForgettingStorage, beginning: &str) -> Vec<String> {
    let names = block_on(storage.names()).expect("names are known");
    names.into_iter().filter(|name| name.starts_with(beginning)).collect()
}

/// Overwrites every block of the log that belongs to one of these nodes.
fn damage_log(storage: &ForgettingStorage, nodes: &[u16]) -> usize {
    let mut damaged = 0;
    for file in files(storage, "log/") {
        let bytes = storage.durable(&file).expect("there");
        let mut at = 0;
        while at < bytes.len() {
            let Ok((header, payload)) = BlockHeader::decode(&bytes[at..]) else {
                at += SECTOR_BYTES;
                continue;
            };
            let len = block_bytes(payload.len());
            if nodes.contains(&header.node.get()) {
                storage.damage(&file, at as u64, &vec![0x77; len]);
                damaged += 1;
            }
            at += len;
        }
    }
    damaged
}

/// Flips a byte in every 8 KiB of a node's page file from `first` on.
fn damage_pages(storage: &ForgettingStorage, node: u16, first: usize) {
    for file in files(storage, &format!("pages/node-{node}-")) {
        let bytes = storage.durable(&file).expect("there");
        for at in (first * 8192..bytes.len()).step_by(8192) {
            storage.damage(&file, at as u64 + 4000, &[!bytes[at + 4000]]);
        }
    }
}

fn start(random: &mut Seeded, model: &mut Model, steps: u64) -> (ForgettingStorage, Volume, ClusterHandle) {
    let storage = ForgettingStorage::new();
    let (volume, cluster) =
        EmbeddedCluster::create_on(storage.clone(), small_options()).expect("a new cluster");
    append(random, model, &volume, steps);
    (storage, volume, cluster)
}

fn append(random: &mut Seeded, model: &mut Model, volume: &Volume, steps: u64) -> Lsn {
    let mut last = volume.vdl();
    for step in 0..steps {
        let text = vec![b'a' + (step % 26) as u8; 1 + random.below(300) as usize];
        last = model.put(volume, &[PageId::new(random.below(16)), PageId::new(16 + random.below(16))], &text);
        if step % 8 == 0 {
            volume.wait_durable_blocking(last).expect("durable");
            volume.set_read_floor(last);
            model.forget_below(last);
        }
    }
    volume.wait_durable_blocking(last).expect("durable");
    last
}

/// Waits until the nodes have found and repaired as much as they found.
fn wait_until_repaired(cluster: &ClusterHandle, volume: &Volume, model: &Model) {
    for _ in 0..100_000 {
        let counters = cluster.counters();
        if counters.damage_found > 0 && counters.damage_repaired >= counters.damage_found {
            return;
        }
        // Reading is what meets damage, and gives the background its turns.
        model.check_all(volume, volume.vdl());
    }
    panic!("not repaired: {:?}", cluster.counters());
}

#[test]
fn rot_of_two_nodes_logs_is_met_by_reads_and_repaired() {
    let (mut random, mut model) = (Seeded::new(1), Model::default());
    let (storage, volume, cluster) = start(&mut random, &mut model, 150);
    assert!(damage_log(&storage, &[0, 1]) > 40);
    wait_until_repaired(&cluster, &volume, &model);
    // What the first two got again stands in for the next two, and so on.
    assert!(damage_log(&storage, &[2, 3]) > 40);
    model.check_all(&volume, volume.vdl());
    assert!(volume.status().damaged_reads > 0);
    append(&mut random, &mut model, &volume, 100);
    model.check_all(&volume, volume.vdl());
    cluster.shutdown().expect("a clean end");
}

#[test]
fn rot_of_any_two_nodes_logs_while_down_loses_nothing() {
    for first in 0..6 {
        for second in first + 1..6 {
            let (mut random, mut model) = (Seeded::new(u64::from(first * 6 + second)), Model::default());
            let (storage, volume, cluster) = start(&mut random, &mut model, 120);
            let acknowledged = volume.vdl();
            storage.kill(u64::from(first * 6 + second));
            drop((volume, cluster));
            damage_log(&storage, &[first, second]);
            let (volume, cluster) = EmbeddedCluster::open_on(storage.clone(), small_options())
                .unwrap_or_else(|error| panic!("nodes {first} and {second} rotted: {error}"));
            assert_eq!(volume.vdl(), acknowledged, "nodes {first} and {second} rotted");
            model.check_all(&volume, acknowledged);
            append(&mut random, &mut model, &volume, 50);
            model.check_all(&volume, volume.vdl());
            cluster.shutdown().expect("a clean end");
        }
    }
}

#[test]
fn rot_of_single_blocks_while_down_is_repaired() {
    for seed in 0..30 {
        let (mut random, mut model) = (Seeded::new(seed), Model::default());
        let (storage, volume, cluster) = start(&mut random, &mut model, 200);
        let acknowledged = volume.vdl();
        storage.kill(seed);
        drop((volume, cluster));
        // One sector in thirty of nodes 2 and 5.
        for file in files(&storage, "log/") {
            let bytes = storage.durable(&file).expect("there");
            for at in (0..bytes.len()).step_by(SECTOR_BYTES) {
                let of = BlockHeader::decode(&bytes[at..]).map(|(header, _)| header.node.get());
                if matches!(of, Ok(2 | 5)) && random.below(30) == 0 {
                    storage.damage(&file, at as u64 + random.below(512), &[random.below(256) as u8]);
                }
            }
        }
        let (volume, cluster) = EmbeddedCluster::open_on(storage.clone(), small_options())
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(volume.vdl(), acknowledged, "seed {seed}");
        model.check_all(&volume, acknowledged);
        // Enough for the log to go round, which it does only when the damaged nodes have everything again.
        append(&mut random, &mut model, &volume, 6000);
        assert!(cluster.counters().chunks_recycled > 5, "seed {seed}: {:?}", cluster.counters());
        model.check_all(&volume, volume.vdl());
        let ready = volume.status().groups.iter().all(|group| group.segments.iter().all(|s| s.view.ready));
        assert!(ready, "seed {seed}: {:?}", volume.status());
        cluster.shutdown().expect("a clean end");
    }
}

#[test]
fn rot_of_page_images_is_repaired_from_the_other_nodes() {
    let (mut random, mut model) = (Seeded::new(7), Model::default());
    let (storage, volume, cluster) = start(&mut random, &mut model, 6000);
    assert!(cluster.counters().images_written > 0, "{:?}", cluster.counters());
    // Images and index nodes alike, of two nodes; their superblocks are whole.
    damage_pages(&storage, 0, 2);
    damage_pages(&storage, 4, 2);
    model.check_all(&volume, volume.vdl());
    assert!(cluster.counters().damage_found > 0);
    append(&mut random, &mut model, &volume, 6000);
    model.check_all(&volume, volume.vdl());
    let last = volume.vdl();
    cluster.shutdown().expect("a clean end");
    // With the two repaired, two others may go.
    damage_pages(&storage, 1, 0);
    damage_pages(&storage, 2, 0);
    let (volume, cluster) = EmbeddedCluster::open_on(storage.clone(), small_options()).expect("opened again");
    assert_eq!(volume.vdl(), last);
    model.check_all(&volume, last);
    append(&mut random, &mut model, &volume, 6000);
    model.check_all(&volume, volume.vdl());
    cluster.shutdown().expect("a clean end");
}

#[test]
fn a_page_store_that_fell_back_in_time_is_not_believed() {
    let (mut random, mut model) = (Seeded::new(8), Model::default());
    let (storage, volume, cluster) = start(&mut random, &mut model, 3000);
    model.put(&volume, &(32..48).map(PageId::new).collect::<Vec<_>>(), b"before");
    append(&mut random, &mut model, &volume, 6000);
    let old: Vec<(String, Vec<u8>)> = files(&storage, "pages/node-3-")
        .into_iter()
        .map(|name| (name.clone(), storage.durable(&name).expect("there")))
        .collect();
    // Changed once, and then only in images: nothing in the log will contradict an older one.
    let quiet: Vec<PageId> = (32..48).map(PageId::new).collect();
    model.put(&volume, &quiet, b"since then");
    append(&mut random, &mut model, &volume, 8000);
    let last = volume.vdl();
    cluster.shutdown().expect("a clean end");
    // A device that brings back what it held an hour ago: every checksum in it is right.
    for (name, bytes) in &old {
        storage.damage(name, 0, bytes);
    }
    let (volume, cluster) = EmbeddedCluster::open_on(storage.clone(), small_options()).expect("opened again");
    model.check_all(&volume, last);
    append(&mut random, &mut model, &volume, 3000);
    model.check_all(&volume, volume.vdl());
    cluster.shutdown().expect("a clean end");
}
