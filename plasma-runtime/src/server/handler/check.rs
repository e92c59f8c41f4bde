//! The checks that need no database, in the order of the protocol: 401, 404, 405, 415, `payload-too-large`, JSON,
//! `protocolVersion`, `too-many-mutations`, the other members (`invalid-cookie` last), `schema-mismatch`,
//! `client-group-mismatch`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Read;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{query, strict};
use crate::protocol::cookie::AnyCookie;
use crate::protocol::{Limits, Method, PROTOCOL_VERSION, PullRequest, PushRequest, PushedMutation, WireRequest};
use crate::server::{Caller, Lenses, PushJob, Refusal};

/// The greatest mutation id, 2^53 - 1.
const MAX_ID: u64 = (1 << 53) - 1;
/// The longest client id or group, bytes.
const MAX_NAME: usize = 256;

/// What a request asks for, once path and method are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `POST /push`
    Push,
    /// `GET /pull`
    Pull,
    /// `GET /health`
    Health,
}

/// A request that passed the checks that need no database.
#[derive(Debug, Clone)]
pub enum Checked {
    /// To be run by [`push_group`](crate::server::ServerEngine::push_group).
    Push(PushJob),
    /// To be answered by [`pull`](crate::server::ServerEngine::pull).
    Pull(Caller, PullRequest),
    /// Answered with 200.
    Health,
}

/// Path, method and credentials. Paths match byte for byte: nothing is normalised.
///
/// # Errors
/// 401, 404, 405.
pub fn route(base_path: &str, method: Method, path: &str, authorized: bool) -> Result<Route, Refusal> {
    let below = path.strip_prefix(base_path);
    if below == Some("/health") && method == Method::Get {
        return Ok(Route::Health);
    }
    if !authorized {
        return Err(Refusal::unauthorized());
    }
    let (route, allowed, allow) = match below {
        Some("/push") => (Route::Push, Method::Post, "POST"),
        Some("/pull") => (Route::Pull, Method::Get, "GET"),
        Some("/health") => (Route::Health, Method::Get, "GET"),
        _ => return Err(Refusal::not_found()),
    };
    if method == allowed { Ok(route) } else { Err(Refusal::method_not_allowed(allow)) }
}

/// The media type and the coding of a push.
///
/// # Errors
/// 415.
pub fn media<'h>(mut headers: impl Iterator<Item = (&'h str, &'h str)> + Clone) -> Result<Coding, Refusal> {
    let types: Vec<&str> =
        headers.clone().filter(|(name, _)| *name == "content-type").map(|(_, value)| value).collect();
    let [content_type] = types[..] else {
        return Err(Refusal::unsupported_media_type("a push has one `content-type`: application/json"));
    };
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
    let charset_fits = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    if !is_json || !charset_fits {
        return Err(Refusal::unsupported_media_type("a body is application/json in UTF-8"));
    }
    let coding = headers.by_ref().find(|(name, _)| *name == "content-encoding").map(|(_, value)| value.trim());
    let another = headers.any(|(name, _)| name == "content-encoding");
    match coding {
        None => Ok(Coding::Identity),
        Some(coding) if !another && coding.eq_ignore_ascii_case("identity") => Ok(Coding::Identity),
        Some(coding) if !another && coding.eq_ignore_ascii_case("gzip") => Ok(Coding::Gzip),
        Some(_) => Err(Refusal::unsupported_media_type("the one content coding is gzip")),
    }
}

/// How a body is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
}

/// The body after decompression, which stops at the limit.
///
/// # Errors
/// 413; 400 when the body is not gzip although it says so.
pub fn decompress<'b>(body: &'b [u8], coding: Coding, limits: &Limits) -> Result<Cow<'b, [u8]>, Refusal> {
    let limit = limits.body_bytes;
    if coding == Coding::Identity {
        return if body.len() > limit { Err(Refusal::payload_too_large(limit)) } else { Ok(Cow::Borrowed(body)) };
    }
    let mut out = Vec::new();
    // One byte more than allowed tells a body that fits from one that does not.
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    flate2::read::MultiGzDecoder::new(body)
        .take(most)
        .read_to_end(&mut out)
        .map_err(|e| Refusal::invalid_request(format!("the body is not gzip: {e}")))?;
    if out.len() > limit { Err(Refusal::payload_too_large(limit)) } else { Ok(Cow::Owned(out)) }
}

