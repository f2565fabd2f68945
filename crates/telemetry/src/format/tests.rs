use super::{clip, push_milliseconds, push_rfc3339};
use proptest::prelude::*;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn rfc3339(time: SystemTime) -> String {
    let mut out = Vec::new();
    push_rfc3339(&mut out, time);
    String::from_utf8(out).unwrap()
}

fn check(seconds: u64, micros: u64, expected: &str) {
    let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros);
    assert_eq!(rfc3339(time), expected);
}

#[test]
fn times_are_rfc_3339() {
    check(0, 0, "1970-01-01T00:00:00.000000Z");
    check(951_782_399, 999_999, "2000-02-28T23:59:59.999999Z");
    check(951_782_400, 0, "2000-02-29T00:00:00.000000Z");
    check(951_868_800, 1, "2000-03-01T00:00:00.000001Z");
    check(1_709_164_800, 0, "2024-02-29T00:00:00.000000Z");
    check(1_735_689_599, 0, "2024-12-31T23:59:59.000000Z");
    check(4_107_542_400, 0, "2100-03-01T00:00:00.000000Z");
    assert_eq!(
        rfc3339(UNIX_EPOCH - Duration::from_secs(1)),
        "1970-01-01T00:00:00.000000Z"
    );
}

#[test]
fn texts_are_cut_at_characters() {
    assert_eq!(clip("abc", 3), "abc");
    assert_eq!(clip("abcd", 3), "abc");
    assert_eq!(clip("aéé", 3), "aé");
    assert_eq!(clip("aéé", 4), "aé");
    assert_eq!(clip("", 0), "");
}

proptest! {
    #[test]
    fn milliseconds_are_the_number_that_json_has_for_them(micros in prop_oneof![0..3_000_u64, 0..1_u64 << 50]) {
        let mut out = Vec::new();
        push_milliseconds(&mut out, Duration::from_micros(micros));
        let expected = serde_json::to_string(&(micros as f64 / 1_000.0)).unwrap();
        prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_clipped_text_is_a_bounded_prefix(text in ".{0,40}", max in 0usize..50) {
        let clipped = clip(&text, max);
        prop_assert!(clipped.len() <= max && text.starts_with(clipped));
        prop_assert!(clipped.len() + 4 > max.min(text.len()));
    }
}
