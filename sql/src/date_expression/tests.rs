use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::civil::date;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::parameters::{Parameters, evaluate_parameter};

/// DataWorks's documents and tutorials: id, expression, planned time, business date, value, kind, source.
const VECTORS: &str = include_str!("vectors.tsv");

fn clocks(cyctime: &str, bizdate: Option<&str>, zone: TimeZone) -> Clocks {
    Clocks::new(bizdate, Some(cyctime), zone, Timestamp::UNIX_EPOCH).unwrap()
}

fn value(expression: &str, cyctime: &str) -> Result<String, SqlError> {
    evaluate_parameter(expression, &Parameters::new(clocks(cyctime, None, TimeZone::UTC)))
}

#[test]
fn every_vector_of_dataworks_has_its_value() {
    let mut count = 0;
    for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, expression, cyctime, bizdate, expected, ..] = fields[..] else { panic!("{line}") };
        let bizdate = (bizdate != "-").then_some(bizdate);
        let found = evaluate_parameter(expression, &Parameters::new(clocks(cyctime, bizdate, TimeZone::UTC)));
        match expected {
            "ERROR" => assert_eq!(found.unwrap_err().code, ErrorCode::ParameterValue, "{id}"),
            expected => assert_eq!(found.unwrap(), expected, "{id}: {expression}"),
        }
        count += 1;
    }
    assert_eq!(count, 50);
}

#[test]
fn formats_and_offsets_may_be_mixed_freely() {
    for (expression, expected) in [
        ("partition_${yyyymmdd}_01", "partition_20250719_01"),
        ("${yyyymm-1}", "202506"),
        ("${yyyymm+12}", "202607"),
        ("${yyyymmdd-7*2}", "20250705"),
        ("${yyyy/mm/dd}", "2025/07/19"),
        ("${yyyy年mm月dd日}", "2025年07月19日"),
        ("${yyyy-mm-dd+1}", "2025-07-20"),
        ("${yyyymmdd - 1}", "20250718"),
        ("${yyyy_mm}", "2025_07"),
        ("$[hh12]", "10"),
        ("$[yyyy-mm-dd hh24:mi:ss]", "2025-07-20 10:30:00"),
        ("$[yyyymmdd-1-1/24]", "20250719"),
        ("$[yyyymmddhh24-1-11/24]", "2025071823"),
        ("$[yyyymmddhh24mi+7*2-1/24/60]", "202508031029"),
        ("$[yyyy-15/24/60]", "2025"),
        ("$[add_months(yyyymmdd,12*1)-1/24/60]", "20260720"),
        ("$[add_months(yyyymmdd, -1) - 1]", "20250619"),
        ("$[add_months(yyyymm,12*-1)]", "202407"),
        ("$[add_months(yyyy-mm-dd,1)]", "2025-08-20"),
    ] {
        assert_eq!(value(expression, "2025-07-20 10:30:00").unwrap(), expected, "{expression}");
    }
    for (hour, expected) in [("00", "12"), ("01", "01"), ("12", "12"), ("13", "01"), ("23", "11")] {
        assert_eq!(value("$[hh]", &format!("2025-07-20 {hour}:30:00")).unwrap(), expected);
    }
}

