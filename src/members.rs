//! A cluster of processes in one directory: who its members are, where each keeps its things, how they find one
//! another.
//!
//! ```text
//! DIR/cluster.json      the storage nodes and their zones
//! DIR/tls/              the cluster's authority, a certificate and a key per member
//! DIR/meta/             the metadata store: the volume, its groups' members, where nodes listen
//! DIR/node-N/           a node: pid, control (a socket), data/ (its log and page images)
//! DIR/writer/           the writer: pid, control
//! ```

use redoubt_client::MetadataStore;
use redoubt_embedded::SharedFileMetadata;
use redoubt_io::{DirectoryLock, LockError};
use redoubt_protocol::{NodeId, Zone};
use redoubt_quic::{Addresses, Identity, MemberName, tls};
use serde::{Deserialize, Serialize};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CLUSTER_FILE: &str = "cluster.json";

/// A storage node, as the cluster's description names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// Its number, from one.
    pub id: u16,
    /// Its availability zone: a letter.
    pub zone: char,
}

impl NodeEntry {
    /// Its number in the protocol.
    pub fn node(&self) -> NodeId {
        NodeId::new(self.id)
    }

    /// Its zone in the protocol.
    pub fn protocol_zone(&self) -> Zone {
        Zone::new((self.zone as u8).saturating_sub(b'a'))
    }
}

/// Six nodes, two in each of three zones.
pub fn default_nodes() -> Vec<NodeEntry> {
    (1..=6).map(|id| NodeEntry { id, zone: char::from(b'a' + ((id - 1) / 2) as u8) }).collect()
}

/// A cluster of processes.
#[derive(Clone, Debug)]
pub struct Cluster {
    directory: PathBuf,
    /// Its storage nodes.
    pub nodes: Vec<NodeEntry>,
}

impl Cluster {
    /// Makes the description, the certificates and the metadata store in a directory that is being initialised.
    /// What an earlier attempt left is removed.
    pub fn make(directory: &Path) -> Result<Self, String> {
        let cluster = Self { directory: directory.to_path_buf(), nodes: default_nodes() };
        let left = ["tls".into(), "meta".into(), "writer".into()];
        for name in left.into_iter().chain(cluster.nodes.iter().map(|node| format!("node-{}", node.id))) {
            let path = directory.join(name);
            if path.exists() {
                fs::remove_dir_all(&path).map_err(|error| format!("\"{}\": {error}", path.display()))?;
            }
        }
        let mut members = vec![MemberName::Writer];
        members.extend(cluster.nodes.iter().map(|node| MemberName::Node(node.node())));
        tls::issue(&cluster.tls_dir(), &members).map_err(|error| error.to_string())?;
        let text = serde_json::to_string_pretty(&cluster.nodes).expect("a list of nodes is JSON");
        crate::directory::write_durably(&directory.join(CLUSTER_FILE), &(text + "\n")).map_err(|error| {
            format!("could not write \"{}\": {error}", directory.join(CLUSTER_FILE).display())
        })?;
        Ok(cluster)
    }

    /// Reads the description.
    pub fn read(directory: &Path) -> Result<Self, String> {
        let path = directory.join(CLUSTER_FILE);
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("could not read \"{}\": {error}", path.display()))?;
        let nodes =
            serde_json::from_str(&text).map_err(|error| format!("\"{}\": {error}", path.display()))?;
        Ok(Self { directory: directory.to_path_buf(), nodes })
    }

    /// A node of the cluster.
    pub fn node(&self, id: u16) -> Result<&NodeEntry, String> {
        let found = self.nodes.iter().find(|node| node.id == id);
        found.ok_or_else(|| format!("the cluster has no node {id}"))
    }

    /// The numbers of all nodes.
    pub fn node_ids(&self) -> Vec<NodeId> {
        self.nodes.iter().map(NodeEntry::node).collect()
    }

    /// Where a member keeps its things.
    pub fn member_dir(&self, member: MemberName) -> PathBuf {
        self.directory.join(member.to_string())
    }

    fn tls_dir(&self) -> PathBuf {
        self.directory.join("tls")
    }

    /// What a member proves itself with.
    pub fn identity(&self, member: MemberName) -> Result<Identity, String> {
        Identity::load(&self.tls_dir(), member).map_err(|error| error.to_string())
    }

    /// The metadata store.
    pub fn metadata(&self) -> Result<Arc<SharedFileMetadata>, String> {
        let path = self.directory.join("meta");
        let store = SharedFileMetadata::open(&path);
        store.map(Arc::new).map_err(|error| format!("metadata in \"{}\": {error}", path.display()))
    }
}

