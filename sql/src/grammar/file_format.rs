//! What says how files are written down: `ROW FORMAT …`, `STORED AS …`, `USING …` and their properties.

use super::Cursor;
use crate::delimiter::{row_format_delimiter, text_bytes};
use crate::error::{ErrorCode, SqlError};
use crate::nearest::nearest;
use crate::reference::reference;
use crate::source::Position;
use crate::statement::{FormatClauses, Property, PropertyValue, RowFormat, StorageFormat};
use crate::token::TokenKind;

/// The formats of `STORED AS`.
const STORED_AS: &[(&str, StorageFormat)] = &[
    ("TEXTFILE", StorageFormat::Text),
    ("CSV", StorageFormat::Csv),
    ("JSON", StorageFormat::Json),
    ("JSONFILE", StorageFormat::Json),
    ("PARQUET", StorageFormat::Parquet),
    ("PARQUETFILE", StorageFormat::Parquet),
    ("AVRO", StorageFormat::Avro),
    ("AVROFILE", StorageFormat::Avro),
    ("ORC", StorageFormat::Orc),
    ("ORCFILE", StorageFormat::Orc),
];

/// The formats of `USING`, with the names that older versions of Spark had.
const USING: &[(&str, StorageFormat)] = &[
    ("text", StorageFormat::SparkText),
    ("csv", StorageFormat::SparkCsv),
    ("com.databricks.spark.csv", StorageFormat::SparkCsv),
    ("json", StorageFormat::SparkJson),
    ("parquet", StorageFormat::Parquet),
    ("avro", StorageFormat::Avro),
    ("com.databricks.spark.avro", StorageFormat::Avro),
    ("orc", StorageFormat::Orc),
];

/// The classes of `ROW FORMAT SERDE`, in Hive, Spark and EMR.
const SERDES: &[(&str, StorageFormat)] = &[
    ("org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", StorageFormat::Text),
    ("org.apache.hadoop.hive.serde2.OpenCSVSerde", StorageFormat::OpenCsv),
    ("org.apache.hadoop.hive.serde2.JsonSerDe", StorageFormat::Json),
    ("org.apache.hive.hcatalog.data.JsonSerDe", StorageFormat::Json),
    ("org.openx.data.jsonserde.JsonSerDe", StorageFormat::Json),
    ("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe", StorageFormat::Parquet),
    ("org.apache.hadoop.hive.serde2.avro.AvroSerDe", StorageFormat::Avro),
    ("org.apache.hadoop.hive.ql.io.orc.OrcSerde", StorageFormat::Orc),
];

/// The classes of `STORED AS INPUTFORMAT`. Text says nothing about what is in a line.
const INPUT_FORMATS: &[(&str, StorageFormat)] = &[
    ("org.apache.hadoop.mapred.TextInputFormat", StorageFormat::Text),
    ("org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat", StorageFormat::Parquet),
    ("org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat", StorageFormat::Avro),
    ("org.apache.hadoop.hive.ql.io.orc.OrcInputFormat", StorageFormat::Orc),
];

/// The classes of `OUTPUTFORMAT`, which go with those.
const OUTPUT_FORMATS: &[(&str, StorageFormat)] = &[
    ("org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat", StorageFormat::Text),
    ("org.apache.hadoop.hive.ql.io.IgnoreKeyTextOutputFormat", StorageFormat::Text),
    ("org.apache.hadoop.mapred.TextOutputFormat", StorageFormat::Text),
    ("org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat", StorageFormat::Parquet),
    ("org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat", StorageFormat::Avro),
    ("org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat", StorageFormat::Orc),
];

/// Whether a word behind `USING` is a file format, which no remote system has there.
pub(crate) fn is_file_format(word: &str) -> bool {
    USING.iter().any(|(known, _)| known.split('.').next().is_some_and(|first| first.eq_ignore_ascii_case(word)))
}

/// Collects the clauses in any order; [`finish`](FormatReader::finish) checks that they fit together.
#[derive(Debug, Default)]
pub(crate) struct FormatReader {
    row_format: Option<(RowFormat, Position)>,
    serde: Option<StorageFormat>,
    stored_as: Option<StorageFormat>,
    using: Option<StorageFormat>,
    /// `path` among OPTIONS, Spark's spelling of LOCATION.
    pub(crate) path: Option<(String, Position)>,
    properties: Vec<Property>,
}

