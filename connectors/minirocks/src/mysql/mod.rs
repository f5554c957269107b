//! The MySQL protocol. Not built yet in this folder: connections are closed as they come.

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::server::ServerConfig;
use crate::storage::Warehouse;

/// Accepts connections until the task is dropped. This placeholder closes each one without a greeting.
pub(crate) async fn serve(listener: TcpListener, _warehouse: Arc<Warehouse>, _config: Arc<ServerConfig>) {
    while let Ok((stream, _)) = listener.accept().await {
        drop(stream);
    }
}
