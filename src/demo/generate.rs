//! Makes the demo mesh in a folder, or finds it there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::{io, thread};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::assets::ASSETS;
use super::error::DemoError;
use super::marker::{self, Found, Marker};
use super::tables::{MAX_SCALE, MIN_SCALE, Table};
use super::{layout, people};

/// Held while a mesh is made, so that two starts at once do not make it twice over each other.
pub(super) const LOCK: &str = ".demo-mesh.lock";

const CONFIG: &str = "airside.toml";
const USERS: &str = "users.toml";
const TOKENS: &str = "tokens.toml";
const MESH: &str = "mesh";

/// Keys that the configuration refers to.
const KEYS: [&str; 3] = ["secrets/tickets.key", "secrets/masks.key", "secrets/audit.key"];

/// A demo mesh on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The folder that holds it.
    pub dir: PathBuf,
    /// Its configuration file: what `airside serve --config` takes.
    pub config: PathBuf,
    /// Whether it was there already.
    pub reused: bool,
}

/// A progress bar on standard error; draws nothing when that is no terminal.
pub fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:40}] {percent}% {human_pos} rows, {eta} left") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// Makes the mesh of `scale` in `dir`, or leaves it alone when it is there and complete.
///
/// A half-made or damaged one, one of another scale and one of another version of the program are made
/// anew. Blocks for as long as that takes; call it off the async threads.
///
/// # Errors
/// [`DemoError`] when the scale makes no data, the folder holds something else, or writing fails.
pub fn generate(dir: &Path, scale: f64, bar: &ProgressBar) -> Result<Generated, DemoError> {
    if !(MIN_SCALE..=MAX_SCALE).contains(&scale) {
        return Err(DemoError::Scale(scale));
    }
    if marker::look(dir, scale)? == Found::Foreign {
        return Err(DemoError::Occupied(dir.to_owned()));
    }
    fs::create_dir_all(dir).map_err(DemoError::io(dir))?;
    let dir = &dir.canonicalize().map_err(DemoError::io(dir))?;
    let _held = lock(dir)?;
    let found = marker::look(dir, scale)?;
    match found {
        Found::Complete => tracing::info!(dir = %dir.display(), scale, "the demo mesh is there"),
        Found::Foreign => return Err(DemoError::Occupied(dir.clone())),
        Found::Nothing | Found::Other => {
            if found == Found::Other {
                tracing::warn!(dir = %dir.display(), "replacing an incomplete or different demo mesh");
            }
            make(dir, scale, bar)?;
        }
    }
    Ok(Generated { dir: dir.clone(), config: dir.join(CONFIG), reused: found == Found::Complete })
}

/// The files every mesh has beside its data, by their path below the folder.
pub(super) fn written_files() -> impl Iterator<Item = &'static str> {
    ASSETS.iter().map(|asset| asset.path).chain([USERS, TOKENS]).chain(KEYS)
}

/// Writes a file beside its place and moves it there: readers see the old one or the whole new one.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), DemoError> {
    write_with(path, File::options().write(true).create(true).truncate(true), bytes)
}

/// The same for what only this user may read.
fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), DemoError> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    write_with(path, &options, bytes)
}

fn write_with(path: &Path, options: &fs::OpenOptions, bytes: &[u8]) -> Result<(), DemoError> {
    let partial = partial(path);
    let written = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = options.open(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    written().map_err(DemoError::io(path))
}

/// The name a file has until it is whole. No glob for `*.parquet` finds it.
fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

fn lock(dir: &Path) -> Result<File, DemoError> {
    let path = dir.join(LOCK);
    let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(DemoError::io(&path))?;
    match file.lock() {
        // Some network folders have no locks; the mesh is made there all the same.
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(DemoError::Io { path, source: error }),
        _ => Ok(file),
    }
}

fn make(dir: &Path, scale: f64, bar: &ProgressBar) -> Result<(), DemoError> {
    let started = std::time::Instant::now();
    tracing::info!(dir = %dir.display(), scale, "making the demo mesh");
    Marker::begun(scale).write(dir)?;
    let mesh = dir.join(MESH);
    match fs::remove_dir_all(&mesh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(DemoError::Io { path: mesh, source: error });
        }
        _ => {}
    }
    for asset in ASSETS {
        write_file(&dir.join(asset.path), asset.text.as_bytes())?;
    }
    write_secret(&dir.join(USERS), people::users_file()?.as_bytes())?;
    write_secret(&dir.join(TOKENS), people::tokens_file().as_bytes())?;
    // A mesh that is made anew keeps its keys: what its audit has on record goes on under them.
    for key in KEYS.map(|key| dir.join(key)).iter().filter(|key| !key.is_file()) {
        write_secret(key, people::fresh_key().as_bytes())?;
    }
    let files = make_data(dir, scale, bar)?;
    Marker::complete(scale, files).write(dir)?;
    tracing::info!(seconds = started.elapsed().as_secs_f32(), "the demo mesh is made");
    Ok(())
}

/// One data file to write.
struct Job {
    table: Table,
    part: i32,
    parts: i32,
    /// Below the demo's folder.
    path: String,
}

fn jobs(scale: f64) -> Vec<Job> {
    let of_table = |table: Table| {
        let parts = table.parts(scale);
        (1..=parts).map(move |part| {
            let (domain, name) = (table.domain(), table.name());
            let path = format!("{MESH}/domains/{domain}/data/{name}/part-{part:03}.parquet");
            Job { table, part, parts, path }
        })
    };
    Table::ALL.into_iter().flat_map(of_table).collect()
}

/// Writes every data file, on as many threads as there are cores; returns their sizes.
fn make_data(dir: &Path, scale: f64, bar: &ProgressBar) -> Result<BTreeMap<String, u64>, DemoError> {
    let jobs = jobs(scale);
    let rows: i64 = Table::ALL.iter().map(|table| table.rows(scale)).sum();
    bar.set_length(rows.unsigned_abs());
    bar.set_message("making the demo mesh");
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done = Mutex::new((BTreeMap::new(), None));
    let work = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if failed.load(Ordering::Relaxed) {
                return;
            }
            let result = write_part(dir, scale, job, bar);
            let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match result {
                Ok(size) => {
                    tracing::debug!(file = job.path, size, "written");
                    done.0.insert(job.path.clone(), size);
                }
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    done.1.get_or_insert(error);
                }
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    bar.finish_and_clear();
    let (files, error) = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    error.map_or(Ok(files), Err)
}

fn write_part(dir: &Path, scale: f64, job: &Job, bar: &ProgressBar) -> Result<u64, DemoError> {
    let path = dir.join(&job.path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(DemoError::io(folder))?;
    }
    let partial = partial(&path);
    let batches = job.table.batches(scale, job.part, job.parts);
    layout::write(job.table, batches, &partial, |rows| bar.inc(rows as u64))
        .map_err(|source| DemoError::Parquet { path: path.clone(), source })?;
    fs::rename(&partial, &path).map_err(DemoError::io(&path))?;
    fs::metadata(&path).map(|data| data.len()).map_err(DemoError::io(&path))
}
