//! The scheduler: which tokens the next step computes.
//!
//! It follows vLLM's V1 scheduler. There is no prefill phase and decode phase: a sequence has
//! tokens that are known and tokens that are computed, and a step closes some of that gap for as
//! many sequences as the token budget allows. Running sequences come first, in order of
//! admission; then waiting ones first come, first served. When a running sequence finds no KV
//! block, the one admitted last loses all of its own and waits again at the head of the queue,
//! to be recomputed (from what the prefix cache still holds).

use std::collections::{BTreeSet, VecDeque};

use crate::kv::{BlockId, Hits, KvCache};
use crate::lora::{AdapterId, Residency, Slots};
use crate::{Nanos, Profile, ProfileError, Sequence, StepLoad};

/// A request of one engine, by its number; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// What is asked of an engine.
#[derive(Clone, Debug)]
pub struct Request {
    /// Prompt and output.
    pub sequence: Sequence,
    /// The adapter to compute with, none for the base model.
    pub adapter: Option<AdapterId>,
}

/// Why an engine refuses a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Prompt and output together are longer than the model allows.
    #[error("{tokens} tokens of prompt and output exceed max_model_len {max_model_len}")]
    TooLong {
        /// Tokens asked for.
        tokens: u64,
        /// The limit.
        max_model_len: u32,
    },
    /// The sequence was hashed in blocks of another size than the engine's.
    #[error("the sequence is hashed in blocks of {got} tokens, the engine's hold {expected}")]
    BlockSize {
        /// The engine's block size.
        expected: u32,
        /// The sequence's.
        got: u32,
    },
    /// The request names an adapter but the profile has `max_loras` 0.
    #[error("adapters are off: raise the profile's max_loras")]
    AdaptersOff,
}

/// What an engine does next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// It computes; call [`Engine::finish_step`] when the step's duration has passed.
    Step(Step),
    /// It has nothing to compute until that instant, when an adapter will have been loaded, or
    /// until something is submitted.
    Wait(Nanos),
    /// It has nothing to compute until something is submitted.
    Idle,
}

/// One step of an engine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// How long it takes.
    pub duration: Nanos,
    /// What it computes.
    pub load: StepLoad,
}

/// What a step brought one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The request.
    pub id: RequestId,
    /// Output tokens generated so far; a step adds one.
    pub generated: u32,
    /// Prompt tokens that the prefix cache saved when the request was first admitted.
    pub cached_tokens: u32,
    /// Whether this was the request's last step.
    pub finished: bool,
}

/// Counters and gauges of an engine. Counters are since the engine was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests not admitted yet, or preempted.
    pub waiting: u32,
    /// Requests that hold KV blocks.
    pub running: u32,
    /// KV blocks in use by running requests.
    pub kv_blocks_used: u32,
    /// KV blocks on the GPU.
    pub kv_blocks: u32,
    /// Tokens looked up in the prefix cache.
    pub prefix_queries: u64,
    /// Tokens of these that were found.
    pub prefix_hits: u64,
    /// Requests preempted.
    pub preemptions: u64,
    /// Prompt tokens of requests whose prefill has finished.
    pub prompt_tokens: u64,
    /// Tokens generated.
    pub generated_tokens: u64,
    /// Steps finished.
    pub steps: u64,
}

impl Stats {
    /// Share of the KV blocks in use, 0 to 1.
    pub fn kv_usage(&self) -> f64 {
        f64::from(self.kv_blocks_used) / f64::from(self.kv_blocks.max(1))
    }
}

/// A request in the engine.
#[derive(Clone, Debug)]
struct Job {
    id: RequestId,
    request: Request,
    /// Output tokens known.
    generated: u32,
    /// Tokens whose keys and values are in `table`.
    computed: u32,
    /// Tokens that the step under way computes.
    scheduled: u32,
    /// Blocks of `table` offered to the prefix cache.
    registered: u32,
    table: Vec<BlockId>,
    /// Set when first admitted.
    cached_tokens: Option<u32>,
}

impl Job {
    /// Tokens known: the prompt and what was generated.
    fn known(&self) -> u32 {
        self.request.sequence.prompt_tokens() + self.generated
    }

    /// The full blocks that may be found in the cache: at least one token must be computed, or
    /// there would be nothing to sample from.
    fn findable(&self) -> &[u64] {
        let blocks = (self.known() - 1) / self.request.sequence.block_size();
        self.request
            .sequence
            .hashes()
            .get(..blocks as usize)
            .unwrap_or_default()
    }

    fn decodes(&self) -> bool {
        self.generated > 0 && self.scheduled == 1 && self.computed + 1 == self.known()
    }
}

/// A model engine. `Clone` copies its whole state, so that a simulator can try a future.
#[derive(Clone, Debug)]
pub struct Engine {
    profile: Profile,
    kv: KvCache,
    adapters: Slots,
    waiting: VecDeque<Job>,
    running: Vec<Job>,
    step: Option<Step>,
    submitted: u64,
    counters: Stats,
    hits: Hits,
}

