//! What bytes are, told from how they begin.

/// Beginnings of the media that models read, and their types.
const BEGINNINGS: [(&[u8], &str); 7] = [
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
];

/// The media type of a file; `None` if it is not known.
pub(crate) fn media_type(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"RIFF") {
        return match bytes.get(8..12)? {
            b"WEBP" => Some("image/webp"),
            b"WAVE" => Some("audio/wav"),
            _ => None,
        };
    }
    let mut known = BEGINNINGS.iter();
    let known = known.find(|(beginning, _)| bytes.starts_with(beginning));
    known.map(|(_, media_type)| *media_type)
}

#[cfg(test)]
mod tests {
    use super::media_type;

    #[test]
    fn files_are_told_by_how_they_begin() {
        assert_eq!(media_type(b"\x89PNG\r\n\x1a\n\0\0"), Some("image/png"));
        assert_eq!(media_type(b"RIFF\x10\0\0\0WEBPVP8 "), Some("image/webp"));
        assert_eq!(media_type(b"RIFF\x10\0\0\0AVI "), None);
        assert_eq!(media_type(b"RIFF"), None);
        assert_eq!(media_type(b"<html>"), None);
    }
}
