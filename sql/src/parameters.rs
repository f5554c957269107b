//! Parameters and what their values mean.

use std::collections::{BTreeMap, BTreeSet};

use crate::clocks::Clocks;
use crate::date_expression;
use crate::error::{ErrorCode, SqlError};
use crate::nearest::nearest;
use crate::render::escape_control;
use crate::token::{is_word_part, placeholder};

/// The parameters of a run: what the user gave, the built-in ones of the clocks and of the run, and the names of catalogs.
#[derive(Debug, Clone)]
pub struct Parameters {
    clocks: Clocks,
    given: BTreeMap<String, Given>,
    run: Option<RunNames>,
    catalogs: BTreeSet<String>,
}

/// What a run and its parts are called: the built-in parameters `$jobid`, `$nodeid` and `$taskid` (DataWorks: the workflow, the node and the
/// instance).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunNames {
    /// `$jobid`: the job's name, as in the report.
    pub job: String,
    /// `$nodeid`: the name of the script that the statement is in, one of the job's.
    pub node: String,
    /// `$taskid`: the run's id; a resumed run has that of the run it goes on with.
    pub task: String,
}

impl RunNames {
    /// The names of the built-in parameters.
    pub const BUILTINS: &[&str] = &["jobid", "nodeid", "taskid"];

    fn builtin(&self, name: &str) -> Option<&str> {
        match name {
            "jobid" => Some(&self.job),
            "nodeid" => Some(&self.node),
            "taskid" => Some(&self.task),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
struct Given {
    value: String,
    raw: bool,
    source: ParameterSource,
}

/// Where a parameter was defined; of several places the last here wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ParameterSource {
    /// Nothing but a catalog of that name, whose name is the value: `${catalog}.table`.
    Catalog,
    /// `SET PARAMETER` in a script.
    Script,
    /// `[params]` of the config, or the program that embeds the engine.
    Config,
    /// `SYNCLINE_PARAM_name` in the environment.
    Environment,
    /// `-p` and `--raw`: for this run.
    Run,
}

/// A parameter's value when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterValue {
    /// The text that is put in.
    pub text: String,
    /// Whether it may be any SQL.
    pub raw: bool,
}

impl Parameters {
    /// The built-in parameters alone.
    pub fn new(clocks: Clocks) -> Self {
        Self { clocks, given: BTreeMap::new(), run: None, catalogs: BTreeSet::new() }
    }

    /// Gives `$jobid`, `$nodeid` and `$taskid` their values.
    pub fn set_run(&mut self, run: RunNames) {
        self.run = Some(run);
    }

    /// The catalogs that there are now. Each is a parameter whose value is its own name, where no parameter, built-in name or date expression
    /// is of that name: scripts written for Dataphin name `${project}.table`.
    pub fn set_catalogs(&mut self, names: impl IntoIterator<Item = String>) {
        self.catalogs = names.into_iter().collect();
    }

    /// The clocks of the run.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// Defines a parameter: a constant (`abc`) or an expression (`$bizdate`), evaluated when it is used. It replaces one from the same source
    /// or one that this source wins over, and wins over a built-in one of that name inside `${…}`.
    ///
    /// # Errors
    /// [`ErrorCode::ParameterValue`] for a name that no placeholder could name.
    pub fn set(&mut self, name: &str, value: impl Into<String>, source: ParameterSource) -> Result<(), SqlError> {
        self.insert(name, Given { value: value.into(), raw: false, source })
    }

    /// Defines a parameter whose value may be any SQL and is taken as it is.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_raw(&mut self, name: &str, value: impl Into<String>, source: ParameterSource) -> Result<(), SqlError> {
        self.insert(name, Given { value: value.into(), raw: true, source })
    }

    fn insert(&mut self, name: &str, given: Given) -> Result<(), SqlError> {
        if !is_parameter_name(name) {
            let name = escape_control(name);
            return Err(SqlError::new(ErrorCode::ParameterValue, format!("'{name}' cannot name a parameter"))
                .hint("use letters, digits, _ and dots"));
        }
        let is_hidden = self.given.get(name).is_some_and(|known| known.source > given.source);
        if !is_hidden {
            self.given.insert(name.to_owned(), given);
        }
        Ok(())
    }

    /// Where the parameter of a name was defined; None if it was not, as built-in names and date expressions.
    pub fn source(&self, name: &str) -> Option<ParameterSource> {
        match self.given.get(name) {
            Some(given) => Some(given.source),
            None => self.is_catalog(name).then_some(ParameterSource::Catalog),
        }
    }

