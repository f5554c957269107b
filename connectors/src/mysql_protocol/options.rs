//! What a connection needs to know, read from a catalog's options and its URL.

use std::path::PathBuf;
use std::time::Duration;

use crate::catalog::CatalogConfig;
use crate::error::{ConnectorError, Result};
use crate::options::{Options, Secret, nearest};
use crate::throttle::SpeedLimits;

use super::jdbc::JdbcOptions;
use super::url::MySqlUrl;
use super::value::ZeroDates;

/// How a connection uses TLS, with the meanings of MySQL's `ssl-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Never.
    Disabled,
    /// Where the server offers it, else without; no certificate is checked.
    Preferred,
    /// Always; no certificate is checked.
    Required,
    /// Always; the server's certificate must come from a known authority.
    VerifyCa,
    /// Always; the certificate must come from a known authority and name the host.
    VerifyIdentity,
}

impl SslMode {
    const NAMES: [(&'static str, Self); 5] = [
        ("disabled", Self::Disabled),
        ("preferred", Self::Preferred),
        ("required", Self::Required),
        ("verify_ca", Self::VerifyCa),
        ("verify_identity", Self::VerifyIdentity),
    ];

    /// Reads a mode; `-` and `_` are the same, case does not matter.
    pub(super) fn parse(option: &str, value: &str) -> Result<Self> {
        let wanted = value.to_ascii_lowercase().replace('-', "_");
        Self::NAMES.iter().find(|(name, _)| *name == wanted).map(|(_, mode)| *mode).ok_or_else(|| {
            let names: Vec<_> = Self::NAMES.iter().map(|(name, _)| *name).collect();
            ConnectorError::option(format!("option \"{option}\" must be one of {}", names.join(", ")))
        })
    }

    /// Whether a connection without TLS is an error.
    pub fn forces_tls(self) -> bool {
        !matches!(self, Self::Disabled | Self::Preferred)
    }
}

/// Everything that connections of one catalog share. Debug shows no password.
#[derive(Debug, Clone)]
pub struct ConnectionConfig {
    /// The catalog's name, for messages.
    pub catalog: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Further hosts with their ports: the same system, asked when the first does not answer.
    pub more_hosts: Vec<(String, u16)>,
    /// The user.
    pub user: String,
    /// The password, empty for none.
    pub password: Secret,
    /// The database in the URL.
    pub database: Option<String>,
    /// How TLS is used.
    pub ssl_mode: SslMode,
    /// Certificates of authorities, a PEM file; without it the public authorities are known.
    pub ssl_ca: Option<PathBuf>,
    /// The session's zone: an IANA name or an offset such as `+08:00`.
    pub timezone: String,
    /// Session variables in order.
    pub session: Vec<(String, String)>,
    /// How long one attempt to connect and log in may take.
    pub connect_timeout: Duration,
    /// How long the server may stay silent while an answer is awaited.
    pub read_timeout: Duration,
    /// The largest row that is read, in bytes.
    pub max_allowed_packet: usize,
    /// What becomes of dates that do not exist.
    pub zero_dates: ZeroDates,
    /// Whether TINYINT(1) is read as a Boolean.
    pub tinyint1_is_bit: bool,
    /// Settings of reads that stand on the catalog (see [`ScanSettings`](crate::scan_settings::ScanSettings)).
    pub scan_settings: Options,
    /// Limits of speed that hold for the whole catalog.
    pub speed: SpeedLimits,
}

/// As in the mysql client's and Connector/J's documentation: 10 s covers a slow TLS handshake over a distant link.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A query may compute for a while before its first row; an hour of silence is a lost server.
const READ_TIMEOUT: Duration = Duration::from_secs(3600);
/// MySQL 8's own default for servers, 64 MiB.
const MAX_ALLOWED_PACKET: usize = 64 << 20;
/// The protocol's limit, 1 GiB.
const LARGEST_PACKET: usize = 1 << 30;

/// Options that mysql and starrocks catalogs share.
const SHARED: &[&str] = &[
    "url",
    "user",
    "password",
    "timezone",
    "ssl_mode",
    "ssl_ca",
    "connect_timeout",
    "read_timeout",
    "max_allowed_packet",
];

/// DataX's names for options, without case.
const ALIASES: &[(&str, &str)] = &[("jdbcurl", "url"), ("username", "user")];

impl ConnectionConfig {
    /// `host:port` of each server, for messages.
    pub fn addresses(&self) -> Vec<String> {
        let shown = |host: &str, port: u16| match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        let others = self.more_hosts.iter().map(|(host, port)| shown(host, *port));
        std::iter::once(shown(&self.host, self.port)).chain(others).collect()
    }

