//! What an answer reports, read while it goes by.
//!
//! Two taps: [`PlainTap`] for an answer in one JSON document, [`StreamTap`] for server-sent events.
//! Neither holds the answer nor rebuilds it. Both read identity encoding only; a gateway that wants
//! to meter must not let the upstream compress.

mod plain;
mod shape;
mod stream;

pub(crate) use stream::EventFacts;

pub use plain::{Plain, PlainTap};
pub use stream::{Ended, StreamOptions, StreamReport, StreamTap};

/// Tokens that an upstream reports for a request. `None` is what it did not report.
///
/// The classes contain each other as OpenAI defines them: a price per class must subtract.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens read, those from a cache included.
    pub input: Option<u64>,
    /// Of [`input`](Self::input), those read from a cache.
    pub cached_input: Option<u64>,
    /// Of [`input`](Self::input), those written to a cache, for however long.
    pub cache_write: Option<u64>,
    /// Of [`cache_write`](Self::cache_write), those that are kept for an hour.
    pub cache_write_hour: Option<u64>,
    /// Of [`input`](Self::input), those of audio.
    pub input_audio: Option<u64>,
    /// Of [`input`](Self::input), those of images.
    pub input_image: Option<u64>,
    /// Tokens written, reasoning included.
    pub output: Option<u64>,
    /// Of [`output`](Self::output), those of reasoning.
    pub reasoning: Option<u64>,
    /// Of [`output`](Self::output), those of audio.
    pub output_audio: Option<u64>,
    /// Of [`output`](Self::output), those of images.
    pub output_image: Option<u64>,
}

impl Usage {
    /// Takes over what a later report says, class by class.
    pub(crate) fn update(&mut self, later: Self) {
        let Self {
            input,
            cached_input,
            cache_write,
            cache_write_hour,
            input_audio,
            input_image,
            output,
            reasoning,
            output_audio,
            output_image,
        } = later;
        self.input = input.or(self.input);
        self.cached_input = cached_input.or(self.cached_input);
        self.cache_write = cache_write.or(self.cache_write);
        self.cache_write_hour = cache_write_hour.or(self.cache_write_hour);
        self.input_audio = input_audio.or(self.input_audio);
        self.input_image = input_image.or(self.input_image);
        self.output = output.or(self.output);
        self.reasoning = reasoning.or(self.reasoning);
        self.output_audio = output_audio.or(self.output_audio);
        self.output_image = output_image.or(self.output_image);
    }
}

/// An error that an upstream reports in a body or in a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamError {
    /// The HTTP status it names, if any.
    pub status: Option<u16>,
    /// Its `type`.
    pub kind: Option<String>,
    /// Its `code`.
    pub code: Option<String>,
    /// The request's field it blames.
    pub param: Option<String>,
    /// What it says.
    pub message: String,
}