/// All checks of a request that need no database.
///
/// # Errors
/// The first check that fails, in the protocol's order.
pub fn request(
    base_path: &str,
    limits: &Limits,
    lenses: &Lenses,
    caller: Option<&Caller>,
    request: &WireRequest,
) -> Result<Checked, Refusal> {
    let route = route(base_path, request.method, &request.path, caller.is_some())?;
    match (route, caller) {
        (Route::Health, _) => Ok(Checked::Health),
        // `route` lets nobody else pass.
        (_, None) => Err(Refusal::unauthorized()),
        (Route::Push, Some(caller)) => {
            let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let coding = media(headers)?;
            let body = decompress(&request.body, coding, limits)?;
            let push = push(&body, limits, lenses, caller)?;
            Ok(Checked::Push(PushJob { caller: caller.clone(), request: push }))
        }
        (Route::Pull, Some(caller)) => {
            let pull = pull(&request.query, limits, lenses, caller)?;
            Ok(Checked::Pull(caller.clone(), pull))
        }
    }
}

/// The members of a push as they came; what they hold is checked in the protocol's order.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPush<'b> {
    #[serde(borrow)]
    protocol_version: Option<&'b RawValue>,
    #[serde(borrow)]
    schema_version: Option<&'b RawValue>,
    #[serde(borrow)]
    fingerprint: Option<&'b RawValue>,
    #[serde(borrow, rename = "clientGroupID")]
    client_group_id: Option<&'b RawValue>,
    #[serde(borrow, rename = "clientID")]
    client_id: Option<&'b RawValue>,
    #[serde(borrow)]
    settled: Option<&'b RawValue>,
    #[serde(borrow)]
    mutations: Option<&'b RawValue>,
}

/// A push from its decompressed body.
///
/// # Errors
/// 400, 409 `schema-mismatch`, 413 `too-many-mutations`.
pub fn push(body: &[u8], limits: &Limits, lenses: &Lenses, caller: &Caller) -> Result<PushRequest, Refusal> {
    let text = strict::text(body, limits.json_depth).map_err(Refusal::invalid_request)?;
    if text.trim_ascii_start().as_bytes().first() != Some(&b'{') {
        // serde would take an array for a struct.
        return Err(Refusal::invalid_request("the body is not a JSON object"));
    }
    let raw: RawPush<'_> =
        serde_json::from_str(text).map_err(|e| Refusal::invalid_request(format!("the body is not JSON: {e}")))?;
    let version = raw.protocol_version.and_then(|raw| serde_json::from_str::<serde_json::Number>(raw.get()).ok());
    match version {
        Some(version) if version.as_u64() == Some(PROTOCOL_VERSION) => {}
        Some(version) if version.is_i64() || version.is_u64() => return Err(Refusal::protocol_mismatch(version)),
        _ => return Err(Refusal::invalid_request("`protocolVersion` is not an integer")),
    }
    let mutations: Option<Vec<&RawValue>> = raw.mutations.and_then(|raw| serde_json::from_str(raw.get()).ok());
    if mutations.as_ref().is_some_and(|mutations| mutations.len() > limits.mutations_per_push) {
        return Err(Refusal::too_many_mutations(limits.mutations_per_push));
    }
    let schema_version = string(raw.schema_version, "schemaVersion")?;
    let fingerprint = match raw.fingerprint {
        Some(raw) => Some(string(Some(raw), "fingerprint")?),
        None => None,
    };
    let client_group_id = string(raw.client_group_id, "clientGroupID")?;
    let client_id = string(raw.client_id, "clientID")?;
    check_name("clientGroupID", &client_group_id)?;
    check_client_id(&client_id)?;
    let settled = match raw.settled {
        Some(raw) => Some(
            serde_json::from_str::<u64>(raw.get())
                .ok()
                .filter(|settled| *settled <= MAX_ID)
                .ok_or_else(|| Refusal::invalid_request("`settled` is not an integer of 0 to 2^53 - 1"))?,
        ),
        None => None,
    };
    let mutations = mutations.ok_or_else(|| Refusal::invalid_request("`mutations` is not an array"))?;
    let mutations = mutations.into_iter().map(envelope).collect::<Result<Vec<_>, _>>()?;
    let mut ids = BTreeSet::new();
    if let Some(twice) = mutations.iter().find(|mutation| !ids.insert(mutation.id)) {
        return Err(Refusal::invalid_request(format!("the mutation {} stands twice", twice.id)));
    }
    lenses.check(&schema_version, fingerprint.as_deref())?;
    check_group(caller, &client_group_id)?;
    Ok(PushRequest {
        protocol_version: PROTOCOL_VERSION,
        schema_version,
        fingerprint,
        client_group_id,
        client_id,
        settled,
        mutations,
    })
}

