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
