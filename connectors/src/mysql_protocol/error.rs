//! What the errors of a server and of a connection mean for the user.

use crate::error::{ConnectorError, ErrorCode};

use super::options::{ConnectionConfig, SslMode};
use super::wire::WireError;

/// The server's numbers (MySQL's error reference) that mean that login or a right was refused.
const LOGIN: &[u16] =
    &[1044, 1045, 1129, 1130, 1131, 1142, 1143, 1227, 1370, 1396, 1698, 1820, 1862, 3118, 3879, 4151, 5203];
/// Numbers that mean that a database, table or column does not exist.
const NAME: &[u16] = &[1049, 1051, 1054, 1109, 1146, 1305, 5501, 5502];
/// Numbers that mean that the connection cannot be had now, or was lost.
const CONNECTION: &[u16] =
    &[1040, 1053, 1077, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1317, 1927, 3169, 4031];
/// Numbers of a conflict with other statements, gone on the next try.
const CONFLICT: &[u16] = &[1205, 1213];
/// The server does not know a zone's name (ER_UNKNOWN_TIME_ZONE).
pub(super) const UNKNOWN_TIME_ZONE: u16 = 1298;

/// Makes the user's error of a connection's: names catalog, host and port, keeps the server's number and text, hides secrets.
pub fn from_wire(config: &ConnectionConfig, error: WireError) -> ConnectorError {
    let place = place(config);
    match error {
        WireError::Server { code, message } => from_server(config, code, &message),
        WireError::Closed => {
            ConnectorError::retryable(ErrorCode::Connection, format!("{place}: the connection was lost"))
        }
        WireError::Cut => {
            ConnectorError::retryable(ErrorCode::Connection, format!("{place}: the connection was lost while reading"))
        }
        WireError::NoTls => ConnectorError::new(
            ErrorCode::Connection,
            format!(
                "{place}: the server offers no TLS; write \"ssl_mode\" = \"preferred\" or \"disabled\" to do without"
            ),
        ),
        WireError::TooLarge => too_large(config),
        WireError::AnswerTooLarge => ConnectorError::new(
            ErrorCode::Remote,
            format!(
                "{place}: the server's answer to a small question has more than 100,000 rows or 64 MB, the most that is kept in memory"
            ),
        ),
        WireError::Login(way) => ConnectorError::new(
            ErrorCode::Login,
            format!("{place}: the server asks for a way to log in that is not supported: {}", plain(&way)),
        ),
        WireError::LocalFile => ConnectorError::new(
            ErrorCode::Unsupported,
            format!("{place}: LOAD DATA LOCAL is refused: files of this machine are never sent to a server"),
        ),
        WireError::Tls(text) => tls(config, &text),
        WireError::Malformed(what) => no_protocol(config, what),
        WireError::Io(error) => from_io(config, &error),
    }
}

/// As [`from_wire`], while connecting and logging in: what is too large there is no row.
pub(super) fn from_handshake(config: &ConnectionConfig, error: WireError) -> ConnectorError {
    match error {
        WireError::TooLarge => no_protocol(config, "a packet of a size that no greeting has"),
        error => from_wire(config, error),
    }
}

fn no_protocol(config: &ConnectionConfig, text: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorCode::Connection,
        format!("{}: the answer does not follow MySQL's protocol ({}); check the port", place(config), plain(text)),
    )
}

/// The error of a host that did not answer in time.
pub(super) fn timed_out(
    config: &ConnectionConfig,
    doing: &str,
    option: &str,
    after: std::time::Duration,
) -> ConnectorError {
    ConnectorError::retryable(
        ErrorCode::Connection,
        format!(
            "{}: no answer within {} s while {doing}; \"{option}\" sets the limit",
            place(config),
            after.as_secs_f32()
        ),
    )
}

fn place(config: &ConnectionConfig) -> String {
    let host = if config.host.contains(':') { format!("[{}]", config.host) } else { config.host.clone() };
    format!("catalog {} at {host}:{}", config.catalog, config.port)
}

