//! Grants in a policy file that people edit too: found by the ids of their policies, told apart from what was
//! edited since by a digest, put in, replaced and taken out without touching the rest.

use std::ops::Range;
use std::path::PathBuf;

use super::super::statement::{self, Origin, PolicySource};
use super::request::short_digest;
use crate::fault::Fault;
use crate::product::Name;

/// How the head of a new file begins.
const HEAD: &str = "// Grants of ";

/// What marks the last line of a block's comment.
const MARK: &str = "// airside:";

/// A comment over policies, the last line of it a digest of both.
pub(super) fn sealed(comment: &str, policies: &str) -> String {
    let comment: String = comment.lines().flat_map(wrapped).map(|line| format!("// {line}\n")).collect();
    format!("{comment}{MARK}{}\n{policies}", short_digest(&format!("{comment}{policies}")))
}

/// A line cut into lines that fit.
fn wrapped(line: &str) -> Vec<String> {
    const WIDTH: usize = 112;
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        let last = lines.last_mut().filter(|last| last.is_empty() || last.len() + 1 + word.len() <= WIDTH);
        match last {
            Some(last) if last.is_empty() => last.push_str(word),
            Some(last) => {
                last.push(' ');
                last.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A policy file of a domain.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// Where it is.
    pub file: PathBuf,
    /// What it says.
    pub text: String,
}

/// A grant in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What the ids of its policies begin with.
    pub key: String,
    /// Its first line and its last.
    pub lines: (u32, u32),
    /// Whether it is as it was written.
    pub untouched: bool,
    range: Range<usize>,
}

impl PolicyFile {
    /// The grants in it, in their order.
    ///
    /// # Errors
    /// The file's faults, when it is no Cedar.
    pub fn blocks(&self, domain: &Name) -> Result<Vec<Block>, Vec<Fault>> {
        let mut faults = Vec::new();
        let source = PolicySource { file: self.file.clone(), text: self.text.clone() };
        let statements = statement::read(&source, &Origin::Domain(domain.clone()), &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut blocks: Vec<(String, Range<usize>)> = Vec::new();
        for statement in &statements {
            let Some((key, _)) = statement.id.rsplit_once(':').filter(|_| statement.id.starts_with("grant:")) else {
                continue;
            };
            let range = statement.range();
            match blocks.iter_mut().find(|(known, _)| known == key) {
                Some((_, known)) => *known = known.start.min(range.start)..known.end.max(range.end),
                None => blocks.push((key.to_owned(), range)),
            }
        }
        Ok(blocks.into_iter().map(|(key, range)| self.block(key, range)).collect())
    }

    /// The block of policies in `range`, with the comment above.
    fn block(&self, key: String, range: Range<usize>) -> Block {
        let mut start = self.start_of_line(range.start);
        while start > 0 {
            let above = self.start_of_line(start - 1);
            let line = self.text.get(above..start).unwrap_or_default();
            if !line.trim_start().starts_with("//") {
                break;
            }
            start = above;
        }
        let rest = self.text.get(range.end..).unwrap_or_default();
        let end = range.end + rest.find('\n').map_or(rest.len(), |at| at + 1);
        let text = self.text.get(start..end).unwrap_or_default();
        let (mut marks, mut others) = (Vec::new(), String::new());
        for line in text.split_inclusive('\n') {
            match line.strip_prefix(MARK) {
                Some(digest) => marks.push(digest.trim()),
                None => others.push_str(line),
            }
        }
        let untouched = matches!(marks[..], [digest] if digest == short_digest(&others));
        let lines = (self.line(start), self.line(end.saturating_sub(1)));
        Block { key, lines, untouched, range: start..end }
    }

    /// The text with a block taken out, and the blank line that kept it apart.
    pub fn without(&self, block: &Block) -> String {
        let before = self.text.get(..block.range.start).unwrap_or_default();
        let after = self.text.get(block.range.end..).unwrap_or_default();
        let after = if before.is_empty() || before.ends_with("\n\n") { after.trim_start_matches('\n') } else { after };
        let text = format!("{before}{after}");
        format!("{}\n", text.trim_end_matches('\n')).trim_start_matches('\n').to_owned()
    }

    /// The text with a block replaced by another.
    pub fn replaced(&self, block: &Block, by: &str) -> String {
        let before = self.text.get(..block.range.start).unwrap_or_default();
        format!("{before}{by}{}", self.text.get(block.range.end..).unwrap_or_default())
    }

    /// The text with a block at its end. A new file gets a head that says what it is.
    pub fn with(&self, block: &str, about: &str) -> String {
        if self.text.trim().is_empty() {
            return format!(
                "{HEAD}{about}, written by `airside grant`. The file is yours: add to it and edit it as you like.\n\
                 // `airside grant` and `airside revoke` touch only what they wrote and nobody edited since.\n\n{block}"
            );
        }
        format!("{}\n\n{block}", self.text.trim_end())
    }

    /// Whether nothing is left but the head that a new file gets.
    pub fn is_head(text: &str) -> bool {
        text.starts_with(HEAD)
            && text.trim_end().lines().all(|line| line.starts_with("//"))
            && text.lines().count() <= 3
    }

    fn start_of_line(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
    }

    fn line(&self, at: usize) -> u32 {
        let newlines = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        u32::try_from(newlines).unwrap_or(u32::MAX - 1) + 1
    }
}
