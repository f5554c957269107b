//! `syncline param`.

use std::io::Write;

use super::args::ParamArgs;
use super::{say, setup};
use crate::Result;

/// Prints the value of a parameter, alone.
pub(super) async fn param(args: ParamArgs) -> u8 {
    match value(&args).await {
        Ok(value) => {
            let mut out = std::io::stdout().lock();
            u8::from(writeln!(out, "{value}").and_then(|()| out.flush()).is_err())
        }
        Err(error) => {
            say(&error.render());
            2
        }
    }
}

async fn value(args: &ParamArgs) -> Result<String> {
    let folder = setup::working_directory()?;
    let engine = setup::engine(&args.session, &folder).await?;
    engine.session().evaluate_parameter(&args.value, &setup::run_options(&args.session))
}
