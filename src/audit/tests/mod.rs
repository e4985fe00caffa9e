mod fixture;
mod recovery;
mod redaction;
mod tampering;
mod throughput;
mod writing;
