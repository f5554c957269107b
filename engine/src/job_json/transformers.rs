//! `dx_…`: what DataX does to records between reader and writer, as expressions and conditions of the SELECT.
//!
//! The rules are those of DataX's `SubstrTransformer`, `PadTransformer`, `ReplaceTransformer`, `FilterTransformer` and `DigestTransformer`: columns
//! count from 0, every value is a text, and NULL is kept by some and is `''` to others. A record for which DataX's transformer fails is a
//! dirty one there; here it ends the statement (`raise_error`), since it cannot be told what it should be. DataX counts letters in units of
//! UTF-16, of which letters beyond the basic plane have two; here each counts as one.

use super::context::Context;
use super::parameters::Parameters;
use super::plan::{Columns, Source};
use crate::error::Result;

/// The name of the subquery that transformed columns come from.
const TRANSFORMED: &str = "transformed";

/// Puts the transformers over a source, in order. `written` is how many columns the writer takes: columns that the job does not name get names.
pub(crate) fn apply(
    source: Source,
    transformers: &[Parameters<'_>],
    written: Option<usize>,
    context: &mut Context,
) -> Result<Source> {
    let mut source = source;
    for transformer in transformers {
        let name = transformer.required_text("name")?;
        let step = Step::read(transformer, &name)?;
        transformer.finish(&mut context.notes);
        source = with_names(source, step.column, transformer, written)?;
        source = step.apply(source, transformer, context)?;
    }
    Ok(source)
}

/// A transformer with its arguments.
struct Step {
    what: What,
    column: usize,
}

enum What {
    Substr { start: u64, length: u64 },
    Pad { left: bool, length: u64, with: String },
    Replace { start: u64, length: u64, with: String },
    Digest { function: &'static str, upper: bool },
    Filter { operator: Operator, value: String },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Compare(&'static str),
    Equal,
    NotEqual,
    Like,
    NotLike,
}

impl Step {
    fn read(transformer: &Parameters<'_>, name: &str) -> Result<Self> {
        let lower = name.to_ascii_lowercase();
        if lower == "dx_groovy" {
            return Err(transformer
                .wrong("name", "dx_groovy is not supported: it runs code")
                .hint("write what it does into the SELECT of the converted script"));
        }
        const KNOWN: &[&str] = &["dx_substr", "dx_pad", "dx_replace", "dx_filter", "dx_digest"];
        if !KNOWN.contains(&lower.as_str()) {
            let what = format!("there is no transformer {name}");
            return Err(transformer
                .wrong("name", what)
                .hint(format!("transformers that there are: {}", KNOWN.join(", "))));
        }
        let Some(parameter) = transformer.object("parameter")? else {
            return Err(transformer.wrong("parameter", "is missing"));
        };
        let column = parameter.number("columnIndex")?.ok_or_else(|| parameter.wrong("columnIndex", "is missing"))?;
        let column = usize::try_from(column).map_err(|_| parameter.wrong("columnIndex", "is too large"))?;
        let paras = Paras { parameter: &parameter, texts: paras(&parameter)?, name: &lower };
        let what = match lower.as_str() {
            "dx_substr" => {
                paras.must_be(2)?;
                What::Substr { start: paras.number(0)?, length: paras.number(1)? }
            }
            "dx_pad" => {
                paras.must_be(3)?;
                let left = match paras.text(0).to_ascii_lowercase().as_str() {
                    "l" => true,
                    "r" => false,
                    _ => return Err(paras.wrong(0, "is l or r")),
                };
                let with = paras.text(2);
                if with.is_empty() {
                    return Err(paras.wrong(2, "is empty: there is nothing to pad with"));
                }
                What::Pad { left, length: paras.number(1)?, with }
            }
            "dx_replace" => {
                paras.must_be(3)?;
                What::Replace { start: paras.number(0)?, length: paras.number(1)?, with: paras.text(2) }
            }
            "dx_digest" => {
                paras.must_be(2)?;
                let function = match paras.text(0).to_ascii_lowercase().as_str() {
                    "md5" => "md5",
                    "sha1" => "sha1",
                    _ => return Err(paras.wrong(0, "is md5 or sha1")),
                };
                let upper = match paras.text(1).to_ascii_lowercase().as_str() {
                    "touppercase" => true,
                    "tolowercase" => false,
                    _ => return Err(paras.wrong(1, "is toUpperCase or toLowerCase")),
                };
                What::Digest { function, upper }
            }
            _ => {
                paras.must_be(2)?;
                let operator = match paras.text(0).trim().to_ascii_lowercase().as_str() {
                    ">" => Operator::Compare(">"),
                    "<" => Operator::Compare("<"),
                    ">=" => Operator::Compare(">="),
                    "<=" => Operator::Compare("<="),
                    "=" | "==" => Operator::Equal,
                    "!=" => Operator::NotEqual,
                    "like" => Operator::Like,
                    "not like" => Operator::NotLike,
                    _ => return Err(paras.wrong(0, "is one of like, not like, >, <, =, ==, !=, >=, <=")),
                };
                let value = paras.text(1);
                if value.is_empty() {
                    return Err(paras.wrong(1, "is empty"));
                }
                What::Filter { operator, value }
            }
        };
        Ok(Self { what, column })
    }

    fn apply(&self, source: Source, transformer: &Parameters<'_>, context: &Context) -> Result<Source> {
        let Columns::Listed(mut columns) = source.columns.clone() else { return Ok(source) };
        let Some(column) = columns.get(self.column).cloned() else {
            let what = format!("is {}, and there are {} columns, counted from 0", self.column, columns.len());
            return Err(transformer.wrong("parameter.columnIndex", what));
        };
        let text = format!("CAST({column} AS STRING)");
        let transformed = match &self.what {
            What::Filter { operator, value } => {
                let condition = filter(*operator, &column, &text, value, context)?;
                let mut source = source;
                source.conditions.push(condition);
                return Ok(source);
            }
            What::Substr { start, length } => {
                let part = format!("substr({text}, {}, {length})", start + 1);
                within(*start, &text, part, "dx_substr")
            }
            What::Pad { left, length, with } => {
                let function = if *left { "lpad" } else { "rpad" };
                format!("{function}(coalesce({text}, ''), {length}, {})", context.write.string(with)?)
            }
            What::Replace { start, length, with } => {
                let with = context.write.string(with)?;
                let rest = start.saturating_add(*length) + 1;
                let replaced = match start {
                    0 => format!("concat({with}, substr({text}, {rest}))"),
                    _ => format!("concat(substr({text}, 1, {start}), {with}, substr({text}, {rest}))"),
                };
                within(*start, &text, replaced, "dx_replace")
            }
            What::Digest { function, upper } => {
                let digest = format!("{function}(coalesce({text}, ''))");
                if *upper { format!("upper({digest})") } else { digest }
            }
        };
        columns[self.column] = transformed;
        Ok(Source { columns: Columns::Listed(columns), ..source })
    }
}

/// The condition under which a record is kept: DataX drops those for which its condition holds. NULL is dropped by `!=` and `not like`,
/// and, beside the value `null`, by `=` instead. A value that is none of the column's type ends the statement, where DataX has only dirty
/// records; a whole number is one of every type that it may stand beside, or a text.
fn filter(operator: Operator, column: &str, text: &str, value: &str, context: &Context) -> Result<String> {
    let text_constant = context.write.string(value)?;
    let is_whole = value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
    let is_null = value.eq_ignore_ascii_case("null");
    let constant = match is_whole || is_null {
        true => text_constant,
        false => format!("as_type_of({text_constant}, {column})"),
    };
    let matches = |context: &Context| -> Result<String> {
        // the whole text must match
        Ok(format!("{text} RLIKE {}", context.write.string(&format!("^(?:{value})$"))?))
    };
    Ok(match operator {
        Operator::Compare(sign) => format!("({column} {sign} {constant}) IS NOT TRUE"),
        Operator::Equal if is_null => format!("{column} IS NOT NULL AND ({column} = {constant}) IS NOT TRUE"),
        Operator::Equal => format!("({column} = {constant}) IS NOT TRUE"),
        Operator::NotEqual if is_null => format!("({column} IS NULL OR {column} = {constant})"),
        Operator::NotEqual => format!("{column} = {constant}"),
        Operator::Like => format!("({}) IS NOT TRUE", matches(context)?),
        Operator::NotLike => matches(context)?,
    })
}

/// A part of a text that begins within it; NULL stays NULL.
fn within(start: u64, text: &str, part: String, name: &str) -> String {
    if start == 0 {
        return part;
    }
    format!(
        "CASE WHEN char_length({text}) < {start} THEN raise_error('{name}: a text is shorter than {start}') ELSE {part} END"
    )
}

/// A source whose columns are listed, and of which this one is a plain name or a constant, so that a transformer can repeat it.
fn with_names(source: Source, column: usize, transformer: &Parameters<'_>, written: Option<usize>) -> Result<Source> {
    match &source.columns {
        Columns::All(all) => {
            let Some(count) = written else {
                return Err(transformer
                    .wrong("parameter.columnIndex", "counts columns that the job does not name")
                    .hint("name the columns of reader or writer instead of *"));
            };
            let names: Vec<String> = (0..count).map(|at| format!("column_{at}")).collect();
            let from = format!("(SELECT {all} FROM {}) AS {TRANSFORMED} ({})", source.from, names.join(", "));
            Ok(Source { columns: Columns::Listed(names), from, ..source })
        }
        Columns::Listed(columns) if columns.get(column).is_none_or(|column| !column.contains('(')) => Ok(source),
        Columns::Listed(columns) => {
            let mut names = Vec::with_capacity(columns.len());
            let mut selected = Vec::with_capacity(columns.len());
            for (at, column) in columns.iter().enumerate() {
                let is_name = column.starts_with('`')
                    || column.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '{' | '}'));
                let is_name = is_name
                    && !column.starts_with(|c: char| c.is_ascii_digit())
                    && column != "NULL"
                    && !names.contains(column);
                if is_name {
                    names.push(column.clone());
                    selected.push(column.clone());
                } else {
                    names.push(format!("column_{at}"));
                    selected.push(format!("{column} AS column_{at}"));
                }
            }
            let select = super::plan::select(&selected, &source.from, &source.conditions).replace('\n', "\n  ");
            let from = format!("(\n  {select}\n) AS {TRANSFORMED}");
            Ok(Source { columns: Columns::Listed(names), from, conditions: Vec::new(), ..source })
        }
    }
}

struct Paras<'p> {
    parameter: &'p Parameters<'p>,
    texts: Vec<String>,
    name: &'p str,
}

