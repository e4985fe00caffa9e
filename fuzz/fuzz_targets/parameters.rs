//! The bound parameters of a prepared statement.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| airside::fuzzing::parameters(bytes));
