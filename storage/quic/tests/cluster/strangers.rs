//! Members of another cluster, members under another's name, and nonsense on the wire.

use std::net::UdpSocket;
use std::sync::Arc;

use redoubt_client::Receiver;
use redoubt_page::PageId;
use redoubt_protocol::NodeId;
use redoubt_quic::{Addresses, Identity, MemberName, QuicTransport, tls};

use crate::model::Model;
use crate::nodes::{Nodes, all};

/// A transport with another cluster's certificates connects to nobody, and the nodes go on serving.
#[test]
fn another_authority_and_nonsense_are_refused() {
    let nodes = Nodes::start();
    let mut model = Model::default();
    let volume = nodes.create();
    let foreign = tempfile::tempdir().expect("a temporary directory");
    tls::issue(foreign.path(), &[MemberName::Writer]).expect("certificates");
    let identity = Identity::load(foreign.path(), MemberName::Writer).expect("issued");
    let receiver = Receiver::new();
    let addresses = Arc::new(nodes.listening.clone());
    let stranger = QuicTransport::start(&identity, &all(), addresses, &receiver).expect("sockets");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for node in all() {
        let address = nodes.listening.address(node).expect("it listens");
        for length in [0, 1, 20, 1200, 1500] {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 37 + length) as u8 | 0xc0).collect();
            socket.send_to(&bytes, address).expect("sent");
        }
    }
    let mut last = None;
    for round in 0..20 {
        last = Some(model.put(&volume, &[PageId::new(1)], format!("round {round}").as_bytes()));
    }
    volume.wait_durable_blocking(last.expect("written")).expect("durable");
    assert!(!stranger.is_connected(NodeId::new(1)), "a stranger was let in");
}

/// A node's certificate does not make a writer: its promise is never made.
#[test]
fn a_node_cannot_write() {
    let nodes = Nodes::start();
    let volume = nodes.create();
    let identity = nodes.identity(MemberName::Node(NodeId::new(2)));
    let receiver = Receiver::new();
    let addresses = Arc::new(nodes.listening.clone());
    let transport = QuicTransport::start(&identity, &all(), addresses, &receiver).expect("sockets");
    let (metadata, failing) = (Arc::clone(&nodes.metadata), receiver.clone());
    let opening = std::thread::spawn(move || {
        let options = redoubt_client::WriterOptions::default();
        redoubt_client::Volume::open(options, metadata, transport, &receiver).map(|_| ())
    });
    let mut model = Model::default();
    for round in 0..20 {
        let last = model.put(&volume, &[PageId::new(1)], format!("round {round}").as_bytes());
        volume.wait_durable_blocking(last).expect("nobody has sealed anything");
    }
    failing.fail("enough".into());
    assert!(opening.join().expect("no panic").is_err(), "a node opened the volume as its writer");
}
