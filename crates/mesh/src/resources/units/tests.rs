use super::*;
use proptest::prelude::*;

#[test]
fn reads_durations() {
    let check = |text: &str, millis: Option<u64>| {
        assert_eq!(
            text.parse().ok(),
            millis.map(Duration::from_millis),
            "{text}"
        );
    };
    check("1h30m", Some(5_400_000));
    check("500ms", Some(500));
    check("1m1ms", Some(60_001));
    check("99999h", Some(99_999 * 3_600_000));
    check("0s", Some(0));
    check("1s1s1s1s", Some(4_000));
    check("1s1s1s1s1s", None);
    check("123456s", None);
    for text in ["", "5", "s", "1.5s", "-1s", " 1s", "1s ", "1d", "1ſ", "1µs"] {
        check(text, None);
    }
}

#[test]
fn reads_sizes() {
    let check = |json: &str, bytes: Option<u64>| {
        let parsed: Option<ByteSize> = serde_json::from_str(json).ok();
        assert_eq!(parsed, bytes.map(ByteSize::from_bytes), "{json}");
    };
    check("1024", Some(1024));
    check("\"1024\"", Some(1024));
    check("\"64Mi\"", Some(64 << 20));
    check("\"10M\"", Some(10_000_000));
    check("\"3k\"", Some(3000));
    check("-1", None);
    check("1.5", None);
    for text in ["", "Mi", "1K", "1MiB", "1 Mi", "99999999999Ti", "1e3"] {
        check(&format!("\"{text}\""), None);
    }
}

proptest! {
    #[test]
    fn durations_are_printed_as_they_are_read(millis in 0..99_999 * 3_600_000u64) {
        let duration = Duration::from_millis(millis);
        prop_assert_eq!(duration.to_string().parse(), Ok(duration));
    }

    #[test]
    fn sizes_are_printed_as_they_are_read(bytes: u64, shift in 0..64u32) {
        let size = ByteSize::from_bytes(bytes >> shift << (shift / 2));
        prop_assert_eq!(size.to_string().parse(), Ok(size));
    }

    #[test]
    fn no_text_breaks_the_parsers(text: String) {
        let _ = text.parse::<Duration>();
        let _ = text.parse::<ByteSize>();
    }
}
