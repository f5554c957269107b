//! Session variables: what clients ask for when they connect, and the few that have an effect.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::SqlError;
use super::statement::Literal;
use crate::abilities::{Abilities, Ability};

/// Longest `query_timeout` (StarRocks: 259200 s).
const MAX_QUERY_TIMEOUT: u64 = 259_200;
/// Lets INSERT OVERWRITE replace only the partitions that get rows.
const DYNAMIC_OVERWRITE: &str = "dynamic_overwrite";
/// Most variables that a session may add to those that are there.
const MAX_VARIABLES: usize = 10_000;

/// Variables that a new session has (StarRocks: `SHOW VARIABLES`, those that clients read).
const DEFAULTS: [(&str, &str); 47] = [
    ("auto_increment_increment", "1"),
    ("autocommit", "true"),
    ("big_query_profile_threshold", "0s"),
    ("character_set_client", "utf8mb4"),
    ("character_set_connection", "utf8mb4"),
    ("character_set_database", "utf8mb4"),
    ("character_set_results", "utf8mb4"),
    ("character_set_server", "utf8mb4"),
    ("character_set_system", "utf8"),
    ("collation_connection", "utf8mb4_general_ci"),
    ("collation_database", "utf8mb4_general_ci"),
    ("collation_server", "utf8mb4_general_ci"),
    ("div_precision_increment", "4"),
    ("enable_insert_strict", "true"),
    ("exec_mem_limit", "2147483648"),
    ("group_concat_max_len", "65535"),
    ("have_query_cache", "NO"),
    ("init_connect", ""),
    ("insert_max_filter_ratio", "0"),
    ("insert_timeout", "14400"),
    ("interactive_timeout", "3600"),
    ("language", "/starrocks/share/english/"),
    ("license", "Apache License 2.0"),
    ("lower_case_table_names", "0"),
    ("max_allowed_packet", "67108864"),
    ("net_buffer_length", "16384"),
    ("net_read_timeout", "60"),
    ("net_write_timeout", "60"),
    ("performance_schema", "false"),
    ("port", "9030"),
    ("protocol_version", "10"),
    ("query_cache_size", "1048576"),
    ("query_cache_type", "0"),
    ("query_timeout", "300"),
    ("socket", ""),
    ("sql_auto_is_null", "false"),
    ("sql_mode", "ONLY_FULL_GROUP_BY"),
    ("sql_safe_updates", "0"),
    ("sql_select_limit", "9223372036854775807"),
    ("system_time_zone", "UTC"),
    ("time_zone", "UTC"),
    ("transaction_isolation", "REPEATABLE-READ"),
    ("transaction_read_only", "false"),
    ("tx_isolation", "REPEATABLE-READ"),
    ("tx_read_only", "false"),
    ("version", crate::mysql::SERVER_VERSION),
    ("wait_timeout", "28800"),
];

/// The variables of one session.
#[derive(Debug, Clone)]
pub(crate) struct Variables {
    values: BTreeMap<String, String>,
}

impl Variables {
    /// The defaults of the StarRocks version that is emulated, such as `3.5.2`, with what it can do.
    pub(crate) fn new(version: &str, abilities: Abilities) -> Self {
        let mut values: BTreeMap<String, String> =
            DEFAULTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if abilities.has(Ability::DynamicOverwrite) {
            values.insert(DYNAMIC_OVERWRITE.to_owned(), "false".to_owned());
        }
        values.insert("version_comment".to_owned(), format!("{version}-minirocks"));
        Self { values }
    }

