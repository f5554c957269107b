//! The arguments of every command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::output::Format;

/// Sync data between systems with SQL.
#[derive(Debug, Parser)]
#[command(name = "syncline", version, about, max_term_width = 110, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    /// Run these statements, as `syncline query` does
    #[arg(short = 'c', value_name = "SQL")]
    pub(crate) statements: Option<String>,
    #[command(flatten)]
    pub(crate) result: ResultOptions,
    #[command(flatten)]
    pub(crate) session: SessionOptions,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run jobs: SQL scripts, or `-` for standard input
    Run(RunArgs),
    /// Run statements and print their results
    Query(QueryArgs),
    /// An interactive shell
    Shell(ShellArgs),
    /// Test catalogs: reach, login, rights
    Check(CheckArgs),
    /// Evaluate a parameter value and print it
    Param(ParamArgs),
    /// Print a DataWorks or DataX job as a SQL script
    Convert(ConvertArgs),
    /// Run the tutorial job on embedded servers: nothing to install
    Demo,
    /// Run a StarRocks-compatible warehouse in this process, for development and tests
    Minirocks(MinirocksArgs),
}

/// Options of every command that has a session.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct SessionOptions {
    /// Set a parameter
    #[arg(short = 'p', value_name = "NAME=VALUE", value_parser = name_and_value, allow_hyphen_values = true)]
    pub(crate) params: Vec<(String, String)>,
    /// Set a parameter whose value may be any SQL
    #[arg(long = "raw", value_name = "NAME=SQL", value_parser = name_and_value)]
    pub(crate) raw: Vec<(String, String)>,
    /// The business date, YYYYMMDD; for run also a range, YYYYMMDD..YYYYMMDD [default: the day before the planned time]
    #[arg(long, value_name = "DATE")]
    pub(crate) bizdate: Option<String>,
    /// The planned time, YYYYMMDDHHMMSS, or its time of day, HH:MM:SS [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) cyctime: Option<String>,
    /// The run's time zone, such as Asia/Shanghai
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// Use the entries of this profile of the config
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The config file [default: syncline.toml, found upwards]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The state folder [default: .syncline, found upwards]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Say more on standard error; twice for everything (RUST_LOG wins)
    #[arg(short = 'v', long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl SessionOptions {
    /// The parameters of `-p`, in which DataX's own `-p "-Dname=value -Dother=value"` stands for several.
    pub(crate) fn all_params(&self) -> Vec<(String, String)> {
        let mut all = Vec::with_capacity(self.params.len());
        for (name, value) in &self.params {
            let Some(first) = name.strip_prefix("-D") else {
                all.push((name.clone(), value.clone()));
                continue;
            };
            for pair in format!("{first}={value}").split(" -D") {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                all.push((name.trim().to_owned(), value.trim_end().to_owned()));
            }
        }
        all
    }
}

/// Options about jobs as JSON.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct JobOptions {
    /// Set a parameter, as DataX does
    #[arg(short = 'D', value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) define: Vec<(String, String)>,
    /// In jobs as JSON $name is a variable too, and names that are not defined stay as they are
    #[arg(long)]
    pub(crate) datax_variables: bool,
}

/// Where results go, and how.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct ResultOptions {
    /// How results are printed [default: table]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Print results to this file
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// `syncline run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The jobs, in order: SQL scripts, jobs of DataWorks or DataX (.json), or - for standard input
    #[arg(required = true, value_name = "JOB")]
    pub(crate) jobs: Vec<PathBuf>,
    /// Check everything that can be checked without running anything
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Finish a run that was interrupted
    #[arg(long, value_name = "RUN_ID")]
    pub(crate) resume: Option<String>,
    /// Run although the same job runs for the same business date
    #[arg(long)]
    pub(crate) allow_concurrent: bool,
    /// Of a range of business dates: how many days run at a time, 1 to 64 [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) parallel: Option<u8>,
    /// Of a range of business dates: run the last day first
    #[arg(long)]
    pub(crate) descending: bool,
    /// Of a range of business dates: what becomes of the other days when one fails [default: stop]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) on_failure: Option<OnFailureArg>,
    /// How the run report is printed
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) report: ReportFormat,
    #[command(flatten)]
    pub(crate) job: JobOptions,
    #[command(flatten)]
    pub(crate) result: ResultOptions,
    #[command(flatten)]
    pub(crate) session: SessionOptions,
}

