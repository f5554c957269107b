//! External tables over buckets, reached as hosts of their own, and what becomes of them when the server or the network fails.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::clients::client;
use crate::support::s3_server::{Fault, KEY_ID, KEY_SECRET, Seen};
use crate::support::{Cli, S3Server};

/// A folder whose config has the bucket `lake` as catalog `test_g`.
fn with_lake(server: &S3Server) -> Cli {
    Cli::new(&format!("{}{}", "timezone = \"UTC\"\n", catalog("test_g", "oss", "lake", &server.endpoint())))
        .env("LAKE_SECRET", KEY_SECRET)
}

fn catalog(name: &str, kind: &str, bucket: &str, endpoint: &str) -> String {
    format!(
        "[catalogs.{name}]\ntype = \"{kind}\"\nbucket = \"{bucket}\"\nendpoint = \"{endpoint}\"\naccess_key_id = \"{KEY_ID}\"\n\
         access_key_secret = \"${{env:LAKE_SECRET}}\"\n"
    )
}

/// Runs a script that succeeds.
fn run(cli: &Cli, script: &str) {
    cli.file("job.sql", script);
    let ran = cli.run(&["run", "job.sql"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// What a query that fails prints; the keys are not in it.
fn failure(cli: &Cli, sql: &str) -> String {
    let ran = cli.run(&["query", sql]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let printed = format!("{ran:?}");
    assert!(!printed.contains(KEY_SECRET) && !printed.contains(KEY_ID), "{printed}");
    printed
}

const LOG: &str =
    "CREATE EXTERNAL TABLE log (col STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' STORED AS TEXTFILE LOCATION";

#[test]
fn a_table_over_a_bucket_is_read_by_its_url_and_by_its_catalog_today_and_tomorrow() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "ods/log/a.txt", b"one\ntwo\n");
    server.put("lake", "ods/log/b.txt", b"three\n");
    server.put("lake", "ods/log/_SUCCESS", b"");
    let cli = with_lake(&server);
    for location in [
        "oss://lake/ods/log",
        "oss://lake/ods/log/",
        "test_g:/ods/log",
        "oss://lake/ods/*/?.txt",
        "oss://lake.localhost/ods/log",
    ] {
        run(&cli, &format!("{LOG} '{location}';"));
        // another process, which knows the table from the state folder
        let expected = ["one", "three", "two"].map(|col| json!({"col": col}));
        assert_eq!(cli.rows("SELECT col FROM log ORDER BY col"), expected, "{location}");
        let plan = cli.run(&["query", "EXPLAIN SELECT * FROM log"]);
        assert!(plan.code == 0 && plan.stdout.contains("oss://lake/ods/"), "{plan:?}");
        assert!(!plan.stdout.contains(KEY_SECRET) && !plan.stdout.contains(KEY_ID), "{plan:?}");
        run(&cli, "DROP TABLE log;");
    }
    assert_eq!(server.keys("lake").len(), 3);
    assert!(server.requests().iter().all(|seen| seen.host.starts_with("lake.localhost:")));
    let state = std::fs::read(cli.folder().join(".syncline/state.db")).unwrap_or_default();
    assert!(!state.windows(KEY_SECRET.len()).any(|bytes| bytes == KEY_SECRET.as_bytes()));
}

#[test]
fn partitions_of_a_bucket_are_found_added_and_filtered() {
    let server = S3Server::start(&["lake"]);
    for (key, text) in [
        ("log/dt=20240807/a.txt", "seven"),
        ("log/dt=20240808/a.txt", "eight"),
        ("log/_staging/dt=1/a.txt", "hidden"),
        ("log/other/a.txt", "no partition"),
        ("elsewhere/a.txt", "nine"),
        ("log/dt=2024%2D08/a.txt", "escaped"),
    ] {
        server.put("lake", key, format!("{text}\n").as_bytes());
    }
    let cli = with_lake(&server);
    cli.file(
        "job.sql",
        "CREATE EXTERNAL TABLE log (col STRING) PARTITIONED BY (dt STRING) LOCATION 'oss://lake/log/';
         ALTER TABLE log ADD PARTITION (dt='20240809') LOCATION 'test_g:/elsewhere';
         MSCK REPAIR TABLE log;",
    );
    let ran = cli.run(&["run", "job.sql"]);
    assert!(ran.code == 0 && ran.stderr.contains("oss://lake/log/other is no partition"), "{ran:?}");
    assert_eq!(
        cli.rows("SELECT dt, col FROM log ORDER BY dt"),
        [
            json!({"dt": "2024-08", "col": "escaped"}),
            json!({"dt": "20240807", "col": "seven"}),
            json!({"dt": "20240808", "col": "eight"}),
            json!({"dt": "20240809", "col": "nine"}),
        ]
    );
    let before = server.requests().len();
    assert_eq!(cli.rows("SELECT col FROM log WHERE dt = '20240808'"), [json!({"col": "eight"})]);
    let asked: Vec<Seen> = server.requests().split_off(before);
    assert!(asked.iter().all(|seen| format!("{}{}", seen.path, seen.query).contains("20240808")), "{asked:?}");
}

#[test]
fn a_bucket_that_is_no_catalogs_or_two_catalogs_names_the_way_out() {
    let server = S3Server::start(&["lake"]);
    let cli = with_lake(&server);
    let refused = |cli: &Cli, location: &str| {
        cli.file("job.sql", &format!("{LOG} '{location}';"));
        let ran = cli.run(&["run", "job.sql"]);
        assert_ne!(ran.code, 0, "{ran:?}");
        ran.stderr
    };
    let error = refused(&cli, "oss://other/x");
    assert!(
        error.contains("no catalog of type oss is the bucket \"other\"") && error.contains("CREATE EXTERNAL CATALOG"),
        "{error}"
    );
    let error = refused(&cli, "s3://lake/x");
    assert!(error.contains("no catalog of type s3"), "{error}");
    let error = refused(&cli, "oss://AKIDX:hunter2@lake/x");
    assert!(error.contains("takes no key") && !error.contains("hunter2"), "{error}");
    let error = refused(&cli, "hdfs://nn/x");
    assert!(error.contains("HDFS"), "{error}");
    let error = refused(&cli, "oss://lake/x' TBLPROPERTIES ('fs.oss.accessKeySecret' = 'hunter2");
    assert!(error.contains("fs.oss.accessKeySecret") && !error.contains("hunter2"), "{error}");

    let two =
        catalog("test_g", "oss", "lake", &server.endpoint()) + &catalog("test_h", "oss", "lake", &server.endpoint());
    let error = refused(&Cli::new(&two).env("LAKE_SECRET", KEY_SECRET), "oss://lake/x");
    assert!(error.contains("test_g and test_h") && error.contains("LOCATION 'test_g:/x'"), "{error}");
}

#[test]
fn a_read_survives_a_cut_connection_and_a_busy_server_and_not_a_replaced_object() {
    let server = S3Server::start(&["lake"]);
    let lines: String = (0..100_000).map(|line| format!("line {line} of the log\n")).collect();
    server.put("lake", "log/a.txt", lines.as_bytes());
    let cli = with_lake(&server);
    run(&cli, &format!("{LOG} 'oss://lake/log';"));
    let count = "SELECT count(*) AS n, sum(length(col)) AS bytes FROM log";
    let expected = vec![json!({"n": 100_000, "bytes": lines.len() - 100_000})];

    server.fault(1, |seen| seen.reads("a.txt"), Fault::CutAfter(1_000_000));
    server.fault(1, Seen::lists, Fault::error(503, "SlowDown"));
    let later = Fault::Answer(429, vec![("retry-after", "1".to_owned())], String::new());
    server.fault(1, |seen| seen.reads("a.txt"), later);
    assert_eq!(cli.rows(count), expected);

    server.fault(1, |seen| seen.reads("a.txt"), Fault::CutAfter(1_000_000));
    let other = "x\n".repeat(lines.len() / 2);
    server.fault(1, |seen| seen.reads("a.txt"), Fault::Before(server.putting("lake", "log/a.txt", other.as_bytes())));
    let printed = failure(&cli, count);
    assert!(
        printed.contains("oss://lake/log/a.txt has changed while it was read") && printed.contains("run again"),
        "{printed}"
    );
}

#[test]
fn expired_credentials_name_the_catalog_and_the_way_out() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "log/a.txt", b"one\n");
    let cli = with_lake(&server);
    run(&cli, &format!("{LOG} 'oss://lake/log';"));
    server.fault(1, Seen::lists, Fault::error(403, "SecurityTokenExpired"));
    let printed = failure(&cli, "SELECT * FROM log");
    assert!(printed.contains("E5002") && printed.contains("credentials of catalog test_g have expired"), "{printed}");
    assert!(printed.contains("\"security_token\""), "{printed}");
}

