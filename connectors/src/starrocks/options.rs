//! A catalog's options, parsed once.

use crate::catalog::CatalogConfig;
use crate::error::{ConnectorError, Result};
use crate::mysql_protocol::options::{ConnectionConfig, with_known_names};
use crate::options::Options;

use super::stream_load::address::{Endpoint, HostPort, refuse_login};
use super::stream_load::patience::Patience;
use super::stream_load::redirect::{AddressMapping, AllowedHost};
use crate::scan_settings::ScanSettings;
use crate::sink::WriteSettings;
use crate::sink::settings::parse_duration;
use crate::throttle::SpeedLimits;

/// The port of a frontend's MySQL protocol (StarRocks: `query_port`).
const MYSQL_PORT: u16 = 9030;
/// The port of a frontend's HTTP server (StarRocks: FE `http_port`).
const FRONTEND_HTTP_PORT: u16 = 8030;
/// How long the server works on one statement, a session variable of its own (StarRocks: `query_timeout`).
const QUERY_TIMEOUT: &str = "query_timeout";
/// The server's own bound of that variable (StarRocks: `SessionVariable.MAX_QUERY_TIMEOUT`, three days).
const MAX_QUERY_TIMEOUT_S: u64 = 259_200;
/// The options that only this kind of catalog has.
const OWN: [&str; 12] = [
    "load_url",
    "be_address_map",
    "allowed_be_hosts",
    "retries",
    "retry_backoff",
    "retry_max_backoff",
    "label_timeout",
    "answer_timeout",
    "commit_timeout",
    "rollback_timeout",
    "transaction_limit_timeout",
    QUERY_TIMEOUT,
];
/// As often as a load is tried again at most: with the longest waits it is a quarter of an hour.
const MAX_RETRIES: u32 = 100;

/// What a starrocks catalog was told.
#[derive(Debug, Clone)]
pub(super) struct StarrocksOptions {
    /// The MySQL side.
    pub(super) connection: ConnectionConfig,
    /// Where loads are asked for, in the order written.
    pub(super) frontends: Vec<Endpoint>,
    pub(super) be_address_map: Vec<AddressMapping>,
    pub(super) allowed_be_hosts: Vec<AllowedHost>,
    /// How long and how often a load or a question is tried.
    pub(super) patience: Patience,
    /// Settings of writes that stand on the catalog.
    pub(super) settings: Options,
    /// Settings of reads that stand on the catalog.
    pub(super) scan_settings: Options,
}

impl StarrocksOptions {
    /// Reads the options; unknown names are errors with a suggestion.
    pub(super) fn parse(config: &CatalogConfig) -> Result<Self> {
        let named = |error: ConnectorError| {
            ConnectorError::new(error.code(), format!("catalog {}: {}", config.name, error.message()))
        };
        let all: Vec<&str> = OWN.into_iter().chain(WriteSettings::names()).chain(ScanSettings::names()).collect();
        let config =
            &CatalogConfig { options: with_known_names(&config.options, &OWN).map_err(named)?, ..config.clone() };
        // Settings are taken out first: they have spellings that the connection's list of names does not know.
        let (_, others) = WriteSettings::parse(&config.options, &Options::new(), &Options::new()).map_err(named)?;
        let is_setting = |name: &str| others.get(name).is_none();
        let settings = config.options.iter().filter(|(name, _)| is_setting(name)).collect();
        let (scan_settings, others): (Vec<_>, Vec<_>) =
            others.iter().partition(|(name, _)| ScanSettings::canonical(name).is_some());
        let scan_settings: Options = scan_settings.into_iter().collect();
        ScanSettings::parse(&Options::new(), &scan_settings).map_err(named)?;
        let others = others.into_iter().collect();
        let mut connection =
            ConnectionConfig::parse(&CatalogConfig { options: others, ..config.clone() }, MYSQL_PORT, &all)?;
        connection.speed = SpeedLimits::parse(&scan_settings).map_err(named)?;
        connection.scan_settings = scan_settings.clone();
        if let Some(text) = config.options.get(QUERY_TIMEOUT) {
            let seconds = query_timeout(text).map_err(named)?;
            if connection.session.iter().any(|(name, _)| name.eq_ignore_ascii_case(QUERY_TIMEOUT)) {
                let both = "\"query_timeout\" and \"session.query_timeout\" are the same setting; give one of them";
                return Err(named(ConnectorError::option(both)));
            }
            connection.session.push((QUERY_TIMEOUT.to_owned(), seconds.to_string()));
        }
        let options = &config.options;
        let frontends = match options.get("load_url") {
            Some(text) => frontends(text).map_err(named)?,
            None => {
                let hosts = std::iter::once(&connection.host).chain(connection.more_hosts.iter().map(|(host, _)| host));
                hosts.map(|host| Endpoint { tls: false, at: HostPort::new(host, FRONTEND_HTTP_PORT) }).collect()
            }
        };
        let map = options.get("be_address_map").map(AddressMapping::parse_list).transpose().map_err(named)?;
        let allowed = options.get("allowed_be_hosts").map(AllowedHost::parse_list).transpose().map_err(named)?;
        Ok(Self {
            connection,
            frontends,
            be_address_map: map.unwrap_or_default(),
            allowed_be_hosts: allowed.unwrap_or_default(),
            patience: patience(options).map_err(named)?,
            settings,
            scan_settings,
        })
    }
}