    /// All of them, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .filter(|(name, _)| !name.starts_with('@'))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// SET. StarRocks has some hundred variables that steer its optimiser; what has no meaning here is kept and shown.
    pub(crate) fn set(&mut self, name: &str, value: &Literal) -> Result<(), SqlError> {
        let text = match value {
            Literal::Null => String::new(),
            Literal::Boolean(value) => value.to_string(),
            Literal::Number(text) | Literal::Text(text) | Literal::Date(text) | Literal::DateTime(text) => text.clone(),
            Literal::Double(value) => value.to_string(),
            Literal::Binary(_) => return Err(invalid(name, "bytes")),
        };
        match name {
            "query_timeout" | "insert_timeout" => {
                let seconds: Option<u64> = text.parse().ok();
                if !seconds.is_some_and(|seconds| (1..=MAX_QUERY_TIMEOUT).contains(&seconds)) {
                    return Err(invalid(name, &text));
                }
            }
            "time_zone" if time_zone(&text).is_none() => {
                return Err(SqlError::new(1298, format!("Unknown or incorrect time zone: '{text}'")));
            }
            DYNAMIC_OVERWRITE if !self.values.contains_key(DYNAMIC_OVERWRITE) => return Err(unknown(name)),
            "version" | "version_comment" | "system_time_zone" | "license" => {
                return Err(SqlError::new(1238, format!("Variable '{name}' is a read only variable")));
            }
            _ => {}
        }
        let text = match (self.values.get(name).map(String::as_str), text.to_ascii_lowercase().as_str()) {
            (Some("true" | "false"), "1" | "on") => "true".to_owned(),
            (Some("true" | "false"), "0" | "off") => "false".to_owned(),
            _ => text,
        };
        if self.values.len() >= MAX_VARIABLES && !self.values.contains_key(name) {
            return Err(SqlError::analysis("too many session variables"));
        }
        self.values.insert(name.to_owned(), text);
        Ok(())
    }

    /// The value of `@@name` or `@name` in an expression. An unset `@name` is NULL.
    pub(crate) fn literal(&self, written: &str) -> Result<Literal, SqlError> {
        let name = plain_name(written);
        let Some(value) = self.values.get(&name) else {
            if name.starts_with('@') {
                return Ok(Literal::Null);
            }
            return Err(unknown(&name));
        };
        Ok(match value.as_str() {
            "true" => Literal::Boolean(true),
            "false" => Literal::Boolean(false),
            number if number.len() < 19 && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => {
                Literal::Number(number.to_owned())
            }
            text => Literal::Text(text.to_owned()),
        })
    }

    fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// How long a query may take.
    pub(crate) fn query_timeout(&self) -> Duration {
        Duration::from_secs(self.text("query_timeout").parse().unwrap_or(300))
    }

    /// Whether INSERT OVERWRITE replaces only the partitions that get rows.
    pub(crate) fn dynamic_overwrite(&self) -> bool {
        self.text(DYNAMIC_OVERWRITE) == "true"
    }

    /// The zone of now() and of timestamps shown to the client.
    pub(crate) fn time_zone(&self) -> jiff::tz::TimeZone {
        time_zone(self.text("time_zone")).unwrap_or(jiff::tz::TimeZone::UTC)
    }
}

fn unknown(name: &str) -> SqlError {
    SqlError::new(1193, format!("Unknown system variable '{name}'"))
}

fn invalid(name: &str, value: &str) -> SqlError {
    SqlError::new(1231, format!("Variable '{name}' can't be set to the value of '{value}'"))
}

/// `UTC`, `SYSTEM` (which is UTC here), a name such as `Asia/Shanghai`, or an offset such as `+08:00`.
fn time_zone(text: &str) -> Option<jiff::tz::TimeZone> {
    if text.eq_ignore_ascii_case("utc") || text.eq_ignore_ascii_case("system") {
        return Some(jiff::tz::TimeZone::UTC);
    }
    if let Some(rest) = text.strip_prefix(['+', '-']) {
        let (hours, minutes) = rest.split_once(':')?;
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        if !(0..=14).contains(&hours) || !(0..60).contains(&minutes) {
            return None;
        }
        let seconds = hours * 3600 + minutes * 60;
        let seconds = if text.starts_with('-') { -seconds } else { seconds };
        return jiff::tz::Offset::from_seconds(seconds).ok().map(jiff::tz::TimeZone::fixed);
    }
    jiff::tz::TimeZone::get(text).ok()
}

/// A variable's name without `@@` and its scope, in lower case. A user variable keeps its `@`.
pub(crate) fn plain_name(written: &str) -> String {
    let lower = written.to_lowercase();
    let Some(system) = lower.strip_prefix("@@") else { return lower };
    for scope in ["session.", "global.", "local."] {
        if let Some(name) = system.strip_prefix(scope) {
            return name.to_owned();
        }
    }
    system.to_owned()
}
