//! `airside demo`: a mesh of several domains on this machine, and a gateway on it, with nothing else to install.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::serve::serve;
use crate::config::Config;
use crate::demo;
use crate::telemetry::{self, LogConfig};

#[derive(Debug, Args)]
pub struct Demo {
    /// Where gRPC listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:50051")]
    flight_addr: SocketAddr,
    /// Where HTTP listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    http_addr: SocketAddr,
    /// The scale of the TPC-H data: 1 is about a gigabyte.
    #[arg(long, default_value_t = demo::DEFAULT_SCALE)]
    scale: f64,
    /// Where the mesh is kept; made on the first start.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Make the mesh and end, without serving it.
    #[arg(long)]
    prepare: bool,
}

impl Demo {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let dir = match self.dir {
            Some(dir) => dir,
            None => demo::default_dir(self.scale)?,
        };
        telemetry::start_log(&LogConfig::default())?;
        let generated = demo::generate(&dir, self.scale, &demo::progress_bar())?;
        if self.prepare {
            println!("{}", generated.config.display());
            return Ok(());
        }
        let mut config = Config::load(&generated.config)?;
        config.flight.addr = self.flight_addr;
        config.http.addr = self.http_addr;
        serve(config, |addresses| print!("{}", demo::announcement(addresses.flight[0].addr, addresses.http.addr)))
    }
}