/// A length of time in seconds, as the server takes it.
fn query_timeout(text: &str) -> Result<u64> {
    let seconds = parse_duration(QUERY_TIMEOUT, text)?.as_secs();
    if (1..=MAX_QUERY_TIMEOUT_S).contains(&seconds) {
        return Ok(seconds);
    }
    Err(ConnectorError::option(format!(
        "{QUERY_TIMEOUT} is \"{text}\"; it is a time from 1s to {MAX_QUERY_TIMEOUT_S}s"
    )))
}

/// `retries`, `retry_backoff`, `retry_max_backoff` and the timeouts.
fn patience(options: &Options) -> Result<Patience> {
    let mut patience = Patience::default();
    if let Some(text) = options.get("retries") {
        let retries = text.trim().parse::<u32>().ok().filter(|retries| *retries <= MAX_RETRIES);
        patience.attempts = 1 + retries.ok_or_else(|| {
            ConnectorError::option(format!("retries is \"{text}\"; it is a number from 0 to {MAX_RETRIES}"))
        })?;
    }
    for (name, wait) in [
        ("retry_backoff", &mut patience.backoff),
        ("retry_max_backoff", &mut patience.max_backoff),
        ("label_timeout", &mut patience.unknown_for),
        ("answer_timeout", &mut patience.answer_margin),
        ("commit_timeout", &mut patience.commit_for),
        ("rollback_timeout", &mut patience.roll_back_for),
        ("transaction_limit_timeout", &mut patience.limit_for),
    ] {
        if let Some(text) = options.get(name) {
            *wait = parse_duration(name, text.trim())?;
        }
    }
    patience.limit_backoff = patience.limit_backoff.min(patience.max_backoff);
    Ok(patience)
}

