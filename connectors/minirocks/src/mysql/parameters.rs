//! Parameters of COM_STMT_EXECUTE: typed values from the binary protocol.

use std::collections::HashMap;

use super::packet::Fields;
use super::response::type_code;
use crate::sql::{Literal, SqlError};

/// The type that a client declares for a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ParameterType {
    code: u8,
    unsigned: bool,
}

/// Reads `count` values. `types` are kept between executions, because clients send them only with the first; values sent
/// before by COM_STMT_SEND_LONG_DATA are in `long_data`.
pub(crate) fn read_parameters(
    mut fields: Fields<'_>,
    count: usize,
    types: &mut Vec<ParameterType>,
    long_data: &HashMap<u16, Vec<u8>>,
) -> Result<Vec<Literal>, SqlError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let malformed = || SqlError::new(1835, "Malformed communication packet.");
    let nulls = fields.bytes(count.div_ceil(8)).ok_or_else(malformed)?;
    if fields.byte().ok_or_else(malformed)? == 1 {
        types.clear();
        for _ in 0..count {
            let [code, flags] = fields.array().ok_or_else(malformed)?;
            types.push(ParameterType { code, unsigned: flags & 0x80 != 0 });
        }
    }
    if types.len() != count {
        return Err(malformed());
    }
    let mut values = Vec::with_capacity(count);
    for (index, parameter) in types.iter().enumerate() {
        let value = if let Some(data) = u16::try_from(index).ok().and_then(|index| long_data.get(&index)) {
            text_or_bytes(data)
        } else if nulls[index / 8] >> (index % 8) & 1 == 1 {
            Literal::Null
        } else {
            read_value(&mut fields, *parameter).ok_or_else(malformed)?
        };
        values.push(value);
    }
    Ok(values)
}

fn read_value(fields: &mut Fields<'_>, parameter: ParameterType) -> Option<Literal> {
    let number = |text: String| Some(Literal::Number(text));
    match (parameter.code, parameter.unsigned) {
        (type_code::NULL, _) => Some(Literal::Null),
        (type_code::TINY, false) => number(i8::from_le_bytes(fields.array()?).to_string()),
        (type_code::TINY, true) => number(fields.byte()?.to_string()),
        (type_code::SHORT | type_code::YEAR, false) => number(i16::from_le_bytes(fields.array()?).to_string()),
        (type_code::SHORT | type_code::YEAR, true) => number(fields.u16()?.to_string()),
        (type_code::LONG | type_code::INT24, false) => number(i32::from_le_bytes(fields.array()?).to_string()),
        (type_code::LONG | type_code::INT24, true) => number(fields.u32()?.to_string()),
        (type_code::LONGLONG, false) => number(i64::from_le_bytes(fields.array()?).to_string()),
        (type_code::LONGLONG, true) => number(u64::from_le_bytes(fields.array()?).to_string()),
        (type_code::FLOAT, _) => Some(Literal::Double(f64::from(f32::from_le_bytes(fields.array()?)))),
        (type_code::DOUBLE, _) => Some(Literal::Double(f64::from_le_bytes(fields.array()?))),
        (type_code::DATE | type_code::DATETIME | type_code::TIMESTAMP, _) => read_date_time(fields, parameter.code),
        (type_code::TIME, _) => read_time(fields),
        // 0 is the old DECIMAL
        (0 | type_code::NEWDECIMAL, _) => {
            let text = String::from_utf8_lossy(fields.length_bytes()?).into_owned();
            if is_decimal(&text) { number(text) } else { Some(Literal::Text(text)) }
        }
        (15 | 16 | 245 | 247..=255, _) => Some(text_or_bytes(fields.length_bytes()?)),
        _ => None,
    }
}

