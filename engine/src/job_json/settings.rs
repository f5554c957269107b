//! `setting` of a job: how many channels, how fast, how many rejects.
//!
//! The rules are those of DataWorks's settings reference and of DataX's `JobContainer.adjustChannelNumber` and `ErrorRecordChecker`.

use super::model::Form;
use super::notes::Notes;
use super::parameters::Parameters;
use crate::error::Result;

/// The most connections and writers that a statement may have (`max_connections`).
const MOST_CONNECTIONS: u64 = 64;
/// Connections of a read unless more are asked for (`read_connections`).
const USUAL_READ_CONNECTIONS: u64 = 4;
/// Channels of a DataWorks job that names none.
const USUAL_CHANNELS: u64 = 3;

/// No row may be left out, whatever a catalog allows.
pub(crate) const NO_REJECTS: (&str, &str) = ("error_limit", "0");
/// Any number of rows may be left out.
const ANY_REJECTS: (&str, &str) = ("error_limit", "100%");

/// What the settings of a job come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Setting {
    /// `SET syncline.NAME = 'value'`, in order, without quotes.
    pub(crate) set: Vec<(&'static str, String)>,
    /// Channels of the job, which some readers multiply by.
    pub(crate) channels: u64,
    /// Whether nothing is to be run.
    pub(crate) dry_run: bool,
}

/// Reads `setting`, and `core`, which a DataX job may bring along.
pub(crate) fn read(
    form: Form,
    setting: &Parameters<'_>,
    core: Option<&Parameters<'_>>,
    notes: &mut Notes,
) -> Result<Setting> {
    let mut read = Setting { channels: 1, ..Setting::default() };
    let per_channel = core.map_or_else(|| Ok(PerChannel::default()), |core| PerChannel::read(core, notes))?;
    if let Some(speed) = setting.object("speed")? {
        read_speed(form, &speed, &per_channel, &mut read, notes)?;
        speed.finish(notes);
    } else if form == Form::DataWorks {
        read.channels = USUAL_CHANNELS;
    }
    read_error_limit(form, setting, &mut read, notes)?;
    read.dry_run = setting.flag("dryRun")?.unwrap_or(false);
    setting.ignore("executeMode", "one process does the work of several machines here", notes);
    setting.ignore("failoverEnable", "a run that was cut off is finished by syncline run --resume RUN_ID", notes);
    for key in ["jvmOption", "jvmMemory"] {
        setting.ignore(key, "there is no Java machine to give memory to", notes);
    }
    if let Some(common) = setting.object("common")? {
        if let Some(column) = common.object("column")? {
            let zone = "run it with --timezone, or give a catalog the property timezone";
            column.ignore("timeZone", zone, notes);
            for key in ["encoding", "dateFormat", "timeFormat", "datetimeFormat", "extraFormats"] {
                column.ignore(key, "dates and texts have one form here, yyyy-MM-dd HH:mm:ss and UTF-8; date_format() in the SELECT gives others", notes);
            }
            column.finish(notes);
        }
        common.finish(notes);
    }
    // the language of the console's log
    setting.skip(&["locale"]);
    setting.finish(notes);
    Ok(read)
}

/// Limits of one channel, which DataX multiplies.
#[derive(Debug, Default)]
struct PerChannel {
    bytes: Option<u64>,
    records: Option<u64>,
}

impl PerChannel {
    /// `core.transport.channel.speed`.
    fn read(core: &Parameters<'_>, notes: &mut Notes) -> Result<Self> {
        let mut found = Self::default();
        if let Some(transport) = core.object("transport")? {
            if let Some(channel) = transport.object("channel")? {
                if let Some(speed) = channel.object("speed")? {
                    found = Self {
                        bytes: speed.number("byte")?.filter(|n| *n > 0),
                        records: speed.number("record")?.filter(|n| *n > 0),
                    };
                    speed.finish(notes);
                }
                for key in ["class", "capacity", "byteCapacity", "flowControlInterval"] {
                    channel.ignore(
                        key,
                        "how much is held between reader and writer follows from the memory that there is",
                        notes,
                    );
                }
                channel.finish(notes);
            }
            transport.ignore(
                "exchanger",
                "how much is held between reader and writer follows from the memory that there is",
                notes,
            );
            transport.finish(notes);
        }
        for key in ["container", "dataXServer", "statistics"] {
            core.ignore(key, "it is about DataX's own process", notes);
        }
        core.finish(notes);
        Ok(found)
    }
}

