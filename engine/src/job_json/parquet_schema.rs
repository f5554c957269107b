//! `parquetSchema`: the columns of a Parquet file, as Parquet's own text form of a schema has them.
//!
//! ```text
//! message user { required int64 id; optional binary name (UTF8); optional fixed_len_byte_array(9) price (DECIMAL(18,2)); }
//! ```

/// Names and SQL types of the columns, in order.
///
/// # Errors
/// What is wrong with the text, for a message.
pub(crate) fn columns(text: &str) -> Result<Vec<(String, String)>, String> {
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens, at: 0 };
    reader.expect_word("message")?;
    // the message's name may be left out
    if reader.peek() != Some("{") {
        reader.take("the message's name")?;
    }
    reader.expect("{")?;
    let mut columns = Vec::new();
    while reader.peek() != Some("}") {
        columns.push(reader.column()?);
    }
    reader.expect("}")?;
    if let Some(more) = reader.peek() {
        return Err(format!("\"{more}\" follows the schema's end"));
    }
    match columns.is_empty() {
        true => Err("the schema has no columns".to_owned()),
        false => Ok(columns),
    }
}

/// Words and marks.
fn tokens(text: &str) -> Vec<&str> {
    let is_mark = |c: char| "{}();,=".contains(c);
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match is_mark(first) {
            true => first.len_utf8(),
            false => rest.find(|c: char| is_mark(c) || c.is_whitespace()).unwrap_or(rest.len()),
        };
        tokens.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    tokens
}

struct Reader<'a> {
    tokens: &'a [&'a str],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).copied()
    }

    fn take(&mut self, what: &str) -> Result<&'a str, String> {
        let token = self.peek().ok_or_else(|| format!("the schema ends where {what} should be"))?;
        self.at += 1;
        Ok(token)
    }

    fn expect(&mut self, mark: &str) -> Result<(), String> {
        match self.take(&format!("\"{mark}\""))? {
            found if found == mark => Ok(()),
            found => Err(format!("\"{found}\" stands where \"{mark}\" should be")),
        }
    }

    fn expect_word(&mut self, word: &str) -> Result<(), String> {
        match self.take(word)? {
            found if found.eq_ignore_ascii_case(word) => Ok(()),
            found => Err(format!("a schema begins with \"message\", and this one with \"{found}\"")),
        }
    }

    /// `optional int64 id (INT_64) = 1;`
    fn column(&mut self) -> Result<(String, String), String> {
        let repetition = self.take("optional or required")?.to_ascii_lowercase();
        if !matches!(repetition.as_str(), "optional" | "required") {
            return Err(format!("a column begins with optional or required, not \"{repetition}\"; lists are not read"));
        }
        let physical = self.take("a type")?.to_ascii_lowercase();
        let _length = self.arguments()?;
        let name = self.take("a column's name")?;
        let mut annotation = None;
        if self.peek() == Some("(") {
            self.at += 1;
            let logical = self.take("an annotation")?.to_ascii_uppercase();
            annotation = Some((logical, self.arguments()?));
            self.expect(")")?;
        }
        if self.peek() == Some("=") {
            self.at += 1;
            self.take("the field's number")?;
        }
        if self.peek() == Some("{") {
            return Err(format!("column \"{name}\" is a group, which is not read"));
        }
        self.expect(";")?;
        let annotation = annotation.as_ref().map(|(logical, arguments)| (logical.as_str(), arguments.as_slice()));
        let data_type = sql_type(&physical, annotation).map_err(|why| format!("column \"{name}\": {why}"))?;
        Ok((name.to_owned(), data_type))
    }

    /// `(18, 2)`, if there is one.
    fn arguments(&mut self) -> Result<Vec<&'a str>, String> {
        let mut arguments = Vec::new();
        if self.peek() != Some("(") {
            return Ok(arguments);
        }
        self.at += 1;
        loop {
            match self.take("\")\"")? {
                ")" => return Ok(arguments),
                "," => {}
                argument => arguments.push(argument),
            }
        }
    }
}

fn sql_type(physical: &str, annotation: Option<(&str, &[&str])>) -> Result<String, String> {
    Ok(match (physical, annotation) {
        (_, Some(("DECIMAL", arguments))) => {
            let number = |at: usize, default: &str| match arguments.get(at).copied().unwrap_or(default) {
                digits if digits.parse::<u8>().is_ok() => Ok(digits.to_owned()),
                other => Err(format!("\"{other}\" is no number of digits")),
            };
            format!("DECIMAL({},{})", number(0, "")?, number(1, "0")?)
        }
        ("int32", Some(("DATE", _))) => "DATE".to_owned(),
        ("int32", Some(("INT_8", _))) => "TINYINT".to_owned(),
        ("int32", Some(("INT_16", _))) => "SMALLINT".to_owned(),
        ("int64", Some(("TIMESTAMP_MILLIS" | "TIMESTAMP_MICROS" | "TIMESTAMP", _))) => "TIMESTAMP".to_owned(),
        (_, Some((other @ ("TIME" | "TIME_MILLIS" | "TIME_MICROS" | "INTERVAL" | "BSON"), _))) => {
            return Err(format!("the annotation {other} is not read"));
        }
        ("boolean", _) => "BOOLEAN".to_owned(),
        ("int32", _) => "INT".to_owned(),
        ("int64", _) => "BIGINT".to_owned(),
        ("int96", _) => "TIMESTAMP".to_owned(),
        ("float", _) => "FLOAT".to_owned(),
        ("double", _) => "DOUBLE".to_owned(),
        // DataWorks's word for texts, annotated or not
        ("binary", _) => "STRING".to_owned(),
        ("fixed_len_byte_array", _) => "BINARY".to_owned(),
        _ => return Err(format!("there is no type \"{physical}\"")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_columns_of_sql_types() {
        let text = "message m {\n optional int64 id = 1; required BINARY name (UTF8);optional binary raw;\n\
                    optional fixed_len_byte_array(9) price (DECIMAL(18,2)); optional int32 n; optional int32 d (DATE);\n\
                    optional int96 t; optional int64 ts (TIMESTAMP(MICROS,true)); optional double x; optional boolean b; }";
        let expected = [
            ("id", "BIGINT"),
            ("name", "STRING"),
            ("raw", "STRING"),
            ("price", "DECIMAL(18,2)"),
            ("n", "INT"),
            ("d", "DATE"),
            ("t", "TIMESTAMP"),
            ("ts", "TIMESTAMP"),
            ("x", "DOUBLE"),
            ("b", "BOOLEAN"),
        ];
        assert_eq!(columns(text).unwrap(), expected.map(|(name, kind)| (name.to_owned(), kind.to_owned())));
    }

    #[test]
    fn what_is_no_flat_schema_says_why() {
        for (text, why) in [
            ("", "the schema ends"),
            ("optional int64 id;", "begins with \"message\""),
            ("message m { }", "no columns"),
            ("message m { int64 id; }", "optional or required"),
            ("message m { optional group a { optional int64 b; } }", "a group"),
            ("message m { repeated int64 a; }", "lists"),
            ("message m { optional int128 a; }", "no type \"int128\""),
            ("message m { optional int64 a; } x", "follows"),
            ("message m { optional binary a (DECIMAL(x,2)); }", "no number"),
            ("message m { optional int64 a", "the schema ends"),
        ] {
            let error = columns(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
