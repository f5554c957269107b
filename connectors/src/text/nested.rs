//! Delimited fields of ARRAY, MAP and STRUCT columns, as Hive's LazySimpleSerDe cuts them: each level has a delimiter of its own.

use std::borrow::Cow;
use std::collections::HashSet;

use arrow::datatypes::DataType;

use super::columns::Column;
use super::fields::FieldSplitter;
use super::options::{DEEPER_DELIMITERS, TextTableOptions};
use super::scalar::Scalar;
use super::values;
use crate::error::{ConnectorError, Result};

/// Cuts fields into their items.
#[derive(Debug, Clone)]
pub(super) struct Nesting {
    /// The splitter of each level.
    levels: Vec<FieldSplitter>,
    null_marker: Vec<u8>,
}

impl Nesting {
    pub(super) fn new(options: &TextTableOptions) -> Self {
        let given = [options.collection_delimiter.as_slice(), options.map_key_delimiter.as_slice()];
        let deeper = DEEPER_DELIMITERS.iter().map(std::slice::from_ref);
        let levels = given.into_iter().chain(deeper).map(|bytes| FieldSplitter::new(Some(bytes), options.escape));
        Self { levels: levels.collect(), null_marker: options.null_marker.clone() }
    }

    /// Checks that there is a delimiter for each level of a type.
    ///
    /// # Errors
    /// Code Option for a column that is nested more deeply, naming it.
    pub(super) fn check(name: &str, data_type: &DataType) -> Result<()> {
        let levels = 2 + DEEPER_DELIMITERS.len();
        let needed = depth(data_type);
        if needed <= levels {
            return Ok(());
        }
        let message = format!(
            "column \"{name}\" needs {needed} levels of delimiters, and text has {levels}; STORED AS JSON has no limit"
        );
        Err(ConnectorError::option(message))
    }

    /// Appends a field as it is written, escapes included.
    pub(super) fn append(&self, field: &[u8], column: &mut Column, data_type: &DataType) {
        self.append_at(0, field, column, data_type);
    }

    fn append_at(&self, level: usize, field: &[u8], column: &mut Column, data_type: &DataType) {
        if field == self.null_marker {
            column.append_null();
            return;
        }
        match (column, data_type) {
            (Column::List(list), DataType::List(item)) => {
                for part in self.parts(level, field) {
                    self.append_at(level + 1, part, &mut list.items, item.data_type());
                }
                list.end_row(true);
            }
            (Column::Map(map), DataType::Map(entries, _)) => {
                if let DataType::Struct(fields) = entries.data_type()
                    && let [key_field, value_field] = fields.as_ref()
                {
                    let mut seen = HashSet::new();
                    for entry in self.parts(level, field) {
                        let (key, value) = self.entry(level, entry);
                        let key = self.plain(key);
                        // a key that is NULL or no value drops the entry, and of two the first stays
                        let Some(key) = self.key(key_field.data_type(), &key) else { continue };
                        if !seen.insert(key.identity()) {
                            continue;
                        }
                        map.keys.append_scalar(Some(key));
                        match value {
                            Some(value) => self.append_at(level + 2, value, &mut map.values, value_field.data_type()),
                            None => map.values.append_null(),
                        }
                    }
                }
                map.end_row(true);
            }
            (Column::Struct(structure), DataType::Struct(fields)) => {
                // an empty text is one field that is empty
                let mut parts = self.cut(level, field).into_iter();
                for (column, field) in structure.columns.iter_mut().zip(fields) {
                    match parts.next() {
                        Some(part) => self.append_at(level + 1, part, column, field.data_type()),
                        None => column.append_null(),
                    }
                }
                structure.end_row(true);
            }
            (column, _) if field.is_empty() && !is_text(data_type) => column.append_null(),
            (column, _) => column.append(&self.plain(field)),
        }
    }

    /// Whether all that a field holds is exactly of the type.
    pub(super) fn is_exact(&self, field: &[u8], data_type: &DataType) -> bool {
        self.is_exact_at(0, field, data_type)
    }

    fn is_exact_at(&self, level: usize, field: &[u8], data_type: &DataType) -> bool {
        if field == self.null_marker {
            return true;
        }
        match data_type {
            DataType::List(item) => {
                self.parts(level, field).into_iter().all(|part| self.is_exact_at(level + 1, part, item.data_type()))
            }
            DataType::Map(entries, _) => {
                let DataType::Struct(fields) = entries.data_type() else { return false };
                let [key_field, value_field] = fields.as_ref() else { return false };
                self.parts(level, field).into_iter().all(|entry| {
                    let (key, value) = self.entry(level, entry);
                    let key = self.plain(key);
                    self.key(key_field.data_type(), &key).is_some()
                        && values::is_exact(key_field.data_type(), &key)
                        && value.is_none_or(|value| self.is_exact_at(level + 2, value, value_field.data_type()))
                })
            }
            DataType::Struct(fields) => {
                let parts = self.cut(level, field);
                parts.len() <= fields.len()
                    && parts
                        .iter()
                        .zip(fields)
                        .all(|(part, field)| self.is_exact_at(level + 1, part, field.data_type()))
            }
            _ => values::is_exact(data_type, &self.plain(field)),
        }
    }