/// The envelope of one mutation: an object with an id and a key. The rest is read when it is run.
fn envelope(raw: &RawValue) -> Result<PushedMutation, Refusal> {
    let bad = |reason: &str| Refusal::invalid_request(format!("a mutation {reason}"));
    if !raw.get().starts_with('{') {
        return Err(bad("is not an object"));
    }
    let mutation: PushedMutation =
        serde_json::from_str(raw.get()).map_err(|_| bad("lacks an integer `id` or a text `key`"))?;
    if !(1..=MAX_ID).contains(&mutation.id) {
        return Err(bad("has an `id` that is not of 1 to 2^53 - 1"));
    }
    if !is_key(&mutation.key) {
        return Err(bad("has a `key` that is not a lower-case hyphenated UUID"));
    }
    Ok(mutation)
}

/// Whether the text is a UUID in its one accepted form.
fn is_key(text: &str) -> bool {
    text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase()) && Uuid::try_parse(text).is_ok()
}

fn string(raw: Option<&RawValue>, name: &str) -> Result<String, Refusal> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
        .ok_or_else(|| Refusal::invalid_request(format!("`{name}` is not a string")))
}

/// Client ids and groups are short and printable.
fn check_name(name: &str, value: &str) -> Result<(), Refusal> {
    if value.is_empty() || value.len() > MAX_NAME || value.chars().any(char::is_control) {
        return Err(Refusal::invalid_request(format!("`{name}` is not a printable text of 1 to {MAX_NAME} bytes")));
    }
    Ok(())
}

fn check_client_id(client_id: &str) -> Result<(), Refusal> {
    check_name("clientID", client_id)?;
    if client_id.starts_with("_plasma") {
        return Err(Refusal::invalid_request("`clientID` begins with the reserved `_plasma`"));
    }
    Ok(())
}

fn check_group(caller: &Caller, group: &str) -> Result<(), Refusal> {
    if caller.group == group { Ok(()) } else { Err(Refusal::client_group_mismatch()) }
}

/// A pull from its query string.
///
/// # Errors
/// 400, 409 `schema-mismatch`.
pub fn pull(query: &str, limits: &Limits, lenses: &Lenses, caller: &Caller) -> Result<PullRequest, Refusal> {
    let mut parameters = query::parse(query).map_err(Refusal::invalid_request)?;
    let mut integer = |name: &str| {
        let text = parameters.remove(name);
        text.map(|text| query::integer(name, &text)).transpose().map_err(Refusal::invalid_request)
    };
    match integer("protocolVersion")? {
        Some(PROTOCOL_VERSION) => {}
        Some(version) => return Err(Refusal::protocol_mismatch(version)),
        None => return Err(Refusal::invalid_request("`protocolVersion` is missing")),
    }
    let (limit, settled, wait) = (integer("limit")?, integer("settled")?, integer("wait")?);
    let mut text =
        |name: &str| parameters.remove(name).ok_or_else(|| Refusal::invalid_request(format!("`{name}` is missing")));
    let schema_version = text("schemaVersion")?;
    let client_group_id = text("clientGroupID")?;
    let client_id = text("clientID")?;
    let (fingerprint, cookie) = (parameters.remove("fingerprint"), parameters.remove("cookie"));
    check_name("clientGroupID", &client_group_id)?;
    check_client_id(&client_id)?;
    if limit == Some(0) {
        return Err(Refusal::invalid_request("`limit` is at least 1"));
    }
    if settled.is_some_and(|settled| settled > MAX_ID) {
        return Err(Refusal::invalid_request("`settled` is at most 2^53 - 1"));
    }
    if let Some(cookie) = &cookie {
        AnyCookie::decode(cookie).map_err(|e| Refusal::invalid_cookie(e.to_string()))?;
    }
    lenses.check(&schema_version, fingerprint.as_deref())?;
    check_group(caller, &client_group_id)?;
    Ok(PullRequest {
        protocol_version: PROTOCOL_VERSION,
        schema_version,
        fingerprint,
        client_group_id,
        client_id,
        cookie,
        limit: limit.map(|limit| limit.min(u64::try_from(limits.max_page_operations).unwrap_or(u64::MAX))),
        settled,
        wait: wait.map(|wait| wait.min(limits.max_wait_ms)),
    })
}
