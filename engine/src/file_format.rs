//! How files are written down: from the clauses of a statement to what readers and writers take.

use std::path::Path;

use arrow::datatypes::DataType;
use syncline_connectors::Options;
use syncline_connectors::columnar::ColumnarFormat;
use syncline_connectors::file_sink::FileFormat;
use syncline_connectors::text::{TextPreset, TextTableOptions};
use syncline_sql::statement::{FormatClauses, PropertyValue, StorageFormat};

use crate::error::Result;
use crate::reference::{OptionValue, Resolver};
use crate::scope::Scope;

/// The clauses that say how files are written down, and whose they are.
pub(crate) struct FormatOf<'a> {
    /// `table t` or `directory 'path'`, for messages.
    pub(crate) name: String,
    /// What was written.
    pub(crate) clauses: &'a FormatClauses,
    /// The columns that the files hold.
    pub(crate) columns: Vec<(String, DataType)>,
    /// Where relative paths in it start.
    pub(crate) folder: Option<&'a Path>,
}

/// Properties whose values are delimiters and markers: read from the text as typed between the quotes.
const READ_AS_TYPED: &[&str] = &[
    "field.delim",
    "line.delim",
    "escape.delim",
    "collection.delim",
    "colelction.delim",
    "mapkey.delim",
    "serialization.format",
    "textinputformat.record.delimiter",
    "serialization.null.format",
    "separatorChar",
    "quoteChar",
    "escapeChar",
    "sep",
    "delimiter",
    "lineSep",
    "quote",
    "escape",
    "charToEscapeQuoteEscaping",
    "comment",
    "nullValue",
    "emptyValue",
];

impl FormatOf<'_> {
    /// The format, and warnings.
    pub(crate) fn read(&self, scope: &Scope) -> Result<(FileFormat, Vec<String>)> {
        let preset = match self.clauses.format {
            StorageFormat::Parquet => return Ok((FileFormat::Columnar(ColumnarFormat::Parquet), Vec::new())),
            StorageFormat::Avro => return Ok((FileFormat::Columnar(ColumnarFormat::Avro), Vec::new())),
            StorageFormat::Orc => return Ok((FileFormat::Columnar(ColumnarFormat::Orc), Vec::new())),
            StorageFormat::Text => TextPreset::Hive,
            StorageFormat::Csv => TextPreset::Csv,
            StorageFormat::OpenCsv => TextPreset::OpenCsv,
            StorageFormat::SparkCsv => TextPreset::SparkCsv,
            StorageFormat::Json => TextPreset::Json,
            StorageFormat::SparkJson => TextPreset::SparkJson,
            StorageFormat::SparkText => TextPreset::SparkText,
        };
        let options = TextTableOptions::of(preset, self.columns.clone());
        let became_text: Vec<&str> = (self.columns.iter().zip(&options.columns))
            .filter_map(|((name, declared), (_, read))| (declared != read).then_some(name.as_str()))
            .collect();
        let turned = (!became_text.is_empty()).then(|| {
            format!(
                "all columns of OpenCSVSerde are STRING, as in Hive: {} too; STORED AS CSV has types",
                became_text.join(", ")
            )
        });
        let (mut options, mut warnings) = options.with_properties(&self.properties(scope)?)?;
        warnings.extend(turned);
        let row_format = &self.clauses.row_format;
        if let Some(delimiter) = &row_format.fields {
            options.set_fields_delimiter(delimiter.clone());
        }
        if let Some(delimiter) = &row_format.lines {
            options.set_line_delimiter(delimiter.clone());
        }
        if let Some(escape) = &row_format.escape {
            options.set_escape(escape)?;
        }
        if let Some(delimiter) = &row_format.collection_items {
            options.set_collection_delimiter(delimiter)?;
        }
        if let Some(delimiter) = &row_format.map_keys {
            options.set_map_key_delimiter(delimiter)?;
        }
        if let Some(marker) = &row_format.null {
            options.null_marker.clone_from(marker);
        }
        Ok((FileFormat::Text(Box::new(options)), warnings))
    }

    /// The properties as readers take them, references resolved.
    pub(crate) fn properties(&self, scope: &Scope) -> Result<Options> {
        let rules = &scope.engine.shared.rules;
        let resolver = Resolver {
            allow_env: &rules.env,
            allow_files: Some(&rules.locations),
            base: self.folder,
            environment: scope.engine.environment(),
        };
        let mut options = Options::new();
        options.set("timeZone", scope.engine.timezone());
        for setting in ["max_line_bytes", "bad_value"] {
            if let Some(value) = scope.setting(setting) {
                options.set(setting, value);
            }
        }
        for property in &self.clauses.properties {
            let typed = READ_AS_TYPED.iter().any(|name| name.eq_ignore_ascii_case(&property.name));
            let value = match &property.value {
                PropertyValue::Text { raw, .. } if typed => raw.clone(),
                _ => {
                    let whose = format!("{}, \"{}\"", self.name, property.name);
                    resolver.resolve(&scope.with_secret(OptionValue::from(property)), &whose)?.expose().to_owned()
                }
            };
            options.set(&property.name, value);
        }
        Ok(options)
    }
}
