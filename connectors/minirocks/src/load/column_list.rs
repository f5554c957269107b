//! The text of the `columns` header: `a, b, tmp, c = 1`.

use crate::error::{Error, Result};

/// One item of the `columns` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnItem {
    /// Name of a column of the table, or of a field that no column takes.
    pub(crate) name: String,
    /// The expression behind `=`, if there is one.
    pub(crate) expression: Option<String>,
}

/// Cuts the `columns` header at commas that are outside of quotes and parentheses.
pub(super) fn column_items(text: &str) -> Result<Vec<ColumnItem>> {
    let mut items = Vec::new();
    let mut start = 0;
    let mut depth = 0_i32;
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(character),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, ',') if depth == 0 => {
                items.push(column_item(&text[start..at])?);
                start = at + 1;
            }
            _ => {}
        }
    }
    if quote.is_some() || depth != 0 {
        return Err(Error::invalid(format!("failed to parse columns: {text}")));
    }
    items.push(column_item(&text[start..])?);
    Ok(items)
}

fn column_item(text: &str) -> Result<ColumnItem> {
    let text = text.trim();
    let (name, rest) = match text.strip_prefix('`') {
        Some(quoted) => quoted.split_once('`').unwrap_or((quoted, "")),
        None => match text.find('=') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        },
    };
    let name = name.trim();
    let rest = rest.trim();
    let expression = rest.strip_prefix('=').map(|expression| expression.trim().to_owned());
    if name.is_empty() || !(rest.is_empty() || expression.as_ref().is_some_and(|e| !e.is_empty())) {
        return Err(Error::invalid(format!("failed to parse columns: {text}")));
    }
    Ok(ColumnItem { name: name.to_owned(), expression })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_header_is_cut_outside_of_quotes() {
        let items = column_items("a, `b c`,tmp,d=concat(tmp, ','), e = now()").unwrap();
        let item = |name: &str, expression: Option<&str>| ColumnItem {
            name: name.to_owned(),
            expression: expression.map(str::to_owned),
        };
        assert_eq!(
            items,
            [
                item("a", None),
                item("b c", None),
                item("tmp", None),
                item("d", Some("concat(tmp, ',')")),
                item("e", Some("now()"))
            ]
        );
        for broken in ["a,,b", "", "a=", "a,'b"] {
            assert!(column_items(broken).is_err(), "{broken}");
        }
    }
}
