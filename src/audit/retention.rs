//! Which files are old enough to go.

use chrono::{Days, NaiveDate};

use super::files::AuditFile;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    /// Days; 0 is for ever.
    pub(super) days: u32,
    /// Bytes; 0 is any number.
    pub(super) bytes: u64,
}

impl Keep {
    /// How many of the oldest files go. `files` are in order with their sizes; the last is being written and stays.
    pub(super) fn surplus(self, files: &[(AuditFile, u64)], today: NaiveDate) -> usize {
        let by_age =
            today.checked_sub_days(Days::new(self.days.into())).filter(|_| self.days > 0).map_or(0, |oldest| {
                // A file's last record is no younger than the first of the next.
                files.windows(2).take_while(|pair| pair[1].0.day < oldest).count()
            });
        let mut total: u64 = files.iter().map(|(_, size)| size).sum();
        let mut by_size = 0;
        for (_, size) in files.iter().take(files.len().saturating_sub(1)) {
            if self.bytes == 0 || total <= self.bytes {
                break;
            }
            total -= size;
            by_size += 1;
        }
        by_age.max(by_size)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_oldest_go_and_the_last_stays() {
        let day = |d| NaiveDate::from_ymd_opt(2026, 11, d).unwrap();
        let files: Vec<_> = (1..=4)
            .map(|n| (AuditFile::new(Path::new("/a"), "gw", n, day(u32::try_from(n).unwrap() * 2)), 100))
            .collect();
        for (days, bytes, today, surplus) in [
            (0, 0, 30, 0),
            (7, 0, 8, 0),
            // The second was begun on the 4th: the first holds nothing younger.
            (5, 0, 10, 1),
            (1, 0, 30, 3),
            (0, 1, 8, 3),
            (0, 250, 8, 2),
            (0, 400, 8, 0),
            (5, 250, 10, 2),
        ] {
            assert_eq!(Keep { days, bytes }.surplus(&files, day(today)), surplus, "{days} {bytes} {today}");
        }
        assert_eq!(Keep { days: 1, bytes: 1 }.surplus(&[], day(1)), 0);
    }
}
