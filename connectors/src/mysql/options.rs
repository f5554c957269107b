//! The options of a mysql catalog beyond those that every connection has.

use crate::catalog::CatalogConfig;
use crate::error::{ConnectorError, Result};
use crate::mysql::sink;
use crate::mysql_protocol::options::ConnectionConfig;
use crate::mysql_protocol::value::ZeroDates;
use crate::options::Options;
use crate::scan_settings::ScanSettings;
use crate::throttle::SpeedLimits;

/// MySQL's own port.
pub const DEFAULT_PORT: u16 = 3306;

/// Options of the URL that may also be written as properties, where they win.
const OWN: &[&str] = &["zeroDateTimeBehavior", "tinyInt1isBit"];

/// Reads a catalog's options: those of its connections, and settings of writes.
///
/// # Errors
/// [`ErrorCode::Option`](crate::error::ErrorCode::Option), naming catalog and option.
pub fn parse(config: &CatalogConfig) -> Result<(ConnectionConfig, Options)> {
    let named = |error: ConnectorError| {
        ConnectorError::new(error.code(), format!("catalog {}: {}", config.name, error.message()))
    };
    // Settings are taken out first: they have spellings that the connection's list of names does not know.
    let (scan_settings, others): (Vec<_>, Vec<_>) =
        config.options.iter().partition(|(name, _)| ScanSettings::canonical(name).is_some());
    let (write_settings, others) = sink::split_catalog(&others.into_iter().collect());
    sink::check_catalog(&write_settings).map_err(named)?;
    let scan_settings: Options = scan_settings.into_iter().collect();
    ScanSettings::parse(&Options::new(), &scan_settings).map_err(named)?;
    let known: Vec<&str> = OWN.iter().copied().chain(ScanSettings::names()).collect();
    let others = CatalogConfig { options: others, ..config.clone() };
    let mut parsed = ConnectionConfig::parse(&others, DEFAULT_PORT, &known)?;
    parsed.speed = SpeedLimits::parse(&scan_settings).map_err(named)?;
    parsed.scan_settings = scan_settings;
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
    Ok((parsed, write_settings))
}
