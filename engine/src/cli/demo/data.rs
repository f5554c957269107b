//! Data of the demo: users and access log lines like those of the tutorial, the same on every machine.

use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

const GENDERS: [&str; 3] = ["male", "female", "unknown"];
const AGE_RANGES: [&str; 5] = ["0-20", "20-30", "30-40", "40-50", "50+"];
const ZODIACS: [&str; 12] = [
    "Aries",
    "Taurus",
    "Gemini",
    "Cancer",
    "Leo",
    "Virgo",
    "Libra",
    "Scorpio",
    "Sagittarius",
    "Capricorn",
    "Aquarius",
    "Pisces",
];
const PAGES: [&str; 5] = ["/", "/login", "/articles", "/cart", "/search?q=syncline"];
const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15",
    "curl/8.9.1",
];

/// The table `ods_user_info_d` of the source database.
pub(super) fn users(rows: usize) -> Result<RecordBatch, ArrowError> {
    let text = |values: Vec<String>| Arc::new(StringArray::from(values));
    let pick =
        |values: &[&str], step: usize| (0..rows).map(|row| values[row * step % values.len()].to_owned()).collect();
    RecordBatch::try_new(
        Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("uid", DataType::Utf8, false),
            Field::new("gender", DataType::Utf8, false),
            Field::new("age_range", DataType::Utf8, false),
            Field::new("zodiac", DataType::Utf8, false),
        ])),
        vec![
            Arc::new(Int64Array::from_iter_values(1..=rows as i64)),
            text((0..rows).map(|row| format!("{:016}", row * 7_919 % 1_000_003)).collect()),
            text(pick(&GENDERS, 31)),
            text(pick(&AGE_RANGES, 17)),
            text(pick(&ZODIACS, 13)),
        ],
    )
}

/// The file `user_log.txt`: one access per line, `ip##@@user##@@time##@@request##@@status##@@bytes##@@referer##@@agent`.
pub(super) fn user_log(lines: usize) -> String {
    let mut log = String::with_capacity(lines * 200);
    for line in 0..lines {
        let second = line % 86_400;
        log.push_str(&format!(
            "{}.{}.{}.{}##@@{:016}##@@2024-08-07 {:02}:{:02}:{:02}##@@GET {} HTTP/1.1##@@{}##@@{}##@@-##@@{}\n",
            10 + line % 200,
            line / 200 % 256,
            line * 7 % 256,
            1 + line % 254,
            line * 7_919 % 1_000_003,
            second / 3_600,
            second / 60 % 60,
            second % 60,
            PAGES[line * 3 % PAGES.len()],
            if line % 50 == 49 { 404 } else { 200 },
            500 + line * 37 % 20_000,
            AGENTS[line % AGENTS.len()],
        ));
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_has_the_size_asked_for() {
        assert_eq!(users(100).unwrap().num_rows(), 100);
        assert_eq!(user_log(50).lines().count(), 50);
    }
}
