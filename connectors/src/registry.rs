//! The one list of connectors: a new connector is a new folder and one arm here.

use std::sync::Arc;

use crate::catalog::{Catalog, CatalogConfig, CatalogKind};
use crate::error::{ConnectorError, Result};
use crate::options::nearest;

/// The values of `type` that this version knows.
pub const KINDS: &[CatalogKind] =
    &[CatalogKind::Mysql, CatalogKind::Starrocks, CatalogKind::Http, CatalogKind::Oss, CatalogKind::S3];

/// Values of `type` that a later version will know; asking for one says so.
const LATER: &[&str] = &["maxcompute", "kafka", "odbc", "minirocks"];

/// The kind that a `type` option names.
pub fn kind(text: &str) -> Result<CatalogKind> {
    if let Some(kind) = KINDS.iter().find(|kind| kind.name().eq_ignore_ascii_case(text)) {
        return Ok(*kind);
    }
    if let Some(later) = LATER.iter().find(|name| name.eq_ignore_ascii_case(text)) {
        return Err(ConnectorError::option(format!("catalogs of type \"{later}\" are not built yet")));
    }
    let hint = match nearest(text, KINDS.iter().map(|kind| kind.name())) {
        Some(name) => format!("; did you mean \"{name}\"?"),
        None => format!("; known types: {}", KINDS.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")),
    };
    Err(ConnectorError::option(format!("unknown catalog type \"{text}\"{hint}")))
}

/// Makes a catalog: parses its options, does no I/O.
pub fn open(kind: CatalogKind, config: CatalogConfig) -> Result<Arc<dyn Catalog>> {
    match kind {
        CatalogKind::Mysql => crate::mysql::open(config),
        CatalogKind::Starrocks => crate::starrocks::open(config),
        CatalogKind::Http => crate::http::open(config),
        CatalogKind::Oss | CatalogKind::S3 => crate::oss::open(kind, config),
    }
}