impl Engine {
    /// An empty engine.
    ///
    /// # Errors
    /// The profile's limits contradict each other.
    pub fn new(profile: Profile) -> Result<Self, ProfileError> {
        profile.validate()?;
        let host_blocks = profile.host_kv_tokens / profile.block_size;
        Ok(Self {
            kv: KvCache::new(profile.kv_blocks(), host_blocks),
            adapters: Slots::new(profile.max_loras, profile.lora_load),
            waiting: VecDeque::new(),
            running: Vec::new(),
            step: None,
            submitted: 0,
            counters: Stats::default(),
            hits: Hits::default(),
            profile,
        })
    }

    /// The profile that the engine was made from.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Queues a request; the next [`Engine::start_step`] may admit it.
    ///
    /// # Errors
    /// The engine could never run the request.
    pub fn submit(&mut self, request: Request) -> Result<RequestId, SubmitError> {
        self.check(&request)?;
        let id = RequestId(self.submitted);
        self.submitted += 1;
        self.waiting.push_back(Job {
            id,
            request,
            generated: 0,
            computed: 0,
            scheduled: 0,
            registered: 0,
            table: Vec::new(),
            cached_tokens: None,
        });
        Ok(id)
    }

    /// Ends a request early and frees its blocks. Returns whether the engine had it.
    pub fn abort(&mut self, id: RequestId) -> bool {
        if let Some(at) = self.running.iter().position(|job| job.id == id) {
            let mut job = self.running.remove(at);
            self.release(&mut job);
            return true;
        }
        let before = self.waiting.len();
        self.waiting.retain(|job| job.id != id);
        self.waiting.len() < before
    }

    /// Decides what to compute from `now` on. While a step is under way it is returned again.
    pub fn start_step(&mut self, now: Nanos) -> Next {
        if let Some(step) = self.step {
            return Next::Step(step);
        }
        let mut load = StepLoad::default();
        let mut budget = self.profile.max_num_batched_tokens;
        let preempted = self.schedule_running(&mut budget);
        if !preempted {
            self.schedule_waiting(&mut budget, now, &mut load);
        }
        self.measure(&mut load);
        if load.is_empty() {
            return self.adapters.next_ready(now).map_or(Next::Idle, Next::Wait);
        }
        let transfer = self.profile.host_load_per_token * f64::from(load.host_tokens);
        let duration = self.profile.cost.time(&load) + Nanos::from_millis_f64(transfer);
        let step = Step { duration, load };
        self.step = Some(step);
        Next::Step(step)
    }

    /// Ends the step under way and appends what it brought to `progress`, in order of admission.
    /// Without a step it does nothing.
    pub fn finish_step(&mut self, progress: &mut Vec<Progress>) {
        if self.step.take().is_none() {
            return;
        }
        self.counters.steps += 1;
        let mut finished = Vec::new();
        for (at, job) in self.running.iter_mut().enumerate() {
            if let Some(news) = advance(job, &mut self.kv, &mut self.counters) {
                if news.finished {
                    finished.push(at);
                }
                progress.push(news);
            }
        }
        for at in finished.into_iter().rev() {
            let mut job = self.running.remove(at);
            self.release(&mut job);
        }
    }

    /// What the engine's metrics would show.
    pub fn stats(&self) -> Stats {
        Stats {
            waiting: self.waiting.len() as u32,
            running: self.running.len() as u32,
            kv_blocks_used: self.kv.used(),
            kv_blocks: self.kv.total(),
            ..self.counters
        }
    }

    /// Adapters of running requests.
    pub fn running_adapters(&self) -> BTreeSet<AdapterId> {
        self.running
            .iter()
            .filter_map(|job| job.request.adapter)
            .collect()
    }

    /// Adapters of waiting requests.
    pub fn waiting_adapters(&self) -> BTreeSet<AdapterId> {
        self.waiting
            .iter()
            .filter_map(|job| job.request.adapter)
            .collect()
    }

    /// Prompt tokens of `sequence` that would be found in the cache if it were admitted now: what
    /// a picker with perfect knowledge knows.
    pub fn cached_tokens(&self, sequence: &Sequence) -> u32 {
        let blocks = (sequence.prompt_tokens() - 1) / sequence.block_size();
        let findable = sequence.hashes().get(..blocks as usize).unwrap_or_default();
        self.kv.count_hits(findable) * sequence.block_size().get()
    }

    /// Tokens still to be prefilled, with what the cache holds now taken off: what a picker with
    /// perfect knowledge knows. Takes time in proportion to the waiting prompts.
    pub fn pending_prefill_tokens(&self) -> u64 {
        let block_size = self.profile.block_size.get();
        let waiting = self
            .waiting
            .iter()
            .map(|job| u64::from(job.known() - self.kv.count_hits(job.findable()) * block_size));
        let running = self
            .running
            .iter()
            .map(|job| u64::from(job.known() - job.computed));
        waiting.sum::<u64>() + running.filter(|left| *left > 1).sum::<u64>()
    }

