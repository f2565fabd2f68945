//! `sluicegate check`: is a configuration valid, and if not, where not.

use source::{Environment, Source};

use crate::args::Check;

pub(crate) fn check(args: &Check) -> anyhow::Result<()> {
    let loaded = Source::open(&args.config, Environment::of_process())
        .load()
        .map_err(|refused| {
            let count = refused.problems.len();
            let problems = if count == 1 { "problem" } else { "problems" };
            anyhow::anyhow!("{count} {problems}\n\n{refused}")
        })?;
    let snapshot = &loaded.snapshot;
    println!(
        "{} is valid: {} listeners, {} backends, {} rules",
        args.config.display(),
        snapshot.listeners().len(),
        snapshot.backends().len(),
        rules(&loaded),
    );
    Ok(())
}

fn rules(loaded: &source::Loaded) -> usize {
    let mut names = std::collections::BTreeSet::new();
    for listener in loaded.snapshot.listeners() {
        names.extend(
            listener
                .router
                .matches()
                .map(|(_, rule)| (&*rule.route, &*rule.name)),
        );
    }
    names.len()
}
