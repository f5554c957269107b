//! The options of JDBC URLs: each is mapped, accepted because it cannot change what is read, or refused by name with the reason.

use std::time::Duration;

use crate::error::{ConnectorError, Result};
use crate::options::nearest;

use super::options::SslMode;
use super::value::ZeroDates;

/// What the options of a JDBC URL say about a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JdbcOptions {
    /// `user`.
    pub user: Option<String>,
    /// `password`.
    pub password: Option<crate::options::Secret>,
    /// `sslMode`, or what `useSSL`, `requireSSL` and `verifyServerCertificate` add up to.
    pub ssl_mode: Option<SslMode>,
    /// `serverTimezone` or `connectionTimeZone`, as a zone's name or offset.
    pub timezone: Option<String>,
    /// `connectTimeout`.
    pub connect_timeout: Option<Duration>,
    /// `socketTimeout`.
    pub read_timeout: Option<Duration>,
    /// `maxAllowedPacket`, bytes.
    pub max_allowed_packet: Option<usize>,
    /// `zeroDateTimeBehavior`.
    pub zero_dates: Option<ZeroDates>,
    /// `tinyInt1isBit`.
    pub tinyint1_is_bit: Option<bool>,
    /// `sessionVariables` and what else becomes a session variable.
    pub session: Vec<(String, String)>,
}

/// Options that change nothing here: what they tune is done another way or not at all.
const HARMLESS: &[&str] = &[
    "allowMultiQueries",
    "alwaysSendSetIsolation",
    "autoReconnect",
    "autoReconnectForPools",
    "blobSendChunkSize",
    "cacheCallableStmts",
    "cachePrepStmts",
    "cacheResultSetMetadata",
    "cacheServerConfiguration",
    "callableStmtCacheSize",
    "characterEncoding",
    "characterSetResults",
    "connectionAttributes",
    "continueBatchOnError",
    "defaultFetchSize",
    "dontTrackOpenResources",
    "dumpQueriesOnException",
    "elideSetAutoCommits",
    "emptyStringsConvertToZero",
    "failOverReadOnly",
    "forceConnectionTimeZoneToSession",
    "gatherPerfMetrics",
    "holdResultsOpenOverStatementClose",
    "initialTimeout",
    "interactiveClient",
    "keepAlive",
    "logSlowQueries",
    "logger",
    "maintainTimeStats",
    "maxReconnects",
    "noAccessToProcedureBodies",
    "noDatetimeStringSync",
    "nullCatalogMeansCurrent",
    "nullDatabaseMeansCurrent",
    "nullNamePatternMatchesAll",
    "paranoid",
    "prepStmtCacheSize",
    "prepStmtCacheSqlLimit",
    "preserveInstants",
    "profileSQL",
    "readOnlyPropagatesToServer",
    "reconnectAtTxEnd",
    "remarks",
    "rewriteBatchedStatements",
    "sendFractionalSeconds",
    "tcpKeepAlive",
    "tcpNoDelay",
    "useAffectedRows",
    "useBulkStmts",
    "useColumnNamesInFindColumn",
    "useCompression",
    "useConfigs",
    "useCursorFetch",
    "useDynamicCharsetInfo",
    "useFastDateParsing",
    "useGmtMillisForDatetimes",
    "useHostsInPrivileges",
    "useInformationSchema",
    "useJDBCCompliantTimezoneShift",
    "useLegacyDatetimeCode",
    "useLocalSessionState",
    "useLocalTransactionState",
    "useOldAliasMetadataBehavior",
    "useReadAheadInput",
    "useServerPrepStmts",
    "useSSPSCompatibleTimezoneShift",
    "useStreamLengthsInPrepStmts",
    "useTimezone",
    "useUnbufferedInput",
    "useUnicode",
    "useUsageAdvisor",
    "utf8OutsideBmpIncludedPatterns",
];

