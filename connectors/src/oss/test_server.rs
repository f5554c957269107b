//! An S3 server for tests: `s3s-fs` in this process, reached as `bucket.localhost`, with faults in front of it and a log of the requests.
//!
//! It runs on a thread of its own, so that a test may block. What `s3s-fs` lacks is made good here: ETags and encoded keys in listings,
//! `If-Match` on GET, and a folder that is no object.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::host::SingleDomain;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The key that the server knows.
pub(crate) const KEY_ID: &str = "AKIDFORTESTS";
/// Its secret, to be found nowhere.
pub(crate) const KEY_SECRET: &str = "S3CRETFORTESTS";

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) host: String,
    /// The path, as sent.
    pub(crate) path: String,
    /// The query string, as sent.
    pub(crate) query: String,
    /// By names in lower case.
    pub(crate) headers: HashMap<String, String>,
}

impl Seen {
    /// Whether this is a GET of an object whose path ends so.
    pub(crate) fn reads(&self, path: &str) -> bool {
        self.method == "GET" && self.path.ends_with(path) && !self.query.contains("list-type")
    }

    pub(crate) fn lists(&self) -> bool {
        self.query.contains("list-type=2")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What goes wrong with a request.
pub(crate) enum Fault {
    /// The connection is cut after so many bytes of the answer's body.
    CutAfter(usize),
    /// After so many bytes of the answer's body there comes neither more nor an end.
    SilentAfter(usize),
    /// The request is not done, and there is no answer.
    Silent,
    /// The request is done, and its answer is lost.
    LoseAnswer,
    /// The request is not done; this is the answer.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Something happens first, such as another writer.
    Before(Box<dyn Fn() + Send + Sync>),
    /// This answers in place of the server, with a body.
    Instead(Box<dyn Fn(&Seen) -> String + Send + Sync>),
}

impl Fault {
    /// An error as S3 answers it.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>about {code} of {KEY_ID}</Message>\
             <RequestId>REQ-1</RequestId><HostId>h</HostId></Error>"
        );
        Self::Answer(status, vec![("content-type", "application/xml".to_owned())], body)
    }
}

type Matcher = Box<dyn Fn(&Seen) -> bool + Send + Sync>;

struct Planned {
    times: usize,
    matcher: Matcher,
    fault: Arc<Fault>,
}

struct State {
    service: S3Service,
    requests: Mutex<Vec<Seen>>,
    faults: Mutex<Vec<Planned>>,
}

/// A running server; it ends when dropped.
pub(crate) struct S3Server {
    port: u16,
    folder: TempDir,
    state: Arc<State>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl S3Server {
    /// A server with these buckets.
    pub(crate) fn start(buckets: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for bucket in buckets {
            std::fs::create_dir(folder.path().join(bucket)).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut builder = S3ServiceBuilder::new(Store {
            files: Arc::new(FileSystem::new(folder.path()).unwrap()),
            folder: folder.path().to_owned(),
        });
        builder.set_auth(SimpleAuth::from_single(KEY_ID, KEY_SECRET));
        builder.set_host(SingleDomain::new(&format!("localhost:{port}")).unwrap());
        let state = Arc::new(State {
            service: builder.build(),
            requests: Mutex::new(Vec::new()),
            faults: Mutex::new(Vec::new()),
        });
        let shared = Arc::clone(&state);
        listener.set_nonblocking(true).unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(|request| answer(Arc::clone(&state), request));
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { port, folder, state, runtime: Some(runtime) }
    }

    /// The endpoint: each bucket is the host `bucket.localhost`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The options of a catalog of a bucket.
    pub(crate) fn options(&self, bucket: &str) -> Vec<(&'static str, String)> {
        vec![
            ("bucket", bucket.to_owned()),
            ("endpoint", self.endpoint()),
            ("access_key_id", KEY_ID.to_owned()),
            ("access_key_secret", KEY_SECRET.to_owned()),
        ]
    }

    /// Puts an object, as another client would.
    pub(crate) fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        put(self.folder.path(), bucket, key, bytes);
    }

    /// What puts an object when called, for [`Fault::Before`].
    pub(crate) fn putting(&self, bucket: &str, key: &str, bytes: &[u8]) -> Box<dyn Fn() + Send + Sync> {
        let (folder, bucket, key, bytes) =
            (self.folder.path().to_owned(), bucket.to_owned(), key.to_owned(), bytes.to_owned());
        Box::new(move || put(&folder, &bucket, &key, &bytes))
    }

    /// Removes an object, as another client would.
    pub(crate) fn remove(&self, bucket: &str, key: &str) {
        std::fs::remove_file(self.folder.path().join(bucket).join(key)).unwrap();
    }

    /// An object's bytes.
    pub(crate) fn read(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.path().join(bucket).join(key)).ok()
    }

