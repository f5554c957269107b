//! Printing the run report and errors.

use std::io::Write;

use serde::Serialize;

use super::args::{ReportFormat, SessionOptions};
use super::output::visible;
use super::{say, waits};
use crate::SynclineError;
use crate::report::{RunReport, RunStatus, StatementReport, StatementStatus};

/// The report of a run that could not start.
pub(super) fn before_start(job: &str, session: &SessionOptions, error: &SynclineError) -> RunReport {
    RunReport {
        run_id: String::new(),
        job: job.to_owned(),
        status: RunStatus::Failed,
        bizdate: session.bizdate.clone().unwrap_or_default(),
        cyctime: session.cyctime.clone().unwrap_or_default(),
        timezone: session.timezone.clone().unwrap_or_default(),
        seconds: 0.0,
        error: Some(error.to_report()),
        statements: Vec::new(),
        warnings: Vec::new(),
        can_resume: false,
        nothing_ran: true,
        failure: Some(error.clone()),
    }
}

/// Prints a report as one JSON object on standard output.
pub(super) fn print_json(report: &impl Serialize) {
    match serde_json::to_string(report) {
        Ok(json) => {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{json}").and_then(|()| out.flush());
        }
        Err(error) => say(&format!("error: cannot print the report: {error}")),
    }
}

/// Prints the report: the JSON object on standard output, or lines for people on standard error.
pub(super) fn print(report: &RunReport, format: ReportFormat, resume: Option<&str>) {
    match format {
        ReportFormat::Json => print_json(report),
        ReportFormat::Text => {
            if let Some(error) = render_error(report) {
                say(&error);
            }
            say(&text(report));
        }
    }
    if let Some(command) = resume.filter(|_| report.can_resume) {
        say(&format!("to go on where it stopped: {command}"));
    }
}

/// The error that ended a run, for a terminal: code and message, then the place with its line and a caret.
pub(super) fn render_error(report: &RunReport) -> Option<String> {
    let error = report.error.as_ref()?;
    Some(match &report.failure {
        Some(failure) => rendered(failure),
        None => visible_lines(&format!("error[{}]: {}", error.code, error.message)),
    })
}

/// An error for a terminal.
pub(super) fn rendered(error: &SynclineError) -> String {
    visible_lines(&error.render())
}

fn visible_lines(text: &str) -> String {
    // lines stay lines; everything else that could steer a terminal is spelled out
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}

/// The report for people, with the fields that DataX users know.
pub(super) fn text(report: &RunReport) -> String {
    let mut lines = Vec::new();
    let is_checked = |status| matches!(status, StatementStatus::Checked | StatementStatus::NotChecked);
    let is_dry = report.statements.iter().any(|statement| is_checked(statement.status));
    let line = if is_dry { dry_line } else { write_line };
    lines.extend(report.statements.iter().filter_map(line));
    let sum = |field: fn(&StatementReport) -> Option<u64>| report.statements.iter().filter_map(field).sum::<u64>();
    let read = sum(|statement| statement.rows_read);
    let written = sum(|statement| statement.rows_written);
    let rejected = sum(|statement| statement.rows_rejected);
    let bytes = sum(|statement| statement.bytes_read);
    // DataX: traffic and speed are what was read in the time of the transfer
    let is_transfer = |statement: &&StatementReport| statement.rows_written.is_some();
    let transfer: f64 = report.statements.iter().filter(is_transfer).filter_map(|statement| statement.seconds).sum();
    let seconds = if transfer > 0.0 { transfer } else { report.seconds }.max(0.001);
    let field = |name: &str, value: String| format!("{name:<26}: {value}");
    let end = jiff::Timestamp::now();
    let start = end - jiff::SignedDuration::from_secs_f64(report.seconds);
    let clock = |time: jiff::Timestamp| {
        let zone = jiff::tz::TimeZone::get(&report.timezone).unwrap_or(jiff::tz::TimeZone::UTC);
        time.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
    };
    lines.extend([
        field("run", format!("{} ({})", visible(&report.job), visible(&report.run_id))),
        field(
            "status",
            if is_dry && report.error.is_none() { "checked, nothing was run" } else { status(report.status) }
                .to_owned(),
        ),
        field("business date", report.bizdate.clone()),
        field("start", clock(start)),
        field("end", clock(end)),
        field("elapsed", format!("{:.2} s", report.seconds)),
        field("average traffic", format!("{}/s", human_bytes((bytes as f64 / seconds) as u64))),
        field("records per second", human_count((read as f64 / seconds) as u64)),
        field("records read", human_count(read)),
        field("records written", human_count(written)),
        field("read and write failures", human_count(rejected)),
    ]);
    let (done, all) = (
        report
            .statements
            .iter()
            .filter(|s| {
                matches!(s.status, StatementStatus::Succeeded | StatementStatus::Checked | StatementStatus::Skipped)
            })
            .count(),
        report.statements.len(),
    );
    lines.push(field("statements", format!("{done} of {all} {}", if is_dry { "checked" } else { "done" })));
    lines.join("\n")
}