impl FormatReader {
    /// Reads one clause if one of these comes next.
    pub(crate) fn take(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, SqlError> {
        if cursor.is_at(&["row", "format"]) {
            self.row_format(cursor)?;
        } else if cursor.is_at(&["stored", "as"]) {
            self.stored_as(cursor)?;
        } else if cursor.is_at(&["using"]) {
            self.using(cursor)?;
        } else if cursor.take(&["with", "serdeproperties"]) || cursor.take(&["tblproperties"]) {
            self.properties(cursor, false)?;
        } else if cursor.take(&["options"]) {
            self.properties(cursor, true)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether a clause names the format.
    pub(crate) fn has_format(&self) -> bool {
        self.stored_as.is_some() || self.using.is_some() || self.serde.is_some()
    }

    /// The clauses together.
    pub(crate) fn finish(self) -> Result<FormatClauses, SqlError> {
        let stored = self.stored_as.unwrap_or_default();
        let format = match (self.using, self.serde) {
            (Some(using), _) => using,
            // what is in the lines of a text file is for the SerDe to say
            (None, Some(serde)) if serde.is_lines() && (stored == StorageFormat::Text || stored == serde) => serde,
            (None, Some(serde)) if self.stored_as.is_none_or(|stored| stored == serde) => serde,
            (None, Some(serde)) => {
                let message = format!("a SerDe for {} does not read files STORED AS {}", serde.name(), stored.name());
                return Err(SqlError::new(ErrorCode::Syntax, message).hint("leave one of them out"));
            }
            (None, None) => stored,
        };
        let row_format = match self.row_format {
            Some((_, position)) if self.using.is_some() => {
                return Err(SqlError::new(ErrorCode::Syntax, "ROW FORMAT does not go with USING")
                    .at(position)
                    .hint("write the delimiters as OPTIONS (sep '…'), or STORED AS TEXTFILE instead of USING"));
            }
            Some((_, position)) if self.serde.is_none() && !format.has_delimiters() => {
                let message = format!("ROW FORMAT DELIMITED does not go with STORED AS {}", format.name());
                return Err(SqlError::new(ErrorCode::Syntax, message).at(position).hint("leave ROW FORMAT out"));
            }
            Some((row_format, _)) => row_format,
            None => RowFormat::default(),
        };
        Ok(FormatClauses { format, row_format, properties: self.properties })
    }

    /// `ROW FORMAT DELIMITED …`, `ROW FORMAT SERDE '…' [WITH SERDEPROPERTIES (…)]`.
    fn row_format(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SqlError> {
        if self.row_format.is_some() || self.serde.is_some() {
            return Err(cursor.error(ErrorCode::Syntax, "ROW FORMAT is given twice"));
        }
        let position = cursor.statement.position(cursor.at);
        cursor.expect(&["row", "format"])?;
        if cursor.take(&["serde"]) {
            self.serde = Some(class(cursor, SERDES, "SerDe")?);
            return Ok(());
        }
        if !cursor.take(&["delimited"]) {
            return Err(cursor.expected("DELIMITED or SERDE"));
        }
        self.row_format = Some((delimiters(cursor)?, position));
        Ok(())
    }

    /// `STORED AS format`, `STORED AS INPUTFORMAT '…' OUTPUTFORMAT '…'`.
    fn stored_as(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SqlError> {
        self.refuse_second_format(cursor)?;
        cursor.expect(&["stored", "as"])?;
        if cursor.take(&["inputformat"]) {
            let format = class(cursor, INPUT_FORMATS, "INPUTFORMAT")?;
            cursor.expect(&["outputformat"])?;
            let at = cursor.at;
            let output = class(cursor, OUTPUT_FORMATS, "OUTPUTFORMAT")?;
            if output != format {
                let message = format!("files are read as {} and written as {}", format.name(), output.name());
                return Err(cursor.statement.error(ErrorCode::Syntax, message, at));
            }
            self.stored_as = Some(format);
            return Ok(());
        }
        self.stored_as = Some(format_name(cursor, STORED_AS, "STORED AS")?);
        Ok(())
    }

    /// `USING format`.
    fn using(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SqlError> {
        self.refuse_second_format(cursor)?;
        cursor.expect(&["using"])?;
        self.using = Some(format_name(cursor, USING, "USING")?);
        Ok(())
    }

    fn refuse_second_format(&self, cursor: &Cursor<'_>) -> Result<(), SqlError> {
        match self.stored_as.is_some() || self.using.is_some() {
            true => Err(cursor.error(ErrorCode::Syntax, "the format of the files is given twice")),
            false => Ok(()),
        }
    }

    /// `SERDEPROPERTIES (…)`, `TBLPROPERTIES (…)` and `OPTIONS (…)` make one list.
    fn properties(&mut self, cursor: &mut Cursor<'_>, are_options: bool) -> Result<(), SqlError> {
        for property in cursor.properties()? {
            let name = &property.name;
            if let Some(known) = self.properties.iter().find(|other| other.name.eq_ignore_ascii_case(name)) {
                // SHOW CREATE TABLE of Hive repeats some
                if known.value == property.value {
                    continue;
                }
                let error = SqlError::new(ErrorCode::Option, format!("the property {name} is given twice"));
                return Err(error.at(property.position));
            }
            // the definition is stored as text and read again, where this would become the reference that it is not
            if matches!(&property.value, PropertyValue::Text { raw, .. } if reference(raw).is_some()) {
                let error = SqlError::new(
                    ErrorCode::Reference,
                    format!("the property {name} cannot hold a text that looks like a reference"),
                );
                return Err(error.at(property.position));
            }
            match &property.value {
                PropertyValue::Text { value, .. } if are_options && name.eq_ignore_ascii_case("path") => {
                    self.path = Some((value.clone(), property.position.clone()));
                }
                _ => self.properties.push(property),
            }
        }
        Ok(())
    }
}

/// A class in quotes.
fn class(cursor: &mut Cursor<'_>, known: &[(&str, StorageFormat)], what: &str) -> Result<StorageFormat, SqlError> {
    let at = cursor.at;
    let name = cursor.string(&format!("the class of the {what} in quotes"))?;
    if let Some((_, format)) = known.iter().find(|(class, _)| *class == name.trim()) {
        return Ok(*format);
    }
    let classes = known.iter().map(|(class, _)| *class);
    let error =
        cursor.statement.error(ErrorCode::NotYet, format!("the {what} {} is not known", name.escape_debug()), at);
    Err(match nearest(&name, classes.clone()) {
        Some(near) => error.hint(format!("did you mean '{near}'?")),
        None => error.hint(format!("known are {}", classes.collect::<Vec<_>>().join(", "))),
    })
}

/// The name of a format, in quotes or not, dotted or not.
fn format_name(
    cursor: &mut Cursor<'_>,
    known: &[(&str, StorageFormat)],
    clause: &str,
) -> Result<StorageFormat, SqlError> {
    let at = cursor.at;
    let is_text = cursor.peek().is_some_and(|token| token.kind == TokenKind::String);
    let name = match is_text {
        true => cursor.next_value(),
        false => cursor.name("a file format", 8)?.to_string(),
    };
    if let Some((_, format)) = known.iter().find(|(word, _)| word.eq_ignore_ascii_case(&name)) {
        return Ok(*format);
    }
    let words = known.iter().map(|(word, _)| *word).filter(|word| !word.contains('.') && !word.ends_with("FILE"));
    let words: Vec<&str> =
        words.chain(known.iter().map(|(word, _)| *word).filter(|word| *word == "TEXTFILE")).collect();
    let error =
        cursor.statement.error(ErrorCode::NotYet, format!("{clause} {} is not built yet", name.escape_debug()), at);
    Err(match nearest(&name, words.iter().copied()) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint(format!("these are: {}", words.join(", "))),
    })
}

/// The clauses behind `ROW FORMAT DELIMITED`.
fn delimiters(cursor: &mut Cursor<'_>) -> Result<RowFormat, SqlError> {
    let mut format = RowFormat::default();
    loop {
        if cursor.take(&["fields", "terminated", "by"]) {
            set_delimiter(cursor, &mut format.fields)?;
        } else if cursor.take(&["escaped", "by"]) {
            set_delimiter(cursor, &mut format.escape)?;
        } else if cursor.take(&["collection", "items", "terminated", "by"]) {
            set_delimiter(cursor, &mut format.collection_items)?;
        } else if cursor.take(&["map", "keys", "terminated", "by"]) {
            set_delimiter(cursor, &mut format.map_keys)?;
        } else if cursor.take(&["lines", "terminated", "by"]) {
            set_delimiter(cursor, &mut format.lines)?;
        } else if cursor.take(&["null", "defined", "as"]) {
            let at = cursor.at;
            let raw = cursor.raw_string("the text that stands for NULL, in quotes")?;
            let bytes = text_bytes(raw).map_err(|error| error.at(cursor.statement.position(at)))?;
            format.null = Some(bytes);
        } else {
            return Ok(format);
        }
    }
}

fn set_delimiter(cursor: &mut Cursor<'_>, target: &mut Option<Vec<u8>>) -> Result<(), SqlError> {
    let at = cursor.at;
    let raw = cursor.raw_string("the delimiter in quotes")?;
    let bytes = row_format_delimiter(raw).map_err(|error| error.at(cursor.statement.position(at)))?;
    if target.replace(bytes).is_some() {
        return Err(cursor.statement.error(ErrorCode::Syntax, "this delimiter is given twice", at));
    }
    Ok(())
}
