//! Who we are, by whatever way the server asks for (MySQL: "Authentication Methods"). A password never leaves this machine as it is but
//! through TLS.
//!
//! Without TLS nothing shows who the other side is: where it asks for the password itself (caching_sha2_password, full authentication), it
//! gets it encrypted with whatever key it sends. That keeps the password from who only listens, not from who answers in the server's place;
//! the modes `required`, `verify_ca` and `verify_identity` never come here without TLS, and the last two know the server.

use mysql_common::packets::AuthPlugin;

use super::channel::Channel;
use super::error::{Result, WireError};
use super::fields::Fields;
use super::{public_key, reply};

/// First byte of a packet that goes on with the login.
const MORE_DATA: u8 = 0x01;
/// caching_sha2_password: the server knew the proof already.
const FAST_AUTH_OK: u8 = 0x03;
/// caching_sha2_password: the server wants the password itself.
const FULL_AUTH: u8 = 0x04;
/// caching_sha2_password: asks for the server's key.
const WANT_KEY: u8 = 0x02;
/// A login takes two to five packets.
const PACKETS: usize = 10;

/// How we log in.
pub(super) struct Credentials<'a> {
    pub(super) password: &'a str,
    pub(super) plugin: AuthPlugin<'static>,
    /// The server's random bytes.
    pub(super) challenge: Vec<u8>,
}

impl Credentials<'_> {
    /// What proves that we know the password; empty for none.
    ///
    /// # Errors
    /// Login for a way to log in that is not supported: the password as it is, hashes that are known to be broken, MariaDB's ed25519 and
    /// parsec, and what is not known.
    pub(super) fn proof(&self) -> Result<Vec<u8>> {
        match &self.plugin {
            AuthPlugin::MysqlNativePassword | AuthPlugin::CachingSha2Password => {
                let proof = self.plugin.gen_data(Some(self.password), &self.challenge);
                Ok(proof.map(|proof| proof.to_vec()).unwrap_or_default())
            }
            other => Err(WireError::Login(String::from_utf8_lossy(other.as_bytes()).into_owned())),
        }
    }

    /// The password with a zero at its end, for a server that asks for it through TLS or encrypted.
    fn plain_password(&self) -> Vec<u8> {
        [self.password.as_bytes(), &[0]].concat()
    }
}

/// Answers the server's questions until it lets us in.
pub(super) async fn finish(channel: &mut Channel, credentials: &mut Credentials<'_>) -> Result<()> {
    let mut is_switched = false;
    for _ in 0..PACKETS {
        let packet = channel.packet().await?;
        let packet = channel.buffer.bytes(packet);
        let is_sha2 = credentials.plugin == AuthPlugin::CachingSha2Password;
        let answer = match packet {
            [reply::OK, ..] => return Ok(()),
            [reply::ERROR, ..] => return Err(reply::error(packet)),
            [reply::END, request @ ..] if !is_switched => {
                is_switched = true;
                switch(credentials, request)?;
                credentials.proof()?
            }
            [MORE_DATA, FAST_AUTH_OK, ..] if is_sha2 => continue,
            [MORE_DATA, FULL_AUTH, ..] if is_sha2 && channel.is_tls() => credentials.plain_password(),
            [MORE_DATA, FULL_AUTH, ..] if is_sha2 => encrypted_password(channel, credentials).await?,
            _ => return Err(WireError::Malformed("a packet that has no place in a login")),
        };
        channel.send(&answer).await?;
    }
    Err(WireError::Malformed("a login without an end"))
}

/// Takes another way to log in (MySQL: "Protocol::AuthSwitchRequest").
fn switch(credentials: &mut Credentials<'_>, request: &[u8]) -> Result<()> {
    if request.is_empty() {
        // The request of servers before MySQL 4.1.
        return Err(WireError::Login("mysql_old_password".to_owned()));
    }
    let mut fields = Fields(request);
    let name = fields.text_to_nul().ok_or(WireError::Malformed("a way to log in without a name"))?;
    let challenge = fields.rest();
    credentials.plugin = AuthPlugin::from_bytes(name).into_owned();
    credentials.challenge = challenge.strip_suffix(&[0]).unwrap_or(challenge).to_vec();
    Ok(())
}

/// The password for a server without TLS: mixed with the challenge and encrypted with the server's key.
async fn encrypted_password(channel: &mut Channel, credentials: &Credentials<'_>) -> Result<Vec<u8>> {
    channel.send(&[WANT_KEY]).await?;
    let packet = channel.packet().await?;
    let key = match channel.buffer.bytes(packet) {
        [MORE_DATA, key @ ..] => key,
        packet @ [reply::ERROR, ..] => return Err(reply::error(packet)),
        _ => return Err(WireError::Malformed("no public key")),
    };
    if credentials.challenge.is_empty() {
        return Err(WireError::Malformed("an empty challenge"));
    }
    let mut password = credentials.plain_password();
    for (byte, mask) in password.iter_mut().zip(credentials.challenge.iter().cycle()) {
        *byte ^= mask;
    }
    public_key::encrypt(&password, key)
}
