//! vLLM's metrics, in Prometheus' text format.
//!
//! Written by hand rather than by a metrics library: what a scraper must cope with is the exact
//! text that vLLM's Python client prints (classic format, `_total` and `_created` names, labels
//! in alphabetical order, one stale series per past set of adapters), not a tidier one.

mod histogram;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use engine::{Profile, Stats};

use self::histogram::Histogram;

/// Past sets of adapters that are still shown.
const ADAPTER_SERIES: usize = 64;

const FIRST_TOKEN_BUCKETS: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
];
const NEXT_TOKEN_BUCKETS: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
    40.0, 80.0,
];
const LATENCY_BUCKETS: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0,
    480.0, 960.0, 1920.0, 7680.0,
];
const TOKEN_BUCKETS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5,
];

/// A replica's metrics beside those that the engine itself counts.
pub(crate) struct Metrics {
    labels: String,
    cache_config: String,
    max_loras: u32,
    /// Unix time, in seconds, when the replica was started.
    started: f64,
    first_token: Histogram,
    next_token: Histogram,
    latency: Histogram,
    prompt_tokens: Histogram,
    generation_tokens: Histogram,
    success: BTreeMap<&'static str, u64>,
    /// `(running, waiting)` adapters and when they last were so, oldest first.
    adapters: Vec<((String, String), f64)>,
}

