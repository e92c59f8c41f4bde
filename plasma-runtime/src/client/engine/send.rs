//! What goes out, and when.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Engine;
use super::image::ImageLane;
use crate::client::event::{Action, Inputs};
use crate::client::identity::Meta;
use crate::client::image::path_for;
use crate::client::lease;
use crate::client::outbox::{self, QueuedMutation, Run};
use crate::client::rows::transaction;
use crate::client::schedule::{InFlight, SentMutation, SentPull, SentPush, WATCHDOG_MS};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{Method, PROTOCOL_VERSION, PushRequest, PushedMutation, WireRequest};
use crate::store::SqlConnection;

/// How long an image may be under way, ms.
const IMAGE_MS: u64 = 3_600_000;
/// Bytes of a mutation's envelope beside its name, arguments, bases and observations, at most: the names of the members, an id of 16
/// digits, a key, a timestamp of 20 digits, a digest.
const ENTRY_BYTES: usize = 192;
/// Bytes of a push beside its mutations, group, client id and schema version, at most.
const BODY_BYTES: usize = 512;

/// Requests made in one transaction.
#[derive(Default)]
struct Requests {
    push: Option<(InFlight<SentPush>, WireRequest)>,
    pull: Option<(InFlight<SentPull>, WireRequest)>,
    follows_until: Option<i64>,
    nothing_queued: bool,
}

impl Engine {
    /// Refuses a mutation that no push could carry.
    pub(super) fn check_size(&self, name: &str, args: &str, run: &Run) -> Result<()> {
        let room = self.options.body_bytes.saturating_sub(self.frame_bytes());
        // An application of a later version may send it, and name this one.
        let (bases, observed) = (run.bases.as_deref(), run.observed.as_deref());
        let size = entry_bytes(name, args, bases, observed) + 6 * self.definition.schema.version.len();
        if size > room {
            let images = match bases.map(str::len) {
                Some(bytes) => format!(
                    ", {bytes} of them for the rows it changes in tables with `resolve_conflict`: change fewer of them in \
                     one mutation"
                ),
                None => String::new(),
            };
            let seen = match observed.map(str::len) {
                Some(bytes) => format!(
                    ", {bytes} of them for what it saw of the CRDT columns it changes: change fewer rows in one mutation"
                ),
                None => String::new(),
            };
            let message = format!("the mutation takes {size} bytes of a push, at most {room} fit{images}{seen}");
            return Err(Error::new(ErrorKind::TooLarge, message).with_data(serde_json::json!({ "limit": room })));
        }
        Ok(())
    }

    fn frame_bytes(&self) -> usize {
        // Every character of a name may need an escape of six.
        let names = self.group.as_deref().unwrap_or_default().len() + self.definition.schema.version.len();
        BODY_BYTES + 6 * names
    }

