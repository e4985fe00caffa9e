//! What lines are written to.

use std::fs::File;
use std::io::{self, Write};

/// Something that lines are appended to.
pub(super) trait Medium: Send {
    /// Appends all of the bytes; after an error some of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns once what was appended would survive a crash of the machine.
    fn sync(&mut self) -> io::Result<()>;

    /// Takes back what was appended beyond `length` bytes.
    fn cut_back(&mut self, length: u64) -> io::Result<()>;
}

/// A file, opened for appending.
impl Medium for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut_back(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.sync_data()
    }
}

/// Standard output. What it was given cannot be taken back.
impl Medium for io::Stdout {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut lock = self.lock();
        lock.write_all(bytes)?;
        lock.flush()
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn cut_back(&mut self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
