//! An HTTP server for a test's files.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::runtime::Runtime;

type Shared = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// Serves files by name on a free port.
pub(crate) struct Files {
    address: SocketAddr,
    files: Shared,
    _runtime: Runtime,
}

impl Files {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let files = Shared::default();
        let router = Router::new().route("/{name}", get(serve).post(answer).put(answer)).with_state(Arc::clone(&files));
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, files, _runtime: runtime }
    }

    /// Serves a file from now on.
    pub(crate) fn put(&self, name: &str, content: impl Into<Vec<u8>>) {
        self.files.lock().unwrap().insert(name.to_owned(), content.into());
    }

    /// Answers POST and PUT with such a body from now on; to another body there is no answer.
    pub(crate) fn answer(&self, name: &str, body: &str, content: impl Into<Vec<u8>>) {
        self.put(&format!("{name}\n{body}"), content);
    }

    /// The file as it is served.
    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        self.files.lock().unwrap()[name].clone()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(State(files): State<Shared>, Path(name): Path<String>) -> Response {
    match files.lock().unwrap().get(&name) {
        Some(content) => content.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn answer(State(files): State<Shared>, Path(name): Path<String>, body: String) -> Response {
    match files.lock().unwrap().get(&format!("{name}\n{body}")) {
        Some(content) => content.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
