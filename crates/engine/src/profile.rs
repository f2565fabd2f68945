//! What is modelled: a model on a GPU, with the limits that its operator gave the engine.
//!
//! A profile is a plain value; take a named one and change fields. [`crate::Engine::new`]
//! validates it.

use std::num::NonZeroU32;

use crate::Nanos;

/// A model on a GPU, and the engine's limits there.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Name of the profile, for reports.
    pub name: &'static str,
    /// Name of the model as its publisher spells it.
    pub model: &'static str,
    /// The hardware.
    pub gpu: &'static str,
    /// Where the figures come from.
    pub source: &'static str,
    /// What a step costs.
    pub cost: StepCost,
    /// Tokens whose keys and values fit in the GPU memory left over by the weights.
    pub kv_tokens: u32,
    /// Tokens in a KV block (vLLM: `--block-size`).
    pub block_size: NonZeroU32,
    /// Sequences in one step at most (vLLM: `--max-num-seqs`).
    pub max_num_seqs: u32,
    /// Tokens computed in one step at most (vLLM: `--max-num-batched-tokens`).
    pub max_num_batched_tokens: u32,
    /// Prompt and output tokens of one request at most (vLLM: `--max-model-len`).
    pub max_model_len: u32,
    /// Adapters that are resident at once (vLLM: `--max-loras`); 0 switches adapters off.
    pub max_loras: u32,
    /// How long an adapter takes from disk to GPU.
    pub lora_load: Nanos,
    /// Tokens whose keys and values fit in the host tier behind the GPU; 0 is no such tier.
    pub host_kv_tokens: u32,
    /// What moving one token's keys and values from the host to the GPU adds to a step, ms.
    pub host_load_per_token: f64,
}

/// Sixteen, vLLM's default block size on CUDA.
const BLOCK_SIZE: NonZeroU32 = NonZeroU32::MIN.saturating_add(15);

/// What one token's KV costs to bring back from host memory, ms: 256 KiB in 4.8 µs, which is
/// 54 GB/s, about what one PCIe 5 x16 link sustains.
const HOST_LOAD_32B: f64 = 0.0048;

/// The same for Llama-3.1-8B, which keeps half as much per token.
const HOST_LOAD_8B: f64 = 0.0024;

impl Profile {
    /// The named profiles.
    pub const NAMES: [&'static str; 2] = ["qwen3-32b-h100-tp2", "llama-3.1-8b-h100"];

    /// The profile of a name in [`Profile::NAMES`].
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "qwen3-32b-h100-tp2" => Some(Self::qwen3_32b_h100_tp2()),
            "llama-3.1-8b-h100" => Some(Self::llama_3_1_8b_h100()),
            _ => None,
        }
    }

    /// Qwen3-32B in BF16 on two H100 80 GB by tensor parallelism.
    ///
    /// Step costs are fitted to the kernel data of NVIDIA's AIConfigurator 0.12 (residual below
    /// 8%), with 0.045 ms a sequence and 1.5 ms a step of host work on top; the crate's validation
    /// test holds the whole against NVIDIA's measurements of this pair. KV capacity: 256 KiB a
    /// token, 280,000 to 307,000 reported for this pair at `--gpu-memory-utilization 0.9`. Its
    /// 40,960 positions are stretched to 131,072 by YaRN, as its model card describes. The time
    /// to load an adapter is assumed.
    pub fn qwen3_32b_h100_tp2() -> Self {
        Self {
            name: "qwen3-32b-h100-tp2",
            model: "Qwen/Qwen3-32B",
            gpu: "2 × H100 80 GB, tensor parallel",
            source: "step costs fitted to NVIDIA AIConfigurator 0.12 kernel data (within 8%); KV \
                     capacity as reported for this pair at gpu-memory-utilization 0.9; adapter \
                     load time assumed",
            cost: StepCost {
                floor: 13.7,
                weights: 4.24,
                per_token: 0.0498,
                per_square: 8.07e-7,
                per_decode: 0.0247 + 0.045,
                per_context: 4.26e-5,
                overhead: 1.5,
            },
            kv_tokens: 288_000,
            block_size: BLOCK_SIZE,
            max_num_seqs: 256,
            max_num_batched_tokens: 8_192,
            max_model_len: 131_072,
            max_loras: 4,
            lora_load: Nanos::from_millis(900),
            host_kv_tokens: 0,
            host_load_per_token: HOST_LOAD_32B,
        }
    }

    /// Llama-3.1-8B-Instruct in BF16 on one H100 80 GB.
    ///
    /// Step costs are fitted to the kernel data of NVIDIA's AIConfigurator 0.12 (residual below
    /// 8%); the host overhead (1 ms a step, 0.03 ms a sequence) is carried over from the 32B
    /// fit and not measured. KV capacity: 128 KiB a token in 0.9 × 79 GiB less 15 GiB of weights
    /// and 3 GiB of activations and graphs. The time to load an adapter is assumed.
    pub fn llama_3_1_8b_h100() -> Self {
        Self {
            name: "llama-3.1-8b-h100",
            model: "meta-llama/Llama-3.1-8B-Instruct",
            gpu: "1 × H100 80 GB",
            source: "step costs fitted to NVIDIA AIConfigurator 0.12 kernel data (within 8%), host \
                     overhead carried over from the 32B fit; KV capacity computed from memory; \
                     adapter load time assumed",
            cost: StepCost {
                floor: 6.35,
                weights: 1.52,
                per_token: 0.0202,
                per_square: 4.02e-7,
                per_decode: 0.0101 + 0.03,
                per_context: 4.21e-5,
                overhead: 1.0,
            },
            kv_tokens: 435_200,
            block_size: BLOCK_SIZE,
            max_num_seqs: 256,
            max_num_batched_tokens: 8_192,
            max_model_len: 131_072,
            max_loras: 4,
            lora_load: Nanos::from_millis(300),
            host_kv_tokens: 0,
            host_load_per_token: HOST_LOAD_8B,
        }
    }

    /// Blocks that fit on the GPU.
    pub fn kv_blocks(&self) -> u32 {
        self.kv_tokens / self.block_size
    }

    /// Checks that an engine can run under these limits.
    pub(crate) fn validate(&self) -> Result<(), ProfileError> {
        let room = self.kv_blocks() * self.block_size.get();
        if self.max_num_seqs == 0 || self.max_num_batched_tokens == 0 || self.max_model_len == 0 {
            return Err(ProfileError::Zero);
        }
        if self.max_model_len > room {
            return Err(ProfileError::ModelLength {
                max_model_len: self.max_model_len,
                room,
            });
        }
        Ok(())
    }
}

