//! Where a load may follow a redirect to. A redirect carries the user's password with it, so the host must be one that the
//! user or the cluster itself named.

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::Mutex;
use url::Url;

use super::address::{Endpoint, HostPort, host_of, parse_host, refuse_login};
use crate::error::{ConnectorError, ErrorCode, Result};

/// The most redirects of one request: to the leader FE, to the BE, and one to spare.
pub(crate) const MAX_HOPS: usize = 3;
/// A host that is missing from the node list makes it be asked for again, but not more often than this: nodes come and go.
const NODE_LIST_MIN_AGE: Duration = Duration::from_secs(10);
/// The HTTP port of a BE or CN that a `Location` without a port would mean; `Location` always has one in practice.
const BACKEND_HTTP_PORT: u16 = 8040;

/// Names the nodes of a cluster. StarRocks says them over its MySQL port (`SHOW BACKENDS`, `SHOW COMPUTE NODES`).
#[async_trait]
pub(crate) trait ClusterNodes: fmt::Debug + Send + Sync {
    /// The HTTP addresses of all backends and compute nodes.
    async fn http_addresses(&self) -> Result<Vec<HostPort>>;
}

/// One `from=to` of `be_address_map`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddressMapping {
    pub(crate) from: HostPort,
    /// The address to use instead; the scheme is that of the option, or that of the request so far.
    pub(crate) to: HostPort,
    /// The scheme, if the option says it.
    pub(crate) tls: Option<bool>,
}

impl AddressMapping {
    /// Reads `host:port=host:port;…`.
    pub(crate) fn parse_list(text: &str) -> Result<Vec<Self>> {
        const OPTION: &str = "be_address_map";
        refuse_login(text, OPTION)?;
        text.split([';', ','])
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| {
                let (from, to) = item.split_once('=').ok_or_else(|| {
                    ConnectorError::option(format!("option \"{OPTION}\": \"{item}\" is not host:port=host:port"))
                })?;
                let from = Endpoint::parse(from.trim(), BACKEND_HTTP_PORT, OPTION)?.at;
                let tls = to.contains("://");
                let to = Endpoint::parse(to.trim(), BACKEND_HTTP_PORT, OPTION)?;
                Ok(Self { from, to: to.at, tls: tls.then_some(to.tls) })
            })
            .collect()
    }
}

/// One item of `allowed_be_hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AllowedHost {
    host: String,
    port: Option<u16>,
}

impl AllowedHost {
    /// Reads `host[:port],…`.
    pub(crate) fn parse_list(text: &str) -> Result<Vec<Self>> {
        refuse_login(text, "allowed_be_hosts")?;
        text.split([';', ','])
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| parse_host(item, "allowed_be_hosts").map(|(host, port)| Self { host, port }))
            .collect()
    }

    fn admits(&self, at: &HostPort) -> bool {
        self.host == at.host && self.port.is_none_or(|port| port == at.port)
    }
}

/// Decides about redirects.
#[derive(Debug)]
pub(crate) struct RedirectRules {
    frontends: Vec<Endpoint>,
    map: Vec<AddressMapping>,
    allowed: Vec<AllowedHost>,
    nodes: std::sync::Arc<dyn ClusterNodes>,
    known: Mutex<Option<NodeList>>,
}

#[derive(Debug)]
struct NodeList {
    asked: Instant,
    addresses: HashSet<HostPort>,
    /// Why the list is empty, if asking failed.
    error: Option<String>,
}

impl RedirectRules {
    pub(crate) fn new(
        frontends: Vec<Endpoint>,
        map: Vec<AddressMapping>,
        allowed: Vec<AllowedHost>,
        nodes: std::sync::Arc<dyn ClusterNodes>,
    ) -> Self {
        Self { frontends, map, allowed, nodes, known: Mutex::new(None) }
    }

