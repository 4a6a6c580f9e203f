//! A node that was away gets what it missed from its peers.

use redoubt_page::PageId;
use redoubt_protocol::NodeId;

use crate::model::Model;
use crate::nodes::{Nodes, eventually};

#[test]
fn what_a_node_missed_comes_from_peers() {
    let mut nodes = Nodes::start();
    let mut model = Model::default();
    let volume = nodes.create();
    let page = PageId::new(3);
    let first = model.put(&volume, &[page], b"seen by all");
    volume.wait_durable_blocking(first).expect("durable");
    let absent = NodeId::new(6);
    nodes.kill(absent);
    eventually("the writer knows", || {
        let status = volume.status();
        status.groups[0].segments.iter().any(|segment| segment.node == absent && !segment.view.ready)
    });
    let mut last = first;
    for round in 0..300 {
        last = model.put(&volume, &[page], format!("missed {round}").as_bytes());
    }
    volume.wait_durable_blocking(last).expect("durable");
    // The others have all of it, so that the writer keeps nothing of it.
    eventually("the five have everything", || {
        let status = volume.status();
        status.groups[0].segments.iter().filter(|segment| segment.view.scl >= last).count() == 5
    });
    nodes.restart(absent);
    eventually("the gap is closed", || {
        nodes.shard(absent).statuses().iter().any(|status| status.scl >= last)
    });
    let counters = nodes.shard(absent).counters();
    assert!(counters.peer_record_bytes > 0, "peers sent it: {counters:?}");
    assert_eq!(counters.writer_record_bytes, 0, "the writer did not: {counters:?}");
    // The writer hears of it without having asked.
    eventually("the writer knows that it is complete", || {
        let status = volume.status();
        status.groups[0].segments.iter().all(|segment| segment.view.ready && segment.view.scl >= last)
    });
}
