//! "Did you mean": the allowed name that is nearest to what was written.

/// Largest Damerau-Levenshtein distance, as a share of the longer name, that still counts as a slip
/// of the hand rather than as another word.
const MAX_SHARE: f64 = 0.4;

/// The nearest of `allowed`, if any is near. Case and punctuation count for nothing, so
/// `backend_refs` finds `backendRefs`.
pub(crate) fn nearest<'a>(written: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let written = letters(written);
    let share = |name: &str| 1.0 - strsim::normalized_damerau_levenshtein(&written, &letters(name));
    let scored = allowed.iter().map(|name| (share(name), *name));
    let nearest = scored.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (nearest.0 <= MAX_SHARE).then_some(nearest.1)
}

/// Help for a name that is not allowed: the nearest one that is, and all of them.
pub(crate) fn help(written: &str, allowed: &[&str]) -> String {
    let all = list(allowed);
    match nearest(written, allowed) {
        _ if allowed.is_empty() => "nothing is allowed here".to_owned(),
        Some(name) => format!("did you mean `{name}`? Allowed here: {all}"),
        None => format!("allowed here: {all}"),
    }
}

/// The names, quoted and separated by commas.
pub(crate) fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn letters(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}
