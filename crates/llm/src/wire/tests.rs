use super::*;

#[test]
fn fields_are_taken_and_the_rest_is_known() {
    let text = br#"{"a": "x\ny", "n": 2.0, "u": {"k": 1.50}, "none": null, "l": [1, "two"]}"#;
    let mut object = Value::document(text).unwrap().object().unwrap();
    assert_eq!(object.require_text("a").unwrap(), "x\ny");
    assert_eq!(object.take("n", |value| value.count()).unwrap(), Some(2));
    assert_eq!(object.take("none", |value| value.count()).unwrap(), None);
    assert_eq!(object.take("absent", |value| value.count()).unwrap(), None);
    assert_eq!(object.opaque("u"), Some(r#"{"k": 1.50}"#));
    let rest: Vec<_> = object.rest().collect();
    assert_eq!(rest, [("l".into(), r#"[1, "two"]"#)]);
}

#[test]
fn faults_name_the_field() {
    let text = br#"{"messages": [{"content": 1}, {"content": [{"kind": "x"}]}]}"#;
    let check = |read: fn(Value<'_, '_>) -> Result<(), Fault>, field: &str, message: &str| {
        let fault = read(Value::document(text).unwrap()).unwrap_err();
        assert_eq!((&*fault.field, &*fault.message), (field, message));
    };
    check(
        |value| {
            let mut object = value.object()?;
            object.take("messages", |messages| {
                messages.each(|message| message.object()?.require_text("content").map(drop))
            })?;
            Ok(())
        },
        "messages[0].content",
        "must be a string, not a number",
    );
    check(
        |value| value.object()?.require_text("model").map(drop),
        "model",
        "is missing",
    );
    check(
        |value| value.object()?.finish(),
        "messages",
        "has no counterpart in the API of the model that was asked for",
    );
    check(
        |value| value.text().map(drop),
        "",
        "must be a string, not an object",
    );
}

#[test]
fn counts_are_whole_and_not_negative() {
    let check = |text: &str, expect: Option<u64>| {
        let value = Value::document(text.as_bytes()).unwrap();
        assert_eq!(value.count().ok(), expect, "{text}");
    };
    check("3", Some(3));
    check("3.0", Some(3));
    check("18446744073709551615", Some(u64::MAX));
    check("-1", None);
    check("1.5", None);
    check("1e300", None);
    check("\"3\"", None);
}

#[test]
fn what_is_written_is_json() {
    let written = object(|o| {
        o.value("text", "a\"b");
        o.maybe("absent", None::<u64>);
        o.raw("raw", "1.50");
        o.null("null");
        o.object("object", |o| o.value("n", 1));
        o.list("list", |l| {
            l.object(|_| {});
            l.object(|o| o.value("x", 0.5));
        });
    });
    let expect = r#"{"text":"a\"b","raw":1.50,"null":null,"object":{"n":1},"list":[{},{"x":0.5}]}"#;
    assert_eq!(String::from_utf8(written).unwrap(), expect);
}

#[test]
fn halves_of_characters_are_replaced() {
    let check = |text: &str, expect: &str| {
        let value = Value::document(text.as_bytes()).unwrap();
        assert_eq!(value.text().unwrap(), expect, "{text}");
    };
    check(r#""\ud83d\ude00""#, "😀");
    check(r#""a\ud83d""#, "a\u{FFFD}");
    check(
        r#""\ude00\n\ud83dx\ud83d\ud83d\ude00é\ud7ff""#,
        "\u{FFFD}\n\u{FFFD}x\u{FFFD}😀é\u{D7FF}",
    );
    for text in [r#""\ud83""#, r#""\x""#, "\"\n\""] {
        let value = Value::document(text.as_bytes());
        assert!(value.and_then(|value| value.text()).is_err(), "{text}");
    }
}

#[test]
fn faults_repeat_no_long_values() {
    let long = "é".repeat(10_000);
    let text = format!(r#"{{"{long}": "{long}"}}"#);
    let object = || Value::document(text.as_bytes()).unwrap().object().unwrap();
    let fault = object().finish().unwrap_err();
    assert!(fault.field.len() <= 210, "{}", fault.field.len());
    assert!(fault.message.starts_with("has no counterpart"));
    let fault = object().fault("x", format!("cannot be `{long}` for other APIs"));
    assert!(fault.message.starts_with("cannot be `é"), "{fault}");
    assert!(fault.message.ends_with("é` for other APIs"), "{fault}");
    assert!(
        fault.message.contains('…') && fault.message.len() <= 410,
        "{fault}"
    );
    let mut dropped = crate::canonical::Dropped::default();
    dropped.add(long);
    assert!(dropped.fields()[0].len() <= 210);
}

#[test]
fn answers_may_say_more_than_is_known() {
    let text = br#"{"known": [{"later": 1}], "later": 1}"#;
    let read = |value: Value<'_, '_>| {
        let mut object = value.object()?;
        object.take("known", |list| list.each(|item| item.object()?.finish()))?;
        object.finish()
    };
    assert_eq!(Value::answer(text).and_then(read), Ok(()));
    let fault = Value::document(text).and_then(read).unwrap_err();
    assert_eq!(fault.field, "known[0].later");
}

#[test]
fn a_float_without_a_fraction_is_whole() {
    let integer = |text: &str| Value::document(text.as_bytes()).unwrap().integer().ok();
    assert_eq!(integer("7.0"), Some(7));
    assert_eq!(integer("-7e2"), Some(-700));
    assert_eq!(integer("9223372036854775807"), Some(i64::MAX));
    let count = |text: &str| Value::document(text.as_bytes()).unwrap().count().ok();
    assert_eq!(count("7.0"), Some(7));
    assert_eq!(count("18446744073709551615"), Some(u64::MAX));
    for text in ["7.5", "1e300", "\"7\"", "null"] {
        assert_eq!((integer(text), count(text)), (None, None), "{text}");
    }
    assert_eq!(count("-7.0"), None);
}
