//! A Flight descriptor, and the command of one.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    airside::fuzzing::descriptor(bytes);
    airside::fuzzing::command(bytes);
});