fn read_speed(
    form: Form,
    speed: &Parameters<'_>,
    per_channel: &PerChannel,
    read: &mut Setting,
    notes: &mut Notes,
) -> Result<()> {
    let concurrent = speed.number("concurrent")?.filter(|number| *number > 0);
    let channel = speed.number("channel")?.filter(|number| *number > 0);
    let byte = speed.number("byte")?.filter(|number| *number > 0);
    let record = speed.number("record")?.filter(|number| *number > 0);
    let throttle = speed.flag("throttle")?;
    let mbps = speed.number("mbps")?.filter(|number| *number > 0);
    let by_limit = |limit: Option<u64>, each: Option<u64>| Some((limit? / each?).max(1));
    let of_bytes = by_limit(byte, per_channel.bytes);
    let of_records = by_limit(record, per_channel.records);
    let channels = match (of_bytes, of_records) {
        (Some(bytes), Some(records)) => Some(bytes.min(records)),
        (one, other) => one.or(other).or(concurrent).or(channel),
    };
    read.channels = channels.unwrap_or(if form == Form::DataWorks { USUAL_CHANNELS } else { 1 });
    if let Some(channels) = channels {
        let most = channels.min(MOST_CONNECTIONS);
        if channels > MOST_CONNECTIONS {
            notes.warn(format!(
                "{channels} channels become {MOST_CONNECTIONS} connections, the most that a statement has"
            ));
        }
        read.set.push(("max_connections", most.to_string()));
        if most > USUAL_READ_CONNECTIONS {
            read.set.push(("read_connections", most.to_string()));
        }
    }
    // the job's own limit, else what all channels may take together
    let together = |each: Option<u64>| each.and_then(|each| each.checked_mul(channels?));
    let bytes_per_second = match (throttle, mbps) {
        (Some(false), _) => None,
        (_, Some(mbps)) => mbps.checked_mul(1 << 20),
        (Some(true), None) => {
            notes.warn(format!("{} is on and says no mbps, so that nothing is limited", speed.path_of("throttle")));
            None
        }
        (None, None) => None,
    };
    if let Some(bytes) = bytes_per_second.or(byte).or_else(|| together(per_channel.bytes)) {
        read.set.push(("max_bytes_per_second", size(bytes)));
    }
    if let Some(rows) = record.or_else(|| together(per_channel.records)) {
        read.set.push(("max_rows_per_second", rows.to_string()));
    }
    Ok(())
}

/// `10MB`, in powers of 1024.
fn size(bytes: u64) -> String {
    [(30, "GB"), (20, "MB"), (10, "KB")]
        .into_iter()
        .find(|(power, _)| bytes.is_multiple_of(1 << power))
        .map_or_else(|| bytes.to_string(), |(power, unit)| format!("{}{unit}", bytes >> power))
}

