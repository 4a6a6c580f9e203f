//! Sockets: TCP and Unix-domain, accepted until the server is told to stop.

use crate::door::Door;
use crate::entry::serve;
use crate::hba::Origin;
use redoubt_session::Instance;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};

/// The sockets of one server, bound but not served yet.
#[derive(Debug)]
pub struct Listeners {
    tcp: Vec<TcpListener>,
    unix: Vec<(UnixListener, PathBuf)>,
}

impl Listeners {
    /// Binds every address and a socket file `.s.PGSQL.<port>` in every directory. A socket file
    /// that a dead server left behind is replaced; one that answers is an error.
    pub async fn bind(addresses: &[IpAddr], directories: &[PathBuf], port: u16) -> io::Result<Listeners> {
        let mut listeners = Listeners { tcp: Vec::new(), unix: Vec::new() };
        for address in addresses {
            let socket = SocketAddr::new(*address, port);
            let listener = TcpListener::bind(socket).await.map_err(|error| {
                io::Error::new(error.kind(), format!("cannot listen on {socket}: {error}"))
            })?;
            listeners.tcp.push(listener);
        }
        for directory in directories {
            let path = directory.join(format!(".s.PGSQL.{port}"));
            let listener = bind_unix(&path).map_err(|error| {
                io::Error::new(error.kind(), format!("cannot listen on {}: {error}", path.display()))
            })?;
            listeners.unix.push((listener, path));
        }
        Ok(listeners)
    }

    /// Accepts connections, each served by a task of its own, until `stop` completes. The socket
    /// files are removed then.
    pub async fn serve(self, instance: Arc<Instance>, door: Arc<Door>, stop: impl Future<Output = ()>) {
        let mut tasks = tokio::task::JoinSet::new();
        for listener in self.tcp {
            tasks.spawn(accept_tcp(listener, instance.clone(), door.clone()));
        }
        let mut paths = Vec::new();
        for (listener, path) in self.unix {
            paths.push(path);
            tasks.spawn(accept_unix(listener, instance.clone(), door.clone()));
        }
        stop.await;
        tasks.shutdown().await;
        for path in paths {
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "the socket file could not be removed");
            }
        }
    }
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server answers there"));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // As PostgreSQL's default unix_socket_permissions; pg_hba.conf decides who gets in.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
    Ok(listener)
}

async fn accept_tcp(listener: TcpListener, instance: Arc<Instance>, door: Arc<Door>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY was refused");
                }
                let origin = Origin::Host { address: peer.ip(), port: peer.port(), tls: false };
                tokio::spawn(serve(stream, origin, instance.clone(), door.clone()));
            }
            Err(error) => pause_after(error).await,
        }
    }
}

async fn accept_unix(listener: UnixListener, instance: Arc<Instance>, door: Arc<Door>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, Origin::Local, instance.clone(), door.clone()));
            }
            Err(error) => pause_after(error).await,
        }
    }
}

/// Out of file descriptors, most likely: accepting again at once would spin.
async fn pause_after(error: io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
}
