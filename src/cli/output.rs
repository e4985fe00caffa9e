//! What commands print. `println!` and its like mean these here, in all of `cli`: those of the standard library panic
//! when nobody reads on, as in `airside diff … | head -1`.
//!
//! A command whose reader has gone goes on without a word and ends as it would have: one that writes files must not stop
//! half-way, and its exit code is asked for even where its output is not. Output that is lost otherwise, on a full disk,
//! fails the command.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

/// Why output was lost, if its reader did not simply go.
static LOST: OnceLock<String> = OnceLock::new();

/// Writes to standard output.
pub(super) fn out(text: fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    // Not left to the process's end, where nobody would hear of what went wrong.
    if let Err(error) = stdout.write_fmt(text).and_then(|()| stdout.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error.to_string());
    }
}

/// Writes to standard error. What cannot be told there can be told nowhere.
pub(super) fn err(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Why the command's output is not all where it should be.
pub(super) fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

macro_rules! print {
    ($($text:tt)*) => { $crate::cli::output::out(format_args!($($text)*)) };
}

macro_rules! println {
    ($($text:tt)*) => { $crate::cli::output::out(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprint {
    ($($text:tt)*) => { $crate::cli::output::err(format_args!($($text)*)) };
}

macro_rules! eprintln {
    ($($text:tt)*) => { $crate::cli::output::err(format_args!("{}\n", format_args!($($text)*))) };
}
