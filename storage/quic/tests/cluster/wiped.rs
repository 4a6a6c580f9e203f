//! A node that has lost its disk returns under new segments' names; one that was away for longer than logs reach back
//! gets pages.

use redoubt_client::{GroupStatus, SegmentStatus, Volume};
use redoubt_node::ShardOptions;
use redoubt_page::{Lsn, PageId};
use redoubt_protocol::{NodeId, SegmentId};

use crate::model::Model;
use crate::nodes::{Nodes, SEGMENT_PAGES, eventually};

/// Chunks that go round within a test.
fn small_logs() -> ShardOptions {
    ShardOptions {
        log_bytes: 12 << 20,
        chunk_bytes: 1 << 20,
        lazy_chunks: 1,
        cached_pages: 16,
        ..ShardOptions::default()
    }
}

/// Changes pages of several groups.
fn write(model: &mut Model, volume: &Volume, rounds: std::ops::Range<u64>) -> Lsn {
    let put = |round: u64| {
        let page = |group: u64| PageId::new(group * SEGMENT_PAGES + round % 11);
        model.put(volume, &[page(0), page(1), page(2)], format!("round {round}").as_bytes())
    };
    rounds.map(put).last().expect("some")
}

/// Writes long items until a node has given up as many chunks of its log again as a log has.
fn let_logs_go_round(model: &mut Model, volume: &Volume, nodes: &Nodes, watched: NodeId) {
    let recycled = || nodes.shard(watched).counters().chunks_recycled;
    let before = recycled();
    let text = vec![b'x'; 2500];
    for round in 0_u64.. {
        let last = model.put(volume, &[PageId::new(round % 40)], &text);
        if round.is_multiple_of(100) {
            volume.wait_durable_blocking(last).expect("durable");
            volume.set_read_floor(last);
            if recycled() >= before + 14 {
                break;
            }
        }
    }
}

fn on(group: &GroupStatus, node: NodeId) -> SegmentStatus {
    let mut segments = group.segments.iter();
    segments.rfind(|segment| segment.node == node).expect("a segment on every node").clone()
}

fn names_on(volume: &Volume, node: NodeId) -> Vec<SegmentId> {
    volume.status().groups.iter().map(|group| on(group, node).view.segment).collect()
}

/// Whether no membership is being changed, and this node's segments hold everything.
fn is_whole(volume: &Volume, node: NodeId, upto: Lsn) -> bool {
    let has_all = |group: &GroupStatus| {
        let view = on(group, node).view;
        group.change.is_none() && view.ready && view.scl >= upto.min(group.tail)
    };
    volume.status().groups.iter().all(has_all)
}

/// Two lag, a third one of those that have everything loses its disk: it is a voter that remembers nothing.
fn one_wiped_while_two_lag(options: ShardOptions, goes_round: bool) {
    let mut nodes = Nodes::start_with(options);
    let [first, second, fourth, fifth, sixth] = [1, 2, 4, 5, 6].map(NodeId::new);
    let mut model = Model::default();
    let volume = nodes.create();
    let last = write(&mut model, &volume, 0..40);
    volume.wait_durable_blocking(last).expect("durable");
    let before = names_on(&volume, sixth);
    nodes.kill(fourth);
    nodes.kill(fifth);
    if goes_round {
        let_logs_go_round(&mut model, &volume, &nodes, first);
    }
    let last = write(&mut model, &volume, 40..140);
    volume.wait_durable_blocking(last).expect("four of six are enough");
    nodes.kill(sixth);
    nodes.make(sixth);
    eventually("the node's segments are being replaced", || {
        volume.status().groups.iter().all(|group| group.change.is_some())
    });
    // Three have what was acknowledged. The new ones are no fourth: nothing becomes durable with them alone.
    let waiting = write(&mut model, &volume, 140..150);
    eventually("the three have it", || {
        let has_it = |group: &GroupStatus| {
            group
                .segments
                .iter()
                .filter(|segment| segment.node < fourth && segment.view.scl > group.pgcl)
                .count()
                == 3
        };
        volume.status().groups.iter().all(has_it)
    });
    assert!(volume.vdl() < waiting, "a segment counted that has just been made");
    nodes.restart(fourth);
    volume.wait_durable_blocking(waiting).expect("the fourth is back");
    nodes.restart(fifth);
    eventually("the new segments are complete", || is_whole(&volume, sixth, waiting));
    let status = volume.status();
    assert!(status.groups.iter().all(|group| group.membership_epoch == 3 && group.segments.len() == 6));
    let after = names_on(&volume, sixth);
    assert!(before.iter().zip(&after).all(|(before, after)| before < after), "{before:?} {after:?}");
    let statuses = nodes.shard(sixth).statuses();
    assert!(after.iter().all(|name| statuses.iter().any(|s| s.from.segment == *name && s.joined)));
    let images = nodes.shard(sixth).counters().peer_images;
    assert_eq!(images > 0, goes_round, "{images} pages came in the place of records");
    // Now four of six are needed that the new ones are among, for writing, for opening and for reading.
    eventually("the fifth has everything", || is_whole(&volume, fifth, waiting));
    nodes.kill(first);
    nodes.kill(second);
    let last = write(&mut model, &volume, 150..170);
    volume.wait_durable_blocking(last).expect("the new segments count");
    drop(volume);
    let volume = nodes.open();
    assert_eq!(volume.vdl(), last);
    model.check_all(&volume, last);
}

#[test]
fn a_wiped_node_while_two_lag_loses_nothing() {
    one_wiped_while_two_lag(small_logs(), false);
}

#[test]
fn a_wiped_node_gets_pages_where_logs_have_gone_round() {
    one_wiped_while_two_lag(small_logs(), true);
}

#[test]
fn a_node_that_was_away_for_longer_than_a_log_gets_pages() {
    let mut nodes = Nodes::start_with(small_logs());
    let [first, second, sixth] = [1, 2, 6].map(NodeId::new);
    let mut model = Model::default();
    let volume = nodes.create();
    let last = write(&mut model, &volume, 0..40);
    volume.wait_durable_blocking(last).expect("durable");
    let before = names_on(&volume, sixth);
    nodes.kill(sixth);
    let_logs_go_round(&mut model, &volume, &nodes, first);
    let last = write(&mut model, &volume, 40..50);
    volume.wait_durable_blocking(last).expect("durable");
    nodes.restart(sixth);
    eventually("it has everything", || is_whole(&volume, sixth, last));
    assert!(nodes.shard(sixth).counters().peer_images > 0, "{:?}", nodes.shard(sixth).counters());
    assert_eq!(names_on(&volume, sixth), before, "what is behind is not lost");
    nodes.kill(first);
    nodes.kill(second);
    let last = write(&mut model, &volume, 50..60);
    volume.wait_durable_blocking(last).expect("durable");
    // What came as pages is there after a restart too.
    nodes.kill(sixth);
    nodes.restart(sixth);
    drop(volume);
    let volume = nodes.open();
    model.check_all(&volume, last);
}
