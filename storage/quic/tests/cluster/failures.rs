//! Nodes die and come back; writers overtake one another.

use redoubt_client::VolumeError;
use redoubt_page::{Lsn, PageId};
use redoubt_protocol::NodeId;

use crate::model::Model;
use crate::nodes::{Nodes, eventually};

fn pages(round: u64) -> [PageId; 2] {
    [PageId::new(round % 7), PageId::new(20 + round % 3)]
}

fn write(model: &mut Model, volume: &redoubt_client::Volume, rounds: std::ops::Range<u64>) -> Lsn {
    rounds
        .map(|round| model.put(volume, &pages(round), format!("round {round}").as_bytes()))
        .last()
        .expect("some")
}

#[test]
fn what_was_written_is_read_back_and_survives_another_writer() {
    let nodes = Nodes::start();
    let mut model = Model::default();
    let volume = nodes.create();
    let last = write(&mut model, &volume, 0..200);
    volume.wait_durable_blocking(last).expect("durable");
    model.check_all(&volume, last);
    let second = nodes.open();
    assert_eq!(second.vdl(), last);
    model.check_all(&second, last);
    // The first one learns of it although it writes nothing.
    eventually("the first writer is fenced", || {
        matches!(volume.try_reserve(1, 100), Err(VolumeError::Fenced { .. }))
    });
    let doubt = volume.wait_durable_blocking(last.next());
    assert!(matches!(doubt, Err(VolumeError::Fenced { .. })), "{doubt:?}");
    let next = write(&mut model, &second, 200..210);
    second.wait_durable_blocking(next).expect("durable");
    model.check_all(&second, next);
}

#[test]
fn a_zone_may_fail_and_a_third_node_stops_writes_only() {
    let mut nodes = Nodes::start();
    let mut model = Model::default();
    let volume = nodes.create();
    let last = write(&mut model, &volume, 0..50);
    volume.wait_durable_blocking(last).expect("durable");
    nodes.kill(NodeId::new(3));
    nodes.kill(NodeId::new(4));
    let last = write(&mut model, &volume, 50..100);
    volume.wait_durable_blocking(last).expect("four of six are enough");
    model.check_all(&volume, last);
    nodes.kill(NodeId::new(5));
    let waiting = write(&mut model, &volume, 100..110);
    eventually("three have it", || {
        let status = volume.status();
        let has_it = |group: &redoubt_client::GroupStatus| {
            group.segments.iter().filter(|segment| segment.view.scl >= group.pgcl).count() >= 3
        };
        status.groups.iter().all(has_it)
    });
    assert!(volume.vdl() < waiting, "three of six are too few");
    model.check_all(&volume, last);
    nodes.restart(NodeId::new(4));
    volume.wait_durable_blocking(waiting).expect("the fourth is back");
    model.check_all(&volume, waiting);
    eventually("the one that is back has everything", || {
        let status = volume.status();
        let groups = status.groups.iter();
        groups.clone().count() > 0
            && groups.clone().all(|group| {
                let there = group.segments.iter().find(|segment| segment.node == NodeId::new(4));
                there.is_some_and(|segment| segment.view.scl >= group.tail)
            })
    });
}

#[test]
fn a_volume_opens_while_a_zone_is_gone() {
    let mut nodes = Nodes::start();
    let mut model = Model::default();
    let volume = nodes.create();
    let last = write(&mut model, &volume, 0..20);
    volume.wait_durable_blocking(last).expect("durable");
    drop(volume);
    nodes.kill(NodeId::new(1));
    nodes.kill(NodeId::new(2));
    let volume = nodes.open();
    assert_eq!(volume.vdl(), last);
    model.check_all(&volume, last);
    let last = write(&mut model, &volume, 20..40);
    volume.wait_durable_blocking(last).expect("durable");
}