impl Metrics {
    pub(crate) fn new(profile: &Profile, model: &str, started: f64) -> Self {
        let cache_config = format!(
            r#"block_size="{}",cache_dtype="auto",enable_prefix_caching="True",engine="0",gpu_memory_utilization="0.9",num_cpu_blocks="None",num_gpu_blocks="{}""#,
            profile.block_size,
            profile.kv_blocks(),
        );
        Self {
            labels: format!(r#"engine="0",model_name="{}""#, escape(model)),
            cache_config,
            max_loras: profile.max_loras,
            started,
            first_token: Histogram::new(FIRST_TOKEN_BUCKETS),
            next_token: Histogram::new(NEXT_TOKEN_BUCKETS),
            latency: Histogram::new(LATENCY_BUCKETS),
            prompt_tokens: Histogram::new(TOKEN_BUCKETS),
            generation_tokens: Histogram::new(TOKEN_BUCKETS),
            success: ["stop", "length", "abort"].map(|reason| (reason, 0)).into(),
            adapters: Vec::new(),
        }
    }

    /// A request's first token, so many seconds after it arrived.
    pub(crate) fn first_token(&mut self, seconds: f64) {
        self.first_token.observe(seconds);
    }

    /// A further token, so many seconds after the one before.
    pub(crate) fn next_token(&mut self, seconds: f64) {
        self.next_token.observe(seconds);
    }

    /// A request that ended by itself, so many seconds after it arrived.
    pub(crate) fn finished(
        &mut self,
        reason: &'static str,
        seconds: f64,
        prompt: u32,
        output: u32,
    ) {
        *self.success.entry(reason).or_default() += 1;
        self.latency.observe(seconds);
        self.prompt_tokens.observe(f64::from(prompt));
        self.generation_tokens.observe(f64::from(output));
    }

    /// A request that its client gave up.
    pub(crate) fn aborted(&mut self) {
        *self.success.entry("abort").or_default() += 1;
    }

    /// The adapters of running and waiting requests, so long after the start.
    pub(crate) fn adapters(&mut self, running: String, waiting: String, age: Duration) {
        let key = (running, waiting);
        let at = self.started + age.as_secs_f64();
        self.adapters.retain(|(old, _)| *old != key);
        self.adapters.push((key, at));
        if self.adapters.len() > ADAPTER_SERIES {
            self.adapters.remove(0);
        }
    }

    /// The text of `/metrics`.
    pub(crate) fn render(&self, stats: &Stats) -> String {
        let mut page = Page {
            text: String::with_capacity(8_192),
            labels: &self.labels,
        };
        self.render_gauges(&mut page, stats);
        self.render_counters(&mut page, stats);
        self.render_histograms(&mut page);
        page.text
    }

    fn render_gauges(&self, page: &mut Page<'_>, stats: &Stats) {
        let (running, waiting) = (f64::from(stats.running), f64::from(stats.waiting));
        let help = "Number of requests in model execution batches.";
        page.one("vllm:num_requests_running", "gauge", help, running);
        let help = "Number of requests waiting to be processed.";
        page.one("vllm:num_requests_waiting", "gauge", help, waiting);
        let help = "KV-cache usage. 1 means 100 percent usage.";
        page.one("vllm:kv_cache_usage_perc", "gauge", help, stats.kv_usage());
        let help = "Information of the LLMEngine CacheConfig";
        page.head("vllm:cache_config_info", "gauge", help);
        page.line("vllm:cache_config_info", &self.cache_config, 1.0);
        if self.max_loras > 0 {
            let help = "Running stats on lora requests.";
            page.head("vllm:lora_requests_info", "gauge", help);
        }
        for ((running, waiting), at) in &self.adapters {
            let labels = format!(
                r#"max_lora="{}",running_lora_adapters="{}",waiting_lora_adapters="{}""#,
                self.max_loras,
                escape(running),
                escape(waiting),
            );
            page.line("vllm:lora_requests_info", &labels, *at);
        }
    }

    fn render_counters(&self, page: &mut Page<'_>, stats: &Stats) {
        let counters = [
            (
                "vllm:prefix_cache_queries",
                "Prefix cache queries, in terms of number of queried tokens.",
                stats.prefix_queries,
            ),
            (
                "vllm:prefix_cache_hits",
                "Prefix cache hits, in terms of number of cached tokens.",
                stats.prefix_hits,
            ),
            (
                "vllm:num_preemptions",
                "Cumulative number of preemption from the engine.",
                stats.preemptions,
            ),
            (
                "vllm:prompt_tokens",
                "Number of prefill tokens processed.",
                stats.prompt_tokens,
            ),
            (
                "vllm:generation_tokens",
                "Number of generation tokens processed.",
                stats.generated_tokens,
            ),
        ];
        for (name, help, value) in counters {
            page.one(&format!("{name}_total"), "counter", help, value as f64);
            let created = format!("{name}_created");
            page.one(&created, "gauge", help, self.started);
        }
        let help = "Count of successfully processed requests.";
        page.head("vllm:request_success_total", "counter", help);
        for (reason, count) in &self.success {
            let labels = format!(
                r#"engine="0",finished_reason="{reason}",{}"#,
                self.labels.trim_start_matches(r#"engine="0","#)
            );
            page.line("vllm:request_success_total", &labels, *count as f64);
        }
    }

    fn render_histograms(&self, page: &mut Page<'_>) {
        let histograms = [
            (
                "vllm:time_to_first_token_seconds",
                "Histogram of time to first token in seconds.",
                &self.first_token,
            ),
            (
                "vllm:time_per_output_token_seconds",
                "Histogram of time per output token in seconds.",
                &self.next_token,
            ),
            (
                "vllm:inter_token_latency_seconds",
                "Histogram of inter-token latency in seconds.",
                &self.next_token,
            ),
            (
                "vllm:e2e_request_latency_seconds",
                "Histogram of e2e request latency in seconds.",
                &self.latency,
            ),
            (
                "vllm:request_prompt_tokens",
                "Number of prefill tokens processed.",
                &self.prompt_tokens,
            ),
            (
                "vllm:request_generation_tokens",
                "Number of generation tokens processed.",
                &self.generation_tokens,
            ),
        ];
        for (name, help, histogram) in histograms {
            page.head(name, "histogram", help);
            histogram.render(page, name);
        }
    }
}

/// A page of metrics being written.
struct Page<'a> {
    text: String,
    labels: &'a str,
}

impl Page<'_> {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: f64) {
        let _ = writeln!(self.text, "{name}{{{labels}}} {}", Python(value));
    }

    /// A family of one series with the common labels.
    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.head(name, kind, help);
        self.line(name, self.labels, value);
    }
}

/// A number as Python prints a float.
struct Python(f64);

impl std::fmt::Display for Python {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

/// A label's value with what the format reserves escaped.
fn escape(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', r#"\""#)
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests;
