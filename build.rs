//! Compiles the protobuf messages, without `protoc`.

use std::io;

const PROTOS: [&str; 3] = ["proto/airside.proto", "proto/flight_session.proto", "proto/flight_sql.proto"];

fn main() -> io::Result<()> {
    for proto in PROTOS {
        println!("cargo:rerun-if-changed={proto}");
    }
    let files = protox::compile(PROTOS, ["proto"]).map_err(io::Error::other)?;
    tonic_prost_build::configure().build_client(false).build_server(false).compile_fds(files)
}