    /// Reads a catalog's options. Properties win over the URL. `own` are the names that only this kind of catalog has; they are left
    /// alone (a trailing `.` stands for a family of names).
    ///
    /// # Errors
    /// [`ErrorCode::Option`](crate::error::ErrorCode::Option), naming the option, never repeating a value.
    pub fn parse(config: &CatalogConfig, default_port: u16, own: &[&str]) -> Result<Self> {
        Self::parse_options(config, default_port, own)
            .map_err(|error| ConnectorError::new(error.code(), format!("catalog {}: {}", config.name, error.message())))
    }

    fn parse_options(config: &CatalogConfig, default_port: u16, own: &[&str]) -> Result<Self> {
        let options = &with_known_names(&config.options, own)?;
        for (name, _) in options.iter() {
            check_name(name, own)?;
        }
        let url = MySqlUrl::parse(options.require("url")?, default_port)?;
        let jdbc = JdbcOptions::parse(url.options.iter().map(|(name, value)| (name.as_str(), value.expose())))?;

        let user = options.get("user").map(str::to_owned).or(url.user).or(jdbc.user);
        let user = user
            .filter(|user| !user.is_empty())
            .ok_or_else(|| ConnectorError::option("option \"user\" is missing, and the URL names no user"))?;
        let password = options.get("password").map(Secret::new).or(url.password).or(jdbc.password).unwrap_or_default();
        let ssl_ca = options.get("ssl_ca").filter(|path| !path.is_empty()).map(PathBuf::from);
        if ssl_ca.as_ref().is_some_and(|path| path.is_relative()) {
            return Err(ConnectorError::option("option \"ssl_ca\" must be an absolute path of a PEM file"));
        }
        let ssl_mode = match options.get("ssl_mode") {
            Some(mode) => Some(SslMode::parse("ssl_mode", mode)?),
            None => jdbc.ssl_mode,
        };
        // As the mysql client does: naming an authority means that it is to be checked.
        let ssl_mode = ssl_mode.unwrap_or(if ssl_ca.is_some() { SslMode::VerifyCa } else { SslMode::Preferred });

        let mut session = jdbc.session;
        for (name, value) in options.iter() {
            if let Some(variable) = strip_session(name) {
                session.retain(|(known, _)| !known.eq_ignore_ascii_case(variable));
                session.push((variable.to_owned(), value.to_owned()));
            }
        }
        for (name, value) in &session {
            check_session_variable(name, value)?;
        }

        let own_zone = options.get("timezone").map(str::to_owned).or(jdbc.timezone);
        let timezone =
            if config.timezone_is_forced { None } else { own_zone }.unwrap_or_else(|| config.timezone.clone());

        Ok(Self {
            catalog: config.name.clone(),
            host: url.host,
            port: url.port,
            more_hosts: url.more_hosts,
            user,
            password,
            database: url.database,
            ssl_mode,
            ssl_ca,
            timezone,
            session,
            connect_timeout: seconds(options.get("connect_timeout"), "connect_timeout")?
                .or(jdbc.connect_timeout)
                .unwrap_or(CONNECT_TIMEOUT),
            read_timeout: seconds(options.get("read_timeout"), "read_timeout")?
                .or(jdbc.read_timeout)
                .unwrap_or(READ_TIMEOUT),
            max_allowed_packet: bytes(options.get("max_allowed_packet"))?
                .or(jdbc.max_allowed_packet)
                .unwrap_or(MAX_ALLOWED_PACKET)
                .min(LARGEST_PACKET),
            zero_dates: jdbc.zero_dates.unwrap_or_default(),
            tinyint1_is_bit: jdbc.tinyint1_is_bit.unwrap_or(false),
            scan_settings: Options::new(),
            speed: SpeedLimits::default(),
        })
    }
}

/// The options by their own names: camelCase spellings and the names that DataX has for them are names too.
///
/// # Errors
/// Option, if one is given under two names.
pub(crate) fn with_known_names(options: &Options, own: &[&str]) -> Result<Options> {
    let mut renamed = Options::new();
    for (name, value) in options.iter() {
        let folded = folded(name);
        let alias = ALIASES.iter().find(|(alias, _)| folded == *alias).map(|(_, known)| *known);
        let known = || SHARED.iter().chain(own).copied().find(|known| self::folded(known) == folded);
        let known = alias.or_else(known).unwrap_or(name);
        if renamed.get(known).is_some() {
            return Err(ConnectorError::option(format!("option \"{known}\" is given twice, once as \"{name}\"")));
        }
        renamed.set(known, value);
    }
    Ok(renamed)
}

fn folded(name: &str) -> String {
    name.replace('_', "").to_ascii_lowercase()
}

fn strip_session(name: &str) -> Option<&str> {
    match name.split_at_checked("session.".len()) {
        Some((prefix, variable)) if prefix.eq_ignore_ascii_case("session.") => Some(variable),
        _ => None,
    }
}

fn check_name(name: &str, own: &[&str]) -> Result<()> {
    let is = |known: &&str| {
        name.eq_ignore_ascii_case(known)
            || (known.ends_with('.') && name.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known)))
    };
    if strip_session(name).is_some() || SHARED.iter().any(is) || own.iter().any(is) {
        return Ok(());
    }
    let hint = match nearest(name, SHARED.iter().chain(own).copied()) {
        Some(known) => format!("; did you mean \"{known}\"?"),
        None => "; session variables are written as \"session.NAME\"".to_owned(),
    };
    Err(ConnectorError::option(format!("option \"{name}\" is not known{hint}")))
}

