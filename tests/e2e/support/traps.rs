//! Rows that break naive tools, and a digest over rows that does not depend on their order.

use mysql_async::Value;

const GENDERS: [&str; 5] = ["male", "female", "unknown", "男", "女"];
const AGE_RANGES: [&str; 5] = ["0-20", "20-30", "30-40", "40-50", "50+"];
const ZODIACS: [&str; 4] = ["Aries", "白羊座", "双子座", "Leo"];
/// What naive encoders change, drop or break a line at.
const ODD: [&str; 22] = [
    "",
    "\\N",
    "NULL",
    "null",
    "it's",
    "say \"hi\"",
    "back\\slash",
    "C:\\temp\\new",
    "smile 😀",
    "a|b",
    "tab\there",
    "trailing ",
    " leading",
    "one\x01two",
    "one\x02two",
    "line\nfeed",
    "carriage\rreturn",
    "\x01",
    "crlf\r\n",
    "\0nul",
    "\u{feff}bom",
    "\\",
];

/// One row of `ods_user_info_d`: id, uid, gender, age_range, zodiac, score, created.
pub(crate) type UserRow = [Option<String>; 7];

/// The rows, the same on every machine.
pub(crate) fn users(rows: usize) -> Vec<UserRow> {
    (0..rows)
        .map(|row| {
            let gender = if row % 10 == 3 { None } else { Some(GENDERS[row * 31 % 5].to_owned()) };
            let zodiac = match row % 7 {
                0 => ODD[row / 7 % ODD.len()].to_owned(),
                1 if row % 21 == 1 => "x".repeat(300),
                _ => ZODIACS[row * 13 % 4].to_owned(),
            };
            [
                Some((row + 1).to_string()),
                Some(format!("{:016}", row * 7_919 % 1_000_003)),
                gender,
                Some(AGE_RANGES[row * 17 % 5].to_owned()),
                Some(zodiac),
                Some(format!("{}{}.{:02}", if row % 9 == 4 { "-" } else { "" }, row * 7_919 % 1_000, row % 100)),
                Some(format!("2024-08-{:02} {:02}:{:02}:07", 1 + row % 28, row % 24, row % 60)),
            ]
        })
        .collect()
}

/// Rows as bound parameters.
pub(crate) fn values(rows: &[UserRow]) -> Vec<Vec<Value>> {
    let value = |field: &Option<String>| field.as_ref().map_or(Value::NULL, |text| Value::Bytes(text.clone().into()));
    rows.iter().map(|row| row.iter().map(value).collect()).collect()
}

/// A sum of hashes of rows: the same for the same rows in any order, NULL unlike every text.
pub(crate) fn digest<'a>(rows: impl IntoIterator<Item = &'a [Option<String>]>) -> (u64, u64) {
    let mut sum = 0_u64;
    let mut count = 0;
    for row in rows {
        // FNV-1a over tagged, length-prefixed fields: not for secrets, but two different rows do not meet by accident
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut feed = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        for field in row {
            match field {
                None => feed(0),
                Some(text) => {
                    feed(1);
                    text.len().to_le_bytes().into_iter().for_each(&mut feed);
                    text.bytes().for_each(&mut feed);
                }
            }
        }
        sum = sum.wrapping_add(hash);
        count += 1;
    }
    (count, sum)
}

/// The fields of a row that a MySQL client read as text.
pub(crate) fn fields(row: mysql_async::Row) -> Vec<Option<String>> {
    row.unwrap()
        .into_iter()
        .map(|value| match value {
            Value::NULL => None,
            Value::Bytes(bytes) => Some(String::from_utf8(bytes).unwrap()),
            other => Some(other.as_sql(true).trim_matches('\'').to_owned()),
        })
        .collect()
}