impl Paras<'_> {
    fn must_be(&self, count: usize) -> Result<()> {
        if self.texts.len() == count {
            return Ok(());
        }
        Err(self
            .parameter
            .wrong("paras", format!("{} takes {count} of them, and there are {}", self.name, self.texts.len())))
    }

    fn text(&self, at: usize) -> String {
        self.texts.get(at).cloned().unwrap_or_default()
    }

    fn number(&self, at: usize) -> Result<u64> {
        // Java's int
        let number = self.text(at).trim().parse::<u32>().ok().filter(|number| *number <= i32::MAX.unsigned_abs());
        number.map(u64::from).ok_or_else(|| self.wrong(at, "is no whole number"))
    }

    fn wrong(&self, at: usize, what: &str) -> crate::SynclineError {
        self.parameter.wrong(&format!("paras[{at}]"), what)
    }
}

/// `paras`, of which empty texts count.
fn paras(parameter: &Parameters<'_>) -> Result<Vec<String>> {
    let Some(serde_json::Value::Array(items)) = parameter.value("paras") else {
        return Err(parameter.wrong("paras", "a list is expected"));
    };
    let text = |item: &serde_json::Value| match item {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    items.iter().map(|item| text(item).ok_or_else(|| parameter.wrong("paras", "a list of texts is expected"))).collect()
}
