//! Compiles Airside's own protobuf messages, without `protoc`.

use std::io;

const PROTO: &str = "proto/airside.proto";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={PROTO}");
    let files = protox::compile([PROTO], ["proto"]).map_err(io::Error::other)?;
    tonic_prost_build::configure().build_client(false).build_server(false).compile_fds(files)
}
