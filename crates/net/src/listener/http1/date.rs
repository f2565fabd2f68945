//! The time, as responses tell it.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// A `Date` of a second.
struct Written {
    second: u64,
    text: String,
}

thread_local! {
    static LAST: RefCell<Written> = const {
        RefCell::new(Written { second: 0, text: String::new() })
    };
}

/// Gives the time now as RFC 9110, section 5.6.7 writes it. It is written once a second.
pub(super) fn with_now<T>(take: impl FnOnce(&[u8]) -> T) -> T {
    #[expect(clippy::disallowed_methods, reason = "responses tell the time of day")]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    LAST.with_borrow_mut(|last| {
        if last.second != since.as_secs() {
            *last = Written {
                second: since.as_secs(),
                text: httpdate::fmt_http_date(now),
            };
        }
        take(last.text.as_bytes())
    })
}