/// Where nodes listen, as they said when they started.
pub struct Endpoints(pub Arc<SharedFileMetadata>);

fn endpoint_key(node: NodeId) -> String {
    format!("endpoint-{}", node.get())
}

impl Endpoints {
    /// A node says where it listens.
    pub fn publish(&self, node: NodeId, address: SocketAddr) -> Result<(), String> {
        let key = endpoint_key(node);
        let before = self.0.read(&key).map_err(|error| error.to_string())?;
        let revision = before.map(|revised| revised.revision);
        let set = self.0.compare_and_set(&key, revision, address.to_string().as_bytes());
        set.map(|_| ()).map_err(|error| error.to_string())
    }
}

impl Addresses for Endpoints {
    fn address(&self, node: NodeId) -> Option<SocketAddr> {
        let stored = self.0.read(&endpoint_key(node)).ok()??;
        std::str::from_utf8(&stored.value).ok()?.parse().ok()
    }
}

/// Keeps a member's directory its own; the process id is beside it while it runs.
pub struct MemberLock {
    _lock: Option<DirectoryLock>,
    pid_file: PathBuf,
}

impl MemberLock {
    /// Takes a member's directory, which is made when it is missing. `Err(None)`: the member is running.
    fn acquire(directory: &Path) -> Result<Self, Result<String, String>> {
        let failure = |error: std::io::Error| Err(format!("\"{}\": {error}", directory.display()));
        fs::create_dir_all(directory).map_err(failure)?;
        let lock = match DirectoryLock::acquire(directory) {
            Ok(lock) => Some(lock),
            Err(LockError::Held { holder, .. }) => {
                let pid = holder.map(|pid| format!(" (PID {pid})")).unwrap_or_default();
                return Err(Ok(pid));
            }
            Err(error) => return Err(Err(error.to_string())),
        };
        Self::note(directory, lock).map_err(Err)
    }

    fn note(directory: &Path, lock: Option<DirectoryLock>) -> Result<Self, String> {
        let pid_file = directory.join("pid");
        fs::write(&pid_file, format!("{}\n", std::process::id()))
            .map_err(|error| format!("could not write \"{}\": {error}", pid_file.display()))?;
        Ok(Self { _lock: lock, pid_file })
    }

    /// Takes a member's directory. Refuses while the member is alive.
    pub fn exclusive(directory: &Path, member: MemberName) -> Result<Self, String> {
        Self::acquire(directory).map_err(|held| match held {
            Ok(pid) => format!("{member} is running already{pid}"),
            Err(error) => error,
        })
    }

    /// Takes a writer's directory, also when another writer is alive: it is about to be fenced.
    pub fn shared(directory: &Path) -> Result<Self, String> {
        match Self::acquire(directory) {
            Ok(lock) => Ok(lock),
            Err(Ok(pid)) => {
                tracing::warn!("another writer is alive{pid}; it will be fenced");
                Self::note(directory, None)
            }
            Err(Err(error)) => Err(error),
        }
    }
}

impl Drop for MemberLock {
    fn drop(&mut self) {
        // Another member may have taken its place; what it wrote stays.
        let own = format!("{}\n", std::process::id());
        if fs::read_to_string(&self.pid_file).is_ok_and(|text| text == own) {
            let _ = fs::remove_file(&self.pid_file);
        }
    }
}
