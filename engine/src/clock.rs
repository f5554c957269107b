//! The run's clock: zone, planned time (cyctime) and business date (bizdate).

use jiff::tz::{Offset, TimeZone};

use crate::error::{Result, SynclineError};

/// The zone of a name such as `Asia/Shanghai` or an offset such as `+08:00`.
pub(crate) fn zone(name: &str) -> Result<TimeZone> {
    if let Some(offset) = offset(name) {
        return Ok(TimeZone::fixed(offset));
    }
    TimeZone::get(name).map_err(|_| {
        let error = SynclineError::new("E2001", format!("there is no time zone \"{name}\""));
        match known_zone_like(name) {
            Some(zone) => error.hint(format!("did you mean {zone}?")),
            None => error.hint("use an IANA name such as Asia/Shanghai, or an offset such as +08:00"),
        }
    })
}

/// The zone of a city (`shanghai`), or the one that is spelled most like the name.
fn known_zone_like(name: &str) -> Option<String> {
    let mut known: Vec<String> = jiff::tz::db().available().map(|zone| zone.as_str().to_owned()).collect();
    known.sort();
    let lower = name.trim().replace(' ', "_").to_lowercase();
    let of_city = known.iter().find(|zone| zone.to_lowercase().rsplit_once('/').is_some_and(|(_, city)| city == lower));
    let of_city = of_city.map(String::as_str);
    of_city.or_else(|| syncline_sql::nearest(&lower, known.iter().map(String::as_str))).map(str::to_owned)
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
        for (name, hint) in [
            ("Asia/Shanghia", "did you mean Asia/Shanghai?"),
            ("shanghai", "did you mean Asia/Shanghai?"),
            ("sao paulo", "did you mean America/Sao_Paulo?"),
            ("Middle/Earth", "use an IANA name such as Asia/Shanghai, or an offset such as +08:00"),
        ] {
            let error = zone(name).unwrap_err();
            assert!(error.is_usage() && error.to_string().ends_with(hint), "{error}");
        }
        for name in ["Asia/Shanghia", "+25:00", "+8:99", "+", ""] {
            assert!(zone(name).is_err(), "{name}");
        }
    }
}
