//! An HTTP server for one file.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Serves one text under one path on a free port of 127.0.0.1 while it lives.
pub(super) struct FileServer {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl FileServer {
    /// Starts to serve.
    pub(super) async fn start(path: &str, text: String) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let text = bytes::Bytes::from(text);
        let router = Router::new().route(path, get(move || std::future::ready(text.clone())));
        let mut task = JoinSet::new();
        task.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the demo's file server ended");
            }
        });
        Ok(Self { address, _task: task })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}
