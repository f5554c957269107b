//! The catalogs of a job: data sources that are named in it, and connections that are written into it.
//!
//! A password or key that stands in the job never gets into the script: the catalog refers to a variable of the environment, and whoever runs
//! the job hands its value in beside the script.

use syncline_connectors::CatalogKind;
use syncline_connectors::options::Secret;

use super::script::{self, Writer};
use crate::error::{Result, SynclineError, codes};

/// A data source that the job names, and that the config must define.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededCatalog {
    /// The data source, which is the catalog's name.
    pub name: String,
    /// The types that the plugin reads or writes.
    pub kinds: Vec<CatalogKind>,
    /// The JSON path of the name.
    pub path: String,
}

impl NeededCatalog {
    /// The error if there is no such catalog.
    pub fn missing(&self) -> SynclineError {
        let (name, kind) = (&self.name, self.kinds.first().map_or("", |kind| kind.name()));
        let message = format!("{}: there is no catalog \"{name}\" for this data source", self.path);
        let bare = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let key = if bare { name.clone() } else { format!("\"{name}\"") };
        SynclineError::new(codes::JOB, message)
            .hint(format!("add to syncline.toml:\n[catalogs.{key}]\ntype = \"{kind}\"\n{}", example(kind)))
    }

    /// The error if the catalog is of another type.
    pub fn of_other_kind(&self, kind: CatalogKind) -> SynclineError {
        let wanted: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        let message = format!(
            "{}: the catalog \"{}\" is of type {}, and the plugin needs {}",
            self.path,
            self.name,
            kind.name(),
            wanted.join(" or ")
        );
        SynclineError::new(codes::JOB, message)
    }
}

/// The other lines of a catalog's section.
fn example(kind: &str) -> &'static str {
    match kind {
        "mysql" => "url = \"jdbc:mysql://HOST:3306/DATABASE\"\nuser = \"USER\"\npassword = \"${env:PASSWORD}\"",
        "starrocks" => {
            "url = \"jdbc:mysql://HOST:9030/DATABASE\"\nload_url = \"HOST:8030\"\nuser = \"USER\"\npassword = \"${env:PASSWORD}\""
        }
        "http" => "url = \"https://HOST\"",
        _ => {
            "bucket = \"BUCKET\"\nendpoint = \"ENDPOINT\"\naccess_key_id = \"${env:ACCESS_KEY_ID}\"\naccess_key_secret = \"${env:ACCESS_KEY_SECRET}\""
        }
    }
}

/// The value of a property of a catalog that is made of a job's own connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CatalogValue {
    /// A text to be shown.
    Text(String),
    /// A delimiter-free list or number that needs no more than quotes, and is no secret.
    Secret(Secret),
}

impl CatalogValue {
    pub(crate) fn secret(text: impl Into<String>) -> Self {
        Self::Secret(Secret::new(text))
    }
}

/// A catalog that the script defines.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NewCatalog {
    name: String,
    kind: CatalogKind,
    properties: Vec<(String, CatalogValue)>,
}

/// The catalogs in SQL.
#[derive(Debug)]
pub(crate) struct Definitions {
    /// CREATE EXTERNAL CATALOG, without `;`.
    pub(crate) statements: Vec<String>,
    /// The secrets, by the variables of the environment that stand for them.
    pub(crate) secrets: Vec<(String, Secret)>,
}

/// All catalogs of a job.
#[derive(Debug, Default)]
pub(crate) struct Catalogs {
    pub(crate) needed: Vec<NeededCatalog>,
    new: Vec<NewCatalog>,
    /// Secrets of tables, by the variables that their properties refer to.
    of_tables: Vec<(String, Secret)>,
}

impl Catalogs {
    /// Notes a data source.
    pub(crate) fn need(&mut self, name: &str, kinds: &[CatalogKind], path: String) {
        if !self.needed.iter().any(|known| known.name == name && known.kinds == kinds) {
            self.needed.push(NeededCatalog { name: name.to_owned(), kinds: kinds.to_vec(), path });
        }
    }

    /// Defines a catalog and returns its name: `wanted`, or with a number behind it. The same connection is the same catalog.
    pub(crate) fn define(
        &mut self,
        wanted: &str,
        kind: CatalogKind,
        properties: Vec<(String, CatalogValue)>,
    ) -> String {
        let same = |known: &&NewCatalog| known.kind == kind && known.properties == properties;
        if let Some(known) = self.new.iter().find(same) {
            return known.name.clone();
        }
        let is_taken = |name: &str| self.new.iter().any(|known| known.name == name);
        let names = std::iter::once(wanted.to_owned()).chain((2..).map(|number| format!("{wanted}_{number}")));
        let name = names.into_iter().find(|name| !is_taken(name)).unwrap_or_else(|| wanted.to_owned());
        self.new.push(NewCatalog { name: name.clone(), kind, properties });
        name
    }

    /// Keeps a secret of a table out of the script: the reference to it that stands there, with its quotes.
    pub(crate) fn secret(&mut self, wanted: &str, value: &str) -> String {
        let variable = variable_name(wanted);
        if !self.of_tables.iter().any(|(known, _)| *known == variable) {
            self.of_tables.push((variable.clone(), Secret::new(value)));
        }
        format!("\"${{env:{variable}}}\"")
    }

    /// The statements that define the catalogs.
    pub(crate) fn statements(&self, writer: &Writer) -> Result<Definitions> {
        let (mut statements, mut secrets) = (Vec::new(), self.of_tables.clone());
        for catalog in &self.new {
            let mut properties = vec![("type".to_owned(), format!("\"{}\"", catalog.kind.name()))];
            for (name, value) in &catalog.properties {
                let written = match value {
                    CatalogValue::Text(text) => writer.quoted(text)?,
                    CatalogValue::Secret(secret) if secret.is_empty() => "\"\"".to_owned(),
                    // whoever runs the script gives the value, which a reference could not take in
                    CatalogValue::Secret(secret) if writer.has_variable(secret.expose()) => {
                        writer.quoted(secret.expose())?
                    }
                    CatalogValue::Secret(secret) => {
                        let variable = variable(&catalog.name, name);
                        secrets.push((variable.clone(), secret.clone()));
                        format!("\"${{env:{variable}}}\"")
                    }
                };
                properties.push((name.clone(), written));
            }
            let head = format!("CREATE EXTERNAL CATALOG IF NOT EXISTS {} ", writer.name(&catalog.name)?);
            statements.push(head + &script::properties("PROPERTIES", &properties));
        }
        Ok(Definitions { statements, secrets })
    }
}

/// The variable of the environment for a property of a catalog: `MYSQL_SOURCE_PASSWORD`.
fn variable(catalog: &str, property: &str) -> String {
    variable_name(&format!("{catalog}_{property}"))
}

/// Capital letters, digits and `_`.
fn variable_name(text: &str) -> String {
    text.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}
