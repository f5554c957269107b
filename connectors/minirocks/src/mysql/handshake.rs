//! The greeting and the login: protocol 10 with `mysql_native_password`.

use std::io;
use std::time::Duration;

use rand::Rng;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncWrite};

use super::packet::{Fields, PacketReader, PacketWriter, Payload};
use super::response;
use crate::sql::SqlError;

/// The version in the greeting (StarRocks: `mysql_server_version`).
pub(crate) const SERVER_VERSION: &str = "8.0.33";
/// The only user, who may do everything.
pub(crate) const USER: &str = "root";

const PLUGIN: &str = "mysql_native_password";
/// `utf8_general_ci`, which StarRocks announces; text is UTF-8 of up to four bytes all the same.
pub(crate) const CHARSET_UTF8: u8 = 33;
/// A login packet has no need for more.
const MAX_LOGIN_BYTES: usize = 64 << 10;
/// MySQL: `connect_timeout`.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Capability flags of the protocol (MySQL: `CLIENT_…`).
pub(crate) mod capability {
    pub(crate) const LONG_PASSWORD: u32 = 1;
    pub(crate) const FOUND_ROWS: u32 = 1 << 1;
    pub(crate) const LONG_FLAG: u32 = 1 << 2;
    pub(crate) const CONNECT_WITH_DB: u32 = 1 << 3;
    pub(crate) const PROTOCOL_41: u32 = 1 << 9;
    pub(crate) const TRANSACTIONS: u32 = 1 << 13;
    pub(crate) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(crate) const MULTI_STATEMENTS: u32 = 1 << 16;
    pub(crate) const MULTI_RESULTS: u32 = 1 << 17;
    pub(crate) const PLUGIN_AUTH: u32 = 1 << 19;
    pub(crate) const CONNECT_ATTRS: u32 = 1 << 20;
    pub(crate) const PLUGIN_AUTH_LENENC_DATA: u32 = 1 << 21;
}

const SERVER_CAPABILITIES: u32 = capability::LONG_PASSWORD
    | capability::FOUND_ROWS
    | capability::LONG_FLAG
    | capability::CONNECT_WITH_DB
    | capability::PROTOCOL_41
    | capability::TRANSACTIONS
    | capability::SECURE_CONNECTION
    | capability::MULTI_STATEMENTS
    | capability::MULTI_RESULTS
    | capability::PLUGIN_AUTH
    | capability::CONNECT_ATTRS
    | capability::PLUGIN_AUTH_LENENC_DATA;

/// Twenty random bytes that the client mixes with its password.
pub(crate) struct Challenge([u8; 20]);

impl Challenge {
    pub(crate) fn random() -> Self {
        let mut random = rand::rng();
        // NUL ends the challenge on the wire, and MySQL leaves out '$' as well
        Self(std::array::from_fn(|_| {
            loop {
                let byte = random.random_range(1..=127_u8);
                if byte != b'$' {
                    break byte;
                }
            }
        }))
    }

    /// Whether `answer` was made from `password` (MySQL: Native Authentication).
    pub(crate) fn accepts(&self, password: Option<&str>, answer: &[u8]) -> bool {
        let Some(password) = password else { return answer.is_empty() };
        let Ok(answer) = <[u8; 20]>::try_from(answer) else { return false };
        let stage_one: [u8; 20] = Sha1::digest(password).into();
        let stage_two: [u8; 20] = Sha1::digest(stage_one).into();
        let mask: [u8; 20] = Sha1::new().chain_update(self.0).chain_update(stage_two).finalize().into();
        // all bytes are looked at, so that time tells nothing
        let difference = (0..20).fold(0_u8, |sum, i| sum | (answer[i] ^ mask[i] ^ stage_one[i]));
        difference == 0
    }
}

/// A client that has logged in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Login {
    /// The database to start in.
    pub(crate) database: Option<String>,
}

/// Greets, reads the login and checks it. `None` when the client left or was refused; it has its answer then. The OK that
/// ends a successful login is the caller's, who may have to refuse the database.
pub(crate) async fn log_in<R, W>(
    reader: &mut PacketReader<R>,
    writer: &mut PacketWriter<W>,
    connection_id: u32,
    password: Option<&str>,
    client_host: &str,
) -> io::Result<Option<Login>>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let challenge = Challenge::random();
    write_greeting(writer.payload(), connection_id, &challenge);
    writer.end().await?;
    writer.flush().await?;

    let Payload::Bytes(payload) = reader.read(MAX_LOGIN_BYTES, LOGIN_TIMEOUT).await? else { return Ok(None) };
    writer.set_sequence(reader.next_sequence());
    let Some(request) = LoginRequest::read(&payload) else {
        return refuse(writer, &SqlError::new(1043, "Bad handshake")).await;
    };
    let mut answer = request.answer;
    if request.plugin.is_some_and(|plugin| plugin != PLUGIN.as_bytes()) {
        // the client began with another method: ask it to use ours (MySQL: AuthSwitchRequest)
        write_switch_request(writer.payload(), &challenge);
        writer.end().await?;
        writer.flush().await?;
        let Payload::Bytes(payload) = reader.read(MAX_LOGIN_BYTES, LOGIN_TIMEOUT).await? else { return Ok(None) };
        writer.set_sequence(reader.next_sequence());
        answer = payload;
    }
    if request.user != USER || !challenge.accepts(password, &answer) {
        let using = if answer.is_empty() { "NO" } else { "YES" };
        let user = &request.user;
        let error =
            SqlError::new(1045, format!("Access denied for user '{user}'@'{client_host}' (using password: {using})"));
        return refuse(writer, &error).await;
    }
    Ok(Some(Login { database: request.database }))
}