/// Options that are refused unless they are switched off, and why.
const REFUSED_UNLESS_FALSE: &[(&str, &str)] = &[
    ("allowLoadLocalInfile", "files of this machine are never sent to a server"),
    ("allowUrlInLocalInfile", "files of this machine are never sent to a server"),
    ("autoDeserialize", "objects in columns are never deserialised"),
    ("blobsAreStrings", "BLOB columns are bytes"),
    ("functionsNeverReturnBlobs", "BLOB columns are bytes"),
    ("yearIsDateType", "YEAR columns are numbers; write yearIsDateType=false or leave it out"),
    ("pinGlobalTxToPhysicalConnection", "transactions over several connections are not supported"),
    ("createDatabaseIfNotExist", "a database is made by a statement: CREATE DATABASE IF NOT EXISTS catalog.database"),
    ("pedantic", "strict checks of the driver are not available"),
    ("autoClosePStmtStreams", "streams of statements are not available"),
    ("allowNanAndInf", "no MySQL column holds NaN or infinity"),
    ("treatUtilDateAsTimestamp", "it concerns Java's types"),
];

/// Options that are always refused, and why.
const REFUSED: &[(&str, &str)] = &[
    ("allowLoadLocalInfileInPath", "files of this machine are never sent to a server"),
    ("socketFactory", "it names Java code"),
    ("socksProxyHost", "proxies are not supported"),
    ("socksProxyPort", "proxies are not supported"),
    ("propertiesTransform", "it names Java code"),
    ("queryInterceptors", "it names Java code"),
    ("statementInterceptors", "it names Java code"),
    ("exceptionInterceptors", "it names Java code"),
    ("connectionLifecycleInterceptors", "it names Java code"),
    ("clientInfoProvider", "it names Java code"),
    ("authenticationPlugins", "it names Java code"),
    ("defaultAuthenticationPlugin", "the server names the plugin"),
    ("disabledAuthenticationPlugins", "the server names the plugin"),
    ("serverRSAPublicKeyFile", "passwords are protected by TLS: write ssl_mode"),
    ("trustCertificateKeyStoreUrl", "a PEM file is read instead: write \"ssl_ca\""),
    ("trustCertificateKeyStoreType", "a PEM file is read instead: write \"ssl_ca\""),
    ("trustCertificateKeyStorePassword", "a PEM file is read instead: write \"ssl_ca\""),
    ("trustStore", "a PEM file is read instead: write \"ssl_ca\""),
    ("serverSslCert", "a PEM file is read instead: write \"ssl_ca\""),
    ("clientCertificateKeyStoreUrl", "client certificates are not built yet"),
    ("clientCertificateKeyStoreType", "client certificates are not built yet"),
    ("clientCertificateKeyStorePassword", "client certificates are not built yet"),
    ("enabledSSLCipherSuites", "TLS 1.2 and 1.3 with current ciphers are used"),
    ("enabledTLSProtocols", "TLS 1.2 and 1.3 with current ciphers are used"),
    ("tlsVersions", "TLS 1.2 and 1.3 with current ciphers are used"),
    ("tlsCiphersuites", "TLS 1.2 and 1.3 with current ciphers are used"),
    ("loadBalanceStrategy", "several hosts are not supported"),
    ("replicationConnectionGroup", "several hosts are not supported"),
    ("haLoadBalanceStrategy", "several hosts are not supported"),
    ("useOldUTF8Behavior", "text is always UTF-8"),
    ("maxRows", "it would cut results in silence; write LIMIT"),
    ("noTimezoneConversionForTimeType", "times are read as the wall clock of the connection's zone"),
    ("noTimezoneConversionForDateType", "dates are read as the wall clock of the connection's zone"),
];

/// Options that are mapped, for suggestions.
const MAPPED: &[&str] = &[
    "user",
    "password",
    "useSSL",
    "requireSSL",
    "verifyServerCertificate",
    "sslMode",
    "serverTimezone",
    "connectionTimeZone",
    "connectTimeout",
    "socketTimeout",
    "maxAllowedPacket",
    "zeroDateTimeBehavior",
    "tinyInt1isBit",
    "transformedBitIsBoolean",
    "jdbcCompliantTruncation",
    "allowPublicKeyRetrieval",
    "sessionVariables",
    "connectionCollation",
    "netTimeoutForStreamingResults",
];

