//! Listing a bucket: page by page, in the order of the keys' bytes.

use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt, TryStreamExt, try_unfold};
use reqwest::Method;

use super::answer::{self, ListAnswer};
use super::bucket::Bucket;
use super::client::Call;
use super::upload::{decoded, quoted};
use crate::error::Result;

/// Pages without an entry that may follow each other: a server may send some while it skips what was removed.
const MAX_EMPTY_PAGES: usize = 100;

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListEntry {
    /// An object.
    Object {
        /// Its key.
        key: String,
        /// Its length in bytes.
        size: u64,
        /// Its version's ETag, with quotes; None from servers that list none.
        etag: Option<String>,
    },
    /// All keys that begin with this, which ends with a slash.
    Folder(String),
}

/// Entries as their pages arrive; never more than one page is held.
pub type Listing = BoxStream<'static, Result<ListEntry>>;

impl Bucket {
    /// All objects whose keys begin with `prefix`.
    pub fn list_prefix(self: &Arc<Self>, prefix: &str) -> Listing {
        self.listing(prefix, None)
    }

    /// The objects whose keys begin with `prefix` and hold no slash behind it; the others by their folders.
    pub fn list_folder(self: &Arc<Self>, prefix: &str) -> Listing {
        self.listing(prefix, Some("/"))
    }

    fn listing(self: &Arc<Self>, prefix: &str, delimiter: Option<&'static str>) -> Listing {
        enum Next {
            First,
            From { token: String, empty_pages: usize },
            Done,
        }
        let (bucket, prefix) = (Arc::clone(self), prefix.to_owned());
        try_unfold(Next::First, move |next| {
            let (bucket, prefix) = (Arc::clone(&bucket), prefix.clone());
            async move {
                let (token, empty_pages) = match next {
                    Next::First => (None, 0),
                    Next::From { token, empty_pages } => (Some(token), empty_pages),
                    Next::Done => return Ok(None),
                };
                let (entries, following) = bucket.list_page(&prefix, delimiter, token.as_deref(), None).await?;
                let empty_pages = if entries.is_empty() { empty_pages + 1 } else { 0 };
                let next = match following {
                    None => Next::Done,
                    // Else such pages could come for ever.
                    Some(following) if token.as_ref() == Some(&following) || empty_pages > MAX_EMPTY_PAGES => {
                        return Err(bucket.strange(&prefix, "its listing does not go on"));
                    }
                    Some(token) => Next::From { token, empty_pages },
                };
                Ok(Some((futures::stream::iter(entries.into_iter().map(Ok)), next)))
            }
        })
        .try_flatten()
        .boxed()
    }

    /// One page, and where the next one begins if there is one.
    pub(super) async fn list_page(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        token: Option<&str>,
        max_keys: Option<u32>,
    ) -> Result<(Vec<ListEntry>, Option<String>)> {
        let max_keys = max_keys.map(|max| max.to_string());
        let mut query = vec![("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix)];
        query.extend(delimiter.map(|delimiter| ("delimiter", delimiter)));
        query.extend(token.map(|token| ("continuation-token", token)));
        query.extend(max_keys.as_deref().map(|max| ("max-keys", max)));
        let answer = self.ask(&Call::new(Method::GET, "", &query)).await?;
        let page: ListAnswer = answer::parse(&answer.body).map_err(|why| self.strange(prefix, &why))?;
        let is_encoded = page.encoding_type.as_deref() == Some("url");
        let read = |key: String| match is_encoded {
            true => decoded(&key).ok_or_else(|| self.strange(prefix, "a key is not UTF-8")),
            false => Ok(key),
        };
        let mut entries = Vec::with_capacity(page.contents.len() + page.common_prefixes.len());
        for object in page.contents {
            let etag = object.etag.filter(|etag| !etag.trim().is_empty()).map(|etag| quoted(&etag));
            entries.push(ListEntry::Object { key: read(object.key)?, size: object.size, etag });
        }
        for folder in page.common_prefixes {
            entries.push(ListEntry::Folder(read(folder.prefix)?));
        }
        match (page.is_truncated, page.next_continuation_token) {
            (false, _) => Ok((entries, None)),
            (true, Some(token)) if !token.is_empty() => Ok((entries, Some(token))),
            (true, _) => Err(self.strange(prefix, "its listing is cut and does not say where it goes on")),
        }
    }
}
