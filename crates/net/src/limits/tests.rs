use std::time::Duration;

use super::Limits;

fn check(change: impl FnOnce(&mut Limits), field: &str) {
    let mut limits = Limits::default();
    change(&mut limits);
    assert_eq!(limits.validate().unwrap_err().field, field);
}

#[test]
fn defaults_can_be_kept() {
    assert_eq!(Limits::default().validate(), Ok(()));
}

#[test]
fn a_bound_that_cannot_be_kept_is_named() {
    check(|l| l.header_timeout = Duration::ZERO, "header_timeout");
    check(|l| l.idle_timeout = Duration::ZERO, "idle_timeout");
    check(
        |l| l.write_stall_timeout = Duration::ZERO,
        "write_stall_timeout",
    );
    check(|l| l.max_header_bytes = 8191, "max_header_bytes");
    check(|l| l.max_headers = 0, "max_headers");
    check(|l| l.max_connections = 0, "max_connections");
    check(
        |l| l.max_connections_per_source = Some(0),
        "max_connections_per_source",
    );
    check(
        |l| l.h2.max_concurrent_streams = 0,
        "h2.max_concurrent_streams",
    );
    check(
        |l| l.h2.max_header_list_bytes = 0,
        "h2.max_header_list_bytes",
    );
    check(|l| l.h2.stream_window = 65_534, "h2.stream_window");
    check(|l| l.h2.connection_window = 1 << 31, "h2.connection_window");
    check(
        |l| l.h2.max_send_buffer_bytes = 0,
        "h2.max_send_buffer_bytes",
    );
    check(
        |l| l.h2.ping_interval = Some(Duration::ZERO),
        "h2.ping_interval",
    );
    check(|l| l.h2.ping_timeout = Duration::ZERO, "h2.ping_timeout");
}
