//! The integers and strings that packets are made of (MySQL: "Protocol Basics, Data Types"). Every read is checked.

/// The rest of a packet. Each read takes bytes off its front, or is None and takes nothing where there are too few.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// Whether all was read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left.
    #[inline]
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// So many bytes.
    #[inline]
    pub fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    /// So many bytes, as an array.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// `int<1>`.
    #[inline]
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// `int<2>`.
    #[inline]
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// `int<4>`.
    #[inline]
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// `int<lenenc>`; None for NULL's mark and the mark of an error too, which are no numbers.
    #[inline]
    pub fn length(&mut self) -> Option<u64> {
        match self.byte()? {
            small @ 0..=0xfa => Some(u64::from(small)),
            0xfc => self.u16().map(u64::from),
            0xfd => {
                self.array().map(|[low, middle, high]: [u8; 3]| u64::from(u32::from_le_bytes([low, middle, high, 0])))
            }
            0xfe => self.array().map(u64::from_le_bytes),
            _ => None,
        }
    }

    /// `string<lenenc>`.
    #[inline]
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.string_length()?;
        self.take(length)
    }

    /// The length of a `string<lenenc>`; its bytes are next.
    #[inline]
    pub fn string_length(&mut self) -> Option<usize> {
        match self.0.split_first()? {
            // Nearly every string is short.
            (&length @ 0..=0xfa, rest) => {
                self.0 = rest;
                Some(usize::from(length))
            }
            _ => usize::try_from(self.length()?).ok(),
        }
    }

    /// `string<NUL>`.
    pub fn text_to_nul(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.0)?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_one_to_nine_bytes() {
        for (bytes, expected) in [
            (&[0xfa][..], Some(0xfa)),
            (&[0xfb], None),
            (&[0xff], None),
            (&[0xfc, 1, 2], Some(0x0201)),
            (&[0xfc, 1], None),
            (&[0xfd, 1, 2, 3], Some(0x03_0201)),
            (&[0xfe, 1, 0, 0, 0, 0, 0, 0, 0x80], Some(0x8000_0000_0000_0001)),
            (&[0xfe, 1, 0, 0, 0, 0, 0, 0], None),
            (&[], None),
        ] {
            assert_eq!(Fields(bytes).length(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_string_longer_than_what_there_is_is_none() {
        assert_eq!(Fields(&[2, b'a', b'b', b'c']).string(), Some(&b"ab"[..]));
        assert_eq!(Fields(&[0]).string(), Some(&b""[..]));
        assert_eq!(Fields(&[3, b'a', b'b']).string(), None);
        assert_eq!(Fields(&[0xfc, 1, 0, b'x']).string(), Some(&b"x"[..]));
        assert_eq!(Fields(&[0xfe, 255, 255, 255, 255, 255, 255, 255, 255, b'a']).string(), None);
        assert_eq!(Fields(b"ab").text_to_nul(), None);
        assert_eq!(Fields(b"ab\0c").text_to_nul(), Some(&b"ab"[..]));
    }
}
