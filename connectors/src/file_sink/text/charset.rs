//! Lines in encodings other than UTF-8.

use arrow::array::{Array, AsArray};
use arrow::record_batch::RecordBatch;
use encoding_rs::{Encoder, EncoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::csv::Uncarried;
use crate::error::{ConnectorError, Result};

/// Room that an encoder gets at a time.
const SCRATCH_BYTES: usize = 16 << 10;

/// The encoding of files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charset {
    encoding: &'static Encoding,
    /// Whether the file begins with a mark that tells UTF-16's byte order.
    has_mark: bool,
}

impl Charset {
    pub(super) fn new(encoding: &'static Encoding, has_mark: bool) -> Self {
        Self { encoding, has_mark }
    }

    pub(super) fn encoder(self) -> CharsetEncoder {
        let state = match self.encoding {
            _ if self.encoding == UTF_8 => State::Utf8,
            // encoding_rs decodes UTF-16, and encodes it as browsers do: as UTF-8
            _ if self.encoding == UTF_16LE => State::Utf16 { bytes: u16::to_le_bytes, needs_mark: self.has_mark },
            _ if self.encoding == UTF_16BE => State::Utf16 { bytes: u16::to_be_bytes, needs_mark: self.has_mark },
            other => State::Other(Box::new(other.new_encoder())),
        };
        CharsetEncoder { state }
    }

    /// Names texts with a character that the encoding lacks, or that it would give back as another (Shift_JIS writes `¥` as `\`).
    pub(super) fn uncarried(self, batch: &RecordBatch, found: &mut Vec<Uncarried>) {
        if self.encoding == UTF_8 || self.encoding == UTF_16LE || self.encoding == UTF_16BE {
            return;
        }
        for (column, array) in batch.columns().iter().enumerate() {
            let Some(texts) = array.as_string_opt::<i32>() else { continue };
            if texts.value_data().is_ascii() {
                continue;
            }
            for row in (0..texts.len()).filter(|row| texts.is_valid(*row)) {
                if !self.carries(texts.value(row)) {
                    let reason = "holds a character that the files' encoding lacks; write \"encoding\" = 'utf-8'";
                    found.push(Uncarried { row, column, reason });
                }
            }
        }
    }

    fn carries(self, text: &str) -> bool {
        if text.is_ascii() {
            return true;
        }
        let (bytes, _, has_replaced) = self.encoding.encode(text);
        !has_replaced && self.encoding.decode_without_bom_handling(&bytes).0 == text
    }
}

/// Encodes one file.
pub(super) struct CharsetEncoder {
    state: State,
}

enum State {
    Utf8,
    Utf16 { bytes: fn(u16) -> [u8; 2], needs_mark: bool },
    Other(Box<Encoder>),
}

impl CharsetEncoder {
    /// The bytes of some lines: themselves, or what `scratch` then holds.
    pub(super) fn encode<'a>(&mut self, lines: &'a [u8], last: bool, scratch: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        if matches!(self.state, State::Utf8) {
            return Ok(lines);
        }
        let text = std::str::from_utf8(lines).map_err(|error| {
            ConnectorError::option("a delimiter or a text for NULL is not UTF-8").with_source(error)
        })?;
        match &mut self.state {
            State::Utf8 => {}
            State::Utf16 { bytes, needs_mark } => {
                let mark = std::mem::take(needs_mark).then_some(0xFEFF);
                scratch.reserve(text.len() * 2);
                for unit in mark.into_iter().chain(text.encode_utf16()) {
                    scratch.extend_from_slice(&bytes(unit));
                }
            }
            State::Other(encoder) => {
                let mut rest = text;
                loop {
                    let end = scratch.len();
                    scratch.resize(end + SCRATCH_BYTES, 0);
                    let (result, read, written) =
                        encoder.encode_from_utf8_without_replacement(rest, &mut scratch[end..], last);
                    scratch.truncate(end + written);
                    rest = &rest[read..];
                    match result {
                        EncoderResult::InputEmpty => break,
                        EncoderResult::OutputFull => {}
                        EncoderResult::Unmappable(_) => {
                            return Err(ConnectorError::option(
                                "a column's name or a delimiter has a character that the encoding lacks",
                            ));
                        }
                    }
                }
            }
        }
        Ok(scratch)
    }
}