fn text_or_bytes(bytes: &[u8]) -> Literal {
    match std::str::from_utf8(bytes) {
        Ok(text) => Literal::Text(text.to_owned()),
        Err(_) => Literal::Binary(bytes.to_vec()),
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.bytes().any(|b| b.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().filter(|b| *b == b'.').count() <= 1
}

/// MySQL: binary protocol value of DATE, DATETIME and TIMESTAMP; parts that are zero are left out from the end.
fn read_date_time(fields: &mut Fields<'_>, code: u8) -> Option<Literal> {
    let length = usize::from(fields.byte()?);
    let mut value = Fields::new(fields.bytes(length)?);
    let (mut date, mut time, mut micros) = ((0, 0, 0), (0, 0, 0), 0);
    if length >= 4 {
        date = (value.u16()?, value.byte()?, value.byte()?);
    }
    if length >= 7 {
        time = (value.byte()?, value.byte()?, value.byte()?);
    }
    if length >= 11 {
        micros = value.u32()?;
    }
    let day = format!("{:04}-{:02}-{:02}", date.0, date.1, date.2);
    if code == type_code::DATE {
        return Some(Literal::Date(day));
    }
    let mut text = format!("{day} {:02}:{:02}:{:02}", time.0, time.1, time.2);
    if micros != 0 {
        text.push_str(&format!(".{micros:06}"));
    }
    Some(Literal::DateTime(text))
}

/// MySQL: binary protocol value of TIME; StarRocks has no such type, so it is text.
fn read_time(fields: &mut Fields<'_>) -> Option<Literal> {
    let length = usize::from(fields.byte()?);
    let mut value = Fields::new(fields.bytes(length)?);
    if length < 8 {
        return Some(Literal::Text("00:00:00".to_owned()));
    }
    let sign = if value.byte()? == 0 { "" } else { "-" };
    let hours = u64::from(value.u32()?) * 24 + u64::from(value.byte()?);
    let mut text = format!("{sign}{hours:02}:{:02}:{:02}", value.byte()?, value.byte()?);
    if length >= 12 {
        text.push_str(&format!(".{:06}", value.u32()?));
    }
    Some(Literal::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(code: u8, flags: u8, value: &[u8]) -> Result<Literal, SqlError> {
        let mut packet = vec![0, 1, code, flags];
        packet.extend_from_slice(value);
        read_parameters(Fields::new(&packet), 1, &mut Vec::new(), &HashMap::new()).map(|mut values| values.remove(0))
    }

    #[test]
    fn integers_keep_sign_and_width() {
        assert_eq!(read(type_code::TINY, 0, &[0xff]).unwrap(), Literal::Number("-1".to_owned()));
        assert_eq!(read(type_code::TINY, 0x80, &[0xff]).unwrap(), Literal::Number("255".to_owned()));
        assert_eq!(read(type_code::LONGLONG, 0x80, &[0xff; 8]).unwrap(), Literal::Number(u64::MAX.to_string()));
    }

    #[test]
    fn dates_and_times_of_every_length() {
        assert_eq!(read(type_code::DATE, 0, &[4, 0xe8, 7, 8, 7]).unwrap(), Literal::Date("2024-08-07".to_owned()));
        let datetime = |bytes: &[u8]| read(type_code::DATETIME, 0, bytes).unwrap();
        assert_eq!(datetime(&[4, 0xe8, 7, 8, 7]), Literal::DateTime("2024-08-07 00:00:00".to_owned()));
        assert_eq!(datetime(&[7, 0xe8, 7, 8, 7, 1, 2, 3]), Literal::DateTime("2024-08-07 01:02:03".to_owned()));
        assert_eq!(
            datetime(&[11, 0xe8, 7, 8, 7, 1, 2, 3, 5, 0, 0, 0]),
            Literal::DateTime("2024-08-07 01:02:03.000005".to_owned())
        );
        assert_eq!(
            read(type_code::TIME, 0, &[8, 1, 1, 0, 0, 0, 2, 3, 4]).unwrap(),
            Literal::Text("-26:03:04".to_owned())
        );
    }

    #[test]
    fn bytes_that_are_not_text_stay_bytes() {
        assert_eq!(read(253, 0, &[2, b'a', b'b']).unwrap(), Literal::Text("ab".to_owned()));
        assert_eq!(read(252, 0, &[1, 0xff]).unwrap(), Literal::Binary(vec![0xff]));
    }

    #[test]
    fn a_decimal_that_is_not_one_is_text_and_never_sql() {
        assert_eq!(read(246, 0, b"\x041.50").unwrap(), Literal::Number("1.50".to_owned()));
        assert_eq!(read(246, 0, b"\x061 or 1").unwrap(), Literal::Text("1 or 1".to_owned()));
    }

    #[test]
    fn short_packets_are_errors() {
        for (code, value) in [(type_code::LONG, &[1, 2][..]), (253, &[200, 1]), (type_code::DATE, &[4, 1]), (99, &[])] {
            assert_eq!(read(code, 0, value).unwrap_err().code, 1835);
        }
        let error = read_parameters(Fields::new(&[]), 1, &mut Vec::new(), &HashMap::new());
        assert_eq!(error.unwrap_err().code, 1835);
    }

    #[test]
    fn types_are_remembered_for_the_next_execution() {
        let mut types = Vec::new();
        let first = [0, 1, type_code::TINY, 0, 5];
        read_parameters(Fields::new(&first), 1, &mut types, &HashMap::new()).unwrap();
        let second = [0, 0, 6];
        let values = read_parameters(Fields::new(&second), 1, &mut types, &HashMap::new()).unwrap();
        assert_eq!(values, [Literal::Number("6".to_owned())]);
    }
}
