//! A password for a server without TLS, encrypted with the server's key (MySQL: "caching_sha2_password", full authentication).
//! The key comes from whoever answers: see `login` for what that protects from.
//!
//! `mysql_common` encrypts, and panics on keys that it does not like, so that a key is checked here first.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mysql_common::crypto;

use super::error::{Result, WireError};
use super::fields::Fields;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// The DER tags of a key.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
/// 16384 bits. A longer modulus only costs time.
const LONGEST_MODULUS: usize = 2048;
const LONGEST_EXPONENT: usize = 8;
/// What OAEP with SHA-1 needs beside the message (RFC 8017, 7.1.1).
const PADDING: usize = 42;

/// Encrypts a message with the server's key in PEM form.
///
/// # Errors
/// Malformed if the text is no RSA key, or one too small for the message.
pub(super) fn encrypt(message: &[u8], pem: &[u8]) -> Result<Vec<u8>> {
    let key = der(pem).ok_or(WireError::Malformed("the server's public key is no PEM text"))?;
    let modulus_bytes = modulus_bytes(&key).ok_or(WireError::Malformed("the server's public key is no RSA key"))?;
    if modulus_bytes > LONGEST_MODULUS || modulus_bytes < message.len() + PADDING + 1 {
        return Err(WireError::Malformed("the server's public key has an unusable size"));
    }
    let pem = format!("{BEGIN}{}{END}", STANDARD.encode(&key));
    Ok(crypto::encrypt(message, pem.as_bytes()))
}

fn der(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, text) = text.split_once(BEGIN)?;
    let (body, _) = text.split_once(END)?;
    let digits: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(digits).ok()
}

/// The size of the modulus of a SubjectPublicKeyInfo that holds an RSA key (RFC 5280, RFC 8017).
fn modulus_bytes(der: &[u8]) -> Option<usize> {
    let info = element(&mut Fields(der), SEQUENCE)?;
    let mut info = Fields(info);
    element(&mut info, SEQUENCE)?;
    let (unused_bits, key) = element(&mut info, BIT_STRING)?.split_first()?;
    let key = element(&mut Fields(key), SEQUENCE).filter(|_| *unused_bits == 0)?;
    let mut key = Fields(key);
    let modulus = without_zeros(element(&mut key, INTEGER)?);
    let exponent = without_zeros(element(&mut key, INTEGER)?);
    let usable = !modulus.is_empty() && (1..=LONGEST_EXPONENT).contains(&exponent.len());
    usable.then_some(modulus.len())
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// The content of the next element, if it has that tag.
fn element<'a>(fields: &mut Fields<'a>, tag: u8) -> Option<&'a [u8]> {
    if fields.byte()? != tag {
        return None;
    }
    let length = match fields.byte()? {
        short @ 0..=0x7f => usize::from(short),
        long @ 0x81..=0x84 => {
            let bytes = fields.take(usize::from(long & 0x7f))?;
            bytes.iter().fold(0, |length: usize, byte| length << 8 | usize::from(*byte))
        }
        _ => return None,
    };
    fields.take(length)
}

/// A key of 1024 bits, made for the tests.
#[cfg(test)]
pub(super) const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDUYIpK1okgepDUA4MFeDCV7L4O\n\
tPcmltodzas4r2PjbcMZ+V6uc7TaircGLckXD5o4a7m/GPtqXZE25fIDuoxCvRgk\n\
R13rhzGn/IejcTTJ5zpXxpD+pzLmVXuOXqO6hQLc5L97hW4LMB+XLTBWINmOfo4l\n\
uPiv/2RV5MqixbLTbwIDAQAB\n-----END PUBLIC KEY-----\n";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    use super::*;

    #[test]
    fn a_message_is_as_long_as_the_key_and_never_the_same() {
        let (one, other) =
            (encrypt(b"secret\0", KEY.as_bytes()).unwrap(), encrypt(b"secret\0", KEY.as_bytes()).unwrap());
        assert_eq!((one.len(), one != other), (128, true));
        assert!(matches!(encrypt(&[b'x'; 86], KEY.as_bytes()), Err(WireError::Malformed(_))), "too long for the key");
        assert!(encrypt(&[b'x'; 85], KEY.as_bytes()).is_ok());
    }

    #[test]
    fn no_key_panics() {
        let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let der = der(KEY.as_bytes()).unwrap();
        let changes = proptest::collection::vec((0..der.len(), any::<u8>()), 1..4);
        let checked = runner.run(&(changes, 0..=der.len()), |(changes, length)| {
            let mut der = der.clone();
            for (at, byte) in changes {
                der[at] = byte;
            }
            der.truncate(length.max(1));
            for key in [der.clone(), [&der[..], &[0; 40]].concat()] {
                let pem = format!("{BEGIN}{}{END}", STANDARD.encode(&key));
                drop(encrypt(b"secret\0", pem.as_bytes()));
            }
            Ok(())
        });
        checked.unwrap();
        for text in ["", "x", BEGIN, "-----BEGIN PUBLIC KEY----------END PUBLIC KEY-----"] {
            assert!(encrypt(b"secret\0", text.as_bytes()).is_err(), "{text}");
        }
    }
}
