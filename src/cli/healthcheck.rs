//! `airside healthcheck`: for containers, whose images hold no other client.

use std::time::Duration;

use clap::Args;

#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Where the HTTP side listens.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    http: String,
}

const PATIENCE: Duration = Duration::from_secs(5);

impl Healthcheck {
    pub fn run(&self) -> Result<(), Box<dyn std::error::Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
            let answer = client.get(format!("{}/readyz", self.http.trim_end_matches('/'))).send().await?;
            match answer.error_for_status() {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("not ready: {error}").into()),
            }
        })
    }
}
