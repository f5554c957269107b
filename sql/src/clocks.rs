//! The two clocks of a run: the planned time (cyctime) and the business date (bizdate), the day before.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::error::{ErrorCode, SqlError};
use crate::parameters::{Parameters, evaluate_parameter};

/// Planned time and business date of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clocks {
    /// The business date.
    pub bizdate: Date,
    /// The planned time, in the run's zone.
    pub cyctime: DateTime,
    /// The run's zone.
    pub timezone: TimeZone,
}

impl Clocks {
    /// Sets the clocks from the options `--bizdate` and `--cyctime`.
    ///
    /// Neither: cyctime is `now` in the zone, to the second, and bizdate its date less one day. cyctime alone: bizdate is its date less one
    /// day. bizdate alone: cyctime is the day after at 00:00:00. Both: as given. A cyctime of a time of day only, such as `02:30:00`, is at that
    /// time of the day after the business date, and without one of today. A bizdate that is an expression, such as the `$[yyyymmdd-1]` of
    /// DataWorks's nodes, is that of the planned time.
    ///
    /// # Errors
    /// [`ErrorCode::ParameterValue`] for a text that is no date or time.
    pub fn new(
        bizdate: Option<&str>,
        cyctime: Option<&str>,
        timezone: TimeZone,
        now: Timestamp,
    ) -> Result<Self, SqlError> {
        let expression = bizdate.filter(|text| text.contains('$'));
        if let Some(expression) = expression {
            let planned = Self::new(None, cyctime, timezone, now)?;
            let bizdate = parse_bizdate(&evaluate_parameter(expression, &Parameters::new(planned.clone()))?)?;
            return Ok(Self { bizdate, ..planned });
        }
        let bizdate = bizdate.map(parse_bizdate).transpose()?;
        let time_of_day = cyctime.and_then(parse_time_of_day);
        let cyctime = match (bizdate, cyctime, time_of_day) {
            (Some(bizdate), _, Some(time)) => day_after(bizdate)?.to_datetime(time),
            (None, _, Some(time)) => timezone.to_datetime(now).date().to_datetime(time),
            (_, Some(cyctime), None) => parse_cyctime(cyctime)?,
            (Some(bizdate), None, None) => day_after(bizdate)?.to_datetime(Time::midnight()),
            (None, None, None) => whole_second(timezone.to_datetime(now)),
        };
        let bizdate = match bizdate {
            Some(bizdate) => bizdate,
            None => day_before(cyctime.date())?,
        };
        Ok(Self { bizdate, cyctime, timezone })
    }

    /// `yyyymmdd` of the business date.
    pub fn bizdate_text(&self) -> String {
        self.bizdate.strftime("%Y%m%d").to_string()
    }

    /// `yyyymmddhh24miss` of the planned time.
    pub fn cyctime_text(&self) -> String {
        self.cyctime.strftime("%Y%m%d%H%M%S").to_string()
    }

    /// The value of a built-in name, without its `$`: DataWorks's `bizdate`, `cyctime`, `gmtdate` and `bizmonth`, and the older
    /// `bdp.system.bizdate` and `bdp.system.cyctime`.
    pub fn builtin(&self, name: &str) -> Option<String> {
        match name {
            "bizdate" | "bdp.system.bizdate" => Some(self.bizdate_text()),
            "cyctime" | "bdp.system.cyctime" => Some(self.cyctime_text()),
            "gmtdate" => Some(self.cyctime.strftime("%Y%m%d").to_string()),
            "bizmonth" => self.bizmonth(),
            _ => None,
        }
    }

    /// The names that [`builtin`](Self::builtin) knows.
    pub const BUILTINS: &[&str] =
        &["bizdate", "cyctime", "gmtdate", "bizmonth", "bdp.system.bizdate", "bdp.system.cyctime"];

    /// The business date's month, or the month before if that is cyctime's month (DataWorks: "Supported formats of scheduling parameters").
    fn bizmonth(&self) -> Option<String> {
        let same = (self.bizdate.year(), self.bizdate.month()) == (self.cyctime.year(), self.cyctime.month());
        let month = if same { self.bizdate.first_of_month().yesterday().ok()? } else { self.bizdate };
        Some(month.strftime("%Y%m").to_string())
    }
}