impl JdbcOptions {
    /// Reads the options of a URL. Names compare without case, as some tools change it.
    ///
    /// # Errors
    /// [`ErrorCode::Option`](crate::error::ErrorCode::Option) for an option that is refused or not known, naming it.
    pub fn parse<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let mut parsed = Self::default();
        let mut ssl = SslFlags::default();
        for (name, value) in options {
            parsed.take(name, value, &mut ssl)?;
        }
        if parsed.ssl_mode.is_none() {
            parsed.ssl_mode = ssl.mode();
        }
        if ssl.public_key_retrieval_forbidden && !parsed.ssl_mode.is_some_and(SslMode::forces_tls) {
            return Err(refused(
                "allowPublicKeyRetrieval",
                "without TLS the server's key is asked for when it wants one; write sslMode=REQUIRED to rule that out",
            ));
        }
        Ok(parsed)
    }

    fn take(&mut self, name: &str, value: &str, ssl: &mut SslFlags) -> Result<()> {
        match name.to_ascii_lowercase().as_str() {
            "user" => self.user = Some(value.to_owned()),
            "password" => self.password = Some(crate::options::Secret::new(value)),
            "usessl" => ssl.use_ssl = Some(flag(name, value)?),
            "requiressl" => ssl.require = flag(name, value)?,
            "verifyservercertificate" => ssl.verify = flag(name, value)?,
            "sslmode" => self.ssl_mode = Some(SslMode::parse(name, value)?),
            "servertimezone" | "connectiontimezone" => self.timezone = java_zone(name, value)?,
            "connecttimeout" => self.connect_timeout = milliseconds(name, value)?,
            "sockettimeout" => self.read_timeout = milliseconds(name, value)?,
            "maxallowedpacket" => self.max_allowed_packet = positive(name, value)?,
            "zerodatetimebehavior" => self.zero_dates = Some(ZeroDates::parse(name, value)?),
            "tinyint1isbit" => self.tinyint1_is_bit = Some(flag(name, value)?),
            "transformedbitisboolean" => {
                flag(name, value)?;
            }
            "jdbccomplianttruncation" => {
                if !flag(name, value)? {
                    return Err(refused(name, "values are never cut in silence"));
                }
            }
            "allowpublickeyretrieval" => ssl.public_key_retrieval_forbidden = !flag(name, value)?,
            "sessionvariables" => self.session.extend(session_variables(value)?),
            "connectioncollation" => {
                if !value.to_ascii_lowercase().starts_with("utf8mb4") {
                    return Err(refused(name, "connections speak utf8mb4; write a collation of it"));
                }
                self.session.push(("collation_connection".to_owned(), value.to_owned()));
            }
            "nettimeoutforstreamingresults" => {
                if let Some(seconds) = positive(name, value)? {
                    self.session.push(("net_write_timeout".to_owned(), seconds.to_string()));
                }
            }
            _ => self.accept(name, value)?,
        }
        Ok(())
    }

    /// Everything that maps to nothing: harmless or refused.
    fn accept(&self, name: &str, value: &str) -> Result<()> {
        let same = |known: &&str| known.eq_ignore_ascii_case(name);
        if HARMLESS.iter().any(same) {
            return Ok(());
        }
        if let Some((known, reason)) = REFUSED_UNLESS_FALSE.iter().find(|(known, _)| same(known)) {
            return if value.eq_ignore_ascii_case("false") { Ok(()) } else { Err(refused(known, reason)) };
        }
        if let Some((known, reason)) = REFUSED.iter().find(|(known, _)| same(known)) {
            return Err(refused(known, reason));
        }
        let hint = match nearest(name, MAPPED.iter().chain(HARMLESS).copied()) {
            Some(known) => format!("; did you mean \"{known}\"?"),
            None => "; options of the server are written as the catalog property \"session.NAME\"".to_owned(),
        };
        Err(ConnectorError::option(format!("option \"{name}\" of the URL is not known{hint}")))
    }
}

