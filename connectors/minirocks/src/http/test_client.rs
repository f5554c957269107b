//! A plain HTTP client for tests: redirects are followed by hand, with credentials and body, as clients of StarRocks do.

use std::time::Duration;

use reqwest::{Method, Response, Url};
use serde_json::Value as Json;

use crate::Server;

/// Most hops of a call: FE, leader, BE.
const MAX_HOPS: usize = 4;

pub(crate) struct TestClient {
    http: reqwest::Client,
    frontend: String,
}

impl TestClient {
    pub(crate) fn new(server: &Server) -> Self {
        // another test may have installed it
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self { http, frontend: format!("http://{}", server.http_addr()) }
    }

    /// One request, not redirected. Headers are written `name: value`.
    pub(crate) async fn once(
        &self,
        method: Method,
        url: &str,
        headers: &[String],
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Result<Response> {
        let mut request = self.http.request(method, url).basic_auth("root", Some("")).body(body);
        for header in headers {
            let (name, value) = header.split_once(':').unwrap();
            request = request.header(name, value.trim());
        }
        request.send().await
    }

    /// A request to the FE, redirected.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[String],
        body: &[u8],
    ) -> reqwest::Result<Response> {
        let mut url = format!("{}{path}", self.frontend);
        for _ in 0..MAX_HOPS {
            let answer = self.once(method.clone(), &url, headers, body.to_vec()).await?;
            let Some(location) = answer.headers().get("location") else { return Ok(answer) };
            url = Url::parse(location.to_str().unwrap()).unwrap().to_string();
        }
        panic!("more than {MAX_HOPS} redirects, the last one to {url}");
    }

    /// A call of the transaction interface on database `ods` and table `users`, unless the headers say otherwise.
    pub(super) async fn try_call(
        &self,
        operation: &str,
        label: &str,
        headers: &[&str],
        body: &[u8],
    ) -> reqwest::Result<Json> {
        let mut all = Vec::new();
        if !label.is_empty() {
            all.push(format!("label: {label}"));
        }
        for default in ["expect: 100-continue", "db: ods", "table: users", "column_separator: ,"] {
            let name = default.split(':').next().unwrap_or_default();
            if !headers.iter().any(|header| header.split(':').next() == Some(name)) {
                all.push(default.to_owned());
            }
        }
        all.extend(headers.iter().filter(|header| !header.ends_with(": -")).map(|header| (*header).to_owned()));
        let method = if operation == "load" { Method::PUT } else { Method::POST };
        let answer = self.send(method, &format!("/api/transaction/{operation}"), &all, body).await?;
        let text = answer.text().await?;
        Ok(serde_json::from_str(&text).unwrap_or(Json::String(text)))
    }

    pub(super) async fn call(&self, operation: &str, label: &str, headers: &[&str], body: &str) -> Json {
        self.try_call(operation, label, headers, body.as_bytes()).await.unwrap()
    }

    /// A Stream Load into a table of `ods`.
    pub(super) async fn try_load(&self, table: &str, headers: &[&str], body: &[u8]) -> reqwest::Result<Json> {
        let mut all = vec!["expect: 100-continue".to_owned(), "column_separator: ,".to_owned()];
        all.extend(headers.iter().map(|header| (*header).to_owned()));
        let answer = self.send(Method::PUT, &format!("/api/ods/{table}/_stream_load"), &all, body).await?;
        let text = answer.text().await?;
        Ok(serde_json::from_str(&text).unwrap_or(Json::String(text)))
    }

    pub(super) async fn load(&self, table: &str, headers: &[&str], body: &[u8]) -> Json {
        self.try_load(table, headers, body).await.unwrap()
    }

    /// The state of a label.
    pub(crate) async fn state(&self, label: &str) -> String {
        let path = format!("/api/ods/get_load_state?label={label}");
        let answer = self.send(Method::GET, &path, &[], b"").await.unwrap().text().await.unwrap();
        let json: Json = serde_json::from_str(&answer).unwrap();
        json["state"].as_str().unwrap().to_owned()
    }
}