    /// Sends what is due.
    pub(super) fn send_due(
        &mut self,
        store: &mut dyn SqlConnection,
        inputs: &mut Inputs<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<()> {
        let now = inputs.now;
        let waiting = self.storage_until.is_some_and(|until| now < until);
        if self.closed || self.offline || waiting || self.group_commit.is_some() {
            return Ok(());
        }
        let (Some(base_path), Some(group)) = (self.options.base_path.clone(), self.group.clone()) else {
            return Ok(());
        };
        let started = self.started && self.blocked.is_none();
        let follows = self.follows_until.is_some_and(|until| now < until);
        let leads = started && !follows;
        let push = self.push.due(now, leads) && (self.counts.queued > 0 || self.push.forced);
        let pull = self.pull.due(now, leads);
        let renew = leads && now >= self.lease_due;
        if !(push || pull || renew) {
            return Ok(());
        }
        let (push_number, pull_number) = (self.request(), self.request());
        let requests = transaction(store, |store| {
            let mut requests = Requests::default();
            let mut meta = Meta::load(store)?;
            let leads = match leads {
                false => false,
                true => match lease::take(store, &mut meta, &self.holder, now, self.options.lease_ms)? {
                    Ok(()) => true,
                    Err(until) => {
                        requests.follows_until = Some(until);
                        false
                    }
                },
            };
            // By hand it goes out all the same: the ledger and the cookie keep two senders from doing harm.
            if push && (leads || self.push.forced) {
                match self.push_request(store, &meta, &group, now)? {
                    Some((sent, body)) => {
                        let in_flight = in_flight(push_number, &meta, now, 0, sent);
                        requests.push = Some((in_flight, post(&base_path, body)));
                    }
                    None => requests.nothing_queued = true,
                }
            }
            if pull && (leads || self.pull.forced) {
                let (sent, query) = self.pull_request(store, &meta, &group)?;
                let (wait, path) = if sent.image { (IMAGE_MS, "image") } else { (sent.wait, "pull") };
                let in_flight = in_flight(pull_number, &meta, now, wait, sent);
                requests.pull = Some((in_flight, get(&base_path, path, query)));
            }
            Ok(requests)
        })?;
        if leads {
            self.follows_until = requests.follows_until;
        }
        if leads && requests.follows_until.is_none() {
            self.lease_due = now.saturating_add(i64::try_from(self.options.lease_ms / 2).unwrap_or(i64::MAX));
        }
        if requests.nothing_queued {
            self.refresh(store)?;
            self.push.forced = false;
        }
        if let Some((in_flight, wire)) = requests.push {
            let refresh_auth = self.push.refresh_auth;
            actions.push(Action::Send { request: in_flight.request, wire, refresh_auth });
            self.push.in_flight = Some(in_flight);
            self.push.forced = false;
        }
        if let Some((in_flight, wire)) = requests.pull {
            let (request, refresh_auth) = (in_flight.request, self.pull.refresh_auth);
            match &self.options.image {
                Some(beside) if in_flight.what.image => {
                    let to = path_for(beside, request);
                    actions.push(Action::Download { request, wire, refresh_auth, to });
                }
                _ => actions.push(Action::Send { request, wire, refresh_auth }),
            }
            self.pull.in_flight = Some(in_flight);
            self.pull.forced = false;
        }
        Ok(())
    }

    /// A clock that was set back takes what was planned back with it: a wait of seconds must not become one of a day. One
    /// that was set forward ends waits early, which does no harm.
    pub(super) fn note_clock(&mut self, now: i64) {
        let back = self.clock.saturating_sub(now);
        self.clock = now;
        if back <= 0 {
            return;
        }
        let group = self.group_commit.as_mut().map(|group| &mut group.due);
        let push = self.push.in_flight.as_mut().map(|sent| &mut sent.deadline);
        let pull = self.pull.in_flight.as_mut().map(|sent| &mut sent.deadline);
        let always = [&mut self.push.not_before, &mut self.pull.not_before, &mut self.lease_due];
        let at_times = [group, push, pull, self.storage_until.as_mut(), self.follows_until.as_mut()];
        for moment in always.into_iter().chain(at_times.into_iter().flatten()) {
            *moment = moment.saturating_sub(back);
        }
    }

    /// When to be woken, unix ms.
    pub(super) fn wake_at(&self) -> Option<i64> {
        let mut times = Vec::new();
        times.extend(self.group_commit.as_ref().map(|group| group.due));
        // The page is staged as soon as the next one has been asked for.
        times.extend(self.held.as_ref().map(|_| i64::MIN));
        times.extend(self.push.in_flight.as_ref().map(|sent| sent.deadline));
        times.extend(self.pull.in_flight.as_ref().map(|sent| sent.deadline));
        times.extend(self.storage_until);
        let able = self.options.base_path.is_some() && self.group.is_some() && !self.offline;
        if able && self.started && self.blocked.is_none() && self.storage_until.is_none() {
            match self.follows_until {
                Some(until) => times.push(until),
                None => {
                    times.push(self.lease_due);
                    if self.push.in_flight.is_none() && self.counts.queued > 0 {
                        times.push(self.push.not_before);
                    }
                    if self.pull.in_flight.is_none() {
                        times.push(self.pull.not_before);
                    }
                }
            }
        }
        times.into_iter().min()
    }

    /// The next push: as many mutations as fit. They are marked as sent before they are.
    fn push_request(
        &self,
        store: &mut dyn SqlConnection,
        meta: &Meta,
        group: &str,
        now: i64,
    ) -> Result<Option<(SentPush, Vec<u8>)>> {
        let mut room = self.options.body_bytes.saturating_sub(self.frame_bytes());
        let mut mutations = Vec::new();
        let mut entries = Vec::new();
        for entry in outbox::queued(store, self.batch_limit)? {
            let size = if entry.skip.is_some() {
                ENTRY_BYTES
            } else {
                let made_by = entry.made_by.as_ref().map_or(0, String::len);
                let (bases, observed) = (entry.bases.as_deref(), entry.observed.as_deref());
                entry_bytes(&entry.name, &entry.args, bases, observed) + 6 * made_by
            };
            if size > room && !entries.is_empty() {
                break;
            }
            room = room.saturating_sub(size);
            mutations.push(pushed(&entry, self.definition.schema.version)?);
            entries.push(SentMutation { id: entry.id, key: entry.key, effects: entry.effects });
        }
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(None) };
        outbox::mark_sent(store, first.id, last.id, now)?;
        let request = PushRequest {
            protocol_version: PROTOCOL_VERSION,
            schema_version: self.definition.schema.version.to_owned(),
            fingerprint: Some(self.definition.schema.fingerprint_hex()),
            client_group_id: group.to_owned(),
            client_id: meta.client_id.clone(),
            settled: Some(outbox::settled(store)?),
            mutations,
        };
        let body = serde_json::to_vec(&request).map_err(unwritable)?;
        Ok(Some((SentPush { entries }, body)))
    }

