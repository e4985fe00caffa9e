//! `airside mint-token`: a service token, and its hash for `tokens.toml`.

use clap::Args;

use crate::authn::mint_service_token;

#[derive(Debug, Args)]
pub struct MintToken {}

impl MintToken {
    pub fn run(&self) -> Result<(), Box<dyn std::error::Error>> {
        let (token, hash) = mint_service_token();
        println!("token {}", token.expose_str().unwrap_or_default());
        println!("hash  {hash}");
        eprintln!("The token is shown this once: hand it to the service. The hash goes into tokens.toml.");
        Ok(())
    }
}
