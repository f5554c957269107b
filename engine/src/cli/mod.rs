//! The command line: arguments, places, signals, and what is printed. Everything else is the library's.
//!
//! Results go to standard output, everything else to standard error. This module alone prints, handles signals and
//! looks at the working directory.

mod args;
mod backfill;
mod check;
mod demo;
mod drive;
mod jobs;
mod minirocks;
mod output;
mod param;
mod places;
mod progress;
mod report;
mod run;
mod setup;
mod signals;
mod waits;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use self::args::{Cli, Command, QueryArgs, ReportFormat, SessionOptions};
use crate::SynclineError;
use crate::error::codes;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let verbose = match &cli.command {
        Some(Command::Run(args)) => args.session.verbose,
        Some(Command::Query(args)) => args.session.verbose,
        Some(Command::Shell(args)) => args.session.verbose,
        Some(Command::Check(args)) => args.session.verbose,
        Some(Command::Param(args)) => args.session.verbose,
        Some(Command::Minirocks(args)) => args.verbose,
        Some(Command::Convert(_) | Command::Demo) => 0,
        None => cli.session.verbose,
    };
    start_log(verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("error: cannot start: {error}"));
            return ExitCode::from(1);
        }
    };
    let code = runtime.block_on(dispatch(cli));
    // what still reads from a dead connection must not hold the exit
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    ExitCode::from(code)
}

/// Prints help, version or a mistake in the arguments; `run --report json` reports the mistake on standard output as well.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if error.use_stderr() && wants_json_report(&arguments) {
        let message = error.to_string();
        let message = message.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let error = SynclineError::new(codes::USAGE, message);
        report::print(&report::before_start("", &SessionOptions::default(), &error), ReportFormat::Json, None);
    }
    ExitCode::from(code)
}

fn wants_json_report(arguments: &[String]) -> bool {
    let has_json = arguments.iter().any(|argument| argument == "--report=json")
        || arguments.windows(2).any(|pair| pair[0] == "--report" && pair[1] == "json");
    has_json && arguments.iter().any(|argument| argument == "run")
}

async fn dispatch(cli: Cli) -> u8 {
    match cli.command {
        Some(Command::Run(args)) => run::run(args).await,
        Some(Command::Query(args)) => run::query(args).await,
        Some(Command::Check(args)) => check::check(args).await,
        Some(Command::Param(args)) => param::param(args).await,
        Some(Command::Demo) => demo::demo().await,
        Some(Command::Minirocks(args)) => minirocks::minirocks(args).await,
        Some(Command::Shell(_)) => not_yet("the interactive shell", "use syncline query 'SQL' or syncline run -"),
        Some(Command::Convert(args)) => jobs::convert(&args),
        None => match cli.statements {
            Some(statements) => run::query(QueryArgs { statements, result: cli.result, session: cli.session }).await,
            None if std::io::stdin().is_terminal() => {
                not_yet("the interactive shell", "see syncline --help for what there is")
            }
            None => {
                say("error: no command; see syncline --help");
                2
            }
        },
    }
}

fn not_yet(what: &str, way_out: &str) -> u8 {
    say(&format!("error: {what} is not built yet; {way_out}"));
    2
}

/// Prints a line on standard error. A closed standard error is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

fn start_log(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "syncline=info,syncline_connectors=info,minirocks=info,warn",
        2 => "syncline=debug,syncline_connectors=debug,minirocks=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