    /// The keys of a bucket, sorted.
    pub(crate) fn keys(&self, bucket: &str) -> Vec<String> {
        fn walk(root: &Path, folder: &Path, keys: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => walk(root, &path, keys),
                    false => keys.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()),
                }
            }
        }
        let mut keys = Vec::new();
        let root = self.folder.path().join(bucket);
        walk(&root, &root, &mut keys);
        keys.sort();
        keys
    }

    /// Uploads in parts that are neither complete nor aborted.
    pub(crate) fn open_uploads(&self) -> usize {
        let names = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_str().unwrap().starts_with(".upload-")).count()
    }

    /// Plans a fault for the next requests that match, so many times.
    pub(crate) fn fault(&self, times: usize, matcher: impl Fn(&Seen) -> bool + Send + Sync + 'static, fault: Fault) {
        let planned = Planned { times, matcher: Box::new(matcher), fault: Arc::new(fault) };
        self.state.faults.lock().unwrap().push(planned);
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state.requests.lock().unwrap().clone()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn put(folder: &Path, bucket: &str, key: &str, bytes: &[u8]) {
    let path = folder.join(bucket).join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Another file of the name, so that who reads the old one reads on.
    let mut file = tempfile::NamedTempFile::new_in(folder).unwrap();
    file.write_all(bytes).unwrap();
    file.persist(path).unwrap();
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
    let header = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: HashMap<String, String> =
        request.headers().iter().map(|(name, value)| (name.as_str().to_owned(), header(value))).collect();
    let seen = Seen {
        method: request.method().to_string(),
        host: headers.get("host").cloned().unwrap_or_default(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        headers,
    };
    state.requests.lock().unwrap().push(seen.clone());
    let fault = {
        let mut faults = state.faults.lock().unwrap();
        let found = faults.iter_mut().find(|planned| planned.times > 0 && (planned.matcher)(&seen));
        found.map(|planned| {
            planned.times -= 1;
            Arc::clone(&planned.fault)
        })
    };
    let body = |text: String| Body::http_body(Full::new(Bytes::from(text)));
    match fault.as_deref() {
        None => serve(&state, request).await,
        Some(Fault::Before(happen)) => {
            happen();
            serve(&state, request).await
        }
        Some(Fault::Answer(status, headers, text)) => {
            let mut response = Response::builder().status(*status);
            for (name, value) in headers {
                response = response.header(*name, value);
            }
            Ok(response.body(body(text.clone()))?)
        }
        Some(Fault::Instead(make)) => Ok(Response::new(body(make(&seen)))),
        Some(Fault::Silent) => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Err("nobody waits for so long".into())
        }
        Some(Fault::LoseAnswer) => {
            let answered = serve(&state, request).await?;
            BodyExt::collect(answered.into_body()).await.map_err(|error| error.to_string())?;
            Err("the answer is lost".into())
        }
        Some(Fault::CutAfter(length)) => Ok(shortened(serve(&state, request).await?, *length, true)),
        Some(Fault::SilentAfter(length)) => Ok(shortened(serve(&state, request).await?, *length, false)),
    }
}

async fn serve(state: &State, request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
    // Some requests end before their body is read.
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let request = Request::from_parts(parts, Body::from(body));
    Ok(state.service.call(request).await?)
}

/// An answer whose body ends early: by an error, which closes the connection, or never.
fn shortened(response: Response<Body>, length: usize, is_cut: bool) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let mut left = length;
    let kept = body.into_data_stream().map(move |bytes| {
        let mut bytes = bytes.unwrap_or_default();
        bytes.truncate(left);
        left -= bytes.len();
        bytes
    });
    let kept =
        kept.filter(|bytes| std::future::ready(!bytes.is_empty())).map(|bytes| Ok::<_, BoxError>(Frame::data(bytes)));
    let end = futures::stream::once(async move {
        // What came before is on its way first.
        tokio::time::sleep(if is_cut { Duration::from_millis(20) } else { Duration::from_secs(60) }).await;
        Err::<Frame<Bytes>, BoxError>("cut".into())
    });
    let body = BodyExt::map_err(StreamBody::new(kept.chain(end)), |error| std::io::Error::other(error.to_string()));
    Response::from_parts(parts, Body::http_body_unsync(body))
}