/// Connector/J 5's three switches, which `sslMode` replaced.
#[derive(Default)]
struct SslFlags {
    use_ssl: Option<bool>,
    require: bool,
    verify: bool,
    public_key_retrieval_forbidden: bool,
}

impl SslFlags {
    /// As Connector/J reads them: <https://dev.mysql.com/doc/connector-j/en/connector-j-connp-props-security.html>.
    fn mode(&self) -> Option<SslMode> {
        match self.use_ssl {
            Some(false) => Some(SslMode::Disabled),
            Some(true) if self.verify => Some(SslMode::VerifyCa),
            Some(true) if self.require => Some(SslMode::Required),
            Some(true) => Some(SslMode::Preferred),
            None => None,
        }
    }
}

fn refused(name: &str, reason: &str) -> ConnectorError {
    ConnectorError::option(format!("option \"{name}\" of the URL is refused: {reason}"))
}

fn flag(name: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err(ConnectorError::option(format!("option \"{name}\" must be true or false"))),
    }
}

/// A number above 0; 0 means that there is no limit, as in Connector/J.
fn positive(name: &str, value: &str) -> Result<Option<usize>> {
    match value.parse::<usize>() {
        Ok(0) => Ok(None),
        Ok(number) => Ok(Some(number)),
        Err(_) if value == "-1" => Ok(None),
        Err(_) => Err(ConnectorError::option(format!("option \"{name}\" must be a whole number"))),
    }
}

fn milliseconds(name: &str, value: &str) -> Result<Option<Duration>> {
    Ok(positive(name, value)?.map(|number| Duration::from_millis(number as u64)))
}

/// Java's zones: `LOCAL` is the run's own (None), `GMT+8` and `UTC+08:00` are offsets, the rest are names.
fn java_zone(name: &str, value: &str) -> Result<Option<String>> {
    if value.eq_ignore_ascii_case("LOCAL") {
        return Ok(None);
    }
    if value.eq_ignore_ascii_case("SERVER") {
        return Err(refused(name, "the zone must be known; write its name, such as Asia/Shanghai"));
    }
    let offset = ["GMT", "UTC"].iter().find_map(|prefix| value.strip_prefix(prefix)).filter(|rest| !rest.is_empty());
    let Some(offset) = offset else {
        return Ok(Some(value.to_owned()));
    };
    let (sign, digits) = match offset.split_at_checked(1) {
        Some((sign @ ("+" | "-"), digits)) => (sign, digits),
        // In a URL an unencoded + is read as a space by some tools.
        Some((" ", digits)) => ("+", digits),
        _ => return Ok(Some(value.to_owned())),
    };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "00"));
    match (hours.parse::<u8>(), minutes.parse::<u8>()) {
        (Ok(hours), Ok(minutes)) => Ok(Some(format!("{sign}{hours:02}:{minutes:02}"))),
        _ => Err(ConnectorError::option(format!("option \"{name}\" names no zone: write GMT%2B8 or Asia/Shanghai"))),
    }
}

