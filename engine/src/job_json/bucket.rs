//! The bucket of an OSS reader or writer: a data source, or one that is written into the job.

use syncline_connectors::CatalogKind;

use super::catalogs::CatalogValue;
use super::context::Context;
use super::parameters::Parameters;
use crate::error::Result;

pub(super) use super::connection::Side;

/// The catalog that is the bucket.
pub(super) fn catalog(parameters: &Parameters<'_>, context: &mut Context, side: Side) -> Result<String> {
    if let Some(name) = context.data_source(parameters, &[CatalogKind::Oss, CatalogKind::S3])? {
        for key in ["bucket", "endpoint"] {
            let why = "the data source's catalog names its own bucket; leave it out, or name a catalog of this one";
            parameters.refuse(key, why)?;
        }
        for key in ["accessId", "accessKey", "securityToken"] {
            parameters.ignore(key, "the data source's catalog has its own login", &mut context.notes);
        }
        return Ok(name);
    }
    if !parameters.has("endpoint") && !parameters.has("bucket") {
        return Err(parameters.wrong("datasource", "is missing, and there is no endpoint and bucket"));
    }
    let mut properties = vec![
        ("bucket".to_owned(), CatalogValue::Text(parameters.required_text("bucket")?)),
        ("endpoint".to_owned(), CatalogValue::Text(parameters.required_text("endpoint")?)),
    ];
    for (key, property) in
        [("accessId", "access_key_id"), ("accessKey", "access_key_secret"), ("securityToken", "security_token")]
    {
        if let Some(text) = parameters.text_if_any(key)? {
            properties.push((property.to_owned(), CatalogValue::secret(text)));
        }
    }
    // the way to name a bucket in a host is the store's own here
    parameters.skip(&["cname"]);
    Ok(context.catalogs.define(&side.catalog(CatalogKind::Oss), CatalogKind::Oss, properties))
}
