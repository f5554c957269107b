//! `httpfile` (DataWorks): one file behind an HTTP server.

use serde_json::Value;
use syncline_connectors::CatalogKind;

use super::super::context::Context;
use super::super::file_table;
use super::super::parameters::Parameters;
use super::super::plan::Source;
use super::super::variables::is_variable;
use crate::catalogs::is_secret;
use crate::error::Result;

pub(super) fn plan(parameters: &Parameters<'_>, context: &mut Context) -> Result<Source> {
    let Some(catalog) = context.data_source(parameters, &[CatalogKind::Http])? else {
        return Err(parameters.wrong("datasource", "is missing"));
    };
    let path = parameters.required_text("fileName")?;
    let mut location = format!("{catalog}:/{}", path.trim_start_matches('/'));
    if let Some((_, query)) = path.split_once('?') {
        warn_of(secret_of_query(query), "fileName", parameters, context);
    }
    if let Some(query) = parameters.text_if_any("requestParam")? {
        let query = query.trim_start_matches(['?', '&']);
        location.push(if path.contains('?') { '&' } else { '?' });
        location.push_str(query);
        warn_of(secret_of_query(query), "requestParam", parameters, context);
    }
    let request = request(parameters, context)?;
    // how much of a download is held at a time is the engine's to choose; the console writes it into every job
    parameters.skip(&["bufferByteSizeInKB", "envType", "guid"]);
    file_table::plan(parameters, context, &location, request)
}

/// Tells of a secret that a script cannot refer to, because it is a part of a text.
fn warn_of(secret: Option<String>, key: &str, parameters: &Parameters<'_>, context: &mut Context) {
    if let Some(name) = secret {
        context.notes.warn(format!(
            "{} holds \"{}\", which looks like a secret and stands in the script as it is; make its value a variable, ${{NAME}}, and give \
             it by SYNCLINE_PARAM_NAME",
            parameters.path_of(key),
            name.escape_debug()
        ));
    }
}

/// The first name in `a=1&b=2` that looks like that of a secret, and whose value is no variable.
fn secret_of_query(query: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, value)| is_secret(name.trim()) && !is_variable(value)).map(|(name, _)| name.trim().to_owned())
}

/// The same in a body: of JSON, else of a form.
fn secret_of_body(body: &str) -> Option<String> {
    match serde_json::from_str::<Value>(body) {
        Ok(json) => secret_of_json(&json),
        Err(_) => secret_of_query(body),
    }
}

fn secret_of_json(json: &Value) -> Option<String> {
    match json {
        Value::Object(object) => object.iter().find_map(|(name, value)| match value {
            Value::String(text) if is_secret(name) && !is_variable(text) => Some(name.clone()),
            Value::Number(_) if is_secret(name) => Some(name.clone()),
            _ => secret_of_json(value),
        }),
        Value::Array(items) => items.iter().find_map(secret_of_json),
        _ => None,
    }
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
                // which part of a body is a secret nobody can tell, so that all of it is out of sight; but `${name}` within it is put in by
                // the script, which a reference cannot do
                let written = match context.write.has_variable(&body) {
                    false => context.catalogs.secret(&format!("{}_request_body", context.job), &body),
                    true => {
                        warn_of(secret_of_body(&body), "requestBody", parameters, context);
                        context.write.quoted(&body)?
                    }
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
