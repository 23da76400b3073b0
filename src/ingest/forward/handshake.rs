//! The shared-key handshake: both sides prove that they know a key without sending it.
//!
//! The Fluentd forward protocol, version 1, section "Handshake messages": we say HELO with a
//! nonce, the sender PING with a digest of it and the key, we PONG with another. Names and
//! passwords of users are not asked for (the salt for them is empty) and not looked at.

use std::fmt;

use rmp::encode as write;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use super::Refusal;
use super::value::{Cursor, elements, raw};

/// What we call ourselves. Fluentd refuses a server of its own name, so that it is no host's.
const OWN_NAME: &str = "vitrine";

/// What a sender with another key is told, in Fluentd's words.
const KEY_MISMATCH: &str = "shared_key mismatch";

/// Bytes of a key; shorter ones can be guessed, one exchange is enough to try at home.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 8..=256;

/// A key that both sides know. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedKey(String);

impl SharedKey {
    /// Takes a key of 8 to 256 bytes.
    pub fn new(text: &str) -> Option<SharedKey> {
        KEY_BYTES.contains(&text.len()).then(|| SharedKey(text.to_string()))
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(…)")
    }
}

/// Our half of one handshake, which no other connection shares.
pub struct Handshake {
    key: SharedKey,
    nonce: [u8; 16],
}

impl Handshake {
    /// Begins a handshake with a fresh nonce.
    pub fn new(key: SharedKey) -> Handshake {
        Handshake { key, nonce: rand::random() }
    }

    /// Returns the HELO.
    pub fn hello(&self) -> Vec<u8> {
        let mut res = Vec::new();
        let written = write::write_array_len(&mut res, 2)
            .and_then(|_| write::write_str(&mut res, "HELO"))
            .and_then(|()| write::write_map_len(&mut res, 3).map(|_| ()))
            .and_then(|()| write::write_str(&mut res, "nonce"))
            .and_then(|()| write::write_bin(&mut res, &self.nonce))
            .and_then(|()| write::write_str(&mut res, "auth"))
            .and_then(|()| write::write_str(&mut res, ""))
            .and_then(|()| write::write_str(&mut res, "keepalive"));
        written.expect("a vector takes every write");
        res.push(rmp::Marker::True.to_u8());
        res
    }

    /// Reads a PING and returns the PONG with whether the sender knows the key.
    pub fn answer(&self, ping: &[u8]) -> Result<(Vec<u8>, bool), Refusal> {
        let Ping { host, salt, digest } = Ping::read(ping)?;
        let expect = self.digest(salt, host);
        if bool::from(expect.as_bytes().ct_eq(digest)) {
            let proof = self.digest(salt, OWN_NAME.as_bytes());
            Ok((pong(true, "", OWN_NAME, &proof), true))
        } else {
            Ok((pong(false, KEY_MISMATCH, "", ""), false))
        }
    }

    fn digest(&self, salt: &[u8], host: &[u8]) -> String {
        let digest = Sha512::new().chain_update(salt).chain_update(host);
        let digest = digest.chain_update(self.nonce).chain_update(self.key.0.as_bytes());
        hex::encode(digest.finalize())
    }
}

/// What we need of `["PING", host, salt, digest, user, password digest]`.
struct Ping<'a> {
    host: &'a [u8],
    salt: &'a [u8],
    digest: &'a [u8],
}

impl<'a> Ping<'a> {
    fn read(message: &'a [u8]) -> Result<Ping<'a>, Refusal> {
        let read = || {
            let mut items: Cursor<'a> = elements(message)?.ok_or(Refusal::Handshake)?;
            let mut next = || raw(items.required()?)?.ok_or(Refusal::Handshake);
            if next()? != b"PING" {
                return Err(Refusal::Handshake);
            }
            let ping = Ping { host: next()?, salt: next()?, digest: next()? };
            // A user and a digest of a password, which we did not ask for.
            next()?;
            next()?;
            Ok(ping)
        };
        read().map_err(|_| Refusal::Handshake)
    }
}

fn pong(is_known: bool, reason: &str, host: &str, digest: &str) -> Vec<u8> {
    let mut res = Vec::new();
    let written = write::write_array_len(&mut res, 5)
        .and_then(|_| write::write_str(&mut res, "PONG"))
        .and_then(|()| {
            write::write_bool(&mut res, is_known).map_err(rmp::encode::ValueWriteError::InvalidMarkerWrite)
        })
        .and_then(|()| write::write_str(&mut res, reason))
        .and_then(|()| write::write_str(&mut res, host))
        .and_then(|()| write::write_str(&mut res, digest));
    written.expect("a vector takes every write");
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown_and_has_a_length() {
        let key = SharedKey::new("wonderful").unwrap();
        assert!(!format!("{key:?}").contains("wonderful"));
        assert!(SharedKey::new("short").is_none() && SharedKey::new(&"k".repeat(257)).is_none());
    }

    #[test]
    fn the_digest_is_the_specifications() {
        let key = SharedKey::new("wonderful").unwrap();
        let handshake = Handshake { key, nonce: *b"0123456789abcdef" };
        // printf '%s' 'salt' 'host' '0123456789abcdef' 'wonderful' | sha512sum
        let expect = concat!(
            "7ec69667893d289a0df0ea99a00487e92a9f95cf6186e07a0c38b5b0223f1945",
            "821711fdd3df3c5f35cf044b9f4f739fa73bd762bea50d3f8bf054020c155e52"
        );
        assert_eq!(handshake.digest(b"salt", b"host"), expect);
    }

    #[test]
    fn each_connection_has_its_own_nonce() {
        let hello = || Handshake::new(SharedKey::new("wonderful").unwrap()).hello();
        assert_ne!(hello(), hello());
    }
}
