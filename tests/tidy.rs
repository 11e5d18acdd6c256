//! How the code looks: what each file opens with, how long it may be, what it may not be called, and what the
//! formatter and the linter say.
//!
//! The linter runs here where `CI=true` (a cold run compiles the whole workspace once more); by hand it is
//! `cargo clippy --workspace --all-targets`. With `LONGHAUL_REQUIRE_ALL=1` a missing component is a failure.

mod source;

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use source::files;
use source::token::{tokens, without_tests};

/// The longest file, in lines with code (tests, comments and blank lines not counted).
const CODE_LINES_MAX: usize = 600;

/// Files that may be longer, with the reason.
const LONGER: &[(&str, &str)] = &[];

/// Names that say where something lies and not what it is.
const NAMES_OF_NOTHING: &[&str] =
    &["common", "shared_state", "util", "utils", "helper", "helpers", "types", "misc"];

fn expect_none(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}\n{}", complaints.join("\n"));
}

#[test]
fn every_file_says_first_what_it_is() {
    let silent = |file: &String| !files::text(file).starts_with("//! ");
    let found: Vec<_> = files::all().into_iter().filter(silent).collect();
    expect_none("files that do not open with `//!`:", &found);
}

#[test]
fn files_are_short() {
    let mut found = Vec::new();
    for file in files::all().iter().filter(|file| !LONGER.iter().any(|(name, _)| name == file)) {
        let mut lines: Vec<_> =
            without_tests(&tokens(&files::text(file))).iter().map(|token| token.line).collect();
        lines.dedup();
        if lines.len() > CODE_LINES_MAX {
            found.push(format!("{file}: {} lines", lines.len()));
        }
    }
    expect_none("files that are more than one concept:", &found);
}

#[test]
fn names_say_what_a_thing_is() {
    let parts = |file: &str| file.trim_end_matches(".rs").split('/').map(str::to_owned).collect::<Vec<_>>();
    let empty = |file: &String| parts(file).iter().any(|part| NAMES_OF_NOTHING.contains(&part.as_str()));
    let found: Vec<_> = files::all().into_iter().filter(empty).collect();
    expect_none("files whose name is not a concept:", &found);
}

/// The help is printed from the table in the code, and `tests/cli.rs` holds it against the same file.
#[test]
fn the_readme_tells_every_exit_status() {
    let help = files::text("tests/expected/help.txt");
    let (_, rows) = help.split_once("Exit statuses:\n").expect("the help ends with the statuses");
    let row = |line: &str| {
        let (status, meaning) = line.trim().split_once("  ").expect("a status and its meaning");
        format!("| {status} | {meaning} |")
    };
    let readme = files::text("README.md");
    let missing: Vec<_> = rows.lines().map(row).filter(|row| !readme.contains(row)).collect();
    expect_none("rows that the README lacks:", &missing);
}

#[test]
fn the_code_is_formatted() {
    if !component_is_there("fmt") {
        return;
    }
    expect_success("cargo fmt --all", cargo(["fmt", "--all", "--check"]));
    // The fuzz crate is no member, and asking cargo about it would fetch what only fuzzing needs.
    let mut rustfmt = Command::new("rustfmt");
    let fuzz = files::all().into_iter().filter(|file| file.starts_with("fuzz/"));
    rustfmt.current_dir(files::root()).args(["--check", "--edition", "2024"]).args(fuzz);
    expect_success("rustfmt on the fuzz targets", rustfmt);
}

#[test]
fn the_linter_is_content() {
    if std::env::var_os("CI").is_none_or(|value| value != "true") || !component_is_there("clippy") {
        return;
    }
    let mut clippy = cargo(["clippy", "--quiet", "--workspace", "--all-targets", "--locked"]);
    // A folder of its own: the tests' own build holds the lock of the usual one.
    clippy.env("CARGO_TARGET_DIR", target_folder().join("clippy"));
    expect_success("cargo clippy --workspace --all-targets", clippy);
}

/// The folder with the build's output: this test's program lies in `<target>/<profile>/deps`.
fn target_folder() -> PathBuf {
    let program = std::env::current_exe().expect("this program's path");
    program.ancestors().nth(3).expect("three folders above").to_owned()
}

fn cargo<const N: usize>(arguments: [impl AsRef<OsStr>; N]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(files::root()).args(arguments);
    command
}

fn expect_success(what: &str, mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{what}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{what}:\n{}", String::from_utf8_lossy(&said));
}

/// Whether `cargo NAME` can run here; if not, the reason is printed, or a failure where everything is required.
fn component_is_there(name: &str) -> bool {
    let there = cargo([name, "--version"]).output().is_ok_and(|output| output.status.success());
    if !there {
        let required = std::env::var_os("LONGHAUL_REQUIRE_ALL").is_some_and(|value| value == "1");
        assert!(!required, "cargo {name} is not installed (`rustup component add`)");
        // Straight to the descriptor: the test harness swallows what passing tests print.
        let _ = writeln!(std::io::stderr(), "SKIPPED: cargo {name} is not installed");
    }
    there
}
