//! Progress on standard error: a bar per statement at a terminal, a plain line every few seconds elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::visible;
use super::report::{human_bytes, human_count};
use super::{say, waits};
use syncline_connectors::sink::Reject;

use crate::RunEvent;
use crate::report::{StatementReport, StatementStatus};

/// Seconds between plain lines, as DataX has them.
pub(super) const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// Characters of a statement that a line shows.
const TITLE_LENGTH: usize = 60;

/// Shows what happens in a run.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    shows_statements: bool,
    /// The statement that runs, and how it is shown.
    index: u32,
    title: String,
    since: Instant,
    last_line: Instant,
}

impl Progress {
    /// `at_terminal` draws bars; `shows_statements` prints a line for each statement that ends (`run`, not `query`).
    pub(super) fn new(at_terminal: bool, shows_statements: bool) -> Self {
        let bar = at_terminal.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            // the template is ours and constant; a mistake in it would show the bare default
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {msg}") {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        Self { bar, shows_statements, index: 0, title: String::new(), since: now, last_line: now }
    }

    /// Takes an event of the run.
    pub(super) fn event(&mut self, event: &RunEvent) {
        match event {
            RunEvent::RunStarted { run_id, job, statements, bizdate, is_resumed, .. } if self.shows_statements => {
                let verb = if *is_resumed { "resuming run" } else { "run" };
                let line = format!(
                    "{verb} {} of job {}: bizdate {bizdate}, {statements} statements",
                    visible(run_id),
                    visible(job)
                );
                self.suspend(|| say(&line));
            }
            RunEvent::StatementStarted { index, text, target, .. } => {
                self.title = title(*index, target.as_deref(), text);
                self.index = *index;
                self.since = Instant::now();
                self.last_line = self.since;
                if let Some(bar) = &self.bar {
                    bar.set_prefix(self.title.clone());
                    bar.set_message("");
                    bar.enable_steady_tick(Duration::from_millis(100));
                }
            }
            RunEvent::Progress { .. } => {
                let line = so_far(event, self.since.elapsed()).unwrap_or_default();
                match &self.bar {
                    Some(bar) => bar.set_message(line),
                    None if self.shows_statements && self.last_line.elapsed() >= PLAIN_EVERY => {
                        self.last_line = Instant::now();
                        say(&format!("{}: {line}", self.title));
                    }
                    None => {}
                }
            }
            RunEvent::Waiting { on, .. } => {
                let line = format!("waiting for {} …", visible(on));
                self.suspend(|| say(&line));
            }
            RunEvent::Warning { message, .. } => {
                let line = format!("warning: {}", visible(message));
                self.suspend(|| say(&line));
            }
            RunEvent::Rejects { first, count, file, .. } => {
                let lines = rejects(first, *count, file.as_deref());
                self.suspend(|| say(&lines));
            }
            RunEvent::StatementFinished(report) if self.shows_statements => {
                let line = match report.status {
                    StatementStatus::Skipped => skipped(report),
                    // a statement that did not begin: a resumed run found it committed
                    _ if report.index != self.index => {
                        finished(&title(report.index, report.target.as_deref(), "INSERT"), report)
                    }
                    _ => finished(&self.title, report),
                };
                self.suspend(|| say(&line));
            }
            _ => {}
        }
    }

