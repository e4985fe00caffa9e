//! `airside optimize`: a product's files written anew beside the old ones, and its contract pointed at them.

mod subject;
mod switch;

use std::error::Error;
use std::sync::Arc;

use chrono::Utc;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

use self::subject::{Subject, neighbours, readers, subjects};
use self::switch::Switch;
use super::change::{MeshPlace, Source, refused};
use crate::mesh::Mesh;
use crate::product::Address;
use crate::query::EngineConfig;
use crate::source::rewrite::{Interrupt, Means, Rewrite, RewriteOptions, Rewritten};
use crate::source::{DatasetSource, Stores, StoresConfig};

#[derive(Debug, Args)]
pub struct Optimize {
    /// What is written anew: `domain.product`, `domain.product@1`, or one dataset of several, `domain.product/dataset`.
    product: String,
    /// Sort the rows by this column rather than by the contract's primary key. May be given several times.
    #[arg(long, value_name = "COLUMN")]
    sort_by: Vec<String>,
    /// Point the contract at the new files, once they are there and hold the same rows.
    #[arg(long)]
    switch: bool,
    /// Say what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: MeshPlace,
}

impl Optimize {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let address = Address::parse(&self.product);
        let address = address.map_err(|error| format!("`{}` is no product: {error}", self.product))?;
        let place = Source::open(&self.place)?;
        let mesh = place.load(&[]).map_err(|faults| refused(&faults, "the mesh has faults: mend these first"))?;
        place.check_domain(&mesh, &self.product, &address.domain)?;
        let (stores, engine) = match &place {
            Source::Configured { config, stores, .. } => (stores.clone(), config.query.clone()),
            Source::Domain { .. } => {
                (Stores::new(&StoresConfig::default(), std::path::Path::new("."))?, EngineConfig::default())
            }
        };
        let means = Means {
            memory: engine.memory_limit,
            spill_limit: engine.spill_limit,
            spill_dir: engine.spill_dir,
            threads: engine.threads,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let plans = runtime.block_on(self.plan(&mesh, &stores, &means, &address))?;
        for Planned { subject, plan, .. } in &plans {
            println!("`{subject}` goes to {}", plan.location());
            plan.decisions().iter().for_each(|decision| println!("  {decision}"));
        }
        // What cannot be switched afterwards need not be written first.
        let switch = if self.switch { Some(Switch::plan(&mesh, &plans)?) } else { None };
        switch.as_ref().map_or(Ok(()), |switch| switch.check(&place))?;
        if self.dry_run {
            println!("nothing is written: this is a dry run");
            switch.iter().for_each(Switch::tell);
            return Ok(());
        }
        let rewritten = runtime.block_on(write(&plans, &means))?;
        if let Err(error) = switch.as_ref().map_or(Ok(()), Switch::apply) {
            runtime.block_on(discard(rewritten));
            return Err(error);
        }
        for (planned, rewritten) in plans.iter().zip(&rewritten) {
            planned.tell(rewritten, self.switch);
        }
        switch.iter().for_each(Switch::tell);
        if self.switch {
            println!("the old files are where they were: delete them once whoever reads them has ended");
        }
        // Reads that hang must not keep the process.
        runtime.shutdown_background();
        Ok(())
    }

    /// Decides on every dataset that the address means.
    async fn plan(
        &self,
        mesh: &Mesh,
        stores: &Stores,
        means: &Means,
        address: &Address,
    ) -> Result<Vec<Planned>, Box<dyn Error>> {
        let neighbours = neighbours(mesh);
        let stamp = Utc::now().format("%Y%m%dT%H%M%SZ").to_string();
        let mut plans: Vec<Planned> = Vec::new();
        for subject in subjects(mesh, address)? {
            let Subject { product, dataset, data_root } = &subject;
            let source = DatasetSource::open(stores, data_root, &product.id, dataset).await;
            let source =
                source.map_err(|error| format!("{}: `{subject}` is not served: {error}", product.file.display()))?;
            let sort_by = self.sort_by.clone();
            let options = RewriteOptions { sort_by, stamp: stamp.clone(), tag: None, means: means.clone() };
            let mut plan = Rewrite::plan(&source, &neighbours, options.clone()).await?;
            if plans.iter().any(|other| other.plan.location() == plan.location()) {
                // Both lay in one folder; the new ones carry their names.
                let tag = Some(dataset.name.to_string());
                plan = Rewrite::plan(&source, &neighbours, RewriteOptions { tag, ..options }).await?;
            }
            let readers = readers(mesh, &subject);
            plans.push(Planned { subject, readers, plan });
        }
        Ok(plans)
    }
}

/// A dataset with what is to be done to it.
struct Planned {
    subject: Subject,
    /// Every dataset of every contract that reads the same files, itself among them.
    readers: Vec<Subject>,
    plan: Rewrite,
}

impl Planned {
    fn tell(&self, rewritten: &Rewritten, switched: bool) {
        let Self { subject, readers, plan } = self;
        let Rewritten { survey, bytes, .. } = rewritten;
        let files = if survey.files == 1 { "1 file".to_owned() } else { format!("{} files", survey.files) };
        println!("`{subject}` is in {}: {files}, {bytes}, the same {} rows", plan.location(), survey.rows);
        for finding in &survey.findings {
            println!("  still: {}", finding.to_string().replace("\n    ", "\n      "));
        }
        if !switched {
            println!("  nobody reads it yet: write this location into");
            for reader in readers {
                println!("    {}", reader.product.file.display());
            }
        }
    }
}

/// Writes everything, or leaves nothing behind.
async fn write(plans: &[Planned], means: &Means) -> Result<Vec<Rewritten>, Box<dyn Error>> {
    let (stop, mut interrupt): (_, Interrupt) = watch::channel(false);
    let listening = tokio::spawn(async move {
        interrupted().await;
        let _ = stop.send(true);
        // The sender lives on: one that is dropped says nothing.
        std::future::pending::<()>().await;
    });
    let bar = progress_bar();
    let mut written = Vec::new();
    let mut failed = None;
    for Planned { subject, plan, readers } in plans {
        bar.set_message(subject.to_string());
        let served = readers.iter().filter(|reader| reader.product.is_served());
        let contracts: Vec<_> = served.map(|of| (Arc::clone(&of.product), Arc::clone(&of.dataset))).collect();
        match plan.run(&contracts, means, &mut interrupt, &|rows| bar.inc(rows)).await {
            Ok(rewritten) => written.push(rewritten),
            Err(error) => {
                failed = Some(format!("`{subject}`: {error}"));
                break;
            }
        }
    }
    bar.finish_and_clear();
    listening.abort();
    match failed {
        Some(reason) => {
            discard(written).await;
            Err(reason.into())
        }
        None => Ok(written),
    }
}

async fn discard(rewritten: Vec<Rewritten>) {
    for each in rewritten {
        if let Err(error) = each.discard().await {
            eprintln!("warning: {error}");
        }
    }
}

/// Ctrl-C, or what orchestrators end a process with.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// A progress bar on standard error; draws nothing when that is no terminal.
fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {spinner} {human_pos} rows written and read again") {
        bar.set_style(style);
    }
    bar
}
