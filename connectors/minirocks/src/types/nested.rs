//! ARRAY and MAP in CSV text: `[1,null]`, `["a","b""c"]`, `{1:"a",2:null}`.

use super::ColumnType;
use super::value::Value;

/// An array. One bad element makes the whole array bad.
pub(super) fn array(item: &ColumnType, text: &[u8], strict: bool) -> Option<Value> {
    let inside = inside(text, b'[', b']')?;
    if inside.trim_ascii().is_empty() {
        return Some(Value::List(Vec::new()));
    }
    let items = split(inside, b',')?.into_iter().map(|part| element(item, part, strict)).collect::<Option<_>>()?;
    Some(Value::List(items))
}

/// A map. Of a repeated key the last value counts; a bad value is NULL unless strict; a key that is bad or NULL makes the map
/// bad.
pub(super) fn map(key: &ColumnType, value: &ColumnType, text: &[u8], strict: bool) -> Option<Value> {
    let inside = inside(text, b'{', b'}')?;
    let mut entries: Vec<(Value, Value)> = Vec::new();
    if inside.trim_ascii().is_empty() {
        return Some(Value::Map(entries));
    }
    for part in split(inside, b',')? {
        let [name, member] = split(part, b':')?.try_into().ok()?;
        let lenient = |column_type: &ColumnType, part| match element(column_type, part, strict) {
            None if !strict => Some(Value::Null),
            converted => converted,
        };
        // StarRocks keeps NULL keys; Arrow's maps have none, and dropping the entry would lose data.
        let name = lenient(key, name).filter(|name| *name != Value::Null)?;
        let member = lenient(value, member)?;
        entries.retain(|(known, _)| *known != name);
        entries.push((name, member));
    }
    Some(Value::Map(entries))
}

fn inside(text: &[u8], open: u8, close: u8) -> Option<&[u8]> {
    let text = text.trim_ascii();
    (text.len() >= 2 && text[0] == open && text[text.len() - 1] == close).then(|| &text[1..text.len() - 1])
}

/// One element: `null`, a nested value, or text that is quoted if its type is text or a date.
fn element(column_type: &ColumnType, text: &[u8], strict: bool) -> Option<Value> {
    let trimmed = text.trim_ascii();
    if trimmed == b"null" {
        return Some(Value::Null);
    }
    let is_quoted = match column_type {
        ColumnType::Char(_) | ColumnType::Varchar(_) | ColumnType::Date | ColumnType::DateTime => true,
        ColumnType::Json | ColumnType::VarBinary => trimmed.first() == Some(&b'"'),
        _ => false,
    };
    if !is_quoted {
        return Value::from_text(column_type, trimmed, strict);
    }
    let quoted = inside(trimmed, b'"', b'"')?;
    let mut unquoted = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter();
    while let Some(&byte) = bytes.next() {
        // A quote inside is written twice; one alone would have ended the text.
        if byte == b'"' && bytes.next() != Some(&b'"') {
            return None;
        }
        unquoted.push(byte);
    }
    Value::from_text(column_type, &unquoted, strict)
}

/// Cuts at a separator outside of quotes and brackets; `None` if quotes or brackets do not close.
fn split(text: &[u8], separator: u8) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut depth = 0_usize;
    let mut is_quoted = false;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.checked_sub(1)?,
            _ if byte == separator && depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (depth == 0 && !is_quoted).then_some(parts)
}
