//! A data contract.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| airside::fuzzing::contract(text));