/// Reads `YYYYMMDD` or `YYYY-MM-DD`.
///
/// # Errors
/// [`ErrorCode::ParameterValue`] for anything else, and for days that do not exist.
pub fn parse_bizdate(text: &str) -> Result<Date, SqlError> {
    let shape = shape(text);
    let format = match shape.as_str() {
        "dddddddd" => "%Y%m%d",
        "dddd-dd-dd" => "%Y-%m-%d",
        _ => return Err(bad_clock("bizdate", text, "YYYYMMDD or YYYY-MM-DD")),
    };
    Date::strptime(format, text).map_err(|_| bad_clock("bizdate", text, "YYYYMMDD or YYYY-MM-DD"))
}

/// Reads `YYYYMMDDHHMMSS`, `YYYY-MM-DD HH:MM:SS` or `YYYY-MM-DDTHH:MM:SS`.
///
/// # Errors
/// [`ErrorCode::ParameterValue`] for anything else, and for times that do not exist.
pub fn parse_cyctime(text: &str) -> Result<DateTime, SqlError> {
    let formats = "YYYYMMDDHHMMSS, YYYY-MM-DD HH:MM:SS, or a time of day as HH:MM:SS";
    let shape = shape(text);
    let format = match shape.as_str() {
        "dddddddddddddd" => "%Y%m%d%H%M%S",
        "dddd-dd-dd dd:dd:dd" => "%Y-%m-%d %H:%M:%S",
        "dddd-dd-ddTdd:dd:dd" => "%Y-%m-%dT%H:%M:%S",
        _ => return Err(bad_clock("cyctime", text, formats)),
    };
    // strptime reads second 60 as 59
    if text.ends_with("60") {
        return Err(bad_clock("cyctime", text, formats));
    }
    DateTime::strptime(format, text).map_err(|_| bad_clock("cyctime", text, formats))
}

/// Reads `HH:MM:SS` or `HH:MM`; None for anything else.
pub fn parse_time_of_day(text: &str) -> Option<Time> {
    let format = match shape(text).as_str() {
        "dd:dd:dd" if !text.ends_with("60") => "%H:%M:%S",
        "dd:dd" => "%H:%M",
        _ => return None,
    };
    Time::strptime(format, text).ok()
}

/// Digits as `d`, so that a format is chosen by the text's form and nothing of another form passes.
fn shape(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect()
}

fn bad_clock(name: &str, text: &str, formats: &str) -> SqlError {
    let shown = crate::render::escape_control(text);
    let error = SqlError::new(ErrorCode::ParameterValue, format!("{name} '{shown}' is no valid value"));
    match text.contains("..") {
        true => error.hint(format!("write {formats}; only syncline run takes a range of days")),
        false => error.hint(format!("write {formats}")),
    }
}

fn day_before(date: Date) -> Result<Date, SqlError> {
    date.yesterday().map_err(|_| bad_clock("bizdate", &date.to_string(), "a later date"))
}

fn day_after(date: Date) -> Result<Date, SqlError> {
    date.tomorrow().map_err(|_| bad_clock("bizdate", &date.to_string(), "an earlier date"))
}