    /// The parts of a field at a level; none of an empty one.
    fn parts<'a>(&self, level: usize, field: &'a [u8]) -> Vec<&'a [u8]> {
        if field.is_empty() { Vec::new() } else { self.cut(level, field) }
    }

    fn cut<'a>(&self, level: usize, field: &'a [u8]) -> Vec<&'a [u8]> {
        let mut ranges = Vec::new();
        match self.levels.get(level) {
            Some(splitter) => {
                splitter.split(field, usize::MAX, &mut ranges);
                ranges.into_iter().map(|range| &field[range]).collect()
            }
            None => vec![field],
        }
    }

    /// Key and value of an entry; without its delimiter it is a key alone.
    fn entry<'a>(&self, level: usize, entry: &'a [u8]) -> (&'a [u8], Option<&'a [u8]>) {
        let mut ranges = Vec::new();
        let Some(splitter) = self.levels.get(level + 1) else { return (entry, None) };
        splitter.split(entry, 1, &mut ranges);
        match ranges.first() {
            Some(key) if key.end < entry.len() => {
                let value = key.end + splitter.delimiter_len();
                (&entry[..key.end], Some(&entry[value..]))
            }
            _ => (entry, None),
        }
    }

    fn key<'a>(&self, data_type: &DataType, key: &'a [u8]) -> Option<Scalar<'a>> {
        if key == self.null_marker || (key.is_empty() && !is_text(data_type)) {
            return None;
        }
        Scalar::from_hive(data_type, key)
    }

    fn plain<'a>(&self, field: &'a [u8]) -> Cow<'a, [u8]> {
        match self.levels.first() {
            Some(splitter) => splitter.unescape(field),
            None => Cow::Borrowed(field),
        }
    }
}

/// The column that a reader makes of fields as they are written: what a writer checks its own fields by.
///
/// # Errors
/// Code Option or Unsupported for a type that text does not hold.
pub(crate) fn read_back<'a>(
    options: &TextTableOptions,
    name: &str,
    data_type: &DataType,
    fields: impl Iterator<Item = &'a [u8]>,
) -> Result<arrow::array::ArrayRef> {
    Nesting::check(name, data_type)?;
    let nesting = Nesting::new(options);
    let mut column = Column::new(name, data_type)?;
    fields.for_each(|field| nesting.append(field, &mut column, data_type));
    Ok(column.finish())
}

/// The delimiters of nested values, level by level.
pub(crate) fn delimiters(options: &TextTableOptions) -> Vec<Vec<u8>> {
    let given = [options.collection_delimiter.clone(), options.map_key_delimiter.clone()];
    given.into_iter().chain(DEEPER_DELIMITERS.iter().map(|byte| vec![*byte])).collect()
}

/// How many delimiters a type needs.
fn depth(data_type: &DataType) -> usize {
    match data_type {
        DataType::List(item) => 1 + depth(item.data_type()),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => 2 + fields.last().map_or(0, |value| depth(value.data_type())),
            _ => 2,
        },
        DataType::Struct(fields) => 1 + fields.iter().map(|field| depth(field.data_type())).max().unwrap_or(0),
        _ => 0,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary)
}

#[cfg(test)]
mod tests {
    use arrow::util::display::{ArrayFormatter, FormatOptions};

    use super::super::types::hive_type;
    use super::*;

    fn options() -> TextTableOptions {
        let mut options = TextTableOptions::new(Vec::new());
        options.set_collection_delimiter(b",").unwrap();
        options.set_map_key_delimiter(b":").unwrap();
        options
    }

    /// A field as its column shows it.
    fn read_with(options: &TextTableOptions, data_type: &str, field: &str) -> String {
        let data_type = hive_type(data_type).unwrap();
        let nesting = Nesting::new(options);
        let mut column = Column::new("c", &data_type).unwrap();
        nesting.append(field.as_bytes(), &mut column, &data_type);
        assert_eq!(column.len(), 1);
        let array = column.finish();
        assert_eq!(array.data_type(), &data_type);
        let shown = FormatOptions::default().with_null("NULL");
        ArrayFormatter::try_new(array.as_ref(), &shown).unwrap().value(0).to_string()
    }

    fn read(data_type: &str, field: &str) -> String {
        read_with(&options(), data_type, field)
    }

    #[test]
    fn arrays_are_cut_at_the_collection_delimiter() {
        for (field, expected) in [
            ("1,2,3", "[1, 2, 3]"),
            ("", "[]"),
            (r"\N", "NULL"),
            ("1,x,3", "[1, NULL, 3]"),
            ("1,,3", "[1, NULL, 3]"),
            (r"\N,1", "[NULL, 1]"),
            (" 1 ,2", "[NULL, 2]"),
            (",", "[NULL, NULL]"),
        ] {
            assert_eq!(read("array<int>", field), expected, "{field}");
        }
        assert_eq!(read("array<string>", "a,,c"), "[a, , c]");
    }

