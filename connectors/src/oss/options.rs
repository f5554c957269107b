//! The options of a catalog of type oss or s3.

use std::path::PathBuf;
use std::time::Duration;

use object_store::aws::AwsCredential;
use url::Url;

use crate::catalog::CatalogKind;
use crate::error::{ConnectorError, Result};
use crate::http_client::HttpClientSettings;
use crate::options::{Options, Secret, duration, nearest, retries};
use crate::scan_settings::ScanSettings;
use crate::throttle::{SpeedLimits, is_speed};

/// Every option by its own name, in the order of the docs.
const KNOWN: &[&str] = &[
    "bucket",
    "endpoint",
    "region",
    "access_key_id",
    "access_key_secret",
    "security_token",
    "addressing",
    "connect_timeout",
    "read_timeout",
    "retries",
    "ca",
    "max_connections",
    "max_bytes_per_second",
    "max_rows_per_second",
];

/// How to talk to a bucket. Debug hides the keys.
#[derive(Debug)]
pub(super) struct BucketSettings {
    /// The bucket's name.
    pub(super) bucket: String,
    /// The URL that keys are appended to; its path ends with a slash.
    pub(super) base: Url,
    /// The region that requests are signed for.
    pub(super) region: String,
    /// None for a bucket that everybody may read.
    pub(super) credential: Option<AwsCredential>,
    /// Timeouts and TLS.
    pub(super) client: HttpClientSettings,
    /// How often a request is tried again, and how often a download may be resumed without getting on.
    pub(super) retries: u32,
    /// The pause before the first retry; it doubles each time.
    pub(super) backoff: Duration,
    /// Limits of speed that hold for the whole catalog.
    pub(super) speed: SpeedLimits,
    /// `max_connections`: how many objects or ranges are read, and how many writers write at the same time at most.
    pub(super) max_connections: Option<usize>,
}

/// Where a bucket's name stands in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Addressing {
    /// In front of the endpoint's host: `https://bucket.endpoint/key`.
    VirtualHost,
    /// In the path: `https://endpoint/bucket/key`.
    Path,
}

/// Options as given, by their own names.
#[derive(Default)]
struct Given {
    bucket: Option<String>,
    endpoint: Option<String>,
    region: Option<String>,
    key_id: Option<String>,
    key_secret: Option<Secret>,
    token: Option<Secret>,
    addressing: Option<Addressing>,
}

impl BucketSettings {
    /// Reads a catalog's options.
    ///
    /// # Errors
    /// Code Option for a name that is not known (with a suggestion), a value that does not parse, or one that is missing.
    pub(super) fn from_options(kind: CatalogKind, catalog: &str, options: &Options) -> Result<Self> {
        let of_catalog =
            |error: ConnectorError| ConnectorError::option(format!("catalog \"{catalog}\": {}", error.message()));
        Self::parse(kind, options).map_err(of_catalog)
    }

