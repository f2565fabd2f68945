//! The core schema of YAML 1.2.2 (section 10.3.2): which plain scalars are not text.
//!
//! YAML 1.1's `yes`, `no`, `on`, `off`, sexagesimals and leading-zero octals are text here, so the
//! country code `no` stays one.

/// What a plain scalar stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Float(f64),
    Text,
}

impl Scalar {
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Unsigned(_) | Self::Negative(_) | Self::Float(_) => "a number",
            Self::Text => "text",
        }
    }
}

/// Resolves a plain scalar.
pub(crate) fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        _ => integer(text)
            .or_else(|| float(text))
            .unwrap_or(Scalar::Text),
    }
}

fn integer(text: &str) -> Option<Scalar> {
    let based = |digits: &str, radix| {
        // from_str_radix takes a sign, the schema does not.
        let unsigned = !digits.starts_with(['+', '-']);
        unsigned
            .then(|| {
                u64::from_str_radix(digits, radix)
                    .ok()
                    .map(Scalar::Unsigned)
            })
            .flatten()
    };
    if let Some(digits) = text.strip_prefix("0o") {
        return based(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return based(digits, 16);
    }
    match text.strip_prefix('-') {
        Some(digits) if digits.starts_with('+') => None,
        Some(_) => text.parse().ok().map(Scalar::Negative),
        None => text.parse().ok().map(Scalar::Unsigned),
    }
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, or an infinity.
fn float(text: &str) -> Option<Scalar> {
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let sign = if negative { -1.0 } else { 1.0 };
    if matches!(magnitude, ".inf" | ".Inf" | ".INF") {
        return Some(Scalar::Float(sign * f64::INFINITY));
    }
    // Rust's grammar is the schema's once "inf", "nan" and a second sign are kept out.
    let starts_well = magnitude.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let parsed = starts_well
        .then(|| magnitude.parse::<f64>().ok())
        .flatten()?;
    Some(Scalar::Float(sign * parsed))
}
