//! The address of a server.

use std::fmt;

use crate::error::{Error, ErrorKind, Result};

/// Where the server is: an origin (`https://host:port`) and the base path of the sync routes.
///
/// Read from a text such as `https://example.com/sync`. Without a path the base path is `/sync`. The path is used as
/// written: the protocol compares paths byte for byte and normalises nothing.
///
/// ```
/// use plasma_runtime::client::Endpoint;
/// let endpoint: Endpoint = "https://example.com:8443/api/sync/".parse()?;
/// assert_eq!(endpoint.origin(), "https://example.com:8443");
/// assert_eq!(endpoint.base_path(), "/api/sync");
/// # Ok::<(), plasma_runtime::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    origin: String,
    base_path: String,
}

impl Endpoint {
    /// The base path when none is given.
    pub const DEFAULT_BASE_PATH: &'static str = "/sync";

    /// Scheme, host and port, without a slash at the end.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The path in front of `/push` and `/pull`: starts with a slash and does not end with one.
    pub fn base_path(&self) -> &str {
        &self.base_path
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.origin.starts_with("https://")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.base_path)
    }
}

impl std::str::FromStr for Endpoint {
    type Err = Error;

    /// # Errors
    /// [`Config`](ErrorKind::Config) when the text is not an address of a server.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Err(Error::new(
                ErrorKind::Config,
                format!("`{text}` is not the address of a server: {why}; write it like `https://example.com/sync`"),
            ))
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            return refuse("it has no scheme");
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return refuse("the scheme is neither `http` nor `https`");
        }
        if rest.bytes().any(|b| b <= b' ' || b >= 0x7f || b"\\\"<>^`{|}".contains(&b)) {
            return refuse("it has a character that must be percent-encoded");
        }
        if rest.contains(['?', '#']) {
            return refuse("it has a query or a fragment");
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        if authority.is_empty() || authority.starts_with(':') {
            return refuse("it has no host");
        }
        if authority.contains('@') {
            return refuse("credentials do not belong into the address (use `.auth(..)`)");
        }
        let base_path = match normal_base_path(path) {
            Ok(base_path) => base_path,
            Err(why) => return refuse(why),
        };
        Ok(Endpoint { origin: format!("{scheme}://{}", authority.to_ascii_lowercase()), base_path })
    }
}

/// The base path of a text: the default when empty, without a slash at the end.
pub(crate) fn normal_base_path(path: &str) -> Result<String, &'static str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Endpoint::DEFAULT_BASE_PATH.to_owned());
    }
    if !path.starts_with('/') {
        return Err("the path does not start with a slash");
    }
    if path[1..].split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("the path has an empty segment, `.` or `..`");
    }
    Ok(path.to_owned())
}
