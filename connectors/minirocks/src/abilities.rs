//! What a version of StarRocks can do. [`ServerConfig::emulate_version`](crate::ServerConfig::emulate_version) chooses the
//! version; what it lacks is answered as that version answers it.
//!
//! Numbers are those of StarRocks's documentation and of the labels of its pull requests; none was tried on a live server.

/// A version such as 3.5.2. Parts that are not written are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

impl Version {
    /// A version by its numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// Reads `3`, `3.5`, `3.5.2`, with anything behind the numbers (`3.5.2-4f2a`); `None` if it begins with no number.
    pub fn parse(text: &str) -> Option<Self> {
        let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        let mut parts = numbers.split('.');
        let major = parts.next()?.parse().ok()?;
        let mut rest = || parts.next().map_or(Some(0), |part| part.parse().ok());
        Some(Self::new(major, rest()?, rest()?))
    }
}

/// Something that StarRocks did not always have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// `/api/transaction/begin` and the other calls of the Stream Load transaction interface.
    TransactionInterface,
    /// The headers `enclose`, `escape`, `skip_header` and `trim_space`; before, they are ignored.
    EncloseEscape,
    /// Partitions of list partitioned tables that are made by a load: `PARTITION BY (dt)` without `LIST`.
    AutomaticListPartitions,
    /// The two characters `\t` and `\n` in `column_separator` and `row_delimiter` mean TAB and LF.
    DelimiterEscapes,
    /// The header `compression` of JSON loads; before, it is ignored.
    JsonCompression,
    /// `Db` and `Table` in the answer of a Stream Load.
    NamesInAnswer,
    /// The text `Value count does not match column count: expected = …` for a row with the wrong number of values; before, it
    /// is `… Expect 2, but got 1`.
    ExpectedActualColumnCount,
    /// The text `Target column count: …` for a row with the wrong number of values.
    TargetColumnCount,
    /// `SET dynamic_overwrite = true`.
    DynamicOverwrite,
    /// The header `prepared_timeout` of `/api/transaction/prepare`; before, it is ignored.
    PreparedTimeout,
    /// `format: arrow`.
    ArrowFormat,
}

/// From which version on.
const SINCE: [(Ability, Version); 11] = [
    (Ability::TransactionInterface, Version::new(2, 4, 0)),
    (Ability::EncloseEscape, Version::new(3, 0, 0)),
    (Ability::ExpectedActualColumnCount, Version::new(3, 0, 0)),
    (Ability::AutomaticListPartitions, Version::new(3, 1, 0)),
    (Ability::DelimiterEscapes, Version::new(3, 1, 0)),
    (Ability::JsonCompression, Version::new(3, 2, 7)),
    (Ability::NamesInAnswer, Version::new(3, 3, 0)),
    (Ability::TargetColumnCount, Version::new(3, 3, 0)),
    (Ability::DynamicOverwrite, Version::new(3, 4, 0)),
    (Ability::PreparedTimeout, Version::new(3, 5, 4)),
    (Ability::ArrowFormat, Version::new(4, 2, 0)),
];

/// What one version can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    version: Version,
}

impl Abilities {
    /// Those of a version.
    pub fn of(version: Version) -> Self {
        Self { version }
    }

    /// The version.
    pub fn version(self) -> Version {
        self.version
    }

    /// Whether the version can do this.
    pub fn has(self, ability: Ability) -> bool {
        SINCE.iter().any(|&(known, since)| known == ability && self.version >= since)
    }

    /// How the FE names the class of an exception of its own (it was renamed in 3.4).
    pub(crate) fn exception_class(self) -> &'static str {
        if self.version >= Version::new(3, 4, 0) {
            "com.starrocks.common.StarRocksException"
        } else {
            "com.starrocks.common.UserException"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_servers_print() {
        for (text, version) in [
            ("2.1", Some(Version::new(2, 1, 0))),
            ("3.5.2-4f2a", Some(Version::new(3, 5, 2))),
            ("4", Some(Version::new(4, 0, 0))),
            ("3.3.0 minirocks", Some(Version::new(3, 3, 0))),
            ("main-4f2a", None),
            ("", None),
            ("3..1", None),
            ("99999999999", None),
        ] {
            assert_eq!(Version::parse(text), version, "{text}");
        }
    }

    #[test]
    fn each_version_can_do_what_the_ones_before_it_could() {
        use Ability::*;
        for (version, lacks) in [
            ("2.1", &[TransactionInterface, EncloseEscape, AutomaticListPartitions, DynamicOverwrite, ArrowFormat][..]),
            ("2.5", &[EncloseEscape, AutomaticListPartitions, DynamicOverwrite, ArrowFormat]),
            ("3.3", &[DynamicOverwrite, PreparedTimeout, ArrowFormat]),
            ("4.2", &[]),
        ] {
            let abilities = Abilities::of(Version::parse(version).unwrap());
            for &ability in lacks {
                assert!(!abilities.has(ability), "{version} {ability:?}");
            }
            assert_eq!(
                SINCE.iter().filter(|(ability, _)| !abilities.has(*ability)).count(),
                missing(version),
                "{version}"
            );
        }
    }

    fn missing(version: &str) -> usize {
        match version {
            "2.1" => 11,
            "2.5" => 10,
            "3.3" => 3,
            _ => 0,
        }
    }
}
