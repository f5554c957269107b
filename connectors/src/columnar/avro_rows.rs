//! Where rows of an Avro block end. The decoder of arrow-avro never ends when a block holds more bytes than its rows, as a damaged one may:
//! every block is walked before it is decoded.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use serde_json::Value;

use super::avro_blocks::{damaged, long_of};
use crate::error::{ConnectorError, ErrorCode, Result};

/// A block is not larger than this once it is unpacked.
const MAX_UNPACKED_BYTES: u64 = 1 << 30;

/// What of a type decides how many bytes a value has (Avro specification, "Binary Encoding").
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Fixed(usize),
    Number,
    Bytes,
    Union(Vec<Arc<Shape>>),
    Array(Arc<Shape>),
    Map(Arc<Shape>),
    Record(Vec<Arc<Shape>>),
}

impl Shape {
    /// Reads a schema.
    ///
    /// # Errors
    /// Code Value for what is no schema, Unsupported for a type that holds itself.
    pub(super) fn parse(schema: &[u8]) -> Result<Arc<Self>> {
        let schema: Value = serde_json::from_slice(schema).map_err(|_| damaged("its schema is no JSON"))?;
        Names::default().shape(&schema, "")
    }

    /// Whether the bytes are so many rows.
    ///
    /// # Errors
    /// Code Value if not.
    pub(super) fn check(&self, rows: u64, mut bytes: &[u8]) -> Result<()> {
        for _ in 0..rows {
            self.skip(&mut bytes)?;
        }
        if bytes.is_empty() { Ok(()) } else { Err(damaged("a block has more bytes than its rows")) }
    }

    fn skip(&self, bytes: &mut &[u8]) -> Result<()> {
        match self {
            Self::Fixed(length) => advance(bytes, *length),
            Self::Number => long_of(bytes).map(|_| ()),
            Self::Bytes => {
                let length = usize::try_from(long_of(bytes)?).map_err(|_| damaged("a length is below zero"))?;
                advance(bytes, length)
            }
            Self::Union(branches) => {
                let branch = usize::try_from(long_of(bytes)?).ok().and_then(|at| branches.get(at));
                branch.ok_or_else(|| damaged("a union has a branch that its type lacks"))?.skip(bytes)
            }
            Self::Array(item) => items(bytes, |bytes| item.skip(bytes)),
            Self::Map(value) => items(bytes, |bytes| {
                Self::Bytes.skip(bytes)?;
                value.skip(bytes)
            }),
            Self::Record(fields) => fields.iter().try_for_each(|field| field.skip(bytes)),
        }
    }
}

fn advance(bytes: &mut &[u8], length: usize) -> Result<()> {
    *bytes = bytes.get(length..).ok_or_else(|| damaged("a value is longer than its block"))?;
    Ok(())
}

/// Items come in parts: a count each, or one below zero and the bytes of the part; 0 ends them.
fn items(bytes: &mut &[u8], mut skip: impl FnMut(&mut &[u8]) -> Result<()>) -> Result<()> {
    loop {
        let count = long_of(bytes)?;
        if count == 0 {
            return Ok(());
        }
        if count < 0 {
            long_of(bytes)?;
        }
        // an item of no bytes is none that anybody has a use for
        if count.unsigned_abs() > bytes.len() as u64 {
            return Err(damaged("an array has more items than bytes"));
        }
        for _ in 0..count.unsigned_abs() {
            skip(bytes)?;
        }
    }
}

/// Types by full name, as far as they are read.
#[derive(Default)]
struct Names(HashMap<String, Arc<Shape>>);