/// Why an engine cannot run under a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// A limit of zero admits nothing.
    #[error("max_num_seqs, max_num_batched_tokens and max_model_len must each be at least 1")]
    Zero,
    /// One request of full length would not fit, so it could never finish.
    #[error(
        "max_model_len is {max_model_len} but the KV cache holds {room} tokens in whole blocks: \
         lower max_model_len or raise kv_tokens"
    )]
    ModelLength {
        /// The limit asked for.
        max_model_len: u32,
        /// Tokens that fit.
        room: u32,
    },
}

/// Coefficients of the time of one step, all in milliseconds:
///
/// `max(floor, weights + per_token·(P+D)) + overhead + per_decode·D + per_context·ΣKV
///  + per_square·Σ[(s+m)² − s²]`
///
/// for `P` prefill tokens, `D` decoding sequences of `ΣKV` tokens of context together, and
/// prefill chunks of `m` tokens that begin at position `s`. The maximum is the roofline: a small
/// batch takes as long as reading the weights does, a large one as long as multiplying by them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepCost {
    /// Reading all weights once: the least a forward pass takes.
    pub floor: f64,
    /// Constant part of a compute-bound pass.
    pub weights: f64,
    /// Matrix multiplications of one token.
    pub per_token: f64,
    /// Prefill attention, per squared token.
    pub per_square: f64,
    /// Sampling and host work of one decoding sequence.
    pub per_decode: f64,
    /// Decode attention: reading one token of context.
    pub per_context: f64,
    /// Host work between two steps.
    pub overhead: f64,
}

/// What one step computes, in the terms of [`StepCost`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepLoad {
    /// Prompt tokens computed (also those recomputed after a preemption).
    pub prefill_tokens: u32,
    /// Sequences that decode one token.
    pub decodes: u32,
    /// Tokens of context that the decoding sequences attend to, together.
    pub context_tokens: u64,
    /// `Σ[(s+m)² − s²]` over prefill chunks of `m` tokens from position `s`.
    pub prefill_squares: f64,
    /// Tokens brought back from the host tier.
    pub host_tokens: u32,
}

impl StepLoad {
    /// Adds a prefill chunk of `tokens` tokens from position `start`.
    pub fn add_prefill(&mut self, start: u32, tokens: u32) {
        let (start, end) = (f64::from(start), f64::from(start) + f64::from(tokens));
        self.prefill_tokens += tokens;
        self.prefill_squares += end * end - start * start;
    }

    /// Adds a sequence that decodes with `context` tokens before it.
    pub fn add_decode(&mut self, context: u32) {
        self.decodes += 1;
        self.context_tokens += u64::from(context);
    }

    /// Whether the step computes nothing.
    pub fn is_empty(&self) -> bool {
        self.prefill_tokens == 0 && self.decodes == 0
    }
}

impl StepCost {
    /// How long a step with this load takes on the GPU, without host-tier transfers.
    pub fn time(&self, load: &StepLoad) -> Nanos {
        let decodes = f64::from(load.decodes);
        let tokens = f64::from(load.prefill_tokens) + decodes;
        let pass = self.floor.max(self.weights + self.per_token * tokens);
        let attention =
            self.per_context * load.context_tokens as f64 + self.per_square * load.prefill_squares;
        Nanos::from_millis_f64(pass + self.overhead + self.per_decode * decodes + attention)
    }
}

#[cfg(test)]
mod tests;