/// `a=1,b='x'`; a value may stand in single quotes, which are taken off.
fn session_variables(list: &str) -> Result<Vec<(String, String)>> {
    list.split([',', ';'])
        .filter(|item| !item.trim().is_empty())
        .map(|item| match item.split_once('=') {
            Some((name, value)) => {
                let value = value.trim();
                let bare = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(value);
                Ok((name.trim().to_owned(), bare.to_owned()))
            }
            None => Err(ConnectorError::option("option \"sessionVariables\" must be a list of name=value")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[(&str, &str)]) -> Result<JdbcOptions> {
        JdbcOptions::parse(options.iter().copied())
    }

    #[test]
    fn the_options_of_a_common_url_are_understood() {
        let options = parse(&[
            ("useUnicode", "true"),
            ("characterEncoding", "utf-8"),
            ("zeroDateTimeBehavior", "convertToNull"),
            ("tinyInt1isBit", "false"),
            ("yearIsDateType", "false"),
            ("rewriteBatchedStatements", "true"),
            ("useSSL", "false"),
            ("serverTimezone", "GMT+8"),
            ("connectTimeout", "3000"),
            ("socketTimeout", "0"),
            ("autoReconnect", "true"),
        ])
        .unwrap();
        assert_eq!(options.zero_dates, Some(ZeroDates::Null));
        assert_eq!(options.tinyint1_is_bit, Some(false));
        assert_eq!(options.ssl_mode, Some(SslMode::Disabled));
        assert_eq!(options.timezone.as_deref(), Some("+08:00"));
        assert_eq!(options.connect_timeout, Some(Duration::from_secs(3)));
        assert_eq!(options.read_timeout, None);
    }

    #[test]
    fn three_switches_add_up_to_one_mode() {
        let mode = |options: &[(&str, &str)]| parse(options).unwrap().ssl_mode;
        assert_eq!(mode(&[]), None);
        assert_eq!(mode(&[("useSSL", "true")]), Some(SslMode::Preferred));
        assert_eq!(mode(&[("useSSL", "true"), ("requireSSL", "true")]), Some(SslMode::Required));
        assert_eq!(mode(&[("verifyServerCertificate", "true"), ("useSSL", "true")]), Some(SslMode::VerifyCa));
        assert_eq!(mode(&[("useSSL", "false"), ("sslMode", "VERIFY_IDENTITY")]), Some(SslMode::VerifyIdentity));
    }

    #[test]
    fn zones_of_java_are_offsets_or_names() {
        let zone = |value: &str| parse(&[("serverTimezone", value)]).unwrap().timezone;
        assert_eq!(zone("UTC").as_deref(), Some("UTC"));
        assert_eq!(zone("GMT+8").as_deref(), Some("+08:00"));
        assert_eq!(zone("GMT-03:30").as_deref(), Some("-03:30"));
        assert_eq!(zone("Asia/Shanghai").as_deref(), Some("Asia/Shanghai"));
        assert_eq!(zone("LOCAL"), None);
        assert!(parse(&[("connectionTimeZone", "SERVER")]).is_err());
    }

    #[test]
    fn local_infile_and_java_code_are_refused_by_name() {
        for (name, value) in [
            ("allowLoadLocalInfile", "true"),
            ("allowUrlInLocalInfile", "true"),
            ("allowLoadLocalInfileInPath", "/"),
            ("autoDeserialize", "true"),
            ("queryInterceptors", "x.Y"),
            ("socketFactory", "x.Y"),
        ] {
            let error = parse(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("refused"), "{error}");
        }
        assert!(parse(&[("allowLoadLocalInfile", "false")]).is_ok());
    }

    #[test]
    fn an_unknown_option_is_refused_with_a_suggestion() {
        let error = parse(&[("zeroDateTimeBehaviour", "round")]).unwrap_err().to_string();
        assert!(error.contains("did you mean \"zeroDateTimeBehavior\""), "{error}");
        assert!(parse(&[("frobnicate", "1")]).unwrap_err().to_string().contains("session.NAME"));
        assert!(parse(&[("useSSL", "maybe")]).is_err());
    }

    #[test]
    fn a_forbidden_key_request_needs_tls() {
        assert!(parse(&[("allowPublicKeyRetrieval", "true")]).is_ok());
        assert!(parse(&[("allowPublicKeyRetrieval", "false")]).is_err());
        assert!(parse(&[("allowPublicKeyRetrieval", "false"), ("sslMode", "REQUIRED")]).is_ok());
    }

    #[test]
    fn session_variables_are_a_list() {
        let options = parse(&[("sessionVariables", "sql_mode='ANSI',wait_timeout=60")]).unwrap();
        assert_eq!(
            options.session,
            vec![("sql_mode".into(), "ANSI".into()), ("wait_timeout".to_string(), "60".to_string())]
        );
    }
}
