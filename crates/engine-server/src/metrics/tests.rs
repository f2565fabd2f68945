use super::*;

fn metrics() -> Metrics {
    Metrics::new(
        &Profile::llama_3_1_8b_h100(),
        "a \"quoted\" model",
        1_700_000_000.5,
    )
}

fn assert_has(page: &str, line: &str) {
    assert!(
        page.lines().any(|other| other == line),
        "no line {line} in\n{page}"
    );
}

#[test]
fn gauges_and_counters_have_vllms_names_and_labels() {
    let stats = Stats {
        waiting: 3,
        running: 2,
        kv_blocks_used: 1,
        kv_blocks: 4,
        prefix_queries: 100,
        prefix_hits: 48,
        ..Stats::default()
    };
    let page = metrics().render(&stats);
    let labels = r#"{engine="0",model_name="a \"quoted\" model"}"#;
    assert_has(&page, &format!("vllm:num_requests_running{labels} 2.0"));
    assert_has(&page, &format!("vllm:num_requests_waiting{labels} 3.0"));
    assert_has(&page, &format!("vllm:kv_cache_usage_perc{labels} 0.25"));
    assert_has(
        &page,
        &format!("vllm:prefix_cache_queries_total{labels} 100.0"),
    );
    assert_has(&page, &format!("vllm:prefix_cache_hits_total{labels} 48.0"));
    assert!(page.contains(r#"num_gpu_blocks="27200"} 1.0"#));
}

#[test]
fn histograms_are_cumulative() {
    let mut metrics = metrics();
    [0.01, 0.03, 5_000.0]
        .into_iter()
        .for_each(|seconds| metrics.first_token(seconds));
    let page = metrics.render(&Stats::default());
    let name = "vllm:time_to_first_token_seconds";
    let model = r#"model_name="a \"quoted\" model""#;
    assert_has(
        &page,
        &format!(r#"{name}_bucket{{engine="0",le="0.005",{model}}} 0.0"#),
    );
    assert_has(
        &page,
        &format!(r#"{name}_bucket{{engine="0",le="0.01",{model}}} 1.0"#),
    );
    assert_has(
        &page,
        &format!(r#"{name}_bucket{{engine="0",le="2560.0",{model}}} 2.0"#),
    );
    assert_has(
        &page,
        &format!(r#"{name}_bucket{{engine="0",le="+Inf",{model}}} 3.0"#),
    );
    assert_has(&page, &format!(r#"{name}_count{{engine="0",{model}}} 3.0"#));
}

#[test]
fn the_newest_set_of_adapters_has_the_latest_time() {
    let mut metrics = metrics();
    let set = |metrics: &mut Metrics, running: &str, seconds| {
        metrics.adapters(
            running.to_owned(),
            String::new(),
            Duration::from_secs(seconds),
        );
    };
    set(&mut metrics, "a", 1);
    set(&mut metrics, "a,b", 2);
    set(&mut metrics, "a", 3);
    let page = metrics.render(&Stats::default());
    let series = |running: &str, at: &str| {
        let labels =
            format!(r#"max_lora="4",running_lora_adapters="{running}",waiting_lora_adapters="""#);
        assert_has(&page, &format!("vllm:lora_requests_info{{{labels}}} {at}"));
    };
    series("a", "1700000003.5");
    series("a,b", "1700000002.5");
}