#[test]
fn a_check_of_a_bucket_says_what_its_key_may_do() {
    let server = S3Server::start(&["lake"]);
    let cli = with_lake(&server);
    let ran = cli.run(&["check", "test_g"]);
    assert!(ran.code == 0 && ran.stdout.contains("list oss://lake"), "{ran:?}");
    let ran = with_lake(&server).env("LAKE_SECRET", "wrong").run(&["check", "test_g"]);
    assert!(ran.code == 1 && ran.stdout.contains("SignatureDoesNotMatch"), "{ran:?}");
    assert!(server.keys("lake").is_empty() && server.open_uploads() == 0);
}

/// The most memory that a process ever held, in bytes, once it has ended.
#[cfg(target_os = "linux")]
fn peak_memory(mut child: Child) -> u64 {
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(120));
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or_default() * 1024);
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut printed = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut printed).unwrap();
    assert!(child.wait().unwrap().success(), "{printed}");
    peak
}

#[cfg(target_os = "linux")]
#[test]
fn a_location_of_100_000_objects_takes_little_memory() {
    const COUNT: usize = 100_000;
    let server = S3Server::start(&["lake"]);
    let cli = with_lake(&server);
    run(&cli, &format!("{LOG} 'oss://lake/log';"));
    let listing = |count: usize| {
        move |seen: &Seen| {
            let token =
                seen.query.split_once("continuation-token=t").map_or("0", |(_, rest)| rest.split('&').next().unwrap());
            let from: usize = token.parse().unwrap();
            let to = (from + 1000).min(count);
            let mut xml = String::from("<ListBucketResult>");
            for at in from..to {
                xml += &format!(
                    "<Contents><Key>log/part-{at:06}.txt</Key><Size>0</Size><ETag>\"{at:032x}\"</ETag></Contents>"
                );
            }
            if to < count {
                xml += &format!("<IsTruncated>true</IsTruncated><NextContinuationToken>t{to}</NextContinuationToken>");
            }
            xml + "</ListBucketResult>"
        }
    };
    let mut peaks = Vec::new();
    for count in [1, COUNT] {
        server.fault(count.div_ceil(1000), Seen::lists, Fault::Instead(Box::new(listing(count))));
        peaks.push(peak_memory(cli.start(&["query", "SELECT count(*) FROM log"])));
    }
    let more = peaks[1].saturating_sub(peaks[0]);
    assert!(more < 100 << 20, "{more} bytes more for {COUNT} objects than for one");
}

