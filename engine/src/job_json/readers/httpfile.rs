//! `httpfile` (DataWorks): one file behind an HTTP server.

use syncline_connectors::CatalogKind;

use super::super::context::Context;
use super::super::file_table;
use super::super::parameters::Parameters;
use super::super::plan::Source;
use crate::catalogs::is_secret;
use crate::error::Result;

pub(super) fn plan(parameters: &Parameters<'_>, context: &mut Context) -> Result<Source> {
    let Some(catalog) = context.data_source(parameters, &[CatalogKind::Http])? else {
        return Err(parameters.wrong("datasource", "is missing"));
    };
    let path = parameters.required_text("fileName")?;
    let mut location = format!("{catalog}:/{}", path.trim_start_matches('/'));
    if let Some(query) = parameters.text_if_any("requestParam")? {
        location.push(if path.contains('?') { '&' } else { '?' });
        location.push_str(query.trim_start_matches(['?', '&']));
        if is_secret(&query) {
            context.notes.warn(format!(
                "{} stands in the script as it is, and may hold a secret",
                parameters.path_of("requestParam")
            ));
        }
    }
    let request = request(parameters, context)?;
    // how much of a download is held at a time is the engine's to choose; the console writes it into every job
    parameters.skip(&["bufferByteSizeInKB", "envType", "guid"]);
    file_table::plan(parameters, context, &location, request)
}

/// The properties of the table that say how its file is asked for.
fn request(parameters: &Parameters<'_>, context: &mut Context) -> Result<Vec<(String, String)>> {
    let mut properties = Vec::new();
    let mut put = |name: &str, value: String| properties.push((format!("http.{name}"), value));
    let method = parameters.text_if_any("requestMethod")?.unwrap_or_default().to_ascii_uppercase();
    match method.as_str() {
        "" | "GET" => {
            parameters.ignore("requestBody", "a GET has no body", &mut context.notes);
        }
        "POST" | "PUT" => {
            put("method", format!("\"{method}\""));
            if let Some(body) = parameters.text("requestBody")?.filter(|body| !body.is_empty()) {
                // `${name}` within it is put in by the script, which a reference cannot do
                let written = match is_secret(&body) && !context.write.has_variable(&body) {
                    true => context.catalogs.secret(&format!("{}_request_body", context.job), &body),
                    false => context.write.quoted(&body)?,
                };
                put("body", written);
            }
        }
        _ => return Err(parameters.wrong("requestMethod", "is one of GET, POST and PUT")),
    }
    if let Some(headers) = parameters.object("requestHeaders")? {
        for (name, value) in headers.all_texts()? {
            // the name stands in the script as it is
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
                return Err(
                    parameters.wrong("requestHeaders", format!("\"{}\" is no header's name", name.escape_debug()))
                );
            }
            let property = format!("http.header.{name}");
            let written = match is_secret(&property) && !context.write.has_variable(&value) {
                true => context.catalogs.secret(&format!("{}_{name}", context.job), &value),
                false => context.write.quoted(&value)?,
            };
            put(&format!("header.{name}"), written);
        }
    }
    for (key, name) in [("connectTimeoutSeconds", "connect_timeout"), ("socketTimeoutSeconds", "read_timeout")] {
        // 0 is no limit there; an answer that never comes is waited for no longer than that here
        if let Some(seconds) = parameters.number(key)?.filter(|seconds| *seconds > 0) {
            put(name, format!("\"{seconds}s\""));
        }
    }
    Ok(properties)
}