    /// The names that can be used, the user's first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let built_in = Clocks::BUILTINS.iter().chain(RunNames::BUILTINS).copied();
        self.given.keys().map(String::as_str).chain(built_in).chain(self.catalogs.iter().map(String::as_str))
    }

    /// The value of a built-in name, without its `$`.
    fn builtin(&self, name: &str) -> Option<String> {
        let of_run = self.run.as_ref().and_then(|run| run.builtin(name)).map(str::to_owned);
        of_run.or_else(|| self.clocks.builtin(name))
    }

    /// Whether a name that no parameter has stands for a catalog. One like `mm` stays a date expression, so that a new catalog changes no value.
    fn is_catalog(&self, name: &str) -> bool {
        self.catalogs.contains(name)
            && self.builtin(name).is_none()
            && !matches!(date_expression::on_business_date(name, &self.clocks), Ok(Some(_)))
    }

    /// What stands for `${body}` in a script.
    ///
    /// # Errors
    /// [`ErrorCode::UndefinedParameter`] for an unknown name, [`ErrorCode::ParameterValue`] for a value that cannot be evaluated.
    pub fn value(&self, body: &str) -> Result<ParameterValue, SqlError> {
        self.reference(body, &mut Vec::new())
    }

    /// `hidden` holds the names whose values are being evaluated, so that `bizdate=${bizdate}` means the built-in one.
    fn reference(&self, body: &str, hidden: &mut Vec<String>) -> Result<ParameterValue, SqlError> {
        if let Some(given) = self.given.get(body)
            && !hidden.iter().any(|name| name == body)
        {
            if given.raw {
                return Ok(ParameterValue { text: given.value.clone(), raw: true });
            }
            hidden.push(body.to_owned());
            let text = self.evaluate(&given.value, hidden);
            hidden.pop();
            let text =
                text.map_err(|error| SqlError { message: format!("parameter {body}: {}", error.message), ..error })?;
            return Ok(ParameterValue { text, raw: false });
        }
        if let Some(text) = self.builtin(body) {
            return Ok(ParameterValue { text, raw: false });
        }
        if self.is_catalog(body) {
            return Ok(ParameterValue { text: body.to_owned(), raw: false });
        }
        if let Some(text) = date_expression::on_business_date(body, &self.clocks)? {
            return Ok(ParameterValue { text, raw: false });
        }
        Err(self.unknown(body, hidden))
    }

    fn unknown(&self, body: &str, hidden: &[String]) -> SqlError {
        let shown = escape_control(body);
        if body.starts_with("env:") || body.starts_with("file:") {
            return SqlError::new(ErrorCode::Reference, format!("${{{shown}}} cannot stand here"))
                .hint("a reference is the whole quoted value of a property: \"password\" = \"${env:NAME}\"");
        }
        if hidden.iter().any(|name| name == body) {
            return SqlError::new(ErrorCode::ParameterValue, format!("the value of {shown} refers to itself"));
        }
        if RunNames::BUILTINS.contains(&body) {
            return only_in_a_run(body);
        }
        if !is_parameter_name(body) {
            return SqlError::new(
                ErrorCode::ParameterValue,
                format!("${{{shown}}} is neither a parameter's name nor an expression"),
            )
            .hint("to write the characters ${ themselves, type $${");
        }
        let error = SqlError::new(ErrorCode::UndefinedParameter, format!("the parameter {shown} is not defined"));
        match nearest(body, self.names()) {
            Some(name) => error.hint(format!("did you mean {name}?")),
            None => error.hint(format!("give it with -p {shown}=…, or write $${{ for the characters themselves")),
        }
    }

    /// Reads a parameter's value: text in which `$name`, `${…}` and `$[…]` are replaced.
    fn evaluate(&self, value: &str, hidden: &mut Vec<String>) -> Result<String, SqlError> {
        let mut text = String::with_capacity(value.len());
        let mut rest = value;
        while let Some(at) = rest.find('$') {
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            let length = if rest.starts_with("$${") || rest.starts_with("$$<") {
                text.push_str(&rest[1..3]);
                3
            } else if rest.starts_with("$$") {
                text.push_str("$$");
                2
            } else if let Some((length, body)) = placeholder(rest) {
                text.push_str(&self.reference(body, hidden)?.text);
                length
            } else {
                self.dollar(rest, &mut text)?
            };
            rest = &rest[length..];
        }
        text.push_str(rest);
        Ok(text)
    }

    /// `$name`, `$[…]`, or a dollar sign that begins nothing; returns how many bytes were read.
    fn dollar(&self, rest: &str, text: &mut String) -> Result<usize, SqlError> {
        let after = &rest[1..];
        if after.starts_with('[') || after.starts_with('{') {
            let close = if after.starts_with('[') { ']' } else { '}' };
            let Some(end) = after.find(close).filter(|_| close == ']') else {
                return Err(SqlError::new(ErrorCode::ParameterValue, format!("${} without {close}", &after[..1])));
            };
            text.push_str(&date_expression::on_planned_time(&after[1..end], &self.clocks)?);
            return Ok(end + 2);
        }
        let name_end = after.find(|c| !is_word_part(c) || c == '$').unwrap_or(after.len());
        let name = &after[..name_end];
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            text.push('$');
            return Ok(1);
        }
        let value = self.builtin(name).ok_or_else(|| match RunNames::BUILTINS.contains(&name) {
            true => only_in_a_run(name),
            false => {
                SqlError::new(ErrorCode::ParameterValue, format!("${} is no built-in parameter", escape_control(name)))
                    .hint(
                        "built-in are $bizdate, $cyctime, $gmtdate, $bizmonth, $jobid, $nodeid and $taskid; ${name} is a parameter of yours",
                    )
            }
        })?;
        text.push_str(&value);
        Ok(1 + name_end)
    }
}