#[test]
fn a_mistake_points_into_the_expression() {
    for (expression, message) in [
        ("${yyyymmdd-1/24}", "${yyyymmdd-1/24}, at \"-1/24\": a fraction is not allowed here; fractions of days are"),
        ("${yyyymmddhh24}", "${yyyymmddhh24}, at \"hh24\": hh24 is no part of a date; the business date has no time"),
        ("${yyyymmdd-1-1}", "${yyyymmdd-1-1}, at \"-1\": only one offset is allowed here"),
        ("${add_months(yyyymmdd,-1)}", "${add_months(yyyymmdd,-1)}, at \"add_months(yyyymmdd,-1)\": add_months is for"),
        ("$[yyyymmdd-]x", "20250720-x"),
        ("$[yyyymmdd-1/]", "$[yyyymmdd-1/], at its end: a number is missing"),
        ("$[yyyymmdd-1/0]", "$[yyyymmdd-1/0], at \"0\": nothing can be divided by 0"),
        ("$[yyyymmdd-1x]", "$[yyyymmdd-1x], at \"x\": this is no part of an offset"),
        ("$[yyyymmdd/24]", "$[yyyymmdd/24], at \"24\": 2 cannot stand in a format"),
        ("$[YYYYMMDD]", "$[YYYYMMDD], at \"YYYYMMDD\": a format is missing; write one such as yyyymmdd, in lower case"),
        ("$[]", "$[], at its end: a format is missing"),
        ("$[add_months(yyyymmdd)]", "$[add_months(yyyymmdd)], at \")\": a comma is missing"),
        ("$[add_months(yyyymmdd,-1]", "$[add_months(yyyymmdd,-1], at its end: a ) is missing"),
        ("$[add_months(yyyymmdd,-1)年]", "$[add_months(yyyymmdd,-1)年], at \"年\": a + or - is missing"),
        ("$[add_months(yyyymmdd,1/2)]", "$[add_months(yyyymmdd,1/2)], at \"1/2)\": a fraction is not allowed here"),
        ("$[yyyymmdd-99999999999999999999]", "the number is too large"),
        ("$[yyyymmdd-9999999]", "the time is outside the years 1 to 9999"),
        ("${yyyy-9999}", "the date is outside the years 1 to 9999"),
        ("$[yyyymmdd-1", "$[ without ]"),
    ] {
        let found = value(expression, "2025-07-20 10:30:00").unwrap_or_else(|error| error.to_string());
        assert!(found.contains(message), "{expression}: {found}");
    }
}

#[test]
fn hours_pass_and_days_are_days_of_the_calendar_when_clocks_are_put_forward_and_back() {
    let zone = TimeZone::get("America/New_York").unwrap();
    for (expression, cyctime, expected) in [
        // put forward at 2:00 on 10 March 2024
        ("$[yyyymmddhh24-1/24]", "2024-03-10 03:00:00", "2024031001"),
        ("$[yyyymmddhh24mi-1]", "2024-03-11 02:30:00", "202403100230"),
        ("$[yyyymmddhh24mi-24/24]", "2024-03-10 12:00:00", "202403091200"),
        // put back at 2:00 on 3 November 2024
        ("$[yyyymmddhh24-1/24]", "2024-11-03 02:00:00", "2024110301"),
        ("$[yyyymmddhh24-3/24]", "2024-11-03 03:00:00", "2024110301"),
        ("$[yyyymmddhh24+1]", "2024-11-02 03:00:00", "2024110303"),
    ] {
        let clocks = clocks(cyctime, None, zone.clone());
        let found = evaluate_parameter(expression, &Parameters::new(clocks)).unwrap();
        assert_eq!(found, expected, "{expression} at {cyctime}");
    }
}

