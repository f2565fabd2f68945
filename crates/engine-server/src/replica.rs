//! The task that runs one engine against the wall clock.
//!
//! It alone owns the engine; handlers talk to it over channels, so there is no lock. Its time is
//! the model's: it computes when a step ends and sleeps until then, and the next step begins at
//! that computed instant, not at the (later) instant of waking. Timers of a millisecond therefore
//! cost no throughput: when steps are shorter, several run in one waking.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use engine::{AdapterId, Engine, Nanos, Next, Progress, Request, RequestId, Stats};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::fault::Faults;
use crate::metrics::Metrics;

/// How far the model's time may fall behind the wall clock before it is moved forward, so that a
/// starved machine does not run after its debts.
const MAX_LAG: Duration = Duration::from_millis(250);

/// One sequence to compute.
pub(crate) struct Submission {
    /// Groups the sequences of one API request, so that they can be aborted together.
    pub(crate) ticket: u64,
    /// Which of the API request's choices it is.
    pub(crate) choice: u32,
    pub(crate) request: Request,
    /// The `finish_reason` that it will end with.
    pub(crate) finish_reason: &'static str,
    pub(crate) ticks: mpsc::UnboundedSender<Tick>,
}

/// A step's news for one choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    pub(crate) choice: u32,
    /// Output tokens so far.
    pub(crate) generated: u32,
    /// Prompt tokens found in the prefix cache.
    pub(crate) cached_tokens: u32,
    pub(crate) finished: bool,
}

/// What handlers ask of the task.
pub(crate) enum Command {
    Submit(Submission),
    Abort(u64),
    Stats(oneshot::Sender<Stats>),
    Metrics(oneshot::Sender<String>),
    /// An adapter's name, for metrics.
    Name(AdapterId, String),
}

/// The model's time, from the wall clock.
struct Clock {
    start: Instant,
    speed: f64,
}

impl Clock {
    fn now(&self) -> Nanos {
        Nanos::from_secs_f64(self.start.elapsed().as_secs_f64() * self.speed)
    }

    fn instant(&self, at: Nanos) -> Instant {
        self.start + Duration::from_secs_f64(at.as_secs_f64() / self.speed)
    }
}

/// A sequence in the engine.
struct Entry {
    ticket: u64,
    choice: u32,
    prompt_tokens: u32,
    finish_reason: &'static str,
    ticks: mpsc::UnboundedSender<Tick>,
    arrived: Nanos,
    latest: Nanos,
}

/// The task's state.
pub(crate) struct Replica {
    engine: Engine,
    faults: Arc<Faults>,
    commands: mpsc::UnboundedReceiver<Command>,
    clock: Clock,
    /// Where the model's time is.
    now: Nanos,
    entries: BTreeMap<RequestId, Entry>,
    names: BTreeMap<AdapterId, String>,
    metrics: Metrics,
}

