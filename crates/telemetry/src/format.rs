//! How times, durations and texts from outside are written in the access log.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(test)]
mod tests;

/// A wall-clock time as RFC 3339 in UTC with microseconds; times before 1970 are 1970.
pub(crate) fn push_rfc3339(out: &mut Vec<u8>, time: SystemTime) {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since_epoch.as_secs();
    let (year, month, day) = civil_from_days(seconds / 86_400);
    push_digits(out, year, 4);
    for (before, value) in [
        (b'-', month),
        (b'-', day),
        (b'T', seconds / 3_600 % 24),
        (b':', seconds / 60 % 60),
        (b':', seconds % 60),
    ] {
        out.push(before);
        push_digits(out, value, 2);
    }
    out.push(b'.');
    push_digits(out, since_epoch.subsec_micros().into(), 6);
    out.push(b'Z');
}

/// The last `digits` digits of a number.
fn push_digits(out: &mut Vec<u8>, mut value: u64, digits: usize) {
    let start = out.len();
    out.resize(start + digits, b'0');
    for place in out.iter_mut().skip(start).rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Milliseconds as a JSON number, with one decimal at least and no more than the microseconds need.
pub(crate) fn push_milliseconds(out: &mut Vec<u8>, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    out.extend_from_slice(itoa::Buffer::new().format(micros / 1_000).as_bytes());
    out.push(b'.');
    let decimals = match micros % 1_000 {
        fraction if fraction % 100 == 0 => (fraction / 100, 1),
        fraction if fraction % 10 == 0 => (fraction / 10, 2),
        fraction => (fraction, 3),
    };
    push_digits(out, decimals.0, decimals.1);
}

/// Year, month and day of the proleptic Gregorian calendar from days since 1970-01-01, by Howard
/// Hinnant's `civil_from_days` ("chrono-compatible low-level date algorithms"), for days not before
/// the epoch. Years begin in March there, so that the leap day is the last of its year.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    const DAYS_PER_ERA: u64 = 146_097;
    const DAYS_FROM_0000_03_01: u64 = 719_468;
    let days = days + DAYS_FROM_0000_03_01;
    let era = days / DAYS_PER_ERA;
    let day_of_era = days % DAYS_PER_ERA;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// At most `max` bytes of a text, cut at a character's boundary.
pub(crate) fn clip(value: &str, max: usize) -> &str {
    let end = value.floor_char_boundary(max);
    value.get(..end).unwrap_or(value)
}
