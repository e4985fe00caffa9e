//! Airside: a governed Arrow Flight and Flight SQL gateway for a data mesh.
//!
//! The modules, bottom up; each imports only from those above it in this list:
//!
//! - vocabulary: [`fault`], [`seal`], [`outbound`], [`product`], [`principal`], [`policy`];
//! - the outside made into vocabulary: [`authn`], [`mesh`];
//! - the engine: [`source`], [`query`];
//! - who read what, on record: [`audit`];
//! - the use cases: [`gateway`];
//! - transport, which decides nothing: [`serve`];
//! - the shell: [`config`], [`telemetry`], [`demo`], [`cli`].

pub mod fault;
pub mod seal;

pub mod outbound;

pub mod product;

pub mod principal;

pub mod policy;

pub mod authn;
pub mod mesh;

pub mod source;

pub mod query;

pub mod audit;

pub mod gateway;

pub mod serve;

pub mod config;
pub mod telemetry;

pub mod demo;

pub mod cli;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
