//! What is said of a run: a table for the terminal, and a page with plots. All of it is made of the JSON.

mod number;
mod page;
mod plots;
mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::run::Run;

pub(crate) use table::Table;

/// Folder of the plots, beside the page.
const PLOTS: &str = "benchmarks";

/// Writes `benchmarks.md` and `benchmarks/*.svg` into a folder.
pub(crate) fn write(run: &Run, folder: &Path) -> Result<()> {
    let plots = folder.join(PLOTS);
    fs::create_dir_all(&plots).with_context(|| format!("cannot make {}", plots.display()))?;
    let drawn = plots::draw(run, &plots)?;
    let page = folder.join("benchmarks.md");
    fs::write(&page, page::page(run, &drawn)).with_context(|| format!("cannot write {}", page.display()))
}
