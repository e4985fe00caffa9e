//! The `airside` binary: parses the command line and hands over.

/// Decoding Parquet allocates much and briefly, which mimalloc does best.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    airside::cli::run()
}
