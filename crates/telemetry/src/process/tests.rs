use super::{ProcessSample, Stat, boot_time, max_fds, register_build_info, resident_bytes};
use crate::{Registry, encode};

const STAT: &str = "4242 (a (b) c) S 1 4242 4242 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 7 0 12345 \
                    1000 200 18446744073709551615";

#[test]
fn stat_survives_any_command_name() {
    let expected = Stat {
        cpu_ticks: 200,
        threads: 7,
        start_ticks: 12_345,
    };
    assert_eq!(Stat::parse(STAT), Some(expected));
    assert_eq!(Stat::parse("4242 (short) S 1"), None);
    assert_eq!(Stat::parse(""), None);
}

#[test]
fn the_other_files() {
    assert_eq!(
        boot_time("cpu 1 2\nbtime 1700000000\nprocesses 3\n"),
        Some(1_700_000_000)
    );
    assert_eq!(boot_time("cpu 1 2\n"), None);
    assert_eq!(
        resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"),
        Some(2_097_152)
    );
    assert_eq!(
        max_fds("Max open files            1024   524288   files\n"),
        Some(1024)
    );
    assert_eq!(
        max_fds("Max open files            unlimited unlimited files\n"),
        None
    );
}

#[test]
fn this_process_can_be_read() {
    let sample = ProcessSample::read().unwrap();
    assert!(sample.resident_bytes > 100_000 && sample.threads >= 1 && sample.open_fds >= 3);
    let age = crate::wall_clock()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
        - sample.start_seconds;
    assert!((-2.0..3_600.0).contains(&age), "{age}");
}

#[test]
fn build_info_is_a_constant() {
    let mut registry = Registry::default();
    register_build_info(&mut registry, "1.2.3", "abc");
    let text = encode(&registry).unwrap();
    assert!(text.contains("sluicegate_build_info{version=\"1.2.3\",revision=\"abc\"} 1\n"));
}
