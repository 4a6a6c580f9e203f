//! The log goes round under nodes that are not all equally far. Each test names the wrong read, or the standstill,
//! that it is about.

use redoubt_io::Storage;
use redoubt_io::forgetting::Fault;

use crate::nodes::{Nodes, all};
use crate::poll::now;

/// Bytes of an item with which a chunk takes some sixty records, six copies each.
const LONG: usize = 2500;

/// A recovery wrote its history to five of six, so that the sixth can be given no record. The others' chunk was made
/// into images only as far as the sixth had come, and given up as a whole: what lay above was nowhere any more.
#[test]
fn records_of_those_ahead_are_not_given_up_for_one_behind() {
    let mut nodes = Nodes::new(12);
    let five = &all()[..5];
    nodes.promise(3, &all());
    nodes.write_history(five);
    nodes.put(7, 100, five, false);
    for n in 0..200 {
        nodes.put(n % 3, LONG, five, true);
    }
    nodes.announce(five);
    assert_eq!(nodes.counters().chunks_recycled, 0);
    five.iter().for_each(|node| nodes.check(*node, 7));
    // The sixth hears of the history, is given everything by its neighbours, and the log goes round.
    nodes.write_history(&[5]);
    nodes.announce(&all());
    for n in 0..200 {
        nodes.put(n % 3, LONG, &all(), true);
    }
    nodes.announce(&all());
    assert!(nodes.counters().chunks_recycled > 0, "{:?}", nodes.counters());
    for node in all() {
        [0, 1, 2, 7].iter().for_each(|page| nodes.check(node, *page));
    }
}

/// A crash between the switches of two page stores. The first store had the newer images, so that none were made
/// when it came to the chunk again; the other one was said to contain them too, and the records were given up.
#[test]
fn a_store_that_missed_a_switch_gets_the_images() {
    let mut nodes = Nodes::new(12);
    nodes.put(7, 100, &all(), false);
    while nodes.counters().chunks_in_use < 3 {
        nodes.put(nodes.last.get() % 3, LONG, &all(), false);
    }
    // Node 3 fails where the others make their images current.
    let names = now(nodes.storage.names()).expect("names are known");
    let store = names.iter().find(|name| name.starts_with("pages/node-3-")).expect("it has a store");
    nodes.storage.inject(store, Fault::Flush);
    nodes.announce(&all());
    nodes.announce(&all());
    assert!(nodes.ended.is_some(), "no store was switched");
    nodes.restart(1);
    nodes.promise(3, &all());
    nodes.write_history(&all());
    for n in 0..400 {
        nodes.put(n % 3, LONG, &all(), true);
    }
    nodes.announce(&all());
    assert!(nodes.counters().chunks_recycled > 0, "{:?}", nodes.counters());
    for node in all() {
        [0, 1, 2, 7].iter().for_each(|page| nodes.check(node, *page));
    }
}

/// The log is full, one node lacks what the oldest chunk holds, and the positions that would free it come behind
/// records: what has no space must keep nothing waiting that makes space.
#[test]
fn a_full_log_goes_round_although_one_lacks_what_it_holds() {
    let mut nodes = Nodes::new(6);
    let five = &all()[..5];
    nodes.promise(3, &all());
    nodes.write_history(five);
    // Nobody may make images of any of it, and the sixth gets none of it.
    nodes.put(7, 100, five, false);
    for n in 0..600 {
        nodes.put(n % 3, LONG, five, false);
    }
    let durable = nodes.scl(0);
    assert!(durable < nodes.last, "the log is full");
    nodes.write_history(&[5]);
    assert!(nodes.scl(5) < durable, "the sixth is behind");
    // It is durable on five: that is what the writer says now, to all.
    for _ in 0..40 {
        nodes.announce(&all());
    }
    assert!(nodes.counters().chunks_recycled > 0, "{:?}", nodes.counters());
    for node in all() {
        assert_eq!(nodes.scl(node), nodes.last, "node {node}");
    }
    nodes.announce(&all());
    for node in all() {
        [0, 1, 2, 7].iter().for_each(|page| nodes.check(node, *page));
    }
}
