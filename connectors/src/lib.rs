//! Everything that talks to a system: catalogs, table providers, file formats, and the two write nodes.
//!
//! A [`Catalog`] is a named connection to one system. What it can do is asked of it:
//! [`remote`](catalog::Catalog::remote) for systems that run SQL (MySQL, StarRocks),
//! [`files`](catalog::Catalog::files) for systems that hold files (OSS, S3, HTTP). Reading is a DataFusion
//! [`TableProvider`](datafusion::catalog::TableProvider); writing is a [`Sink`](sink::Sink) below two plan nodes.
//!
//! Each connector is one folder with the same file names (`mod options catalog table scan types sink error`) and one line in
//! [`registry`].

mod backoff;
pub mod batch_queue;
pub mod catalog;
pub mod columnar;
#[cfg(test)]
mod conformance;
pub mod csv;
pub mod definition;
pub mod error;
pub mod file_sink;
pub mod http;
pub mod http_client;
pub mod mysql;
pub mod mysql_protocol;
pub mod object_store;
pub mod options;
pub mod oss;
pub mod registry;
pub mod scan_notes;
pub mod scan_settings;
pub mod sink;
pub mod spill;
pub mod split_queue;
pub mod starrocks;
pub mod tables;
pub mod text;
pub mod throttle;
pub mod wait_times;
pub mod wall_clock;

pub use catalog::{Catalog, CatalogKind, FileCatalog, RemoteCatalog};
pub use error::{ConnectorError, Result};
pub use options::{Options, Secret};
