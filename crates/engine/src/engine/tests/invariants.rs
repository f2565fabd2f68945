//! What holds after any history of submissions, aborts and steps.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::kv::tests::assert_sound;

#[derive(Clone, Debug)]
enum Action {
    Submit {
        family: u32,
        prompt: u32,
        output: u32,
        adapter: Option<u32>,
    },
    Abort(usize),
    Start,
    Finish,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => (0..3_u32, 1..60_u32, 0..40_u32, proptest::option::of(0..4_u32)).prop_map(
            |(family, prompt, output, adapter)| Action::Submit { family, prompt, output, adapter }
        ),
        1 => (0..8_usize).prop_map(Action::Abort),
        6 => Just(Action::Start),
        6 => Just(Action::Finish),
    ]
}

/// An engine with all that was ever submitted to it and how often each ended.
struct Run {
    engine: Engine,
    now: Nanos,
    ends: BTreeMap<RequestId, (u32, u32)>,
    generated: BTreeMap<RequestId, u32>,
}

impl Run {
    fn new(kv_tokens: u32, host_kv_tokens: u32) -> Self {
        let tight = Profile {
            kv_tokens,
            host_kv_tokens,
            max_model_len: 100,
            max_loras: 2,
            lora_load: Nanos::from_millis(3),
            ..profile()
        };
        let engine = Engine::new(tight).unwrap();
        Self {
            engine,
            now: Nanos::ZERO,
            ends: BTreeMap::new(),
            generated: BTreeMap::new(),
        }
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Submit {
                family,
                prompt,
                output,
                adapter,
            } => {
                let request = Request {
                    adapter: adapter.map(AdapterId),
                    ..request(family * 1_000, prompt, output)
                };
                let id = self.engine.submit(request).unwrap();
                self.ends.insert(id, (0, output));
            }
            Action::Abort(nth) => {
                let alive: Vec<_> = self
                    .ends
                    .iter()
                    .filter(|(_, (ends, _))| *ends == 0)
                    .map(|(id, _)| *id)
                    .collect();
                if let Some(id) = alive.get(nth) {
                    assert!(
                        self.engine.abort(*id),
                        "a request that has not ended is there"
                    );
                    self.ends.get_mut(id).unwrap().0 += 1;
                }
            }
            Action::Start => {
                self.start();
            }
            Action::Finish => self.finish(),
        }
        self.assert_sound();
    }

    fn start(&mut self) -> Next {
        let next = self.engine.start_step(self.now);
        match next {
            Next::Step(step) => {
                let tokens = step.load.prefill_tokens + step.load.decodes;
                assert!(tokens <= self.engine.profile.max_num_batched_tokens);
            }
            Next::Wait(until) => {
                assert!(until > self.now);
                self.now = until;
            }
            Next::Idle => assert_eq!(self.engine.stats().running, 0),
        }
        next
    }

    fn finish(&mut self) {
        let mut progress = Vec::new();
        self.engine.finish_step(&mut progress);
        self.now += Nanos::from_millis(1);
        for news in progress {
            let (ends, output) = self.ends.get_mut(&news.id).unwrap();
            assert_eq!(*ends, 0, "no news of a request that has ended");
            let before = self.generated.insert(news.id, news.generated).unwrap_or(0);
            assert_eq!(
                news.generated,
                (before + 1).min(*output),
                "one token a step"
            );
            *ends += u32::from(news.finished);
            assert_eq!(news.finished, news.generated == *output);
        }
    }

    fn assert_sound(&self) {
        let engine = &self.engine;
        let tables: Vec<&[BlockId]> = engine
            .running
            .iter()
            .map(|job| job.table.as_slice())
            .collect();
        assert_sound(&engine.kv, &tables);
        assert!(
            engine
                .waiting
                .iter()
                .all(|job| job.table.is_empty() && job.computed == 0)
        );
        assert!(engine.running.len() <= engine.profile.max_num_seqs as usize);
        assert!(engine.running_adapters().len() <= engine.profile.max_loras as usize);
        for job in &engine.running {
            let held = job.table.len() as u32 * engine.profile.block_size.get();
            assert!(
                job.computed + job.scheduled <= held,
                "every computed token has its place"
            );
        }
    }
}

proptest! {
    #[test]
    fn blocks_never_leak_and_every_request_ends_once(
        actions in proptest::collection::vec(action(), 1..200),
        kv_tokens in 100..300_u32,
        host_kv_tokens in 0..100_u32,
    ) {
        let mut run = Run::new(kv_tokens, host_kv_tokens);
        for action in &actions {
            run.act(action);
        }
        for _ in 0..20_000 {
            if run.start() == Next::Idle {
                break;
            }
            run.act(&Action::Finish);
        }
        prop_assert!(run.ends.values().all(|(ends, _)| *ends == 1), "{:?}", run.ends);
        let stats = run.engine.stats();
        prop_assert_eq!((stats.waiting, stats.running, stats.kv_blocks_used), (0, 0, 0));
    }

    #[test]
    fn equal_histories_give_equal_runs(actions in proptest::collection::vec(action(), 1..100)) {
        let (mut left, mut right) = (Run::new(120, 40), Run::new(120, 40));
        for action in &actions {
            left.act(action);
            right.act(action);
            prop_assert_eq!(left.engine.stats(), right.engine.stats());
            prop_assert_eq!(&left.generated, &right.generated);
        }
    }
}