impl Names {
    fn shape(&mut self, schema: &Value, namespace: &str) -> Result<Arc<Shape>> {
        let no_schema = || damaged("its schema is not one of Avro");
        match schema {
            Value::String(name) => self.named(name, namespace),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.shape(branch, namespace)).collect::<Result<_>>()?;
                Ok(Arc::new(Shape::Union(branches)))
            }
            Value::Object(object) => {
                let part = |name: &str| object.get(name).ok_or_else(no_schema);
                let kind = part("type")?;
                match kind.as_str() {
                    Some("array") => Ok(Arc::new(Shape::Array(self.shape(part("items")?, namespace)?))),
                    Some("map") => Ok(Arc::new(Shape::Map(self.shape(part("values")?, namespace)?))),
                    Some("enum") => self.define(schema, namespace, Shape::Number),
                    Some("fixed") => {
                        let size = part("size")?.as_u64().and_then(|size| usize::try_from(size).ok());
                        self.define(schema, namespace, Shape::Fixed(size.ok_or_else(no_schema)?))
                    }
                    Some("record" | "error") => {
                        let (_, own) = full_name(schema, namespace);
                        let fields = part("fields")?.as_array().ok_or_else(no_schema)?;
                        let shape = |field: &Value| self.shape(field.get("type").ok_or_else(no_schema)?, &own);
                        let fields = fields.iter().map(shape).collect::<Result<_>>()?;
                        self.define(schema, namespace, Shape::Record(fields))
                    }
                    _ => self.shape(kind, namespace),
                }
            }
            _ => Err(no_schema()),
        }
    }

    fn define(&mut self, schema: &Value, namespace: &str, shape: Shape) -> Result<Arc<Shape>> {
        let (name, _) = full_name(schema, namespace);
        let shape = Arc::new(shape);
        self.0.insert(name, Arc::clone(&shape));
        Ok(shape)
    }

    fn named(&self, name: &str, namespace: &str) -> Result<Arc<Shape>> {
        let shape = match name {
            "null" => Shape::Fixed(0),
            "boolean" => Shape::Fixed(1),
            "int" | "long" => Shape::Number,
            "float" => Shape::Fixed(4),
            "double" => Shape::Fixed(8),
            "bytes" | "string" => Shape::Bytes,
            _ => {
                let within = format!("{namespace}.{name}");
                let known = self.0.get(&within).or_else(|| self.0.get(name));
                return known.cloned().ok_or_else(|| {
                    let message = format!(
                        "the Avro type \"{}\" is not defined before it is used, or holds itself",
                        name.escape_debug()
                    );
                    ConnectorError::new(ErrorCode::Unsupported, message)
                });
            }
        };
        Ok(Arc::new(shape))
    }
}

/// A type's full name and the namespace of what is in it.
fn full_name(schema: &Value, namespace: &str) -> (String, String) {
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    let name = text("name").unwrap_or_default();
    match name.rsplit_once('.') {
        Some((own, _)) => (name.to_owned(), own.to_owned()),
        None => match text("namespace").unwrap_or(namespace) {
            "" => (name.to_owned(), String::new()),
            own => (format!("{own}.{name}"), own.to_owned()),
        },
    }
}

/// A compression of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Deflate,
    Snappy,
    Zstd,
    Bzip2,
    Xz,
}

impl Packing {
    /// The compression of a header's `avro.codec`.
    ///
    /// # Errors
    /// Code Unsupported for one that is not known.
    pub(super) fn parse(codec: Option<&[u8]>) -> Result<Self> {
        match codec {
            None | Some(b"null") => Ok(Self::None),
            Some(b"deflate") => Ok(Self::Deflate),
            Some(b"snappy") => Ok(Self::Snappy),
            Some(b"zstandard") => Ok(Self::Zstd),
            Some(b"bzip2") => Ok(Self::Bzip2),
            Some(b"xz") => Ok(Self::Xz),
            Some(other) => {
                let other = String::from_utf8_lossy(other).escape_debug().to_string();
                let message = format!("the Avro file is compressed with \"{other}\", which is not built yet");
                Err(ConnectorError::new(ErrorCode::Unsupported, message))
            }
        }
    }