    /// The address and the path with query that a `Location` leads to, or why it must not be followed.
    pub(crate) async fn follow(&self, from: &Endpoint, location: &str) -> Result<(Endpoint, String)> {
        let base = Url::parse(&format!("{from}/")).map_err(|_| refusal("the address of the request is no URL"))?;
        let url = base.join(location).map_err(|_| refusal(format!("{from} redirects to something that is no URL")))?;
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(refusal(format!("{from} redirects to a scheme that is neither http nor https"))),
        };
        let host = host_of(&url).ok_or_else(|| refusal(format!("{from} redirects to a URL without a host")))?;
        let at = HostPort::new(&host, url.port_or_known_default().unwrap_or(BACKEND_HTTP_PORT));
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let to = self.admit(from, Endpoint { tls, at }).await?;
        Ok((to, target))
    }

    /// The address to use for one that a server named, if it may be used at all.
    async fn admit(&self, from: &Endpoint, named: Endpoint) -> Result<Endpoint> {
        if let Some(mapping) = self.map.iter().find(|mapping| mapping.from == named.at) {
            let to = Endpoint { tls: mapping.tls.unwrap_or(named.tls || from.tls), at: mapping.to.clone() };
            return match (from.tls, to.tls) {
                (true, false) => Err(downgrade(from, &to)),
                _ => Ok(to),
            };
        }
        if from.tls && !named.tls {
            return Err(downgrade(from, &named));
        }
        let is_frontend = self.frontends.iter().any(|frontend| frontend.at == named.at);
        if is_frontend || self.allowed.iter().any(|allowed| allowed.admits(&named.at)) {
            return Ok(named);
        }
        // A node that registered itself as 127.0.0.1 means its own machine, which is this one only if the FE is here as well.
        if named.at.is_loopback() && !from.at.is_loopback() {
            return Err(refusal(format!(
                "{from} redirects to {}, which is this machine and not the server's; name the address to use instead: \"be_address_map\" = \"{}={}:{}\"",
                named.at, named.at, from.at.host, named.at.port
            )));
        }
        match self.cluster_names(&named.at).await {
            Ok(()) => Ok(named),
            Err(why) => Err(refusal(format!(
                "{from} redirects to {}, {why}; if it belongs to the cluster, allow it by \"allowed_be_hosts\" = \"{}\", or map it by \"be_address_map\" = \"{}=HOST:PORT\"",
                named.at, named.at.host, named.at
            ))),
        }
    }

    /// Whether the cluster itself lists the address; the error says why not.
    async fn cluster_names(&self, at: &HostPort) -> Result<(), String> {
        let mut known = self.known.lock().await;
        if let Some(list) = known.as_ref()
            && (list.addresses.contains(at) || list.asked.elapsed() < NODE_LIST_MIN_AGE)
        {
            return list.verdict(at);
        }
        let (addresses, error) = match self.nodes.http_addresses().await {
            Ok(addresses) => (addresses.into_iter().collect(), None),
            Err(error) => (HashSet::new(), Some(error.message().to_owned())),
        };
        known.insert(NodeList { asked: Instant::now(), addresses, error }).verdict(at)
    }
}

impl NodeList {
    fn verdict(&self, at: &HostPort) -> Result<(), String> {
        match &self.error {
            _ if self.addresses.contains(at) => Ok(()),
            Some(error) => Err(format!("and the cluster's list of nodes cannot be read ({error})")),
            None => Err("which is no node of the cluster (SHOW BACKENDS, SHOW COMPUTE NODES)".to_owned()),
        }
    }
}

fn refusal(message: impl Into<String>) -> ConnectorError {
    ConnectorError::new(ErrorCode::Redirect, message)
}

