//! Model names: the base model and the adapters that were loaded on top of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use engine::AdapterId;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::{Service, typed};
use crate::api::{self, AdapterRequest, ApiError};
use crate::body::EngineBody;
use crate::replica::Command;

/// The adapters that are served.
#[derive(Debug, Default)]
pub(super) struct Adapters {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Path and number by name.
    served: BTreeMap<String, (String, AdapterId)>,
    /// Numbers given so far; a number is never given twice, so that an adapter that is loaded
    /// again shares no cache with its predecessor.
    given: u32,
}

impl Adapters {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The model that a request named.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) adapter: Option<AdapterId>,
}

impl Service {
    /// The model of that name; without a name the base model, as vLLM does.
    pub(super) fn resolve(&self, model: Option<&str>) -> Result<Target, ApiError> {
        let name = model.filter(|name| !name.is_empty()).unwrap_or(&self.model);
        if name == self.model {
            return Ok(Target {
                name: name.to_owned(),
                adapter: None,
            });
        }
        match self.adapters.state().served.get(name) {
            Some((_, id)) => Ok(Target {
                name: name.to_owned(),
                adapter: Some(*id),
            }),
            None => Err(ApiError::no_such_model(name)),
        }
    }

    /// Serves an adapter from now on.
    pub(super) fn add_adapter(&self, name: &str, path: &str) {
        let mut state = self.adapters.state();
        let id = AdapterId(state.given);
        state.given += 1;
        state.served.insert(name.to_owned(), (path.to_owned(), id));
        drop(self.commands.send(Command::Name(id, name.to_owned())));
    }

    pub(super) fn models(&self) -> Value {
        let card = |id: &str, root: &str, parent: Option<&str>, max_model_len: Option<u32>| {
            json!({
                "id": id,
                "object": "model",
                "created": self.started,
                "owned_by": "vllm",
                "root": root,
                "parent": parent,
                "max_model_len": max_model_len,
                "permission": [],
            })
        };
        let root = self.profile.model;
        let mut data = vec![card(
            &self.model,
            root,
            None,
            Some(self.profile.max_model_len),
        )];
        let state = self.adapters.state();
        data.extend(
            state
                .served
                .iter()
                .map(|(name, (path, _))| card(name, path, Some(&self.model), None)),
        );
        json!({"object": "list", "data": data})
    }

    pub(super) fn load_adapter(&self, body: &Bytes) -> Result<Response<EngineBody>, ApiError> {
        let request: AdapterRequest = api::parse(body)?;
        let name = &request.lora_name;
        if name.is_empty() || request.lora_path.is_empty() {
            let message = "Both 'lora_name' and 'lora_path' must be provided.";
            return Err(ApiError::invalid_input(message));
        }
        if self.profile.max_loras == 0 {
            return Err(ApiError::bad_request("LoRA is not enabled."));
        }
        if !request.load_inplace && self.adapters.state().served.contains_key(name) {
            return Err(ApiError::invalid_input(&format!(
                "The lora adapter '{name}' has already been loaded. If you want to load the \
                 adapter in place, set 'load_inplace' to True."
            )));
        }
        self.add_adapter(name, &request.lora_path);
        Ok(success(name, "added"))
    }

    pub(super) fn unload_adapter(&self, body: &Bytes) -> Result<Response<EngineBody>, ApiError> {
        let request: AdapterRequest = api::parse(body)?;
        let name = &request.lora_name;
        if name.is_empty() {
            let message = "'lora_name' needs to be provided to unload a LoRA adapter.";
            return Err(ApiError::invalid_input(message));
        }
        match self.adapters.state().served.remove(name) {
            Some(_) => Ok(success(name, "removed")),
            None => Err(ApiError::not_found(&format!(
                "The lora adapter '{name}' cannot be found."
            ))),
        }
    }
}

fn success(name: &str, what: &str) -> Response<EngineBody> {
    let text = format!("Success: LoRA adapter '{name}' {what} successfully.");
    typed(StatusCode::OK, "text/plain; charset=utf-8", text)
}
