//! The door of the plots.

use crate::args::plot::PlotArgs;
use crate::exit::Exit;
use crate::problem::{Problems, Wrong};
use std::path::Path;

/// Draws one file.
pub(crate) fn run(args: &PlotArgs) -> Exit {
    let drawn = read(&args.file).map_err(|wrong| ("FILE", wrong));
    let written = drawn.and_then(|svg| {
        let wrong =
            |error| Wrong::new(format!("cannot be written: {error}"), "give a file in a folder of yours");
        std::fs::write(&args.out, svg).map_err(|error| ("--out", wrong(error)))
    });
    let Err((flag, wrong)) = written else { return Exit::Done };
    let mut problems = Problems::default();
    problems.add(flag, &wrong);
    problems.print("plot");
    Exit::Usage
}

fn read(file: &Path) -> Result<String, Wrong> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Wrong::new(format!("{} cannot be read: {error}", file.display()), "give the plots' file")
    })?;
    let plots = tools::plot::read(&text).map_err(|error| {
        Wrong::new(format!("{} holds no plots: {error}", file.display()), "see --help for the form")
    })?;
    Ok(tools::plot::page(&plots))
}