/// `s3s-fs`, and what it lacks.
struct Store {
    files: Arc<FileSystem>,
    folder: PathBuf,
}

impl Store {
    fn check_object(&self, bucket: &str, key: &str) -> S3Result<()> {
        match self.folder.join(bucket).is_dir() && !self.folder.join(bucket).join(key).is_file() {
            true => Err(s3_error!(NoSuchKey)),
            false => Ok(()),
        }
    }

    async fn etag<T>(&self, request: &S3Request<T>, bucket: &str, key: &str) -> S3Result<Option<ETag>> {
        let input = HeadObjectInput::builder().bucket(bucket.to_owned()).key(key.to_owned()).build().unwrap();
        Ok(self.files.head_object(like(request, input)).await?.output.e_tag)
    }
}

/// What `encoding-type=url` makes of a key.
fn encoded(key: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        byte => format!("%{byte:02X}"),
    };
    key.bytes().map(encode).collect()
}

/// A request for something else by the same client.
fn like<T, U>(request: &S3Request<T>, input: U) -> S3Request<U> {
    S3Request {
        input,
        method: request.method.clone(),
        uri: request.uri.clone(),
        headers: request.headers.clone(),
        extensions: Default::default(),
        credentials: request.credentials.clone(),
        region: request.region.clone(),
        service: request.service.clone(),
        trailing_headers: None,
    }
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = &request.input;
        self.check_object(&input.bucket, &input.key)?;
        if let Some(wanted) = input.if_match.as_ref().and_then(ETagCondition::as_etag)
            && self.etag(&request, &input.bucket, &input.key).await?.as_ref() != Some(wanted)
        {
            return Err(s3_error!(PreconditionFailed));
        }
        self.files.get_object(request).await
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.check_object(&request.input.bucket, &request.input.key)?;
        self.files.head_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let (bucket, asked) = (request.input.bucket.clone(), like(&request, ()));
        let mut response = self.files.list_objects_v2(request).await?;
        let is_encoded = response.output.encoding_type.is_some();
        for object in response.output.contents.iter_mut().flatten() {
            object.e_tag = self.etag(&asked, &bucket, object.key.as_deref().unwrap_or_default()).await?;
            object.key = object.key.take().map(|key| if is_encoded { encoded(&key) } else { key });
        }
        for folder in response.output.common_prefixes.iter_mut().flatten() {
            folder.prefix = folder.prefix.take().map(|prefix| if is_encoded { encoded(&prefix) } else { prefix });
        }
        Ok(response)
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.files.put_object(request).await
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.files.delete_object(request).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.files.create_multipart_upload(request).await
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.check_upload(&request.input.upload_id)?;
        self.files.upload_part(request).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.check_upload(&request.input.upload_id)?;
        let files = Arc::clone(&self.files);
        // a server ends what it has begun, also when whoever asked for it is gone
        #[expect(clippy::disallowed_methods, reason = "a request that is dropped must not stop it")]
        let complete = tokio::spawn(async move { files.complete_multipart_upload(request).await });
        complete.await.map_err(|_| s3_error!(InternalError))?
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.check_upload(&request.input.upload_id)?;
        self.files.abort_multipart_upload(request).await
    }
}

impl Store {
    fn check_upload(&self, id: &str) -> S3Result<()> {
        match self.folder.join(format!(".upload-{id}.json")).is_file() {
            true => Ok(()),
            false => Err(s3_error!(NoSuchUpload)),
        }
    }
}