/// `[http[s]://]host:port` separated by `;` or `,`.
fn frontends(text: &str) -> Result<Vec<Endpoint>> {
    refuse_login(text, "load_url")?;
    let frontends: Vec<Endpoint> = text
        .split([';', ','])
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| Endpoint::parse(item, FRONTEND_HTTP_PORT, "load_url"))
        .collect::<Result<_>>()?;
    if frontends.is_empty() {
        return Err(ConnectorError::option("option \"load_url\" names no frontend; write host:8030"));
    }
    Ok(frontends)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parse(options: &[(&str, &str)]) -> Result<StarrocksOptions> {
        let options = [("url", "jdbc:mysql://root:hunter2@fe1/ods")].iter().chain(options).copied().collect();
        StarrocksOptions::parse(&CatalogConfig {
            name: "sr".into(),
            options,
            timezone: "UTC".into(),
            timezone_is_forced: false,
        })
    }

    fn frontends_of(options: &[(&str, &str)]) -> Vec<String> {
        parse(options).unwrap().frontends.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_load_url_is_the_mysql_host_unless_it_is_named() {
        assert_eq!(frontends_of(&[]), ["http://fe1:8030"]);
        assert_eq!(frontends_of(&[("load_url", "fe1:18030;https://fe2")]), ["http://fe1:18030", "https://fe2:8030"]);
        assert_eq!(frontends_of(&[("load_url", "a:1, b:2;")]), ["http://a:1", "http://b:2"]);
        assert_eq!(parse(&[]).unwrap().connection.port, 9030);
    }

    #[test]
    fn names_of_other_tools_and_in_camel_case_are_names_too() {
        let options: Vec<(&str, &str)> = vec![
            ("jdbcUrl", "jdbc:mysql://fe1:9031,fe2/ods"),
            ("username", "root"),
            ("loadUrl", "fe1:8030;fe2:8030"),
            ("beAddressMap", "10.0.0.1:8040=localhost:18040"),
            ("allowedBeHosts", "be1"),
            ("connectTimeout", "3"),
            ("maxBatchSize", "5242880"),
            ("strategyOnError", "exit"),
        ];
        let config = |options: &[(&str, &str)]| CatalogConfig {
            name: "sr".into(),
            options: options.iter().copied().collect(),
            timezone: "UTC".into(),
            timezone_is_forced: false,
        };
        let parsed = StarrocksOptions::parse(&config(&options)).unwrap();
        assert_eq!((parsed.frontends.len(), parsed.be_address_map.len(), parsed.allowed_be_hosts.len()), (2, 1, 1));
        assert_eq!((parsed.connection.user.as_str(), parsed.connection.port), ("root", 9031));
        assert_eq!(parsed.connection.more_hosts, [("fe2".to_owned(), 9030)]);
        assert_eq!(parsed.connection.connect_timeout, std::time::Duration::from_secs(3));
        let twice = [&options[..], &[("user", "other")]].concat();
        let error = StarrocksOptions::parse(&config(&twice)).unwrap_err();
        assert!(error.message().contains("\"user\" is given twice"), "{error}");
    }

    #[test]
    fn without_a_load_url_loads_go_to_the_hosts_of_the_url() {
        assert_eq!(
            frontends_of(&[("url", "jdbc:mysql://root@fe1,fe2:9031/ods")]),
            ["http://fe1:8030", "http://fe2:8030"]
        );
    }

    #[test]
    fn an_unknown_option_is_an_error_with_a_suggestion() {
        let error = parse(&[("load_ulr", "fe:8030")]).unwrap_err().to_string();
        assert!(error.contains("did you mean \"load_url\"?"), "{error}");
        let error = parse(&[("lode_bytes", "1")]).unwrap_err().to_string();
        assert!(error.contains("did you mean \"load_bytes\"?"), "{error}");
    }

    #[test]
    fn how_long_and_how_often_is_tried_may_be_set() {
        let patience = parse(&[("retries", "0"), ("retry_backoff", "20ms"), ("label_timeout", "1m")]).unwrap().patience;
        assert_eq!((patience.attempts, patience.backoff), (1, Duration::from_millis(20)));
        assert_eq!((patience.max_backoff, patience.unknown_for), (Duration::from_secs(10), Duration::from_secs(60)));
        for (name, value) in [("retries", "-1"), ("retries", "101"), ("retry_max_backoff", "fast")] {
            let error = parse(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
        let error = parse(&[("retry_backof", "1")]).unwrap_err().to_string();
        assert!(error.contains("did you mean \"retry_backoff\"?"), "{error}");
    }

    #[test]
    fn errors_name_the_catalog_and_no_password() {
        for (name, value) in
            [("load_url", "http://u:secret@fe:8030"), ("be_address_map", "x"), ("allowed_be_hosts", "a:b")]
        {
            let error = parse(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains("catalog sr") && error.contains(name) && !error.contains("secret"), "{error}");
        }
        assert!(!format!("{:?}", parse(&[("password", "hunter2")]).unwrap()).contains("hunter2"));
    }

    #[test]
    fn settings_may_stand_on_the_catalog() {
        let options = parse(&[("load_bytes", "1MB"), ("write_mode", "plain")]).unwrap();
        assert_eq!(options.settings.get("load_bytes"), Some("1MB"));
        assert_eq!(options.settings.get("write_mode"), Some("plain"));
    }

    #[test]
    fn settings_of_reads_may_stand_on_the_catalog() {
        let options = parse(&[("splitPk", "id"), ("read_connections", "8")]).unwrap();
        assert_eq!(options.scan_settings.get("splitPk"), Some("id"));
        assert_eq!(options.scan_settings.get("read_connections"), Some("8"));
        assert!(options.settings.is_empty(), "they are no settings of writes");
        let error = parse(&[("read_connections", "0")]).unwrap_err().to_string();
        assert!(error.contains("catalog sr") && error.contains("from 1 to 64"), "{error}");
    }

    #[test]
    fn the_query_timeout_is_a_session_variable_in_seconds() {
        let session = |options: &[(&str, &str)]| parse(options).unwrap().connection.session;
        let variable = |value: &str| vec![("query_timeout".to_owned(), value.to_owned())];
        assert_eq!(session(&[("query_timeout", "2h")]), variable("7200"));
        assert_eq!(session(&[("query_timeout", "30")]), variable("30"));
        assert_eq!(session(&[("session.query_timeout", "30")]), variable("30"));
        for value in ["0", "500ms", "73h", "long"] {
            let error = parse(&[("query_timeout", value)]).unwrap_err().to_string();
            assert!(error.contains("query_timeout") && error.contains(value), "{error}");
        }
        let error = parse(&[("query_timeout", "1"), ("session.query_timeout", "2")]).unwrap_err().to_string();
        assert!(error.contains("are the same setting"), "{error}");
    }

    #[test]
    fn no_part_of_an_address_with_a_password_is_repeated() {
        for (option, value) in [
            ("load_url", "http://root:hunter3;x@fe:8030"),
            ("be_address_map", "http://root:hunter3=x@be1=be2"),
            ("allowed_be_hosts", "root:hunter3@be1"),
        ] {
            let error = parse(&[(option, value)]).unwrap_err().to_string();
            assert!(error.contains(option) && !error.contains("hunter3"), "{error}");
        }
    }
}