    /// The bytes of a block.
    ///
    /// # Errors
    /// Code Value for damaged ones, and ones of more than 1 GB.
    pub(super) fn unpack(self, bytes: &[u8]) -> Result<Vec<u8>> {
        let wrong = || damaged("a block cannot be unpacked");
        let mut reader: Box<dyn Read + '_> = match self {
            Self::None => return Ok(bytes.to_vec()),
            Self::Snappy => {
                // the checksum of the unpacked bytes stands behind them
                let (packed, sum) = bytes.split_last_chunk::<4>().ok_or_else(wrong)?;
                let length = snap::raw::decompress_len(packed).map_err(|_| wrong())?;
                if length as u64 > MAX_UNPACKED_BYTES {
                    return Err(damaged("a block is larger than 1 GB"));
                }
                let unpacked = snap::raw::Decoder::new().decompress_vec(packed).map_err(|_| wrong())?;
                let mut actual = flate2::Crc::new();
                actual.update(&unpacked);
                return if actual.sum() == u32::from_be_bytes(*sum) { Ok(unpacked) } else { Err(wrong()) };
            }
            Self::Deflate => Box::new(flate2::read::DeflateDecoder::new(bytes)),
            Self::Zstd => Box::new(zstd::Decoder::new(bytes).map_err(|_| wrong())?),
            Self::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(bytes)),
            Self::Xz => Box::new(liblzma::read::XzDecoder::new_multi_decoder(bytes)),
        };
        let mut unpacked = Vec::new();
        reader.by_ref().take(MAX_UNPACKED_BYTES + 1).read_to_end(&mut unpacked).map_err(|_| wrong())?;
        if unpacked.len() as u64 > MAX_UNPACKED_BYTES {
            return Err(damaged("a block is larger than 1 GB"));
        }
        Ok(unpacked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type": "record", "name": "r", "namespace": "n", "fields": [
        {"name": "id", "type": "long"},
        {"name": "text", "type": ["null", "string"]},
        {"name": "tags", "type": {"type": "array", "items": {"type": "fixed", "name": "two", "size": 2}}},
        {"name": "more", "type": {"type": "map", "values": "two"}}
    ]}"#;

    /// id 1, text "ab", two tags, one pair.
    const ROW: &[u8] = &[2, 2, 4, b'a', b'b', 4, 1, 2, 3, 4, 0, 1, 8, 2, b'k', 5, 6, 0];

    #[test]
    fn rows_end_where_their_bytes_do() {
        let shape = Shape::parse(SCHEMA.as_bytes()).unwrap();
        let two = [ROW, ROW].concat();
        assert!(shape.check(2, &two).is_ok());
        for (rows, bytes) in [(1, &two[..]), (3, &two), (2, &two[..two.len() - 1]), (0, &two[..1])] {
            assert_eq!(shape.check(rows, bytes).unwrap_err().code(), ErrorCode::Value, "{rows}");
        }
        let endless = [&ROW[..5], &[0xFE, 0xFF, 0xFF, 0xFF, 0x0F]].concat();
        assert!(shape.check(1, &endless).is_err());
    }

    #[test]
    fn types_that_hold_themselves_are_refused() {
        let list = r#"{"type": "record", "name": "l", "fields": [{"name": "next", "type": ["null", "l"]}]}"#;
        assert_eq!(Shape::parse(list.as_bytes()).unwrap_err().code(), ErrorCode::Unsupported);
        for text in ["", "5", "{}", r#"{"type": "array"}"#] {
            assert!(Shape::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn damaged_blocks_are_errors() {
        for packing in [Packing::Deflate, Packing::Snappy, Packing::Zstd, Packing::Bzip2, Packing::Xz] {
            assert!(packing.unpack(b"no such thing at all").is_err(), "{packing:?}");
        }
        assert_eq!(Packing::None.unpack(b"x").unwrap(), b"x");
        assert!(Packing::parse(Some(b"lzo")).is_err());
    }
}