fn read_error_limit(form: Form, setting: &Parameters<'_>, read: &mut Setting, notes: &mut Notes) -> Result<()> {
    let put = |read: &mut Setting, (name, value): (&'static str, &str)| read.set.push((name, value.to_owned()));
    let Some(limit) = setting.object("errorLimit")? else {
        if form == Form::DataX {
            put(read, ANY_REJECTS);
            notes.warn("the job has no errorLimit, which allows any number of rejects in DataX; delete error_limit to allow none");
        }
        return Ok(());
    };
    let record = limit.number("record")?;
    let percentage = limit.text_if_any("percentage")?;
    let strategy = limit.text_if_any("strategy")?.unwrap_or_default();
    match strategy.to_ascii_lowercase().as_str() {
        "zerotolerance" => put(read, NO_REJECTS),
        "ignore" => put(read, ANY_REJECTS),
        "tolerance" | "" => match (record, percentage) {
            // as in DataX, a number of records wins
            (Some(record), _) => read.set.push(("error_limit", record.to_string())),
            (None, Some(text)) => match text.parse::<f64>() {
                Ok(0.0) => put(read, NO_REJECTS),
                Ok(part) if (0.0..=1.0).contains(&part) => read.set.push(("error_limit", percent(part))),
                _ => return Err(limit.wrong("percentage", "a part from 0 to 1 is expected, such as 0.02")),
            },
            (None, None) if form == Form::DataX => {
                put(read, ANY_REJECTS);
                notes.warn("errorLimit has neither record nor percentage, which allows any number of rejects in DataX; delete error_limit to allow none");
            }
            (None, None) => {}
        },
        _ => return Err(limit.wrong("strategy", "is one of ZeroTolerance, Tolerance and Ignore")),
    }
    limit.finish(notes);
    Ok(())
}

/// `2%` of 0.02, without what binary fractions add.
fn percent(part: f64) -> String {
    let text = format!("{:.10}", part * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    fn settings(form: Form, setting: &str, core: &str) -> (Vec<String>, u64) {
        let object = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let (setting, core) = (object(setting), object(core));
        let mut notes = Notes::default();
        let core = Parameters::new("core", &core);
        let read = read(form, &Parameters::new("setting", &setting), Some(&core), &mut notes).unwrap();
        (read.set.iter().map(|(name, value)| format!("{name}={value}")).collect(), read.channels)
    }

    #[test]
    fn speed_is_channels_and_limits() {
        let of = |setting: &str, core: &str| settings(Form::DataWorks, setting, core);
        for (setting, core, expected, channels) in [
            (r#"{"speed": {"throttle": false, "concurrent": 2}}"#, "{}", vec!["max_connections=2"], 2),
            (
                r#"{"speed": {"throttle": "true", "concurrent": "8", "mbps": "10"}}"#,
                "{}",
                vec!["max_connections=8", "read_connections=8", "max_bytes_per_second=10MB"],
                8,
            ),
            (r#"{"speed": {"throttle": false, "mbps": 10}}"#, "{}", vec![], 3),
            (
                r#"{"speed": {"byte": 4194304, "channel": 9}}"#,
                r#"{"transport": {"channel": {"speed": {"byte": 1048576}}}}"#,
                vec!["max_connections=4", "max_bytes_per_second=4MB"],
                4,
            ),
            (
                r#"{"speed": {"byte": 4194304, "record": 3000}}"#,
                r#"{"transport": {"channel": {"speed": {"byte": 1048576, "record": 1000}}}}"#,
                vec!["max_connections=3", "max_bytes_per_second=4MB", "max_rows_per_second=3000"],
                3,
            ),
            (
                r#"{"speed": {"channel": 2}}"#,
                r#"{"transport": {"channel": {"speed": {"record": 1000, "byte": -1}}}}"#,
                vec!["max_connections=2", "max_rows_per_second=2000"],
                2,
            ),
            (r#"{"speed": {"channel": 100}}"#, "{}", vec!["max_connections=64", "read_connections=64"], 100),
        ] {
            assert_eq!(of(setting, core), (expected.into_iter().map(str::to_owned).collect(), channels), "{setting}");
        }
    }

    #[test]
    fn an_error_limit_is_a_number_a_part_or_a_strategy() {
        let of = |form: Form, limit: &str| settings(form, &format!("{{\"errorLimit\": {limit}}}"), "{}").0;
        let any = vec!["error_limit=100%".to_owned()];
        let none = vec!["error_limit=0".to_owned()];
        for (limit, expected) in [
            (r#"{"record": "0"}"#, none.clone()),
            (r#"{"record": 0}"#, none.clone()),
            (r#"{"percentage": 0}"#, none.clone()),
            (r#"{"record": "10", "percentage": 0.5}"#, vec!["error_limit=10".to_owned()]),
            (r#"{"percentage": "0.02"}"#, vec!["error_limit=2%".to_owned()]),
            (r#"{"percentage": 0.07}"#, vec!["error_limit=7%".to_owned()]),
            (r#"{"strategy": "ZeroTolerance", "record": 5}"#, none.clone()),
            (r#"{"strategy": "Tolerance", "record": 5}"#, vec!["error_limit=5".to_owned()]),
            (r#"{"strategy": "Ignore"}"#, any.clone()),
        ] {
            assert_eq!(of(Form::DataWorks, limit), expected, "{limit}");
        }
        assert_eq!(of(Form::DataWorks, "{}"), Vec::<String>::new());
        assert_eq!(of(Form::DataX, "{}"), any);
        assert_eq!(settings(Form::DataX, "{}", "{}").0, any);
        assert_eq!(settings(Form::DataWorks, "{}", "{}").0, Vec::<String>::new());
    }
}
