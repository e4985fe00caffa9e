//! What a line that begins with a backslash asks of the shell.

use std::path::PathBuf;

use clap::ValueEnum;

use super::show::Format;
use crate::cli::explain::purpose;
use crate::principal::Purpose;

/// A command to the shell itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Command {
    Help,
    Quit,
    /// Lists the tables, or the columns of one.
    Describe(Option<String>),
    Purpose(Purpose),
    User(String),
    Format(Format),
    /// Writes the next result to a file.
    Output(PathBuf),
    Rows(usize),
    Timing(bool),
    /// Shows what the last answer was made of.
    Receipt,
}

pub(super) const HELP: &str = r"\d [TABLE]       list the tables, or the columns of one
\purpose [NAME]  what the data is for; none without a name
\user NAME       sign in as somebody else
\format FORMAT   table, csv, json or parquet
\o FILE          write the next result to a file
\rows N          show at most so many rows of a table; 0 shows all
\timing on|off   say how long each statement took
\receipt         what the last answer was made of, and what was kept back
\q               leave
A statement ends with a semicolon; Ctrl-C stops one that runs.";

impl Command {
    /// Reads a line; none when it does not begin with a backslash.
    pub(super) fn parse(line: &str) -> Option<Result<Self, String>> {
        let line = line.trim().trim_end_matches(';').trim_end().strip_prefix('\\')?;
        let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let argument = argument.trim();
        let needed = |what: &str| match argument {
            "" => Err(format!("`\\{name}` needs {what}")),
            given => Ok(given.to_owned()),
        };
        Some(match name {
            "?" | "h" | "help" => Ok(Self::Help),
            "q" | "quit" => Ok(Self::Quit),
            "d" => Ok(Self::Describe(Some(argument.to_owned()).filter(|name| !name.is_empty()))),
            "purpose" => purpose(argument).map(Self::Purpose),
            "user" => needed("a user's name").map(Self::User),
            "format" => Format::from_str(argument, true).map(Self::Format).map_err(|_| {
                let known = Format::value_variants().iter().filter_map(ValueEnum::to_possible_value);
                let known: Vec<String> = known.map(|format| format.get_name().to_owned()).collect();
                format!("a format is one of {}", known.join(", "))
            }),
            "o" => needed("a file's name").map(|file| Self::Output(file.into())),
            "rows" => argument.parse().map(Self::Rows).map_err(|_| "`\\rows` needs a number".to_owned()),
            "timing" => match argument {
                "" | "on" => Ok(Self::Timing(true)),
                "off" => Ok(Self::Timing(false)),
                _ => Err("`\\timing` is `on` or `off`".to_owned()),
            },
            "receipt" => Ok(Self::Receipt),
            other => Err(format!("there is no `\\{other}`: `\\?` lists what there is")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_or_not() {
        assert_eq!(Command::parse("SELECT 1"), None);
        for (line, expected) in [
            (r"\q", Command::Quit),
            (r" \d ", Command::Describe(None)),
            (r"\d sales.orders;", Command::Describe(Some("sales.orders".into()))),
            (r"\format JSON", Command::Format(Format::Json)),
            (r"\o a file.csv", Command::Output("a file.csv".into())),
            (r"\rows 0", Command::Rows(0)),
            (r"\timing off", Command::Timing(false)),
            (r"\user ada", Command::User("ada".into())),
        ] {
            assert_eq!(Command::parse(line), Some(Ok(expected)), "{line}");
        }
        for line in [r"\x", r"\user", r"\format xls", r"\rows many", r"\timing maybe", r"\"] {
            assert!(matches!(Command::parse(line), Some(Err(_))), "{line}");
        }
    }
}