fn whole_second(time: DateTime) -> DateTime {
    time.checked_sub(i64::from(time.subsec_nanosecond()).nanoseconds()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clocks(bizdate: Option<&str>, cyctime: Option<&str>) -> (String, String) {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        // 2024-08-08 00:30:00.5 in +08
        let now: Timestamp = "2024-08-07T16:30:00.5Z".parse().unwrap();
        let clocks = Clocks::new(bizdate, cyctime, zone, now).unwrap();
        (clocks.bizdate_text(), clocks.cyctime_text())
    }

    #[test]
    fn each_clock_follows_from_the_other() {
        for (bizdate, cyctime, expected) in [
            (None, None, ("20240807", "20240808003000")),
            (None, Some("2024-03-01 02:03:04"), ("20240229", "20240301020304")),
            (None, Some("2024-03-01T02:03:04"), ("20240229", "20240301020304")),
            (None, Some("20240301020304"), ("20240229", "20240301020304")),
            (Some("20241231"), None, ("20241231", "20250101000000")),
            (Some("2024-12-31"), None, ("20241231", "20250101000000")),
            (Some("20200101"), Some("20240301020304"), ("20200101", "20240301020304")),
            (Some("20241231"), Some("02:30:00"), ("20241231", "20250101023000")),
            (Some("20241231"), Some("02:30"), ("20241231", "20250101023000")),
            (None, Some("02:30:00"), ("20240807", "20240808023000")),
            (Some("$[yyyymmdd-2]"), Some("02:30:00"), ("20240806", "20240808023000")),
        ] {
            let (biz, cyc) = clocks(bizdate, cyctime);
            assert_eq!((biz.as_str(), cyc.as_str()), expected, "{bizdate:?} {cyctime:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_date_or_time_is_refused() {
        for text in ["", "2024-8-7", "20240230", "202408077", "07.08.2024", "20240807 ", "２０２４０８０７", "$bizdate"]
        {
            assert_eq!(parse_bizdate(text).unwrap_err().code, ErrorCode::ParameterValue, "{text}");
        }
        for text in ["24:00:00", "1:00:00", "00:00:60", "0030"] {
            assert_eq!(parse_time_of_day(text), None, "{text}");
        }
        let range = parse_bizdate("20240801..20240807").unwrap_err();
        assert!(range.to_string().contains("only syncline run takes a range"), "{range}");
        for text in
            ["20240807", "2024-08-07 25:00:00", "2024-08-07 00:00:60", "2024-08-07 00:00", "2024-08-07 00:00:00Z"]
        {
            assert_eq!(parse_cyctime(text).unwrap_err().code, ErrorCode::ParameterValue, "{text}");
        }
    }

    #[test]
    fn built_ins_are_those_of_dataworks() {
        for (cyctime, name, value) in [
            ("20251101023045", "bizdate", "20251031"),
            ("20251101023045", "cyctime", "20251101023045"),
            ("20251101000000", "gmtdate", "20251101"),
            ("20251101000000", "bizmonth", "202510"),
            ("20251103000000", "bizmonth", "202510"),
            ("20250115000000", "bizmonth", "202412"),
            ("20251101023045", "bdp.system.bizdate", "20251031"),
        ] {
            let clocks = Clocks::new(None, Some(cyctime), TimeZone::UTC, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(clocks.builtin(name).as_deref(), Some(value), "{name} at {cyctime}");
        }
    }

    #[test]
    fn the_days_are_those_of_the_zone_also_where_clocks_change() {
        // (zone, now, cyctime, bizdate)
        for (zone, now, cyctime, bizdate) in [
            // one moment, three days
            ("Asia/Shanghai", "2024-08-07T16:30:00Z", "20240808003000", "20240807"),
            ("UTC", "2024-08-07T16:30:00Z", "20240807163000", "20240806"),
            ("Pacific/Kiritimati", "2024-08-07T16:30:00Z", "20240808063000", "20240807"),
            // no midnight: at 00:00 the clock showed 01:00
            ("America/Sao_Paulo", "2018-11-04T02:59:59Z", "20181103235959", "20181102"),
            ("America/Sao_Paulo", "2018-11-04T03:00:00Z", "20181104010000", "20181103"),
            ("Asia/Beirut", "2021-03-27T22:00:00Z", "20210328010000", "20210327"),
            // 01:30 twice
            ("America/New_York", "2024-11-03T05:30:00Z", "20241103013000", "20241102"),
            ("America/New_York", "2024-11-03T06:30:00Z", "20241103013000", "20241102"),
            // a day that never was: Samoa went from the 29th to the 31st
            ("Pacific/Apia", "2011-12-30T10:00:00Z", "20111231000000", "20111230"),
        ] {
            let clocks = Clocks::new(None, None, TimeZone::get(zone).unwrap(), now.parse().unwrap()).unwrap();
            assert_eq!(
                (clocks.cyctime_text().as_str(), clocks.bizdate_text().as_str()),
                (cyctime, bizdate),
                "{zone} {now}"
            );
        }
    }
}