/// Modes that would make the server read quotes and backslashes in another way than we write them.
pub(crate) const MODES_AGAINST_QUOTING: &[&str] = &[
    "ANSI",
    "ANSI_QUOTES",
    "DB2",
    "MAXDB",
    "MSSQL",
    "MYSQL323",
    "MYSQL40",
    "NO_BACKSLASH_ESCAPES",
    "ORACLE",
    "POSTGRESQL",
];

/// Modes that change values as they are read, or how our conditions are understood.
pub(crate) const MODES_THAT_CHANGE_VALUES: &[&str] =
    &["PAD_CHAR_TO_FULL_LENGTH", "HIGH_NOT_PRECEDENCE", "EMPTY_STRING_IS_NULL"];

/// Variables that every session has at one value, with the reason.
const FIXED_VARIABLES: &[(&str, &str)] = &[
    ("autocommit", "every statement has a connection of its own, and its changes would be lost with it"),
    ("sql_select_limit", "the server would end results early without an error; write LIMIT in the query"),
    ("sql_auto_is_null", "IS NULL would find the row that was inserted last"),
    ("time_zone", "write \"timezone\""),
    ("character_set_client", "connections speak utf8mb4"),
    ("character_set_connection", "connections speak utf8mb4"),
    ("character_set_results", "connections speak utf8mb4"),
];

/// A session variable's name is one word; its value is sent as a literal.
pub(crate) fn check_session_variable(name: &str, value: &str) -> Result<()> {
    let mut characters = name.chars();
    let starts_well = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !characters.all(|c| c.is_ascii_alphanumeric() || c == '_') || name.len() > 64 {
        return Err(ConnectorError::option(format!("\"session.{name}\" is no name of a session variable")));
    }
    if let Some((_, reason)) = FIXED_VARIABLES.iter().find(|(fixed, _)| name.eq_ignore_ascii_case(fixed)) {
        return Err(ConnectorError::option(format!("\"session.{name}\" is refused: {reason}")));
    }
    // A collation brings its character set with it.
    let is_wide = value.get(.."utf8mb4".len()).is_some_and(|start| start.eq_ignore_ascii_case("utf8mb4"));
    if name.eq_ignore_ascii_case("collation_connection") && !is_wide {
        return Err(ConnectorError::option(format!(
            "\"session.{name}\" is refused: connections speak utf8mb4; write a collation of it"
        )));
    }
    if name.eq_ignore_ascii_case("sql_mode") { check_sql_mode(value) } else { Ok(()) }
}