impl Replica {
    pub(crate) fn new(
        engine: Engine,
        speed: f64,
        metrics: Metrics,
        faults: Arc<Faults>,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Self {
        Self {
            engine,
            faults,
            commands,
            clock: Clock {
                start: Instant::now(),
                speed,
            },
            now: Nanos::ZERO,
            entries: BTreeMap::new(),
            names: BTreeMap::new(),
            metrics,
        }
    }

    /// Runs until every handler is gone.
    pub(crate) async fn run(mut self) {
        loop {
            let open = match self.engine.start_step(self.now) {
                Next::Step(step) => self.step(step.duration).await,
                Next::Wait(until) => self.wait(until).await,
                Next::Idle => self.idle().await,
            };
            if !open {
                return;
            }
        }
    }

    /// Lets a step pass, serving commands meanwhile; `false` when no handler is left.
    async fn step(&mut self, duration: Nanos) -> bool {
        let millis = duration.as_millis_f64() * self.faults.slowdown();
        let end = self.now + Nanos::from_millis_f64(millis);
        let deadline = self.clock.instant(end);
        if deadline <= Instant::now() {
            tokio::task::yield_now().await;
            self.drain();
        } else {
            loop {
                tokio::select! {
                    biased;
                    () = sleep_until(deadline) => break,
                    command = self.commands.recv() => match command {
                        Some(command) => self.handle(command),
                        None => return false,
                    },
                }
            }
        }
        self.now = end;
        if deadline + MAX_LAG < Instant::now() {
            self.now = self.clock.now();
        }
        self.finish_step();
        true
    }

    /// Waits for an adapter, or for whatever comes before it.
    async fn wait(&mut self, until: Nanos) -> bool {
        let deadline = self.clock.instant(until);
        tokio::select! {
            biased;
            () = sleep_until(deadline) => self.now = until,
            command = self.commands.recv() => match command {
                Some(command) => {
                    self.handle(command);
                    self.now = self.now.max(self.clock.now().min(until));
                }
                None => return false,
            },
        }
        true
    }

    async fn idle(&mut self) -> bool {
        let Some(command) = self.commands.recv().await else {
            return false;
        };
        self.now = self.now.max(self.clock.now());
        self.handle(command);
        self.drain();
        true
    }

    fn drain(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            self.handle(command);
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Submit(submission) => self.submit(submission),
            Command::Abort(ticket) => self.abort(ticket),
            Command::Stats(reply) => drop(reply.send(self.engine.stats())),
            Command::Metrics(reply) => {
                drop(reply.send(self.metrics.render(&self.engine.stats())));
            }
            Command::Name(id, name) => drop(self.names.insert(id, name)),
        }
    }

    fn submit(&mut self, submission: Submission) {
        let Submission {
            ticket,
            choice,
            request,
            finish_reason,
            ticks,
        } = submission;
        let prompt_tokens = request.sequence.prompt_tokens();
        match self.engine.submit(request) {
            Ok(id) => {
                let now = self.clock.now();
                let arrived = now.max(self.now);
                let entry = Entry {
                    ticket,
                    choice,
                    prompt_tokens,
                    finish_reason,
                    ticks,
                    arrived,
                    latest: arrived,
                };
                self.entries.insert(id, entry);
                self.note_adapters();
            }
            Err(error) => tracing::warn!(%error, "the engine refused what the API admitted"),
        }
    }

    fn abort(&mut self, ticket: u64) {
        let ids: Vec<RequestId> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.ticket == ticket)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.engine.abort(id);
            self.entries.remove(&id);
            self.metrics.aborted();
        }
    }

    fn finish_step(&mut self) {
        let mut progress = Vec::new();
        self.engine.finish_step(&mut progress);
        for news in progress {
            self.report(news);
        }
        self.note_adapters();
    }

    fn report(&mut self, news: Progress) {
        let Some(entry) = self.entries.get_mut(&news.id) else {
            return;
        };
        let since = |earlier: Nanos| self.now.since(earlier).as_secs_f64();
        if news.generated == 1 {
            self.metrics.first_token(since(entry.arrived));
        } else if news.generated > 1 {
            self.metrics.next_token(since(entry.latest));
        }
        entry.latest = self.now;
        let tick = Tick {
            choice: entry.choice,
            generated: news.generated,
            cached_tokens: news.cached_tokens,
            finished: news.finished,
        };
        // A receiver that is gone aborts its request by itself.
        let _ = entry.ticks.send(tick);
        if news.finished {
            let latency = since(entry.arrived);
            self.metrics.finished(
                entry.finish_reason,
                latency,
                entry.prompt_tokens,
                news.generated,
            );
            self.entries.remove(&news.id);
        }
    }

    fn note_adapters(&mut self) {
        if self.names.is_empty() {
            return;
        }
        let named = |ids: BTreeSet<AdapterId>| {
            let names: Vec<&str> = ids
                .iter()
                .filter_map(|id| self.names.get(id))
                .map(String::as_str)
                .collect();
            names.join(",")
        };
        let running = named(self.engine.running_adapters());
        let waiting = named(self.engine.waiting_adapters());
        let age = self.clock.start.elapsed();
        self.metrics.adapters(running, waiting, age);
    }
}
