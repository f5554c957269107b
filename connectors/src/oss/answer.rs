//! What a bucket's server answers, as XML.

use quick_xml::de;
use serde::Deserialize;

/// `<Error>`: the body of an answer that is no success (Amazon S3: REST error responses; OSS: error responses).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ErrorAnswer {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) request_id: String,
}

impl ErrorAnswer {
    /// Reads a body; None if it is something else. OSS and S3 agree on these three elements.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let is_error = text.contains("<Error>") || text.contains("<Error ");
        is_error.then(|| de::from_str(text).ok()).flatten()
    }
}

/// `<ListBucketResult>` (ListObjectsV2).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListAnswer {
    #[serde(default)]
    pub(super) contents: Vec<Contents>,
    #[serde(default)]
    pub(super) common_prefixes: Vec<CommonPrefix>,
    #[serde(default)]
    pub(super) is_truncated: bool,
    #[serde(default)]
    pub(super) next_continuation_token: Option<String>,
    /// `url` if keys and prefixes are percent-encoded.
    #[serde(default)]
    pub(super) encoding_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Contents {
    pub(super) key: String,
    pub(super) size: u64,
    #[serde(rename = "ETag", default)]
    pub(super) etag: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CommonPrefix {
    pub(super) prefix: String,
}

/// `<InitiateMultipartUploadResult>`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InitiateAnswer {
    pub(super) upload_id: String,
}

/// Reads the XML of an answer.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    de::from_str(text).map_err(|_| "it is not the XML that was expected".to_owned())
}