/// Only names of modes: a number stands for any set of them, DEFAULT for what the server's configuration says, and a server compares
/// names without accents.
fn check_sql_mode(value: &str) -> Result<()> {
    for mode in value.split(',').map(str::trim).filter(|mode| !mode.is_empty()) {
        let is = |known: &&str| known.eq_ignore_ascii_case(mode);
        let refused = if MODES_AGAINST_QUOTING.iter().any(&is) {
            Some(format!("must not hold {mode}: it changes how quotes and backslashes are read"))
        } else if MODES_THAT_CHANGE_VALUES.iter().any(&is) {
            Some(format!("must not hold {mode}: it changes values or conditions"))
        } else if is(&"DEFAULT") {
            Some("takes names of modes: DEFAULT may be any of them; leave the option out".to_owned())
        } else if !mode.starts_with(|c: char| c.is_ascii_alphabetic())
            || !mode.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            Some("takes names of modes, separated by commas; a number is not read".to_owned())
        } else {
            None
        };
        if let Some(refused) = refused {
            return Err(ConnectorError::option(format!("\"session.sql_mode\" {refused}")));
        }
    }
    Ok(())
}

/// `10`, `10s` or `500ms`.
fn seconds(value: Option<&str>, name: &str) -> Result<Option<Duration>> {
    let Some(value) = value else { return Ok(None) };
    let value = value.trim();
    let parsed = if let Some(number) = value.strip_suffix("ms") {
        number.trim().parse::<u64>().ok().map(Duration::from_millis)
    } else {
        let number = value.strip_suffix('s').unwrap_or(value).trim();
        number.parse::<u32>().ok().map(|number| Duration::from_secs(number.into()))
    };
    match parsed {
        Some(duration) if !duration.is_zero() => Ok(Some(duration)),
        _ => Err(ConnectorError::option(format!("option \"{name}\" must be a number of seconds above 0"))),
    }
}