/// `syncline query`.
#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// The statements, separated by ;
    #[arg(value_name = "SQL")]
    pub(crate) statements: String,
    #[command(flatten)]
    pub(crate) result: ResultOptions,
    #[command(flatten)]
    pub(crate) session: SessionOptions,
}

/// `syncline shell`.
#[derive(Debug, Args)]
pub(crate) struct ShellArgs {
    #[command(flatten)]
    pub(crate) session: SessionOptions,
}

/// `syncline check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The catalogs [default: all of the config]
    #[arg(value_name = "CATALOG")]
    pub(crate) catalogs: Vec<String>,
    #[command(flatten)]
    pub(crate) session: SessionOptions,
}

/// `syncline param`.
#[derive(Debug, Args)]
pub(crate) struct ParamArgs {
    /// A parameter value, such as `$bizdate`, `${yyyymmdd}` or `$[yyyymmdd-1]`
    #[arg(value_name = "VALUE", allow_hyphen_values = true, required_unless_present = "list", conflicts_with = "list")]
    pub(crate) value: Option<String>,
    /// Print the parameters that a script uses, their values, and where each comes from
    #[arg(long, value_name = "JOB")]
    pub(crate) list: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) job: JobOptions,
    #[command(flatten)]
    pub(crate) session: SessionOptions,
}

/// `syncline convert`.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// The job, or - for standard input
    #[arg(required = true, value_name = "JOB.json")]
    pub(crate) jobs: Vec<PathBuf>,
    /// Write the script to this file
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) job: JobOptions,
}

/// `syncline minirocks`.
#[derive(Debug, Args)]
pub(crate) struct MinirocksArgs {
    /// Keep data in this folder [default: in memory]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The port of the frontend's HTTP server; 0 takes a free one
    #[arg(long, default_value_t = 8030)]
    pub(crate) http_port: u16,
    /// The port of the backend's HTTP server; 0 takes a free one
    #[arg(long, default_value_t = 8040)]
    pub(crate) be_port: u16,
    /// The port of the MySQL protocol; 0 takes a free one
    #[arg(long, default_value_t = 9030)]
    pub(crate) mysql_port: u16,
    /// The address to listen on; others than 127.0.0.1 need MINIROCKS_PASSWORD
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub(crate) listen: std::net::IpAddr,
    /// Behave as this StarRocks version where versions differ
    #[arg(long, value_name = "VERSION")]
    pub(crate) emulate: Option<String>,
    /// Count the rows of loads and throw them away, to measure clients
    #[arg(long, conflicts_with = "data_dir")]
    pub(crate) discard: bool,
    /// Say more on standard error
    #[arg(short = 'v', long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What becomes of the other days of a range when one fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFailureArg {
    /// Days that are running end, others are not begun
    Stop,
    /// All days are run
    Continue,
}

/// The forms of the run report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Lines for people, on standard error
    Text,
    /// One JSON object, on standard output
    Json,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn parameters_may_be_written_as_for_datax() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let params = vec![pair("a", "1"), name_and_value("-Dday=2024 -Dtable=t_1 -Dempty=").unwrap()];
        let session = SessionOptions { params, ..SessionOptions::default() };
        assert_eq!(
            session.all_params(),
            [pair("a", "1"), pair("day", "2024"), pair("table", "t_1"), pair("empty", "")]
        );
    }

    #[test]
    fn a_parameter_keeps_later_equal_signs() {
        assert_eq!(name_and_value("filter=a=b").unwrap(), ("filter".to_owned(), "a=b".to_owned()));
        assert!(name_and_value("=x").is_err());
        assert!(name_and_value("x").is_err());
    }
}
