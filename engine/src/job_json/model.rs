//! A job read from JSON, both forms in one shape: a reader, a writer, what is done in between, settings.

use serde_json::{Map, Value};

use super::notes::Notes;
use super::parameters::{Parameters, wrong};
use crate::error::{Result, SynclineError, codes};

/// Which tool a job is written for: their defaults differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// DataWorks's `{"type": "job", "version": "2.0", "steps": […]}`: connections are data sources, named.
    DataWorks,
    /// DataX's `{"job": {"content": […]}}`: connections are in the job.
    DataX,
}

/// A reader or a writer.
#[derive(Debug)]
pub(crate) struct Plugin<'a> {
    /// Its name without `reader` and `writer`, in lower case: `mysql`.
    pub(crate) name: String,
    /// The JSON path of its name, for errors.
    pub(crate) path: String,
    /// Its parameters.
    pub(crate) parameters: Parameters<'a>,
}

/// A job.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) form: Form,
    pub(crate) reader: Plugin<'a>,
    pub(crate) writer: Plugin<'a>,
    /// `dx_…`, in order.
    pub(crate) transformers: Vec<Parameters<'a>>,
    pub(crate) setting: Parameters<'a>,
    /// What a DataX job says of DataX's own process.
    pub(crate) core: Option<Parameters<'a>>,
}

impl<'a> Job<'a> {
    /// Reads either form.
    pub(crate) fn read(root: &'a Value, notes: &mut Notes) -> Result<Self> {
        let Value::Object(object) = root else {
            return Err(SynclineError::new(codes::JOB, "a job is a JSON object").hint(FORMS));
        };
        if object.contains_key("steps") {
            return data_works(object, notes);
        }
        match object.get("job") {
            Some(Value::Object(job)) => data_x(object, job, notes),
            _ => Err(SynclineError::new(codes::JOB, "there are neither \"steps\" nor \"job\" in it").hint(FORMS)),
        }
    }
}

const FORMS: &str = "a job of DataWorks has \"steps\", one of DataX has \"job\": {\"content\": […]}";

fn data_works<'a>(root: &'a Map<String, Value>, notes: &mut Notes) -> Result<Job<'a>> {
    let top = Parameters::new("", root);
    if let Some(version) = top.text_if_any("version")?.filter(|version| version != "2.0") {
        notes.warn(format!("the job is of version {version}; it is read as one of version 2.0"));
    }
    // what the console keeps for itself
    top.skip(&["type", "extend"]);
    let steps = list_of_objects(root, "steps")?;
    top.skip(&["steps"]);
    let (mut reader, mut writer) = (None, None);
    for (at, step) in steps.into_iter().enumerate() {
        let path = format!("steps[{at}]");
        let step_parameters = Parameters::new(&path, step);
        let category = step_parameters.text_if_any("category")?.unwrap_or_default().to_ascii_lowercase();
        step_parameters.skip(&["copies", "gui", "displayName", "description"]);
        let name = step_parameters.text_if_any("name")?;
        let slot = match category.as_str() {
            "reader" => &mut reader,
            "writer" => &mut writer,
            "processor" => {
                refuse_processor(&step_parameters)?;
                continue;
            }
            "" => return Err(step_parameters.wrong("category", "is missing; it is reader or writer")),
            other => return Err(step_parameters.wrong("category", format!("\"{other}\" is neither reader nor writer"))),
        };
        if slot.is_some() {
            return Err(wrong(&path, format!("is a second {category}; a job has one")));
        }
        let plugin = plugin(step_parameters.required_text("stepType")?, format!("{path}.stepType"), step)?;
        step_parameters.skip(&["parameter"]);
        step_parameters.finish(notes);
        *slot = Some((plugin, name));
    }
    let missing = |what: &str| wrong("steps", format!("there is no step of category {what}"));
    let (reader, reader_name) = reader.ok_or_else(|| missing("reader"))?;
    let (writer, writer_name) = writer.ok_or_else(|| missing("writer"))?;
    check_order(&top, reader_name.as_deref(), writer_name.as_deref(), notes)?;
    let setting = object_or_empty(root, "setting", "setting")?;
    top.skip(&["setting"]);
    top.finish(notes);
    Ok(Job { form: Form::DataWorks, reader, writer, transformers: Vec::new(), setting, core: None })
}

/// The wizard's own transforms are another language.
fn refuse_processor(step: &Parameters<'_>) -> Result<()> {
    step.skip(&["stepType"]);
    let Some(parameter) = step.object("parameter")? else { return Ok(()) };
    for key in ["nodes", "edges", "groups"] {
        parameter
            .refuse(key, "the wizard's transforms are not read; write them into the SELECT of the converted script")?;
    }
    Ok(())
}