async fn refuse<W: AsyncWrite + Unpin>(writer: &mut PacketWriter<W>, error: &SqlError) -> io::Result<Option<Login>> {
    response::write_error(writer.payload(), error);
    writer.end().await?;
    writer.flush().await?;
    Ok(None)
}

fn write_greeting(payload: &mut Vec<u8>, connection_id: u32, challenge: &Challenge) {
    let [low0, low1, high0, high1] = SERVER_CAPABILITIES.to_le_bytes();
    payload.push(10);
    payload.extend_from_slice(SERVER_VERSION.as_bytes());
    payload.push(0);
    payload.extend_from_slice(&connection_id.to_le_bytes());
    payload.extend_from_slice(&challenge.0[..8]);
    payload.push(0);
    payload.extend_from_slice(&[low0, low1, CHARSET_UTF8]);
    payload.extend_from_slice(&response::STATUS_AUTOCOMMIT.to_le_bytes());
    payload.extend_from_slice(&[high0, high1, 21]);
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(&challenge.0[8..]);
    payload.push(0);
    payload.extend_from_slice(PLUGIN.as_bytes());
    payload.push(0);
}

fn write_switch_request(payload: &mut Vec<u8>, challenge: &Challenge) {
    payload.push(0xfe);
    payload.extend_from_slice(PLUGIN.as_bytes());
    payload.push(0);
    payload.extend_from_slice(&challenge.0);
    payload.push(0);
}

/// The client's answer to the greeting (MySQL: `HandshakeResponse41`).
#[derive(Debug)]
struct LoginRequest {
    user: String,
    answer: Vec<u8>,
    database: Option<String>,
    plugin: Option<Vec<u8>>,
}

impl LoginRequest {
    fn read(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(payload);
        let flags = fields.u32()?;
        if flags & capability::PROTOCOL_41 == 0 {
            return None;
        }
        // longest packet, character set, filler
        fields.bytes(4 + 1 + 23)?;
        let user = String::from_utf8_lossy(fields.until_nul()).into_owned();
        let answer = if flags & capability::PLUGIN_AUTH_LENENC_DATA != 0 {
            fields.length_bytes()?
        } else if flags & capability::SECURE_CONNECTION != 0 {
            let length = fields.byte()?;
            fields.bytes(usize::from(length))?
        } else {
            fields.until_nul()
        };
        let database = (flags & capability::CONNECT_WITH_DB != 0).then(|| fields.until_nul());
        let database = database.filter(|name| !name.is_empty()).map(|name| String::from_utf8_lossy(name).into_owned());
        let plugin = (flags & capability::PLUGIN_AUTH != 0).then(|| fields.until_nul().to_vec());
        let plugin = plugin.filter(|name| !name.is_empty());
        Some(Self { user, answer: answer.to_vec(), database, plugin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client sends for a password (MySQL: Native Authentication).
    fn answer(challenge: &Challenge, password: &str) -> Vec<u8> {
        let one: [u8; 20] = Sha1::digest(password).into();
        let two: [u8; 20] = Sha1::digest(one).into();
        let mask: [u8; 20] = Sha1::new().chain_update(challenge.0).chain_update(two).finalize().into();
        one.iter().zip(mask).map(|(a, b)| a ^ b).collect()
    }

    #[test]
    fn only_the_right_password_is_accepted() {
        let challenge = Challenge::random();
        let right = answer(&challenge, "s3cret");
        assert!(challenge.accepts(Some("s3cret"), &right));
        assert!(!challenge.accepts(Some("s3cret"), &answer(&challenge, "S3cret")));
        assert!(!challenge.accepts(Some("s3cret"), &[]));
        assert!(!challenge.accepts(Some("s3cret"), &right[..19]));
        assert!(!Challenge::random().accepts(Some("s3cret"), &right), "an answer is good for one challenge");
        assert!(challenge.accepts(None, &[]));
        assert!(!challenge.accepts(None, &right));
    }

    #[test]
    fn a_login_that_ends_early_is_refused_at_every_length() {
        let mut payload = (SERVER_CAPABILITIES).to_le_bytes().to_vec();
        payload.extend_from_slice(&[0; 28]);
        payload.extend_from_slice(b"root\0");
        payload.push(3);
        payload.extend_from_slice(b"abc");
        payload.extend_from_slice(b"ods\0mysql_native_password\0");
        let request = LoginRequest::read(&payload).unwrap();
        assert_eq!((request.user.as_str(), request.database.as_deref()), ("root", Some("ods")));
        assert_eq!(request.plugin.as_deref(), Some(&b"mysql_native_password"[..]));
        for length in 0..payload.len() {
            // must not panic; what is cut after the answer only loses its optional parts
            let _ = LoginRequest::read(&payload[..length]);
        }
        assert!(LoginRequest::read(&payload[..38]).is_none());
    }
}