#[test]
fn a_midnight_that_does_not_exist_and_an_hour_that_is_twice_have_neighbours() {
    for (zone, expression, cyctime, expected) in [
        // at 0:00 the clock showed 1:00: what was planned for that midnight began at 1:00
        ("America/Sao_Paulo", "$[yyyymmddhh24mi]", "2018-11-04 00:00:00", "201811040000"),
        ("America/Sao_Paulo", "$[yyyymmddhh24mi-1/24]", "2018-11-04 00:00:00", "201811032300"),
        ("America/Sao_Paulo", "$[yyyymmddhh24mi+1/24]", "2018-11-04 00:00:00", "201811040200"),
        ("America/Sao_Paulo", "$[yyyymmdd-1]", "2018-11-04 00:00:00", "20181103"),
        ("America/Sao_Paulo", "$[yyyymmddhh24mi-1]", "2018-11-05 00:00:00", "201811040000"),
        ("Asia/Beirut", "$[yyyymmddhh24mi-1/24/60]", "2021-03-28 00:00:00", "202103272359"),
        ("Asia/Beirut", "$[yyyymmddhh24-23/24]", "2021-03-29 00:00:00", "2021032801"),
        // 1:00 to 2:00 twice: the first is meant, and an hour later it is the second
        ("America/New_York", "$[yyyymmddhh24mi-1/24]", "2024-11-03 01:30:00", "202411030030"),
        ("America/New_York", "$[yyyymmddhh24mi+1/24]", "2024-11-03 01:30:00", "202411030130"),
        ("America/New_York", "$[yyyymmddhh24mi+2/24]", "2024-11-03 01:30:00", "202411030230"),
        // Samoa had no 30 December 2011
        ("Pacific/Apia", "$[yyyymmddhh24-1/24]", "2011-12-31 00:00:00", "2011122923"),
        ("Pacific/Apia", "$[yyyymmdd-1]", "2011-12-31 00:00:00", "20111230"),
    ] {
        let clocks = clocks(cyctime, None, TimeZone::get(zone).unwrap());
        let found = evaluate_parameter(expression, &Parameters::new(clocks)).unwrap();
        assert_eq!(found, expected, "{expression} at {cyctime} in {zone}");
    }
}

/// Days and seconds counted on a line of seconds, and the calendar by counting months: another way than the one that is tested.
#[test]
fn any_offset_is_what_the_calendar_says() {
    let config = Config { cases: 2000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let inputs = (
        (1970i64..2200, 1i64..=12, 1i64..=28, 0i64..86_400),
        prop::collection::vec(
            (prop::bool::ANY, 0i64..400, 1i64..4, prop::sample::select(vec![1i64, 24, 1440, 86_400])),
            0..4,
        ),
        prop::option::of(-600i64..600),
    );
    runner
        .run(&inputs, |((year, month, day, second), terms, months)| {
            let (hour, minute, left) = (second / 3600, second / 60 % 60, second % 60);
            let cyctime = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{left:02}");
            let mut expression = "yyyymmddhh24miss".to_owned();
            let (mut y, mut m, mut d) = (year, month, day);
            if let Some(months) = months {
                expression = format!("add_months({expression},{months})");
                let count = year * 12 + month - 1 + months;
                (y, m) = (count.div_euclid(12), count.rem_euclid(12) + 1);
                let leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
                let last = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][m as usize - 1];
                d = d.min(last);
            }
            let start = date(y as i16, m as i8, d as i8).to_zoned(TimeZone::UTC).unwrap().timestamp().as_second();
            let mut seconds = start + second;
            for (back, number, times, per_day) in terms {
                let sign = if back { '-' } else { '+' };
                write!(expression, "{sign}{number}*{times}/{per_day}").unwrap();
                seconds += if back { -1 } else { 1 } * number * times * 86_400 / per_day;
            }
            let expected = TimeZone::UTC.to_datetime(Timestamp::from_second(seconds).unwrap()).strftime("%Y%m%d%H%M%S");
            prop_assert_eq!(
                value(&format!("$[{expression}]"), &cyctime).unwrap(),
                expected.to_string(),
                "{}",
                expression
            );
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_text_makes_an_expression_panic() {
    let config = Config { cases: 4000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let part = prop::sample::select(vec![
        "yyyy",
        "yy",
        "mm",
        "dd",
        "hh24",
        "hh",
        "mi",
        "ss",
        "-",
        "+",
        "*",
        "/",
        "1",
        "24",
        "99999999999",
        " ",
        "年",
        ",",
        "add_months(",
        ")",
        "é",
        "_",
        "x",
    ]);
    runner
        .run(&prop::collection::vec(part, 0..8), |parts| {
            let body = parts.concat();
            for text in [format!("$[{body}]"), format!("${{{body}}}")] {
                let _value_or_error = value(&text, "2025-07-20 10:30:00");
            }
            Ok(())
        })
        .unwrap();
}