fn from_server(config: &ConnectionConfig, code: u16, message: &str) -> ConnectorError {
    let place = place(config);
    let text = format!("{place}: the server says: {} (error {code})", scrub(config, message));
    if LOGIN.contains(&code) {
        return ConnectorError::new(ErrorCode::Login, format!("{text}{}", login_hint(config, code)));
    }
    if NAME.contains(&code) {
        return ConnectorError::new(ErrorCode::Name, text);
    }
    if CONNECTION.contains(&code) {
        let hint =
            if matches!(code, 1040 | 1203 | 1226) { "; the server has no connection left for this user" } else { "" };
        return ConnectorError::retryable(ErrorCode::Connection, format!("{text}{hint}"));
    }
    if CONFLICT.contains(&code) {
        return ConnectorError::retryable(ErrorCode::Remote, text);
    }
    let hint = match code {
        1153 | 1301 => "; the server's max_allowed_packet is too small for it",
        1148 | 3948 | 4166 => "; files of this machine are never sent to a server",
        UNKNOWN_TIME_ZONE => "; write \"timezone\" as an offset such as +08:00, or load the server's time zone tables",
        1193 | 1231 | 1232 => "; see the catalog's \"session.\" options",
        _ => "",
    };
    ConnectorError::new(ErrorCode::Remote, format!("{text}{hint}"))
}

fn login_hint(config: &ConnectionConfig, code: u16) -> String {
    match code {
        1045 | 1698 | 4151 if config.password.is_empty() => {
            format!("; check \"user\" and \"password\": user {} logs in without a password", plain(&config.user))
        }
        1045 | 1698 => format!("; check \"user\" (now {}) and \"password\"", plain(&config.user)),
        1044 => format!("; user {} may not use that database", plain(&config.user)),
        1129 | 1130 => {
            "; the server does not let this machine connect: ask its administrator to allow the host".to_owned()
        }
        1820 | 1862 => "; the password has expired: set a new one with the mysql client".to_owned(),
        _ => format!("; user {} lacks the right", plain(&config.user)),
    }
}

fn from_io(config: &ConnectionConfig, error: &std::io::Error) -> ConnectorError {
    use std::io::ErrorKind;
    let place = place(config);
    if let Some(inner) = error.get_ref() {
        let text = inner.to_string();
        if inner.is::<rustls::Error>() {
            return tls(config, &text);
        }
    }
    let what = match error.kind() {
        ErrorKind::ConnectionRefused => "no server listens there; check host and port in \"url\"".to_owned(),
        ErrorKind::ConnectionReset
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionAborted => "the connection was lost".to_owned(),
        ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            format!("the host cannot be reached ({error}); check host, port and firewall")
        }
        ErrorKind::InvalidData => {
            return no_protocol(config, &error.to_string());
        }
        _ => {
            let text = plain(&error.to_string());
            // A name that is not resolved has no kind of its own.
            let hint = if text.contains("lookup") { "; check the host in \"url\"" } else { "" };
            format!("{text}{hint}")
        }
    };
    ConnectorError::retryable(ErrorCode::Connection, format!("{place}: {what}"))
}

fn tls(config: &ConnectionConfig, text: &str) -> ConnectorError {
    let hint = match config.ssl_mode {
        SslMode::VerifyCa | SslMode::VerifyIdentity if config.ssl_ca.is_none() => {
            "; only public authorities are known: name the server's own with \"ssl_ca\""
        }
        SslMode::VerifyIdentity => "; \"ssl_mode\" = \"verify_ca\" does not compare the host's name",
        SslMode::Preferred => "; \"ssl_mode\" = \"disabled\" does without",
        _ => "",
    };
    ConnectorError::new(ErrorCode::Connection, format!("{}: TLS failed: {}{hint}", place(config), plain(text)))
}

fn too_large(config: &ConnectionConfig) -> ConnectorError {
    ConnectorError::new(
        ErrorCode::Value,
        format!(
            "{}: a row is larger than {} bytes; the catalog's \"max_allowed_packet\" sets the limit",
            place(config),
            config.max_allowed_packet
        ),
    )
}