/// What a dry run found: what an earlier process has done, what is open, what could not be checked. Other statements have no line.
fn dry_line(statement: &StatementReport) -> Option<String> {
    let found = match statement.status {
        StatementStatus::NotChecked => {
            "not checked, an earlier statement may create or change what it names".to_owned()
        }
        StatementStatus::Skipped => "done before, would be skipped".to_owned(),
        StatementStatus::Checked if !statement.warnings.is_empty() => {
            statement.warnings.iter().map(|warning| visible(warning)).collect::<Vec<_>>().join("; ")
        }
        _ => return None,
    };
    Some(format!("statement {} ({}:{}): {found}", statement.index, visible(&statement.file), statement.line))
}

/// What a write did, and what it left. Other statements have no line.
fn write_line(statement: &StatementReport) -> Option<String> {
    let is_write = statement.rows_written.is_some() || statement.write_mode.is_some();
    if !is_write {
        return None;
    }
    let target = visible(statement.target.as_deref().unwrap_or("?"));
    let mut line =
        format!("statement {} ({}:{}) {target}: ", statement.index, visible(&statement.file), statement.line);
    line.push_str(match statement.status {
        StatementStatus::Succeeded => "committed",
        StatementStatus::RolledBack => "rolled back",
        StatementStatus::PartlyCommitted => "committed in part",
        StatementStatus::Unknown => "outcome unknown",
        StatementStatus::Cancelled => "cancelled",
        _ => "not committed",
    });
    match statement.rows_written {
        Some(rows) => line.push_str(&format!(", {} rows", human_count(rows))),
        None => line.push_str(", rows not known"),
    }
    if let Some(mode) = &statement.write_mode {
        line.push_str(&format!(", mode {mode}"));
        if let Some(loads @ 2..) = statement.load_parallelism {
            line.push_str(&format!(", up to {loads} loads at a time"));
        }
    }
    if let Some(until) = &statement.resume_until {
        line.push_str(&format!(", --resume can finish it until {}", visible(until)));
    }
    if let Some(file) = &statement.rejects_file {
        line.push_str(&format!(", rejects in {}", visible(file)));
    }
    if !statement.labels.is_empty() {
        line.push_str(&format!(", label {}", statement.labels.join(" ")));
    }
    if let Some(slow) = waits::slow_side(statement) {
        line.push_str(&format!("\n  {slow}"));
    }
    Some(line)
}

pub(super) fn status(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Succeeded => "succeeded",
        RunStatus::Failed => "failed",
        RunStatus::RolledBack => "rolled back: the failing write left nothing",
        RunStatus::PartlyCommitted => "partly committed",
        RunStatus::Unknown => "unknown: see the labels of the last write",
        RunStatus::Cancelled => "cancelled",
    }
}

/// `1,234,567`.
pub(super) fn human_count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `12.3 MB`, in powers of 1000.
pub(super) fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1_000.0 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(human_count(1_234_567), "1,234,567");
        assert_eq!(human_count(12), "12");
        assert_eq!(human_bytes(999), "999 B");
        assert_eq!(human_bytes(64_000_000), "64.0 MB");
    }

    #[test]
    fn an_error_cannot_steer_the_terminal() {
        let error = SynclineError::new("E5004", "the server said \u{1b}[31m").hint("read\tit");
        let report = before_start("a", &SessionOptions::default(), &error);
        let text = render_error(&report).unwrap();
        assert!(!text.contains(char::is_control) || text.matches(char::is_control).all(|c| c == "\n"), "{text:?}");
        assert!(text.starts_with("error[E5004]: the server said \\u{1b}[31m"), "{text}");
    }
}
