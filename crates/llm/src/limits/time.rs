//! Durations as Go writes them, and times as in RFC 3339.

/// Milliseconds from `now`, in seconds since the Unix epoch, until what a text says: a duration
/// (`6m0s`, `17.5s`, `20ms`), a count of seconds, or a time.
pub(super) fn until(text: &str, now: u64) -> Option<u64> {
    if text.contains('T') {
        let now = i64::try_from(now).ok()?.checked_mul(1000)?;
        let left = millis_of(text)?.saturating_sub(now).max(0);
        return u64::try_from(left).ok();
    }
    match decimal(text) {
        Some(seconds) => bounded(seconds * 1000.0),
        None => bounded(duration_of(text)?),
    }
}

/// A number without sign or exponent.
fn decimal(text: &str) -> Option<f64> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| is_plain)
}

fn bounded(millis: f64) -> Option<u64> {
    // A thousand years.
    const MOST: f64 = 3.2e13;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and far below 2^53"
    )]
    (0.0..MOST).contains(&millis).then(|| millis.round() as u64)
}

/// The milliseconds of numbers with units.
fn duration_of(mut text: &str) -> Option<f64> {
    let mut millis = 0.0;
    if text.is_empty() {
        return None;
    }
    while !text.is_empty() {
        let number = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (value, rest) = text.split_at(number);
        let unit = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(unit);
        millis += decimal(value)?
            * match unit {
                "d" => 86_400_000.0,
                "h" => 3_600_000.0,
                "m" => 60_000.0,
                "s" => 1000.0,
                "ms" => 1.0,
                "us" | "µs" => 0.001,
                _ => return None,
            };
        text = rest;
    }
    Some(millis)
}

/// Milliseconds since the Unix epoch of a time such as `2026-01-27T12:00:30.5Z`.
fn millis_of(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let zone = time.find(['Z', '+', '-'])?;
    let (time, zone) = time.split_at(zone);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':')?;
    let is_sensible = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !is_sensible {
        return None;
    }
    let tenths = fraction.bytes().take(3).zip([100, 10, 1]);
    let millis = tenths.map(|(digit, value)| i64::from(digit.saturating_sub(b'0').min(9)) * value);
    let minutes = (days_of(year, month, day) * 24 + hour) * 60 + minute - offset(zone)?;
    Some((minutes * 60 + second) * 1000 + millis.sum::<i64>())
}

/// The minutes by which a zone is before UTC.
fn offset(zone: &str) -> Option<i64> {
    let (sign, zone) = match zone.split_at_checked(1)? {
        ("Z", "") => return Some(0),
        ("+", zone) => (1, zone),
        (_, zone) => (-1, zone),
    };
    let [hours, minutes] = numbers(zone, ':')?;
    Some(sign * (hours * 60 + minutes))
}

/// So many short numbers between marks.
fn numbers<const N: usize>(text: &str, mark: char) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut words = text.split(mark);
    for number in &mut numbers {
        let word = words.next().filter(|word| word.len() <= 4)?;
        *number = word.parse().ok().filter(|number| *number >= 0)?;
    }
    words.next().is_none().then_some(numbers)
}

/// Days from the Unix epoch to a date of the Gregorian calendar. Years begin with March here, so that
/// the day that not all have is their last.
const fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

/// A time, given in seconds since the Unix epoch.
pub(super) fn date(seconds: u64) -> String {
    // The end of the year 9999.
    const LAST: u64 = 253_402_300_799;
    let seconds = i64::try_from(seconds.min(LAST)).unwrap_or_default();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // The year before is at most one too early.
    let mut year = 1970 + days / 366;
    while days_of(year + 1, 1, 1) <= days {
        year += 1;
    }
    let months = (1..=12).rev();
    let month = months
        .into_iter()
        .find(|month| days_of(year, *month, 1) <= days)
        .unwrap_or(1);
    let day = days - days_of(year, month, 1) + 1;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A duration, given in milliseconds.
pub(super) fn duration(millis: u64) -> String {
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let (seconds, rest) = (millis / 1000 % 60, millis % 1000);
    if millis > 0 && millis < 1000 {
        return format!("{millis}ms");
    }
    let fraction = match rest {
        0 => String::new(),
        rest => format!(".{rest:03}").trim_end_matches('0').to_owned(),
    };
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, minutes) => format!("{minutes}m{seconds}{fraction}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}