/// A server's text without secrets and control characters: it may repeat a part of a statement, and a statement may hold a password.
pub(crate) fn scrub(config: &ConnectionConfig, text: &str) -> String {
    let mut text = plain(text);
    let password = config.password.expose();
    // A shorter one would also match words that are none.
    if password.len() >= 4 {
        text = text.replace(password, "***");
    }
    let upper = text.to_ascii_uppercase();
    for keyword in ["IDENTIFIED BY", "PASSWORD(", "PASSWORD =", "IDENTIFIED WITH"] {
        if let Some(at) = upper.find(keyword) {
            text.truncate(at + keyword.len());
            text.push_str(" ***");
            break;
        }
    }
    text
}

/// A text on one line, without control characters, at most 1000 characters long.
fn plain(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(1000).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::CatalogConfig;

    fn config(password: &str) -> ConnectionConfig {
        let options = [("url", "mysql://root@db.example:3307/d"), ("password", password)].into_iter().collect();
        let config = CatalogConfig { name: "shop".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
        ConnectionConfig::parse(&config, 3306, &[]).unwrap()
    }

    fn server(code: u16, message: &str) -> WireError {
        WireError::Server { code, message: message.into() }
    }

    #[test]
    fn a_refused_login_names_user_host_and_port() {
        let error = from_wire(&config("secret"), server(1045, "Access denied for user 'root'@'h'"));
        assert_eq!(error.code(), ErrorCode::Login);
        assert!(!error.is_retryable());
        let text = error.to_string();
        for part in ["catalog shop at db.example:3307", "error 1045", "check \"user\" (now root)"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn codes_follow_the_servers_numbers() {
        let code = |number| from_wire(&config(""), server(number, "x")).code();
        assert_eq!(code(1044), ErrorCode::Login);
        assert_eq!(code(1130), ErrorCode::Login);
        assert_eq!(code(1049), ErrorCode::Name);
        assert_eq!(code(1146), ErrorCode::Name);
        assert_eq!(code(1040), ErrorCode::Connection);
        assert_eq!(code(1064), ErrorCode::Remote);
        assert!(from_wire(&config(""), server(1040, "x")).is_retryable());
        assert!(from_wire(&config(""), server(1213, "x")).is_retryable());
        assert!(!from_wire(&config(""), server(1064, "x")).is_retryable());
    }

    #[test]
    fn a_refused_connection_is_retryable_and_names_the_way_out() {
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = from_wire(&config(""), WireError::Io(io));
        assert_eq!(error.code(), ErrorCode::Connection);
        assert!(error.is_retryable());
        assert!(error.to_string().contains("no server listens there"), "{error}");
    }

    #[test]
    fn a_connection_that_ends_within_a_packet_was_lost_while_reading() {
        let error = from_wire(&config(""), WireError::Cut);
        assert_eq!(error.code(), ErrorCode::Connection);
        assert!(error.is_retryable());
        assert_eq!(error.message(), "catalog shop at db.example:3307: the connection was lost while reading");
    }

    #[test]
    fn a_name_that_is_not_found_leads_to_the_url() {
        let text = "failed to lookup address information: Name or service not known";
        let error = from_wire(&config(""), WireError::Io(std::io::Error::other(text)));
        assert!(error.message().ends_with("not known; check the host in \"url\""), "{error}");
    }

    #[test]
    fn secrets_that_a_server_repeats_are_hidden() {
        let near = "You have an error near 'hunter2' at line 1";
        assert!(!from_wire(&config("hunter2"), server(1064, near)).to_string().contains("hunter2"));
        let near = "syntax near 'CREATE USER x IDENTIFIED BY 'other2'' at line 1";
        assert!(!from_wire(&config("hunter2"), server(1064, near)).to_string().contains("other2"));
        assert!(!from_wire(&config(""), server(1064, "a\u{1b}[31mb\nc")).to_string().contains('\u{1b}'));
    }
}
