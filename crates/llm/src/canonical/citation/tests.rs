use proptest::prelude::*;

use super::*;

fn of(span: Option<Range<usize>>, title: &'static str) -> Citation<'static> {
    Citation {
        span,
        title: Some(title.into()),
        ..Citation::default()
    }
}

fn pieces(text: &str, citations: &[Citation<'_>]) -> Vec<(String, Vec<String>)> {
    let title = |citation: &&Citation<'_>| citation.title.clone().unwrap().into_owned();
    cut(text, citations.iter())
        .into_iter()
        .map(|(text, cited)| (text.to_owned(), cited.iter().map(title).collect()))
        .collect()
}

fn piece(text: &str, cited: &[&str]) -> (String, Vec<String>) {
    (
        text.to_owned(),
        cited.iter().map(|title| (*title).to_owned()).collect(),
    )
}

#[test]
fn a_text_is_cut_where_what_is_cited_begins_and_ends() {
    let citations = [of(Some(10..14), "b"), of(Some(2..6), "a")];
    assert_eq!(
        pieces("Grüße aus Köln!", &citations),
        [
            piece("Gr", &[]),
            piece("üße ", &["a"]),
            piece("aus ", &[]),
            piece("Köln", &["b"]),
            piece("!", &[]),
        ]
    );
}

#[test]
fn ranges_that_overlap_are_told_apart_once() {
    let citations = [
        of(Some(0..4), "a"),
        of(Some(2..8), "b"),
        of(Some(5..8), "c"),
    ];
    assert_eq!(
        pieces("abcdefgh", &citations),
        [piece("abcd", &["a"]), piece("efgh", &["b", "c"])]
    );
}

#[test]
fn what_is_of_no_range_is_of_all_that_is_left() {
    assert_eq!(pieces("abc", &[of(None, "a")]), [piece("abc", &["a"])]);
    assert_eq!(
        pieces("abc", &[of(Some(0..0), "a")]),
        [piece("abc", &["a"])]
    );
    assert_eq!(
        pieces("abc", &[of(Some(1..99), "a")]),
        [piece("a", &[]), piece("bc", &["a"])]
    );
    assert_eq!(
        pieces("abc", &[of(Some(2..2), "a")]),
        [piece("ab", &["a"]), piece("c", &[])]
    );
    assert_eq!(pieces("", &[of(None, "a")]), [piece("", &["a"])]);
}

proptest! {
    #[test]
    fn no_word_and_no_citation_is_lost(
        text in "[a-cß€😀 ]{0,12}",
        spans in proptest::collection::vec(proptest::option::of((0_usize..14, 0_usize..14)), 0..6),
    ) {
        let citations: Vec<_> = spans
            .into_iter()
            .map(|span| of(span.map(|(from, to)| from.min(to)..from.max(to)), "a"))
            .collect();
        let pieces = cut(&text, citations.iter());
        let whole: String = pieces.iter().map(|(text, _)| *text).collect();
        prop_assert_eq!(&whole, &text);
        let cited: usize = pieces.iter().map(|(_, cited)| cited.len()).sum();
        prop_assert_eq!(cited, citations.len());
        let is_blank = |text: &str| text.trim().is_empty();
        prop_assert!(is_blank(&text) || pieces.iter().all(|(text, _)| !is_blank(text)));
    }
}