fn downgrade(from: &Endpoint, to: &Endpoint) -> ConnectorError {
    refusal(format!(
        "{from} redirects from https to {to}, which would send the password in the clear; map the node to an address with TLS: \"be_address_map\" = \"{}=https://HOST:PORT\"",
        to.at
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Nodes(Vec<HostPort>, AtomicUsize);

    #[async_trait]
    impl ClusterNodes for Nodes {
        async fn http_addresses(&self) -> Result<Vec<HostPort>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            if self.0.is_empty() {
                return Err(ConnectorError::new(ErrorCode::Login, "access denied"));
            }
            Ok(self.0.clone())
        }
    }

    fn rules(map: &str, allowed: &str, nodes: &[(&str, u16)]) -> (RedirectRules, Arc<Nodes>) {
        let nodes = Arc::new(Nodes(nodes.iter().map(|(host, port)| HostPort::new(host, *port)).collect(), 0.into()));
        let frontends = vec![Endpoint::parse("http://fe:8030", 8030, "load_url").unwrap()];
        let map = AddressMapping::parse_list(map).unwrap();
        let allowed = AllowedHost::parse_list(allowed).unwrap();
        (RedirectRules::new(frontends, map, allowed, nodes.clone()), nodes)
    }

    async fn follow(rules: &RedirectRules, from: &str, location: &str) -> Result<String> {
        let from = Endpoint::parse(from, 8030, "load_url").unwrap();
        rules.follow(&from, location).await.map(|(to, target)| format!("{to}{target}"))
    }

    #[tokio::test]
    async fn a_node_that_the_cluster_names_is_followed_and_the_list_is_kept() {
        let (rules, nodes) = rules("", "", &[("be1", 8040)]);
        for _ in 0..3 {
            let to = follow(&rules, "http://fe:8030", "http://be1:8040/api/d/t/_stream_load?a=1").await.unwrap();
            assert_eq!(to, "http://be1:8040/api/d/t/_stream_load?a=1");
        }
        assert_eq!(nodes.1.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_foreign_host_is_refused_with_the_way_out() {
        let (rules, _) = rules("", "", &[("be1", 8040)]);
        for location in ["http://evil:8040/x", "http://be1:9999/x", "http://be1.evil:8040/x", "//evil:8040/x"] {
            let error = follow(&rules, "http://fe:8030", location).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::Redirect);
            assert!(error.message().contains("allowed_be_hosts") && error.message().contains("be_address_map"));
        }
    }

    #[tokio::test]
    async fn a_user_in_the_location_is_dropped() {
        let (rules, _) = rules("", "be1", &[]);
        let to = follow(&rules, "http://fe:8030", "http://root:secret@be1:8040/x").await.unwrap();
        assert_eq!(to, "http://be1:8040/x");
        let error = follow(&rules, "http://fe:8030", "http://root:secret@evil:8040/x").await.unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[tokio::test]
    async fn allowed_hosts_may_be_limited_to_a_port() {
        let (rules, _) = rules("", "be1, be2:8040", &[]);
        assert!(follow(&rules, "http://fe:8030", "http://be1:1/x").await.is_ok());
        assert!(follow(&rules, "http://fe:8030", "http://be2:8040/x").await.is_ok());
        let error = follow(&rules, "http://fe:8030", "http://be2:1/x").await.unwrap_err();
        assert!(error.message().contains("access denied"), "{error}");
    }

    #[tokio::test]
    async fn the_address_map_comes_first_and_keeps_the_encryption() {
        let (rules, _) =
            rules("10.0.0.1:8040=localhost:18040; 10.0.0.2:8040=https://be2:8443", "", &[("10.0.0.1", 8040)]);
        assert_eq!(
            follow(&rules, "http://fe:8030", "http://10.0.0.1:8040/x").await.unwrap(),
            "http://localhost:18040/x"
        );
        assert_eq!(
            follow(&rules, "https://fe:8030", "http://10.0.0.1:8040/x").await.unwrap(),
            "https://localhost:18040/x"
        );
        assert_eq!(follow(&rules, "https://fe:8030", "http://10.0.0.2:8040/x").await.unwrap(), "https://be2:8443/x");
    }

    #[tokio::test]
    async fn https_never_becomes_http() {
        let (rules, _) = rules("10.0.0.1:8040=http://be1:8040", "be1", &[]);
        for location in ["http://be1:8040/x", "http://10.0.0.1:8040/x"] {
            let error = follow(&rules, "https://fe:8030", location).await.unwrap_err();
            assert!(error.message().contains("in the clear"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_node_registered_as_this_machine_is_refused_unless_the_frontend_is_here() {
        let (rules, _) = rules("", "", &[("127.0.0.1", 8040)]);
        let error = follow(&rules, "http://fe:8030", "http://127.0.0.1:8040/x").await.unwrap_err();
        assert!(error.message().contains("\"127.0.0.1:8040=fe:8040\""), "{error}");
        assert!(follow(&rules, "http://127.0.0.1:8030", "http://127.0.0.1:8040/x").await.is_ok());
    }

    #[tokio::test]
    async fn a_relative_location_stays_on_the_frontend() {
        let (rules, _) = rules("", "", &[]);
        assert_eq!(follow(&rules, "http://fe:8030", "/api/x?y=1").await.unwrap(), "http://fe:8030/api/x?y=1");
    }

    #[test]
    fn lists_with_a_password_are_refused_and_no_part_is_repeated() {
        for text in [
            "root:hunter2@be1:8040",
            "http://root:hunter2=x@be1=be2",
            "http://root:hunter2;x@be1:8040=be2",
            "be1=http://root:hunter2,x@be2",
        ] {
            for error in [AddressMapping::parse_list(text).unwrap_err(), AllowedHost::parse_list(text).unwrap_err()] {
                assert!(!error.to_string().contains("hunter2"), "{error}");
            }
        }
        let error = AddressMapping::parse_list("be1").unwrap_err();
        assert!(error.message().contains("\"be1\" is not host:port=host:port"), "{error}");
    }
}
