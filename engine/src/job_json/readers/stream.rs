//! `stream`, `streamreader`: rows out of nothing, constants and random values, to test writers with.

use super::super::context::Context;
use super::super::parameters::Parameters;
use super::super::plan::{Columns, Source};
use crate::error::Result;

/// Hex digits of one `uuid()`.
const DIGITS: u64 = 32;

pub(super) fn plan(parameters: &Parameters<'_>, context: &mut Context) -> Result<Source> {
    let each = parameters
        .number("sliceRecordCount")?
        .filter(|count| *count > 0)
        .ok_or_else(|| parameters.wrong("sliceRecordCount", "is missing; it is the number of rows of each channel"))?;
    let channels = context.setting.channels.max(1);
    let rows = each.checked_mul(channels).filter(|rows| i64::try_from(*rows).is_ok());
    let rows = rows.ok_or_else(|| parameters.wrong("sliceRecordCount", "is too large"))?;
    if channels > 1 {
        context.notes.comment(format!("sliceRecordCount: {each} rows of each of {channels} channels."));
    }
    let items = parameters.objects("column")?;
    if items.is_empty() {
        return Err(parameters.wrong("column", "is missing"));
    }
    let mut columns = Vec::with_capacity(items.len());
    for item in &items {
        columns.push(column(item, context)?);
        item.finish(&mut context.notes);
    }
    parameters.skip(&["envType", "haveMixupFunction"]);
    Ok(Source { from: format!("range(0, {rows})"), columns: Columns::Listed(columns), ..Source::default() })
}

/// The expression of a column: a constant, or a random value.
fn column(item: &Parameters<'_>, context: &mut Context) -> Result<String> {
    let kind = item.text_if_any("type")?.unwrap_or_else(|| "string".to_owned()).to_ascii_lowercase();
    let value = item.text("value")?;
    let random = item.text_if_any("random")?;
    item.refuse("incr", "numbers that rise over channels have no order here")?;
    let format = item.text_if_any("dateFormat")?;
    if format.is_some_and(|format| !["yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd"].contains(&format.as_str())) {
        return Err(item.wrong("dateFormat", "is yyyy-MM-dd HH:mm:ss or yyyy-MM-dd; write the value so"));
    }
    match (value, random) {
        (Some(_), Some(_)) => Err(item.wrong("random", "stands beside value; a column has one of them")),
        (None, None) => Err(item.wrong("value", "is missing, and there is no random")),
        (Some(value), None) => constant(item, &kind, &value, context),
        (None, Some(random)) => random_value(item, &kind, &random, context),
    }
}

fn constant(item: &Parameters<'_>, kind: &str, value: &str, context: &Context) -> Result<String> {
    let text = context.write.string(value)?;
    Ok(match kind {
        "string" => text,
        "long" | "int" if value.trim().parse::<i64>().is_ok() => value.trim().to_owned(),
        "long" | "int" => format!("CAST({text} AS BIGINT)"),
        "double" => format!("CAST({text} AS DOUBLE)"),
        "bool" | "boolean" => match value.trim().to_ascii_lowercase().as_str() {
            "true" => "TRUE".to_owned(),
            "false" => "FALSE".to_owned(),
            _ => return Err(item.wrong("value", "of type bool is true or false")),
        },
        "date" => format!("CAST({text} AS DATETIME)"),
        "bytes" => format!("CAST({text} AS BYTEA)"),
        "null" => "NULL".to_owned(),
        _ => return Err(item.wrong("type", "is one of string, long, double, bool, date, bytes")),
    })
}

/// `"1,10"`: whole numbers and lengths of texts from the first to the second, both included.
fn random_value(item: &Parameters<'_>, kind: &str, random: &str, context: &mut Context) -> Result<String> {
    let wrong = |what: &str| item.wrong("random", what);
    let (from, to) =
        random.split_once(',').ok_or_else(|| wrong("is two values with a comma between them, such as 1,10"))?;
    let (from, to) = (from.trim(), to.trim());
    if kind == "date" {
        let seconds =
            |text: &str| Ok::<_, crate::SynclineError>(format!("unix_timestamp({})", context.write.string(text)?));
        let (from, to) = (seconds(from)?, seconds(to)?);
        return Ok(format!(
            "CAST(from_unixtime({from} + CAST(floor(random() * ({to} - {from} + 1)) AS BIGINT)) AS DATETIME)"
        ));
    }
    let number = |text: &str| text.parse::<i64>().map_err(|_| wrong("is two whole numbers with a comma between them"));
    let (from, to) = (number(from)?, number(to)?);
    let width = to.checked_sub(from).filter(|width| *width >= 0).and_then(|width| width.checked_add(1));
    let width = width.ok_or_else(|| wrong("begins with the larger number"))?;
    let whole = format!("{from} + CAST(floor(random() * {width}) AS BIGINT)");
    Ok(match kind {
        "long" | "int" => whole,
        "double" => format!("{from} + random() * {width}"),
        "bool" | "boolean" => "random() < 0.5".to_owned(),
        "string" | "bytes" => {
            let Some(longest) = u64::try_from(to).ok().filter(|_| from >= 0) else {
                return Err(wrong("is a length below 0"));
            };
            context.notes.comment(format!("{}: random texts are of the digits 0-9 and a-f.", item.path_of("random")));
            let digits = "replace(uuid(), '-', '')";
            let digits = match longest.div_ceil(DIGITS) {
                0 | 1 => digits.to_owned(),
                times => format!("repeat({digits}, {times})"),
            };
            let text = format!("substr({digits}, 1, {whole})");
            if kind == "bytes" { format!("CAST({text} AS BYTEA)") } else { text }
        }
        _ => return Err(item.wrong("type", "is one of string, long, double, bool, date, bytes")),
    })
}
