//! What models are told in the way of their maker.

use super::*;

fn told(fields: &Json) -> Json {
    ask(json!({"additionalModelRequestFields": fields}))
}

#[test]
fn what_the_model_reads_is_not_left_out() {
    for field in ["messages", "system", "tools", "mcp_servers"] {
        let mut fields = json!({});
        fields[field] = json!([]);
        let path = format!("additionalModelRequestFields.{field}");
        assert_eq!(refused(&told(&fields)), path);
    }
    let format = told(&json!({"output_config": {"format": {"type": "json_schema"}}}));
    let path = "additionalModelRequestFields.output_config.format";
    assert_eq!(refused(&format), path);
}

#[test]
fn one_call_at_a_time_is_understood() {
    let tools = json!({"tools":
        [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]});
    let choice = json!({"type": "any", "disable_parallel_tool_use": true});
    let mut request = told(&json!({"tool_choice": choice}));
    request["toolConfig"] = tools;
    survives(CLAUDE, request.clone());
    request["toolConfig"]["toolChoice"] = json!({"auto": {}});
    let path = "additionalModelRequestFields.tool_choice";
    assert_eq!(refused(&request), path);
}

#[test]
fn nova_has_fields_of_its_own() {
    let thinks = json!({"type": "enabled", "maxReasoningEffort": "low"});
    let fields = json!({"inferenceConfig": {"topK": 5}, "reasoningConfig": thinks});
    survives(NOVA, told(&fields));
    let off = json!({"reasoningConfig": {"type": "disabled"}});
    assert_eq!(reencoded(NOVA, &told(&off)), (ask(json!({})), vec![]));
}

#[test]
fn what_is_said_twice_is_named() {
    let check = |fields: Json, effort: Option<&str>, value: Thinking, named: &[&str]| {
        let mut request = told(&fields);
        if let Some(effort) = effort {
            request["outputConfig"] = json!({"effort": effort});
        }
        let body = request.to_string();
        let request = decode_request(body.as_bytes(), CLAUDE.into(), false).unwrap();
        let thinking = request.thinking.map(|given| given.value);
        assert_eq!(thinking, Some(value), "{body}");
        let rest: Vec<_> = request.rest.iter().map(|(field, _)| &**field).collect();
        assert_eq!(rest, named, "{body}");
    };
    let budget = json!({"type": "enabled", "budget_tokens": 2000});
    let low = Thinking::Effort(Effort::Low);
    let effort = "additionalModelRequestFields.reasoning_effort";
    check(
        json!({"thinking": budget, "reasoning_effort": "low"}),
        Some("high"),
        Thinking::Budget(2000),
        &["outputConfig.effort", effort],
    );
    check(
        json!({"reasoning_effort": "low", "reasoningConfig":
            {"type": "enabled", "maxReasoningEffort": "high"}}),
        None,
        low,
        &["additionalModelRequestFields.reasoningConfig"],
    );
    // These say the same, or add to it.
    check(
        json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        None,
        low,
        &[],
    );
    check(
        json!({"reasoning_config": budget, "thinking": budget}),
        None,
        Thinking::Budget(2000),
        &[],
    );
}
