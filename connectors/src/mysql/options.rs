//! The options of a mysql catalog beyond those that every connection has.

use crate::catalog::CatalogConfig;
use crate::error::{ConnectorError, Result};
use crate::mysql_protocol::options::ConnectionConfig;
use crate::mysql_protocol::value::ZeroDates;

/// MySQL's own port.
pub const DEFAULT_PORT: u16 = 3306;

/// Options of the URL that may also be written as properties, where they win.
const OWN: &[&str] = &["zeroDateTimeBehavior", "tinyInt1isBit"];

/// Reads a catalog's options.
///
/// # Errors
/// [`ErrorCode::Option`](crate::error::ErrorCode::Option), naming catalog and option.
pub fn parse(config: &CatalogConfig) -> Result<ConnectionConfig> {
    let mut parsed = ConnectionConfig::parse(config, DEFAULT_PORT, OWN)?;
    // Of several MySQL servers one may lag behind the other.
    if !parsed.more_hosts.is_empty() {
        return Err(ConnectorError::option(format!(
            "catalog {}: option \"url\" names several hosts, which is not supported for MySQL: name one",
            config.name
        )));
    }
    if let Some(value) = config.options.get("zeroDateTimeBehavior") {
        parsed.zero_dates = ZeroDates::parse("zeroDateTimeBehavior", value)?;
    }
    if let Some(value) = config.options.get("tinyInt1isBit") {
        parsed.tinyint1_is_bit = match value.to_ascii_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => {
                return Err(ConnectorError::option(format!(
                    "catalog {}: option \"tinyInt1isBit\" must be true or false",
                    config.name
                )));
            }
        };
    }
    Ok(parsed)
}
