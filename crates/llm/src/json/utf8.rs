//! UTF-8 validation over pieces, where a character may be cut between two of them.

use simdutf8::compat;

/// The start of a character whose end has not come yet.
#[derive(Debug, Default)]
pub(crate) struct Utf8 {
    cut: [u8; 4],
    len: usize,
}

impl Utf8 {
    /// Takes a piece; an error is the offset in it at which it stops being UTF-8.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), usize> {
        let used = self.complete(piece)?;
        let rest = piece.get(used..).unwrap_or_default();
        match compat::from_utf8(rest) {
            Ok(_) => Ok(()),
            Err(error) => {
                let cut = rest.get(error.valid_up_to()..).unwrap_or_default();
                if error.error_len().is_some() {
                    return Err(used + error.valid_up_to());
                }
                cut.iter().for_each(|&byte| self.keep(byte));
                Ok(())
            }
        }
    }

    /// Whether the text ends at the end of a character.
    pub(crate) const fn is_complete(&self) -> bool {
        self.len == 0
    }

    fn keep(&mut self, byte: u8) {
        if let Some(slot) = self.cut.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    /// Finishes the cut character with bytes of `piece`; returns how many it took.
    fn complete(&mut self, piece: &[u8]) -> Result<usize, usize> {
        for (used, &byte) in piece.iter().enumerate() {
            if self.len == 0 {
                return Ok(used);
            }
            self.keep(byte);
            match std::str::from_utf8(self.cut.get(..self.len).unwrap_or_default()) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return Err(used),
                Err(_) => {}
            }
        }
        Ok(piece.len())
    }
}
