//! The run's clock: zone, planned time (cyctime) and business date (bizdate).

use jiff::tz::{Offset, TimeZone};

use crate::error::{Result, SynclineError};

/// The zone of a name such as `Asia/Shanghai` or an offset such as `+08:00`.
pub(crate) fn zone(name: &str) -> Result<TimeZone> {
    if let Some(offset) = offset(name) {
        return Ok(TimeZone::fixed(offset));
    }
    TimeZone::get(name).map_err(|_| {
        SynclineError::new("E2001", format!("there is no time zone \"{name}\""))
            .hint("use an IANA name such as Asia/Shanghai, or an offset such as +08:00")
    })
}

fn offset(name: &str) -> Option<Offset> {
    let sign = match name.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = name[1..].split_once(':').unwrap_or((&name[1..], "0"));
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 14 && minutes < 60).then(|| Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_name_or_an_offset() {
        let at = |name: &str| zone(name).unwrap().to_offset(jiff::Timestamp::UNIX_EPOCH).seconds();
        assert_eq!(at("Asia/Shanghai"), 8 * 3600);
        assert_eq!(at("+08:00"), 8 * 3600);
        assert_eq!(at("-03:30"), -(3 * 3600 + 30 * 60));
        assert_eq!(at("UTC"), 0);
        for name in ["Asia/Shanghia", "+25:00", "+8:99", "+", ""] {
            assert!(zone(name).is_err(), "{name}");
        }
    }
}