/// `moto_server`, a second opinion on the protocol.
struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = client("moto_server");
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut moto = Self { child: command.spawn().unwrap(), port };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(moto.child.try_wait().unwrap().is_none(), "moto_server ended");
            assert!(begun.elapsed() < Duration::from_secs(60), "moto_server did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }

    /// PUT of a bucket or an object, by another client.
    fn put(&self, path: &str, text: &str) {
        let url = format!("http://127.0.0.1:{}/{path}", self.port);
        // it takes the body of a form for fields
        let done = std::process::Command::new("curl")
            .args(["-sSf", "-X", "PUT", "-H", "content-type: text/plain", "--data-binary", text, &url])
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn another_s3_server_is_read_and_listed_by_path_and_by_host() {
    let moto = Moto::start();
    moto.put("lake", "");
    for (key, text) in [("log/dt=1/a.txt", "one\n"), ("log/dt=1/b%20%2B.txt", "two\n"), ("log/dt=2/a.txt", "three\n")] {
        moto.put(&format!("lake/{key}"), text);
    }
    for addressing in ["path", "virtual-host"] {
        let config = catalog("test_g", "s3", "lake", &format!("http://localhost:{}", moto.port));
        let cli = Cli::new(&format!("{config}addressing = \"{addressing}\"\n")).env("LAKE_SECRET", KEY_SECRET);
        run(
            &cli,
            "CREATE EXTERNAL TABLE log (col STRING) PARTITIONED BY (dt INT) LOCATION 's3://lake/log'; MSCK REPAIR TABLE log;
             CREATE EXTERNAL TABLE all_logs (col STRING) LOCATION 's3a://lake/log/dt=*/*.txt';",
        );
        assert_eq!(
            cli.rows("SELECT dt, col FROM log ORDER BY dt, col"),
            [json!({"dt": 1, "col": "one"}), json!({"dt": 1, "col": "two"}), json!({"dt": 2, "col": "three"})],
            "{addressing}"
        );
        assert_eq!(cli.rows("SELECT count(*) AS n FROM all_logs"), [json!({"n": 3})], "{addressing}");
    }
}