/// `order.hops`, if there, leads from the reader to the writer.
fn check_order(top: &Parameters<'_>, reader: Option<&str>, writer: Option<&str>, notes: &mut Notes) -> Result<()> {
    let Some(order) = top.object("order")? else { return Ok(()) };
    for hop in order.objects("hops")? {
        for (key, name) in [("from", reader), ("to", writer)] {
            if let (Some(written), Some(name)) = (hop.text_if_any(key)?, name)
                && written != name
            {
                return Err(hop.wrong(
                    key,
                    format!("\"{written}\" is not the step \"{name}\"; a job leads from its reader to its writer"),
                ));
            }
        }
        hop.finish(notes);
    }
    order.finish(notes);
    Ok(())
}

fn data_x<'a>(root: &'a Map<String, Value>, job: &'a Map<String, Value>, notes: &mut Notes) -> Result<Job<'a>> {
    let top = Parameters::new("", root);
    top.skip(&["job", "core"]);
    top.ignore("entry", "there is no Java machine to give options to", notes);
    top.ignore("common", "dates and texts have one form here, yyyy-MM-dd HH:mm:ss and UTF-8", notes);
    top.finish(notes);
    let in_job = Parameters::new("job", job);
    for key in ["preHandler", "postHandler"] {
        in_job.refuse(
            key,
            "a plugin of DataX would be called; write preSql or postSql, or a statement into the converted script",
        )?;
    }
    in_job.skip(&["content", "setting"]);
    in_job.finish(notes);
    let contents = list_of_objects(job, "content").map_err(|error| wrong("job", error.message()))?;
    let Some(content) = contents.first() else { return Err(wrong("job.content", "is empty")) };
    if contents.len() > 1 {
        notes.warn("job.content has several entries; as in DataX only the first is read");
    }
    let path = "job.content[0]";
    let in_content = Parameters::new(path, content);
    in_content.skip(&["reader", "writer", "transformer"]);
    in_content.finish(notes);
    let side = |key: &str| {
        let path = format!("{path}.{key}");
        let Some(Value::Object(object)) = content.get(key) else { return Err(wrong(&path, "an object is expected")) };
        let parameters = Parameters::new(&path, object);
        plugin(parameters.required_text("name")?, format!("{path}.name"), object)
    };
    let transformers = match content.get("transformer") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items
            .iter()
            .enumerate()
            .map(|(at, item)| {
                let path = format!("{path}.transformer[{at}]");
                item.as_object()
                    .map(|object| Parameters::new(&path, object))
                    .ok_or_else(|| wrong(&path, "an object is expected"))
            })
            .collect::<Result<_>>()?,
        Some(_) => return Err(wrong(&format!("{path}.transformer"), "a list is expected")),
    };
    let core = match root.get("core") {
        Some(Value::Object(core)) => Some(Parameters::new("core", core)),
        _ => None,
    };
    Ok(Job {
        form: Form::DataX,
        reader: side("reader")?,
        writer: side("writer")?,
        transformers,
        setting: object_or_empty(job, "setting", "job.setting")?,
        core,
    })
}

/// A plugin and its parameters, which stand in `parameter` of the object.
fn plugin(name: String, path: String, object: &Map<String, Value>) -> Result<Plugin<'_>> {
    let lower = name.trim().to_ascii_lowercase();
    let short = lower.strip_suffix("reader").or_else(|| lower.strip_suffix("writer")).unwrap_or(&lower).to_owned();
    let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
    let parameters = object_or_empty(object, "parameter", &format!("{parent}.parameter"))?;
    Ok(Plugin { name: short, path, parameters })
}

fn object_or_empty<'a>(object: &'a Map<String, Value>, key: &str, path: &str) -> Result<Parameters<'a>> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(Parameters::empty(path)),
        Some(Value::Object(inner)) => Ok(Parameters::new(path, inner)),
        Some(_) => Err(wrong(path, "an object is expected")),
    }
}

fn list_of_objects<'a>(object: &'a Map<String, Value>, key: &str) -> Result<Vec<&'a Map<String, Value>>> {
    let Some(Value::Array(items)) = object.get(key) else { return Err(wrong(key, "a list is expected")) };
    let item = |(at, item): (usize, &'a Value)| {
        item.as_object().ok_or_else(|| wrong(&format!("{key}[{at}]"), "an object is expected"))
    };
    items.iter().enumerate().map(item).collect()
}
