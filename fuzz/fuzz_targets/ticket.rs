//! A ticket, and a prepared statement handle.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| airside::fuzzing::ticket(bytes));
