//! What readers and writers share while a job is converted.

use syncline_connectors::CatalogKind;

use super::catalogs::Catalogs;
use super::model::Form;
use super::notes::Notes;
use super::parameters::Parameters;
use super::script::Writer;
use super::settings::Setting;
use crate::error::Result;

/// The job's side of a conversion: how texts are written, what is told, which catalogs there are.
#[derive(Debug)]
pub(crate) struct Context {
    /// Which tool the job is written for.
    pub(crate) form: Form,
    /// Writes the job's texts into the script.
    pub(crate) write: Writer,
    /// What is told beside the script.
    pub(crate) notes: Notes,
    /// The catalogs of the job.
    pub(crate) catalogs: Catalogs,
    /// The settings of the job.
    pub(crate) setting: Setting,
    /// The job's name, for tables that the script makes.
    pub(crate) job: String,
    /// The names of the writer's columns, in order; empty where it lists none.
    pub(crate) target_columns: Vec<String>,
}

impl Context {
    /// The catalog that `datasource` names; None if the job names none.
    pub(crate) fn data_source(&mut self, parameters: &Parameters<'_>, kinds: &[CatalogKind]) -> Result<Option<String>> {
        let Some(name) = parameters.text_if_any("datasource")? else { return Ok(None) };
        crate::catalogs::check_name(&name)
            .map_err(|error| parameters.no_value("datasource", &name, error.message()))?;
        self.catalogs.need(&name, kinds, parameters.path_of("datasource"));
        Ok(Some(name))
    }
}

#[cfg(test)]
impl Context {
    /// A DataWorks job named `job`.
    pub(crate) fn for_tests() -> Self {
        Self {
            form: Form::DataWorks,
            write: Writer::default(),
            notes: Notes::default(),
            catalogs: Catalogs::default(),
            setting: Setting::default(),
            job: "job".to_owned(),
            target_columns: Vec::new(),
        }
    }
}