    /// Prints something while the bar is out of the way.
    pub(super) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

pub(super) fn title(index: u32, target: Option<&str>, text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = line.chars().take(TITLE_LENGTH).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    let verb = shown.split(' ').next().unwrap_or_default().to_ascii_uppercase();
    match target {
        Some(target) if verb == "INSERT" => format!("[{index}] INSERT {}", visible(target)),
        _ => format!("[{index}] {}", visible(&shown)),
    }
}

/// The numbers of a [`RunEvent::Progress`] of a statement that began so long ago.
pub(super) fn so_far(event: &RunEvent, since: Duration) -> Option<String> {
    let RunEvent::Progress {
        rows_read,
        rows_written,
        bytes_written,
        done,
        rows_rejected,
        wait_reader,
        wait_writer,
        ..
    } = event
    else {
        return None;
    };
    let seconds = since.as_secs_f64().max(0.001);
    let mut line = format!(
        "{} rows read, {} written, {} sent, {} rows/s, {:.0} s",
        human_count(*rows_read),
        human_count(*rows_written),
        human_bytes(*bytes_written),
        human_count((*rows_read as f64 / seconds) as u64),
        seconds
    );
    if *rows_rejected > 0 {
        line.push_str(&format!(", {} rejected", human_count(*rows_rejected)));
    }
    if let Some(waits) = waits::so_far(*wait_writer, *wait_reader) {
        line.push_str(&format!(", {waits}"));
    }
    if let Some(left) = done.and_then(|done| time_left(done, seconds)) {
        line.push_str(&left);
    }
    Some(line)
}

/// `, 40 %, about 12 s left`, of a part that is read and the seconds it took; nothing while it says too little.
fn time_left(done: f64, seconds: f64) -> Option<String> {
    let left = seconds * (1.0 - done) / done;
    ((0.01..1.0).contains(&done) && left.is_finite())
        .then(|| format!(", {:.0} %, about {left:.0} s left", done * 100.0))
}

/// The first rejects of a statement, a line each, and where the others are.
pub(super) fn rejects(first: &[Reject], count: u64, file: Option<&str>) -> String {
    let rows = if count == 1 { "row was" } else { "rows were" };
    let mut lines = vec![format!("{} {rows} rejected:", human_count(count))];
    for reject in first {
        let mut line = String::from("  ");
        if let Some(file) = &reject.file {
            line.push_str(&format!("{}: ", visible(file)));
        }
        match (reject.line, reject.row) {
            (Some(number), _) => line.push_str(&format!("line {number}: ")),
            (None, Some(number)) => line.push_str(&format!("row {number}: ")),
            (None, None) => {}
        }
        if let Some(column) = &reject.column {
            line.push_str(&format!("column {}: ", visible(column)));
        }
        if let Some(value) = &reject.value {
            line.push_str(&format!("value '{}': ", visible(value)));
        }
        line.push_str(&visible(&reject.reason));
        lines.push(line);
    }
    if let Some(file) = file {
        lines.push(format!("  all that were found here are in {}", visible(file)));
    }
    lines.join("\n")
}

/// A statement that an earlier process of the run has done.
fn skipped(report: &StatementReport) -> String {
    let target = report.target.as_ref().map(|target| format!(" {}", visible(target))).unwrap_or_default();
    format!("[{}] {}:{}{target}: done before, skipped", report.index, visible(&report.file), report.line)
}

fn finished(title: &str, report: &StatementReport) -> String {
    let mut line = match report.status {
        StatementStatus::Succeeded | StatementStatus::Checked | StatementStatus::Skipped => format!("{title}: ok"),
        StatementStatus::NotChecked => format!("{title}: not checked (depends on an earlier statement)"),
        StatementStatus::NotRun => return format!("{title}: not run"),
        _ => match &report.error {
            Some(error) => format!("{title}: failed: {}", visible(&error.message)),
            None => format!("{title}: failed"),
        },
    };
    if let Some(rows) = report.rows_written {
        line.push_str(&format!(", {} rows written", human_count(rows)));
    }
    if let Some(rejected) = report.rows_rejected.filter(|rejected| *rejected > 0) {
        line.push_str(&format!(", {} rejected", human_count(rejected)));
    }
    if let Some(mode) = &report.write_mode {
        line.push_str(&format!(", {mode}"));
    }
    if let Some(seconds) = report.seconds {
        line.push_str(&format!(", {seconds:.2} s"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_part_that_is_read() {
        assert_eq!(time_left(0.25, 10.0).as_deref(), Some(", 25 %, about 30 s left"));
        assert_eq!(time_left(0.0, 10.0), None);
        assert_eq!(time_left(1.0, 10.0), None);
    }

    #[test]
    fn a_title_is_one_short_line_without_control_characters() {
        assert_eq!(title(3, None, "SELECT\n  1\u{1b}[0m"), "[3] SELECT 1\\u{1b}[0m");
        assert_eq!(title(1, Some("sr.ods.t"), "INSERT INTO sr.t SELECT 1"), "[1] INSERT sr.ods.t");
        assert!(title(1, None, &"é".repeat(200)).chars().count() < 70);
    }
}
