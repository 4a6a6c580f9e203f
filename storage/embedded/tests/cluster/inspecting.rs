//! What a node has stored, in words, read while nothing runs.

use std::rc::Rc;

use redoubt_embedded::EmbeddedCluster;
use redoubt_io::forgetting::ForgettingStorage;
use redoubt_io::{Storage, block_on};
use redoubt_node::Inspector;
use redoubt_page::{Lsn, PageId};
use redoubt_protocol::NodeId;

use crate::model::{Model, small_options};

#[test]
fn a_page_and_a_stretch_of_the_log_in_words() {
    let (storage, mut model) = (ForgettingStorage::new(), Model::default());
    let (volume, cluster) =
        EmbeddedCluster::create_on(storage.clone(), small_options()).expect("a new cluster");
    let page = PageId::new(20);
    let first = model.put(&volume, &[PageId::new(3), page], b"first");
    let second = model.put(&volume, &[page], b"second");
    volume.wait_durable_blocking(second).expect("durable");
    cluster.shutdown().expect("a clean end");

    let before = contents(&storage);
    let mut inspector = block_on(Inspector::open(Rc::new(storage.clone()))).expect("it opens");
    let nodes: Vec<NodeId> = inspector.nodes().collect();
    assert_eq!(nodes.len(), 6);
    for node in nodes {
        let text = block_on(inspector.page(node, page, Some(second))).expect("described");
        for expected in ["of group 1 with pages 16 to 31", "slot 0 6 bytes 7365636f6e64", "slot 1 5 bytes"] {
            assert!(text.contains(expected), "{expected:?} is not in {text}");
        }
        // As of the first one, the second is not there.
        let text = block_on(inspector.page(node, page, Some(first))).expect("described");
        assert!(text.contains("slot 0 5 bytes 6669727374"), "{text}");
        assert!(!text.contains("7365636f6e64"), "{text}");
        let log = block_on(inspector.log(node, first, second)).expect("described");
        assert!(log.contains(&format!("record {first} page 20 pg 1 ")), "{log}");
        assert!(log.contains(&format!("record {second} page 20 pg 1 ")) && log.contains(" CPL "), "{log}");
        assert!(!log.contains("page 3 "), "its record comes before the stretch: {log}");
    }
    let (nobody, nowhere) = (NodeId::new(9), PageId::new(16 * 1000));
    let refused = block_on(inspector.page(nobody, page, None)).expect_err("no such node");
    assert!(refused.to_string().contains("there is no node 9 here"), "{refused}");
    let refused = block_on(inspector.page(NodeId::new(0), nowhere, None)).expect_err("no such group");
    assert!(refused.to_string().contains("of which the node holds no segment"), "{refused}");
    let nothing =
        block_on(inspector.log(NodeId::new(0), Lsn::new(1 << 40), Lsn::new(1 << 41))).expect("read");
    assert!(nothing.contains("holds no record from"), "{nothing}");
    assert!(contents(&storage) == before, "looking changed something");
}

/// Every file and what is durable of it.
fn contents(storage: &ForgettingStorage) -> Vec<(String, Option<Vec<u8>>)> {
    let names = block_on(storage.names()).expect("names are known");
    names.into_iter().map(|name| (name.clone(), storage.durable(&name))).collect()
}