/// A number of bytes, with `KB`, `MB` or `GB` if wanted.
fn bytes(value: Option<&str>) -> Result<Option<usize>> {
    let Some(value) = value else { return Ok(None) };
    let upper = value.trim().to_ascii_uppercase();
    let units = [("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)];
    let (number, unit) = units
        .iter()
        .find_map(|(suffix, unit)| upper.strip_suffix(suffix).map(|number| (number, *unit)))
        .unwrap_or((upper.as_str(), 1));
    match number.trim().parse::<usize>().ok().and_then(|number| number.checked_mul(unit)) {
        Some(bytes) if bytes >= 1024 => Ok(Some(bytes)),
        _ => Err(ConnectorError::option("option \"max_allowed_packet\" must be a number of bytes such as 64MB")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn config(options: &[(&str, &str)]) -> CatalogConfig {
        CatalogConfig {
            name: "shop".into(),
            options: options.iter().copied().collect::<Options>(),
            timezone: "Asia/Tokyo".into(),
            timezone_is_forced: false,
        }
    }

    fn parse(options: &[(&str, &str)]) -> Result<ConnectionConfig> {
        ConnectionConfig::parse(&config(options), 3306, &["load_url", "header."])
    }

    #[test]
    fn properties_win_over_the_url() {
        let parsed = parse(&[
            ("url", "jdbc:mysql://a:b@h/d?useSSL=false&serverTimezone=UTC&connectTimeout=500&user=x&sessionVariables=a=1,b=2"),
            ("user", "root"),
            ("password", ""),
            ("ssl_mode", "verify-identity"),
            ("timezone", "+08:00"),
            ("session.a", "3"),
            ("connect_timeout", "2"),
        ])
        .unwrap();
        assert_eq!(parsed.user, "root");
        assert!(parsed.password.is_empty());
        assert_eq!(parsed.ssl_mode, SslMode::VerifyIdentity);
        assert_eq!(parsed.timezone, "+08:00");
        assert_eq!(parsed.connect_timeout, Duration::from_secs(2));
        assert_eq!(parsed.session, vec![("b".into(), "2".into()), ("a".to_string(), "3".to_string())]);
    }

    #[test]
    fn the_forced_zone_beats_the_catalogs_own() {
        let url = ("url", "mysql://root@h?serverTimezone=UTC");
        assert_eq!(parse(&[url]).unwrap().timezone, "UTC");
        assert_eq!(parse(&[("url", "mysql://root@h")]).unwrap().timezone, "Asia/Tokyo");
        let mut forced = config(&[url, ("timezone", "Europe/Rome")]);
        forced.timezone_is_forced = true;
        assert_eq!(ConnectionConfig::parse(&forced, 3306, &[]).unwrap().timezone, "Asia/Tokyo");
    }

    #[test]
    fn an_unknown_option_names_the_catalog_and_suggests() {
        let error = parse(&[("url", "mysql://root@h"), ("pasword", "hunter2")]).unwrap_err().to_string();
        assert_eq!(error, "[E2001] catalog shop: option \"pasword\" is not known; did you mean \"password\"?");
        assert!(parse(&[("url", "mysql://root@h"), ("load_url", "x"), ("header.a", "b")]).is_ok());
    }

    #[test]
    fn a_user_must_be_named() {
        assert!(parse(&[("url", "mysql://h")]).unwrap_err().to_string().contains("\"user\" is missing"));
    }

    #[test]
    fn a_session_variable_cannot_carry_sql() {
        for (name, value) in [
            ("session.a; DROP TABLE t", "1"),
            ("session.", "1"),
            ("session.a b", "1"),
            ("session.sql_mode", "STRICT_ALL_TABLES, ansi_quotes"),
            ("session.time_zone", "UTC"),
            ("session.character_set_results", "latin1"),
        ] {
            assert!(parse(&[("url", "mysql://root@h"), (name, value)]).is_err(), "{name}");
        }
        assert!(parse(&[("url", "mysql://root@h"), ("session.sql_mode", "STRICT_ALL_TABLES, IGNORE_SPACE")]).is_ok());
        assert!(parse(&[("url", "mysql://root@h"), ("session.sql_mode", "")]).is_ok());
    }

    #[test]
    fn what_a_session_relies_on_cannot_be_changed_and_the_reason_is_told() {
        for (name, value, reason) in [
            ("autocommit", "0", "would be lost"),
            ("sql_select_limit", "1000", "end results early"),
            ("SQL_Select_Limit", "DEFAULT", "end results early"),
            ("sql_auto_is_null", "1", "inserted last"),
            ("collation_connection", "latin1_bin", "utf8mb4"),
        ] {
            let option = format!("session.{name}");
            let by_url = format!("jdbc:mysql://h/d?user=root&sessionVariables={name}={value}");
            let by_option = parse(&[("url", "mysql://root@h"), (&option, value)]);
            for error in [by_option.unwrap_err(), parse(&[("url", &by_url)]).unwrap_err()] {
                assert_eq!(error.code(), crate::error::ErrorCode::Option);
                assert!(error.message().contains(&format!("\"{option}\" is refused")), "{error}");
                assert!(error.message().contains(reason), "{error}");
            }
        }
    }

    #[test]
    fn sql_mode_takes_harmless_names_only() {
        for mode in MODES_AGAINST_QUOTING.iter().chain(MODES_THAT_CHANGE_VALUES) {
            let lower = mode.to_ascii_lowercase();
            for value in [(*mode).to_owned(), format!("STRICT_ALL_TABLES ,\t{lower} ")] {
                let error = parse(&[("url", "mysql://root@h"), ("session.sql_mode", &value)]).unwrap_err();
                assert!(error.message().contains("must not hold"), "{value}: {error}");
            }
        }
        // NO_BACKSLASH_ESCAPES and ANSI_QUOTES as numbers, and names that a server takes for ANSI_QUOTES.
        for value in
            ["1048576", "4", "-1", "0", "0x4", "DEFAULT", "default", "\u{e1}NSI_QUOTES", "'ANSI_QUOTES'", "ANSI\0"]
        {
            let error = parse(&[("url", "mysql://root@h"), ("session.sql_mode", value)]).unwrap_err();
            assert!(error.message().contains("takes names of modes"), "{value}: {error}");
        }
        assert!(parse(&[("url", "jdbc:mysql://root@h/d?connectionCollation=utf8mb4_bin")]).is_ok());
        let url = "jdbc:mysql://h/d?user=root&sessionVariables=sql_mode=1048576";
        assert!(parse(&[("url", url)]).unwrap_err().message().contains("session.sql_mode"));
    }

    #[test]
    fn debug_shows_no_password() {
        let parsed = parse(&[("url", "mysql://root:hunter2@h")]).unwrap();
        assert!(!format!("{parsed:?}").contains("hunter2"));
    }

    #[test]
    fn a_certificate_file_means_that_it_is_checked() {
        assert_eq!(parse(&[("url", "mysql://root@h")]).unwrap().ssl_mode, SslMode::Preferred);
        assert_eq!(parse(&[("url", "mysql://root@h"), ("ssl_ca", "/a.pem")]).unwrap().ssl_mode, SslMode::VerifyCa);
    }
}