    fn parse(kind: CatalogKind, options: &Options) -> Result<Self> {
        let mut given = Given::default();
        // Ranges of one object are read side by side, which one connection of HTTP/2 would put in line.
        let mut client = HttpClientSettings { http1_only: true, ..HttpClientSettings::default() };
        let mut tries = 4;
        for (name, value) in options.iter() {
            let value = value.trim();
            // DataWorks, the OSS tools and the AWS tools each have names of their own for the keys.
            match name.to_ascii_lowercase().as_str() {
                "bucket" => once(&mut given.bucket, name, value.to_owned())?,
                "endpoint" => once(&mut given.endpoint, name, value.to_owned())?,
                "region" => once(&mut given.region, name, value.to_owned())?,
                "access_key_id" | "accesskeyid" | "access_id" | "accessid" => {
                    once(&mut given.key_id, name, value.to_owned())?;
                }
                "access_key_secret" | "accesskeysecret" | "accesskey" | "secret_access_key" => {
                    once(&mut given.key_secret, name, Secret::new(value))?;
                }
                "security_token" | "securitytoken" | "session_token" | "sts_token" => {
                    once(&mut given.token, name, Secret::new(value))?;
                }
                "addressing" => once(&mut given.addressing, name, addressing(value)?)?,
                "connect_timeout" => client.connect_timeout = duration(name, value)?,
                "read_timeout" => client.read_timeout = Some(duration(name, value)?),
                "retries" => tries = retries(value)?,
                "ca" | "ssl_ca" => client.ca_file = Some(PathBuf::from(value)),
                "timezone" => {}
                _ if is_speed(name) => {}
                _ => return Err(unknown(name)),
            }
        }
        let credential = given.credential()?;
        let bucket = given.bucket.ok_or_else(|| ConnectorError::option("option \"bucket\" is missing"))?;
        check_bucket_name(&bucket)?;
        let endpoint = match (given.endpoint, &given.region, kind) {
            (Some(endpoint), _, _) => endpoint,
            (None, Some(region), CatalogKind::Oss) => {
                format!("oss-{}.aliyuncs.com", region.strip_prefix("oss-").unwrap_or(region))
            }
            (None, None, CatalogKind::Oss) => {
                let example = "such as \"oss-cn-hangzhou.aliyuncs.com\" (or \"oss-cn-hangzhou-internal.aliyuncs.com\")";
                return Err(ConnectorError::option(format!("option \"endpoint\" is missing, {example}")));
            }
            (None, region, _) => format!("s3.{}.amazonaws.com", region.as_deref().unwrap_or("us-east-1")),
        };
        let endpoint = parse_endpoint(&endpoint, &bucket)?;
        let host = endpoint.host_str().unwrap_or_default();
        let region = match given.region {
            Some(region) => region,
            None => region_of(host).unwrap_or_else(|| "us-east-1".to_owned()),
        };
        if region.is_empty() || !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        {
            return Err(ConnectorError::option("option \"region\" is letters, digits and -, such as cn-hangzhou"));
        }
        let addressing = given.addressing.unwrap_or_else(|| usual_addressing(kind, host, &bucket));
        let base = base_url(&endpoint, &bucket, addressing)?;
        let speed = SpeedLimits::parse(options)?;
        let max_connections = ScanSettings::parse(&Options::new(), options)?.max_connections;
        let backoff = Duration::from_millis(250);
        Ok(Self { bucket, base, region, credential, client, retries: tries, backoff, speed, max_connections })
    }
}

impl Given {
    fn credential(&mut self) -> Result<Option<AwsCredential>> {
        let (key_id, key_secret) = match (self.key_id.take(), self.key_secret.take()) {
            (None, None) if self.token.is_some() => {
                let message = "option \"security_token\" needs \"access_key_id\" and \"access_key_secret\"";
                return Err(ConnectorError::option(message));
            }
            (None, None) => return Ok(None),
            (Some(id), Some(secret)) => (id, secret),
            (Some(_), None) => return Err(ConnectorError::option("option \"access_key_secret\" is missing")),
            (None, Some(_)) => return Err(ConnectorError::option("option \"access_key_id\" is missing")),
        };
        let token = self.token.take().filter(|token| !token.is_empty());
        // They are put into headers, where the signer expects nothing else.
        let fits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        for (name, text) in [
            ("access_key_id", key_id.as_str()),
            ("access_key_secret", key_secret.expose()),
            ("security_token", token.as_ref().map_or("-", Secret::expose)),
        ] {
            if !fits(text) {
                let message = format!(
                    "option \"{name}\" is empty or holds a space, a control character or a letter beyond ASCII"
                );
                return Err(ConnectorError::option(message));
            }
        }
        Ok(Some(AwsCredential {
            key_id,
            secret_key: key_secret.expose().to_owned(),
            token: token.map(|token| token.expose().to_owned()),
        }))
    }
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(ConnectorError::option(format!("option \"{name}\" was given before, by this or another name"))),
    }
}

fn addressing(text: &str) -> Result<Addressing> {
    match text.to_ascii_lowercase().replace('_', "-").as_str() {
        "virtual-host" | "virtual-hosted" | "virtual" => Ok(Addressing::VirtualHost),
        "path" => Ok(Addressing::Path),
        _ => Err(ConnectorError::option("option \"addressing\" is \"virtual-host\" or \"path\"")),
    }
}

/// OSS refuses paths. Amazon's certificate does not hold for a bucket with a dot; servers of one's own seldom have a name for each bucket.
fn usual_addressing(kind: CatalogKind, host: &str, bucket: &str) -> Addressing {
    let is_amazon = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
    match kind {
        CatalogKind::Oss => Addressing::VirtualHost,
        _ if host.ends_with(".aliyuncs.com") || (is_amazon && !bucket.contains('.')) => Addressing::VirtualHost,
        _ => Addressing::Path,
    }
}