    fn pull_request(&self, store: &mut dyn SqlConnection, meta: &Meta, group: &str) -> Result<(SentPull, String)> {
        let image = self.image == ImageLane::Wanted;
        let hold = self.at_head && !self.pull.forced && self.pull.failures == 0 && self.started;
        let wait = if hold { self.options.long_poll_ms } else { 0 };
        let schema = &self.definition.schema;
        let mut query = format!("protocolVersion={PROTOCOL_VERSION}");
        let mut add = |name: &str, value: &str| {
            query.push('&');
            query.push_str(name);
            query.push('=');
            escape(value, &mut query);
        };
        add("schemaVersion", schema.version);
        add("fingerprint", &schema.fingerprint_hex());
        add("clientGroupID", group);
        add("clientID", &meta.client_id);
        let position = self.position(meta);
        if let Some(cookie) = position {
            add("cookie", cookie);
        }
        add("limit", &self.options.page_limit.to_string());
        add("settled", &outbox::settled(store)?.to_string());
        if wait > 0 {
            add("wait", &wait.to_string());
        }
        let sent = SentPull { cookie: position.cloned(), acknowledged: meta.acknowledged, wait, image };
        Ok((sent, query))
    }
}

fn in_flight<T>(request: u64, meta: &Meta, now: i64, wait: u64, what: T) -> InFlight<T> {
    let deadline = now.saturating_add(WATCHDOG_MS).saturating_add(i64::try_from(wait).unwrap_or(i64::MAX));
    InFlight { request, client_id: meta.client_id.clone(), sent_at: now, deadline, what }
}

fn entry_bytes(name: &str, args: &str, bases: Option<&str>, observed: Option<&str>) -> usize {
    ENTRY_BYTES + 6 * name.len() + args.len() + bases.map_or(0, str::len) + observed.map_or(0, str::len)
}

fn pushed(entry: &QueuedMutation, version: &str) -> Result<PushedMutation> {
    let raw = |json: String| RawValue::from_string(json).map_err(unwritable);
    let text = |text: &str| serde_json::to_string(text).map_err(unwritable).and_then(raw);
    let mut mutation = PushedMutation {
        id: entry.id,
        key: entry.key.to_string(),
        skip: None,
        name: None,
        args: None,
        timestamp: None,
        schema_version: None,
        reads: None,
        bases: None,
        observed: None,
    };
    match entry.skip {
        Some(skip) => mutation.skip = Some(text(skip.code())?),
        None => {
            mutation.name = Some(text(&entry.name)?);
            mutation.args = Some(raw(entry.args.clone())?);
            mutation.timestamp = Some(raw(entry.timestamp_ms.to_string())?);
            let other = entry.made_by.as_deref().filter(|made_by| *made_by != version);
            mutation.schema_version = other.map(text).transpose()?;
            mutation.reads = entry.effects.as_ref().map(|effects| text(&effects.reads)).transpose()?;
            mutation.bases = entry.bases.clone().map(raw).transpose()?;
            mutation.observed = entry.observed.clone().map(raw).transpose()?;
        }
    }
    Ok(mutation)
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Storage, "a queued mutation cannot be written as JSON").with_source(error)
}

fn post(base_path: &str, body: Vec<u8>) -> WireRequest {
    WireRequest {
        method: Method::Post,
        path: format!("{base_path}/push"),
        query: String::new(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Bytes::from(body),
    }
}

fn get(base_path: &str, route: &str, query: String) -> WireRequest {
    WireRequest {
        method: Method::Get,
        path: format!("{base_path}/{route}"),
        query,
        headers: Vec::new(),
        body: Bytes::new(),
    }
}

/// Percent-encodes everything but the unreserved characters (RFC 3986, section 2.3).
fn escape(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}
