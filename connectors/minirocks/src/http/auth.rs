//! Basic authentication of both HTTP interfaces. There is one user, `root`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use crate::server::ServerConfig;

const USER: &str = "root";

/// Why a request is not let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// No usable Authorization header.
    Missing,
    /// Another user, or the wrong password.
    Refused {
        /// The user's name as it was sent.
        user: String,
    },
}

/// Lets in `root` with the server's password (none if it has none). The user's name may carry `@cluster`.
pub(super) fn check(headers: &HeaderMap, config: &ServerConfig) -> Result<(), Denied> {
    let credentials = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok())
        .and_then(|decoded| String::from_utf8(decoded).ok())
        .ok_or(Denied::Missing)?;
    let (user, password) = credentials.split_once(':').ok_or(Denied::Missing)?;
    let user = user.split('@').next().unwrap_or(user);
    let wanted = config.password().unwrap_or("");
    if user == USER && same_bytes(password.as_bytes(), wanted.as_bytes()) {
        Ok(())
    } else {
        Err(Denied::Refused { user: user.to_owned() })
    }
}

/// Compares all bytes, whatever the first difference is, so that the time tells nothing.
fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_basic(credentials: &str, password: Option<&str>) -> Result<(), Denied> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Basic {}", STANDARD.encode(credentials)).parse().unwrap());
        let config = ServerConfig { password: password.map(str::to_owned), ..ServerConfig::default() };
        check(&headers, &config)
    }

    #[test]
    fn only_root_with_the_password_is_let_in() {
        let refused = |user: &str| Err(Denied::Refused { user: user.to_owned() });
        assert_eq!(check_basic("root:", None), Ok(()));
        assert_eq!(check_basic("root@default_cluster:p:w", Some("p:w")), Ok(()));
        assert_eq!(check_basic("root:x", None), refused("root"));
        assert_eq!(check_basic("root:", Some("p")), refused("root"));
        assert_eq!(check_basic("admin:p", Some("p")), refused("admin"));
        assert_eq!(check(&HeaderMap::new(), &ServerConfig::default()), Err(Denied::Missing));
    }
}