fn base_url(endpoint: &Url, bucket: &str, addressing: Addressing) -> Result<Url> {
    let mut base = endpoint.clone();
    match addressing {
        Addressing::Path => base.set_path(&format!("/{bucket}/")),
        Addressing::VirtualHost => {
            if !matches!(endpoint.host(), Some(url::Host::Domain(_))) {
                let message = "a bucket's name cannot stand in front of an IP address; set \"addressing\" = \"path\", or give the endpoint by name";
                return Err(ConnectorError::option(message));
            }
            let host = format!("{bucket}.{}", endpoint.host_str().unwrap_or_default());
            base.set_host(Some(&host)).map_err(|error| {
                ConnectorError::option(format!("the bucket's name in front of the endpoint is no host: {error}"))
            })?;
        }
    }
    Ok(base)
}

/// With or without a scheme, and with or without the bucket in front, as consoles print it. https unless http is written.
fn parse_endpoint(text: &str, bucket: &str) -> Result<Url> {
    let refuse = |what: &str| ConnectorError::option(format!("option \"endpoint\" {what}"));
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let mut url = Url::parse(&with_scheme).map_err(|error| refuse(&format!("is no host: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("is of another scheme than http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("holds a login; keys belong in \"access_key_id\" and \"access_key_secret\""));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("is a host, with neither path nor query; the bucket belongs in \"bucket\""));
    }
    let host = url.host_str().unwrap_or_default();
    if let Some(rest) = host.strip_prefix(&format!("{bucket}.").to_ascii_lowercase())
        && (rest.contains('.') || rest == "localhost")
    {
        let rest = rest.to_owned();
        url.set_host(Some(&rest)).map_err(|error| refuse(&format!("is no host: {error}")))?;
    }
    Ok(url)
}

/// `oss-cn-hangzhou[-internal].aliyuncs.com`, `s3.eu-west-1.amazonaws.com` and the like.
fn region_of(host: &str) -> Option<String> {
    let labels: Vec<&str> = host.split('.').collect();
    if host.ends_with(".aliyuncs.com") {
        let label = labels.iter().find(|label| label.starts_with("oss-") || label.starts_with("s3.oss-"))?;
        let region = label.strip_prefix("oss-")?;
        return Some(region.strip_suffix("-internal").unwrap_or(region).to_owned());
    }
    if host.contains(".amazonaws.com") {
        let at = labels.iter().position(|label| *label == "amazonaws")?;
        let label = labels.get(at.checked_sub(1)?)?;
        return match *label {
            "s3" => None,
            label => Some(label.strip_prefix("s3-").unwrap_or(label).to_owned()),
        };
    }
    None
}

/// A bucket's name becomes a part of a host or of a path.
fn check_bucket_name(bucket: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_name = !bucket.is_empty()
        && bucket.len() <= 255
        && bucket.bytes().all(fits)
        && !bucket.starts_with('.')
        && !bucket.ends_with('.')
        && !bucket.contains("..");
    match is_name {
        true => Ok(()),
        false => Err(ConnectorError::option("option \"bucket\" is a bucket's name: letters, digits, - and .")),
    }
}