    fn check(&self, request: &Request) -> Result<(), SubmitError> {
        let sequence = &request.sequence;
        let tokens = u64::from(sequence.prompt_tokens()) + u64::from(sequence.output_tokens());
        let max_model_len = self.profile.max_model_len;
        if tokens > u64::from(max_model_len) {
            return Err(SubmitError::TooLong {
                tokens,
                max_model_len,
            });
        }
        if sequence.block_size() != self.profile.block_size {
            return Err(SubmitError::BlockSize {
                expected: self.profile.block_size.get(),
                got: sequence.block_size().get(),
            });
        }
        if request.adapter.is_some() && self.profile.max_loras == 0 {
            return Err(SubmitError::AdaptersOff);
        }
        Ok(())
    }

    /// Schedules running sequences; returns whether any was preempted for want of blocks.
    fn schedule_running(&mut self, budget: &mut u32) -> bool {
        let mut preempted = false;
        let mut at = 0;
        while let Some(job) = self.running.get_mut(at) {
            let tokens = (job.known() - job.computed).min(*budget);
            let blocks = (job.computed + tokens).div_ceil(self.profile.block_size.get());
            if self.kv.extend(blocks, &mut job.table) {
                job.scheduled = tokens;
                *budget -= tokens;
                at += 1;
            } else {
                self.preempt_last();
                preempted = true;
            }
        }
        preempted
    }

    fn preempt_last(&mut self) {
        let Some(mut job) = self.running.pop() else {
            return;
        };
        self.counters.preemptions += 1;
        self.release(&mut job);
        job.computed = 0;
        job.scheduled = 0;
        self.waiting.push_front(job);
    }

    /// Admits waiting sequences while there is budget, room and a slot for their adapters.
    fn schedule_waiting(&mut self, budget: &mut u32, now: Nanos, load: &mut StepLoad) {
        let mut at = 0;
        while *budget > 0 && self.running.len() < self.profile.max_num_seqs as usize {
            let Some(job) = self.waiting.get(at) else {
                break;
            };
            let adapter = job.request.adapter;
            if adapter.is_some_and(|id| self.adapters.want(id, now) != Residency::Ready) {
                at += 1;
                continue;
            }
            if !self.admit(at, budget, load) {
                break;
            }
            if let Some(id) = adapter {
                self.adapters.pin(id, now);
            }
        }
    }

    /// Admits the waiting job at `at`; returns `false` and changes nothing if it finds no room.
    fn admit(&mut self, at: usize, budget: &mut u32, load: &mut StepLoad) -> bool {
        let Some(mut job) = self.waiting.remove(at) else {
            return false;
        };
        let block_size = self.profile.block_size.get();
        self.kv.find(job.findable(), &mut self.hits);
        let found = self.hits.len() * block_size;
        let tokens = (job.known() - found).min(*budget);
        let blocks = (found + tokens).div_ceil(block_size);
        if !self.kv.admit(&self.hits, blocks, &mut job.table) {
            self.waiting.insert(at, job);
            return false;
        }
        load.host_tokens += self.hits.host * block_size;
        job.computed = found;
        job.registered = self.hits.blocks.len() as u32;
        job.scheduled = tokens;
        *budget -= tokens;
        if job.cached_tokens.is_none() {
            job.cached_tokens = Some(found);
            self.counters.prefix_queries += u64::from(job.known());
            self.counters.prefix_hits += u64::from(found);
        }
        self.running.push(job);
        true
    }

    /// Adds up what the scheduled sequences compute.
    fn measure(&self, load: &mut StepLoad) {
        for job in self.running.iter().filter(|job| job.scheduled > 0) {
            if job.decodes() {
                load.add_decode(job.computed);
            } else {
                load.add_prefill(job.computed, job.scheduled);
            }
        }
    }

    fn release(&mut self, job: &mut Job) {
        self.kv.release(&mut job.table);
        if let Some(id) = job.request.adapter {
            self.adapters.unpin(id);
        }
    }
}

/// Accounts for what the finished step computed of one job; `None` if it has no news for it.
fn advance(job: &mut Job, kv: &mut KvCache, counters: &mut Stats) -> Option<Progress> {
    if job.scheduled == 0 {
        return None;
    }
    job.computed += std::mem::take(&mut job.scheduled);
    let sequence = &job.request.sequence;
    let full = job.computed / sequence.block_size();
    let fresh = job.registered as usize..full as usize;
    let blocks = job.table.get(fresh.clone()).unwrap_or_default();
    for (block, hash) in blocks
        .iter()
        .zip(sequence.hashes().get(fresh).unwrap_or_default())
    {
        kv.register(*block, *hash);
    }
    job.registered = job.registered.max(full);
    if job.computed < job.known() {
        return None;
    }
    if job.generated == 0 {
        counters.prompt_tokens += u64::from(sequence.prompt_tokens());
    }
    let output_tokens = sequence.output_tokens();
    if output_tokens > 0 {
        job.generated += 1;
        counters.generated_tokens += 1;
    }
    Some(Progress {
        id: job.id,
        generated: job.generated,
        cached_tokens: job.cached_tokens.unwrap_or(0),
        finished: job.generated == output_tokens,
    })
}

#[cfg(test)]
mod tests;
