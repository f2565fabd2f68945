use super::*;

#[test]
fn vectors_have_length_one_and_differ() {
    let (left, right) = (vector(1), vector(2));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    assert!((dot(&left, &left) - 1.0).abs() < 1e-4);
    assert!(dot(&left, &right).abs() < 0.2);
    assert_eq!(left, vector(1));
}

#[test]
fn base64_is_that_of_rfc_4648() {
    assert_eq!(base64(&[]), "");
    assert_eq!(base64(&[1.0]), "AACAPw==");
    assert_eq!(base64(&[1.0, -2.5]), "AACAPwAAIMA=");
    assert_eq!(base64(&[1.0, -2.5, 0.1]), "AACAPwAAIMDNzMw9");
}