fn unknown(name: &str) -> ConnectorError {
    let hint = match nearest(name, KNOWN.iter().copied()) {
        Some(known) => format!("; did you mean \"{known}\"?"),
        None => format!("; known options: {}", KNOWN.join(", ")),
    };
    ConnectorError::option(format!("unknown option \"{}\"{hint}", name.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: CatalogKind, entries: &[(&str, &str)]) -> Result<BucketSettings> {
        BucketSettings::from_options(kind, "lake", &entries.iter().copied().collect())
    }

    #[test]
    fn an_endpoint_is_taken_as_consoles_print_it() {
        let (oss, s3) = (CatalogKind::Oss, CatalogKind::S3);
        for (kind, endpoint, base, region) in [
            (oss, "oss-cn-hangzhou.aliyuncs.com", "https://b.oss-cn-hangzhou.aliyuncs.com/", "cn-hangzhou"),
            (
                oss,
                "http://oss-cn-shanghai-internal.aliyuncs.com",
                "http://b.oss-cn-shanghai-internal.aliyuncs.com/",
                "cn-shanghai",
            ),
            (oss, "b.oss-cn-hangzhou.aliyuncs.com/", "https://b.oss-cn-hangzhou.aliyuncs.com/", "cn-hangzhou"),
            (oss, "http://localhost:9000", "http://b.localhost:9000/", "us-east-1"),
            (s3, "s3.eu-west-1.amazonaws.com", "https://b.s3.eu-west-1.amazonaws.com/", "eu-west-1"),
            (s3, "s3.amazonaws.com", "https://b.s3.amazonaws.com/", "us-east-1"),
            (s3, "https://oss-cn-beijing.aliyuncs.com", "https://b.oss-cn-beijing.aliyuncs.com/", "cn-beijing"),
            (s3, "http://127.0.0.1:9000", "http://127.0.0.1:9000/b/", "us-east-1"),
            (s3, "minio.internal:9000", "https://minio.internal:9000/b/", "us-east-1"),
        ] {
            let settings = parse(kind, &[("bucket", "b"), ("endpoint", endpoint)]).unwrap();
            assert_eq!((settings.base.as_str(), settings.region.as_str()), (base, region), "{endpoint}");
        }
        let settings = parse(oss, &[("bucket", "b"), ("region", "cn-hangzhou")]).unwrap();
        assert_eq!(settings.base.as_str(), "https://b.oss-cn-hangzhou.aliyuncs.com/");
        let settings = parse(s3, &[("bucket", "a.b"), ("region", "eu-west-1")]).unwrap();
        assert_eq!(settings.base.as_str(), "https://s3.eu-west-1.amazonaws.com/a.b/");
        let given = [("bucket", "b"), ("endpoint", "http://localhost:9"), ("addressing", "virtual-host")];
        assert_eq!(parse(s3, &given).unwrap().base.as_str(), "http://b.localhost:9/");
        let given = [("bucket", "b"), ("endpoint", "http://10.0.0.1"), ("addressing", "path"), ("region", "x1")];
        assert_eq!(parse(oss, &given).unwrap().base.as_str(), "http://10.0.0.1/b/");
    }

    #[test]
    fn keys_are_known_by_the_names_of_other_tools_and_never_printed() {
        for (id, secret) in
            [("access_key_id", "access_key_secret"), ("accessId", "accessKey"), ("accessKeyId", "secret_access_key")]
        {
            let given = [("bucket", "b"), ("region", "r"), (id, "AKID"), (secret, "hunter2"), ("securityToken", "tok")];
            let settings = parse(CatalogKind::Oss, &given).unwrap();
            let credential = settings.credential.as_ref().unwrap();
            assert_eq!((credential.key_id.as_str(), credential.secret_key.as_str()), ("AKID", "hunter2"));
            let printed = format!("{settings:?}");
            assert!(!printed.contains("hunter2") && !printed.contains("tok\""), "{printed}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_without_its_value() {
        for (given, expected) in [
            (&[("bucket", "b")][..], "\"endpoint\" is missing"),
            (&[("region", "r")], "\"bucket\" is missing"),
            (&[("bucket", "b/../c"), ("region", "r")], "\"bucket\""),
            (&[("bucket", "b"), ("region", "a/b")], "\"endpoint\""),
            (&[("bucket", "b"), ("endpoint", "h"), ("region", "a b")], "\"region\""),
            (&[("bucket", "b"), ("endpoint", "h/x")], "neither path"),
            (&[("bucket", "b"), ("endpoint", "https://hunter2@h")], "a login"),
            (&[("bucket", "b"), ("endpoint", "http://10.0.0.1")], "\"addressing\" = \"path\""),
            (&[("bucket", "b"), ("region", "r"), ("access_key_id", "a")], "\"access_key_secret\" is missing"),
            (&[("bucket", "b"), ("region", "r"), ("accessKey", "hunter2")], "\"access_key_id\" is missing"),
            (&[("bucket", "b"), ("region", "r"), ("security_token", "hunter2")], "needs \"access_key_id\""),
            (&[("bucket", "b"), ("region", "r"), ("accessId", "a"), ("access_key_id", "b")], "was given before"),
            (
                &[("bucket", "b"), ("region", "r"), ("access_key_id", "a"), ("access_key_secret", "hunter2\n x")],
                "\"access_key_secret\"",
            ),
            (&[("bucket", "b"), ("buckt", "b")], "did you mean \"bucket\"?"),
            (&[("bucket", "b"), ("addressing", "both")], "\"virtual-host\" or \"path\""),
        ] {
            let error = parse(CatalogKind::Oss, given).unwrap_err();
            assert!(error.message().contains(expected), "{error}");
            assert!(error.message().contains("catalog \"lake\"") && !error.message().contains("hunter2"), "{error}");
        }
    }
}