    #[test]
    fn maps_keep_the_first_of_two_keys_and_drop_keys_that_are_null() {
        for (field, expected) in [
            ("k:1,j:2", "{k: 1, j: 2}"),
            ("", "{}"),
            (r"\N", "NULL"),
            ("k:x,j", "{k: NULL, j: NULL}"),
            ("k:1,k:2,:5,", "{k: 1, : 5}"),
            (r"\N:1,k:\N", "{k: NULL}"),
            ("a:1:2", "{a: NULL}"),
            ("k", "{k: NULL}"),
            (",", "{: NULL}"),
        ] {
            assert_eq!(read("map<string,int>", field), expected, "{field}");
        }
        assert_eq!(read("map<int,string>", "1:x,2:,3"), "{1: x, 2: , 3: NULL}");
        assert_eq!(read("map<int,string>", ":x"), "{}");
        assert_eq!(read("map<int,string>", "x:y,01:a,1:b"), "{1: a}");
    }

    #[test]
    fn structs_lack_fields_at_their_end_and_drop_what_is_beyond() {
        for (field, expected) in [
            ("5,z", "{x: 5, y: z}"),
            ("", "{x: NULL, y: NULL}"),
            (r"\N", "NULL"),
            ("5", "{x: 5, y: NULL}"),
            (r"x,\N,extra", "{x: NULL, y: NULL}"),
            (",", "{x: NULL, y: }"),
        ] {
            assert_eq!(read("struct<x:int,y:string>", field), expected, "{field}");
        }
        assert_eq!(read("struct<x:string,y:string>", ""), "{x: , y: NULL}");
    }

    #[test]
    fn each_level_has_a_delimiter_of_its_own() {
        assert_eq!(read("array<array<int>>", "1:2,3:4"), "[[1, 2], [3, 4]]");
        assert_eq!(read("array<array<int>>", ":,,1"), "[[NULL, NULL], [], [1]]");
        assert_eq!(read("map<string,array<int>>", "k:1\x042,j:"), "{k: [1, 2], j: []}");
        let nested = "struct<x:int,y:array<string>,z:struct<p:int,q:int>>";
        assert_eq!(read(nested, "5,a:b,7:8"), "{x: 5, y: [a, b], z: {p: 7, q: 8}}");
        assert_eq!(read(nested, "1,,"), "{x: 1, y: [], z: {p: NULL, q: NULL}}");
        let hive = TextTableOptions::new(Vec::new());
        let maps = "map<string,map<string,int>>";
        assert_eq!(read_with(&hive, maps, "k\x03a\x051\x04b\x052\x02j\x03c\x053"), "{k: {a: 1, b: 2}, j: {c: 3}}");
        assert_eq!(
            read_with(&hive, "array<struct<x:int,y:map<string,int>>>", "1\x03k\x051\x04j\x052\x022"),
            "[{x: 1, y: {k: 1, j: 2}}, {x: 2, y: NULL}]"
        );
    }

    #[test]
    fn an_escape_protects_delimiters_of_all_levels() {
        let mut options = options();
        options.set_escape(b"\\").unwrap();
        assert_eq!(read_with(&options, "array<string>", r"a\,b,c\|d"), "[a,b, c|d]");
        assert_eq!(read_with(&options, "array<string>", r"a\\,b"), "[a\\, b]");
        assert_eq!(read_with(&options, "map<string,string>", r"a\:b:c\,d,e:f"), "{a:b: c,d, e: f}");
    }

    #[test]
    fn what_would_be_null_or_dropped_is_not_exact() {
        let nesting = Nesting::new(&options());
        for (data_type, field, expected) in [
            ("array<int>", "1,2", true),
            ("array<int>", "1,x", false),
            ("array<int>", r"1,\N,", true),
            ("map<string,int>", "k:1", true),
            ("map<int,int>", "k:1", false),
            ("map<int,int>", "1:1.5", false),
            ("struct<a:int>", "1", true),
            ("struct<a:int>", "1,2", false),
            ("struct<a:int,b:int>", "1", true),
        ] {
            let data_type = hive_type(data_type).unwrap();
            assert_eq!(nesting.is_exact(field.as_bytes(), &data_type), expected, "{data_type} {field}");
        }
    }

    #[test]
    fn more_levels_than_delimiters_are_refused() {
        let deep = |levels: usize| hive_type(&format!("{}int{}", "array<".repeat(levels), ">".repeat(levels))).unwrap();
        assert!(Nesting::check("c", &deep(7)).is_ok());
        assert!(Nesting::check("c", &deep(8)).unwrap_err().message().contains("\"c\" needs 8 levels"));
    }
}
