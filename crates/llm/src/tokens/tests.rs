use super::*;

#[test]
fn estimates_come_from_length_and_bounds() {
    let scan = |prompt_bytes, max_tokens, n| Scan {
        prompt_bytes,
        max_tokens,
        n,
        ..Scan::default()
    };
    let check = |scan: Scan, input, output| {
        assert_eq!(
            estimate(&scan, &Rate::default(), 100),
            Estimate { input, output }
        );
    };
    check(scan(0, None, None), 0, 100);
    check(scan(1, Some(7), None), 1, 7);
    check(scan(4, Some(7), Some(3)), 1, 21);
    check(scan(5, None, Some(2)), 2, 200);
    check(scan(0, Some(u64::MAX), Some(9)), 0, u64::MAX);
    let newer = Scan {
        max_completion_tokens: Some(5),
        ..scan(0, Some(7), None)
    };
    check(newer, 0, 5);
    assert_eq!(
        estimate(&scan(4, Some(u64::MAX), None), &Rate::default(), 0).total(),
        u64::MAX
    );
}

/// Bytes at four to a token, beside what frames a message.
#[test]
fn documents_of_text_are_counted_as_text() {
    use crate::Dialect;
    use crate::translate::Asked;

    let tokens = |source: serde_json::Value| {
        let document = serde_json::json!({"type": "document", "source": source});
        let result = serde_json::json!({"type": "tool_result", "tool_use_id": "1",
            "content": [document]});
        let body = serde_json::json!({"model": "m", "messages": [
            {"role": "user", "content": [document, result]}]});
        let (body, rate) = (body.to_string(), Rate::default());
        let counting = Counting::Rate(&rate);
        let counted = count(
            Dialect::Anthropic,
            Asked::default(),
            body.as_bytes(),
            counting,
        );
        let counted: serde_json::Value = serde_json::from_slice(&counted.unwrap()).unwrap();
        counted["input_tokens"].as_u64().unwrap()
    };
    let text = "word".repeat(1000);
    let base64 = crate::base64::encode(text.as_bytes());
    let frames = 10;
    let plain = serde_json::json!({"type": "text", "media_type": "text/plain", "data": text});
    assert_eq!(tokens(plain), 2000 + frames);
    let inline =
        |kind: &str| serde_json::json!({"type": "base64", "media_type": kind, "data": base64});
    assert_eq!(tokens(inline("text/csv")), 2000 + frames);
    let unseen = Rate::default().of_bytes(crate::digest::MEDIUM_BYTES.into());
    assert_eq!(tokens(inline("application/pdf")), 2 * unseen + frames);
}