fn only_in_a_run(name: &str) -> SqlError {
    SqlError::new(ErrorCode::ParameterValue, format!("{name} has a value only in a run"))
        .hint("$jobid is the job, $nodeid the script, and $taskid the run's id")
}

/// Evaluates the value of a parameter, as `syncline param` does: `bizdate` is the text `bizdate`, `$bizdate` and `${bizdate}` are the date.
///
/// # Errors
/// [`ErrorCode::UndefinedParameter`], [`ErrorCode::ParameterValue`].
pub fn evaluate_parameter(value: &str, parameters: &Parameters) -> Result<String, SqlError> {
    parameters.evaluate(value, &mut Vec::new())
}

/// Letters of any script, digits, `_` and dots.
fn is_parameter_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| (is_word_part(c) && c != '$') || c == '.')
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn parameters(given: &[(&str, &str)]) -> Parameters {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let clocks = Clocks::new(Some("20240807"), Some("20240808003000"), jiff::tz::TimeZone::UTC, now).unwrap();
        let mut parameters = Parameters::new(clocks);
        for (name, value) in given {
            parameters.set(name, *value, ParameterSource::Run).unwrap();
        }
        parameters
    }

    #[test]
    fn a_value_is_a_constant_or_has_built_ins_in_it() {
        let given = parameters(&[
            ("day", "$bizdate"),
            ("table", "log_${day}"),
            ("bizdate", "${bizdate}"),
            ("cyctime", "mine"),
            ("mm", "the user's own"),
        ]);
        for (value, expected) in [
            ("bizdate", "bizdate"),
            ("$bizdate", "20240807"),
            ("${bizdate}", "20240807"),
            ("$cyctime", "20240808003000"),
            ("${cyctime}", "mine"),
            ("$gmtdate", "20240808"),
            ("$bizmonth", "202407"),
            ("${day}", "20240807"),
            ("${table}", "log_20240807"),
            ("p${day}_x", "p20240807_x"),
            ("$<day>", "20240807"),
            ("p$bizdate", "p20240807"),
            ("US$ 5", "US$ 5"),
            ("$1", "$1"),
            ("$$", "$$"),
            ("$${day}", "${day}"),
            ("a b=c;'d'", "a b=c;'d'"),
            ("", ""),
            ("${mm}", "the user's own"),
            ("$[mm]", "08"),
        ] {
            assert_eq!(evaluate_parameter(value, &given).unwrap(), expected, "{value}");
        }
    }

    #[test]
    fn what_cannot_be_evaluated_is_an_error_never_text() {
        let given = parameters(&[("a", "${b}"), ("b", "${a}"), ("bad", "$[yyyymmdd-x]")]);
        for (value, code) in [
            ("$[yyyymmdd-1/0]", ErrorCode::ParameterValue),
            ("${bad}", ErrorCode::ParameterValue),
            ("${nothing}", ErrorCode::UndefinedParameter),
            ("${ddl}", ErrorCode::UndefinedParameter),
            ("$nothing", ErrorCode::ParameterValue),
            ("${a b}", ErrorCode::ParameterValue),
            ("${open", ErrorCode::ParameterValue),
            ("$[open", ErrorCode::ParameterValue),
            ("${a}", ErrorCode::ParameterValue),
            ("${env:HOME}", ErrorCode::Reference),
        ] {
            assert_eq!(evaluate_parameter(value, &given).unwrap_err().code, code, "{value}");
        }
    }

    #[test]
    fn an_unknown_name_suggests_the_nearest() {
        let error = parameters(&[("region", "eu")]).value("regoin").unwrap_err();
        assert_eq!(error.to_string(), "the parameter regoin is not defined; did you mean region?");
    }

    #[test]
    fn a_run_names_its_job_its_script_and_itself() {
        let run = RunNames { job: "daily".into(), node: "users".into(), task: "20240808T003000-0a".into() };
        let mut given = parameters(&[("label", "$jobid-$nodeid-$taskid"), ("nodeid", "mine")]);
        given.set_run(run);
        assert_eq!(given.value("label").unwrap().text, "daily-users-20240808T003000-0a");
        assert_eq!(given.value("jobid").unwrap().text, "daily");
        assert_eq!(given.value("nodeid").unwrap().text, "mine");
        let error = evaluate_parameter("$taskid", &parameters(&[])).unwrap_err().to_string();
        assert!(error.starts_with("taskid has a value only in a run"), "{error}");
        assert!(parameters(&[]).value("jobid").unwrap_err().to_string().starts_with("jobid has a value only in a run"));
    }

    #[test]
    fn the_older_names_of_the_clocks_work_in_scripts_and_in_values() {
        let given = parameters(&[("day", "p${bdp.system.bizdate}"), ("time", "${bdp.system.cyctime}")]);
        assert_eq!(given.value("day").unwrap().text, "p20240807");
        assert_eq!(given.value("time").unwrap().text, "20240808003000");
        assert_eq!(given.value("bdp.system.bizdate").unwrap().text, "20240807");
    }

    #[test]
    fn a_catalog_is_a_parameter_of_its_own_name_that_any_other_wins_over() {
        let mut given = parameters(&[("ods", "ods_dev"), ("from", "${starrocks_prod}.t")]);
        given.set_catalogs(["starrocks_prod", "ods", "mm", "mm_files", "dd-files", "bizdate"].map(str::to_owned));
        for (body, value, source) in [
            ("starrocks_prod", "starrocks_prod", Some(ParameterSource::Catalog)),
            ("from", "starrocks_prod.t", Some(ParameterSource::Run)),
            ("ods", "ods_dev", Some(ParameterSource::Run)),
            ("mm", "08", None),
            ("mm_files", "mm_files", Some(ParameterSource::Catalog)),
            ("dd-files", "dd-files", Some(ParameterSource::Catalog)),
            ("bizdate", "20240807", None),
        ] {
            assert_eq!((given.value(body).unwrap().text.as_str(), given.source(body)), (value, source), "{body}");
        }
        let error = given.value("starroks_prod").unwrap_err();
        assert_eq!(error.to_string(), "the parameter starroks_prod is not defined; did you mean starrocks_prod?");
        // what refers to itself means the catalog, as it means a built-in name
        let mut given = parameters(&[("ods", "${ods}")]);
        given.set_catalogs(["ods".to_owned()]);
        assert_eq!(given.value("ods").unwrap().text, "ods");
    }

    #[test]
    fn a_raw_value_is_taken_as_it_is() {
        let mut given = parameters(&[]);
        given.set_raw("filter", "a = '$[x]' or b", ParameterSource::Run).unwrap();
        assert_eq!(given.value("filter").unwrap(), ParameterValue { text: "a = '$[x]' or b".to_owned(), raw: true });
    }

    #[test]
    fn what_a_run_is_given_wins_over_the_environment_the_config_and_the_script() {
        use ParameterSource::{Config, Environment, Run, Script};
        for order in
            [[Script, Config, Environment, Run], [Run, Environment, Config, Script], [Config, Run, Script, Environment]]
        {
            let mut given = parameters(&[]);
            for (count, source) in order.into_iter().enumerate() {
                given.set("a", format!("{source:?}"), source).unwrap();
                let strongest = order[..=count].iter().max().unwrap();
                assert_eq!(given.value("a").unwrap().text, format!("{strongest:?}"));
            }
        }
        let mut given = parameters(&[]);
        given.set("a", "first", Script).unwrap();
        given.set("a", "second", Script).unwrap();
        assert_eq!(given.value("a").unwrap().text, "second");
    }

    #[test]
    fn a_name_that_no_placeholder_can_hold_is_refused() {
        for name in ["", "a b", "a}", "a-b", "env:X", "$a"] {
            assert!(parameters(&[]).set(name, "x", ParameterSource::Run).is_err(), "{name}");
        }
    }
}
