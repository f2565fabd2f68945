use proptest::prelude::*;

use super::*;

fn check(text: &str, expect: &[&str]) {
    assert_eq!(pieces(text).collect::<Vec<_>>(), expect);
}

#[test]
fn text_is_cut_into_words_with_their_spaces() {
    check("", &[]);
    check("a small gateway", &["a", " small", " gatew", "ay"]);
    check(
        "don't, 12345!\n\n  x",
        &["don", "'", "t", ",", " 12", "345", "!", "\n\n ", " x"],
    );
    check("日本語の文", &["日本", "語の", "文"]);
    check("👩‍🚀", &["👩", "\u{200d}", "🚀"]);
}

#[test]
fn english_has_about_four_bytes_to_a_token() {
    let text = "The engine schedules every running sequence first and then admits those that \
                wait, as long as the token budget and the blocks of its cache allow it.";
    let ratio = text.len() as f64 / pieces(text).count() as f64;
    assert!((3.5..5.0).contains(&ratio), "{ratio}");
}

proptest! {
    #[test]
    fn pieces_join_to_the_text(text in any::<String>()) {
        prop_assert_eq!(pieces(&text).collect::<String>(), text);
    }

    #[test]
    fn equal_beginnings_give_equal_tokens(head in any::<String>(), tail in any::<String>()) {
        let whole = format!("{head}{tail}");
        let (short, long): (Vec<_>, Vec<_>) = (pieces(&head).collect(), pieces(&whole).collect());
        let settled = short.len().saturating_sub(2);
        prop_assert_eq!(&short[..settled], &long[..settled]);
    }

    #[test]
    fn a_cut_between_tokens_leaves_them_as_they_were(text in any::<String>(), at in 0..50_usize) {
        let all: Vec<_> = pieces(&text).collect();
        let some = &all[..at.min(all.len())];
        let joined = some.concat();
        prop_assert_eq!(pieces(&joined).collect::<Vec<_>>(), some);
    }
}
