//! `syncline check`.

use std::io::Write;

use super::args::CheckArgs;
use super::output::visible;
use super::{say, setup};
use crate::{CatalogCheck, Result};

/// Tests catalogs and prints a line for each thing tried.
pub(super) async fn check(args: CheckArgs) -> u8 {
    match checks(&args).await {
        Ok(checks) => {
            if checks.is_empty() {
                say("no catalogs: there is no syncline.toml here or above, or it has no [catalogs.NAME]");
            }
            let mut out = std::io::stdout().lock();
            for check in &checks {
                for item in &check.items {
                    let (mark, text) = match &item.outcome {
                        Ok(text) => ("ok", text),
                        Err(text) => ("FAILED", text),
                    };
                    let line = format!("{} ({})  {}: {mark}  {}", check.catalog, check.kind, item.what, text);
                    let _ = writeln!(out, "{}", visible(line.trim_end()));
                }
            }
            u8::from(!checks.iter().all(CatalogCheck::is_ok))
        }
        Err(error) => {
            say(&error.render());
            if error.is_usage() { 2 } else { 1 }
        }
    }
}

async fn checks(args: &CheckArgs) -> Result<Vec<CatalogCheck>> {
    let folder = setup::working_directory()?;
    let engine = setup::engine(&args.session, &folder).await?;
    engine.check(&args.catalogs).await
}
