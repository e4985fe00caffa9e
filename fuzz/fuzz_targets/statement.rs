//! A statement, and the filter of a product request.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| airside::fuzzing::statement(text));
