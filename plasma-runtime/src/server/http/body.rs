//! The bodies of answers: text, or a file that is read as it is taken.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

/// Bytes of a file that are in memory for one answer.
const CHUNK: usize = 128 << 10;

/// The body of an answer of the server.
#[derive(Debug)]
pub struct AnswerBody(Kind);

#[derive(Debug)]
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only images are files"))]
enum Kind {
    Bytes(Option<Bytes>),
    File { reading: Option<Reading>, left: u64, file: Arc<dyn Readable> },
}

/// A file that stays as long as somebody is being sent it.
pub(super) trait Readable: fmt::Debug + Send + Sync {
    /// Where it is.
    fn path(&self) -> &Path;
}

/// A chunk on its way. Reading blocks, so it is done on a thread that may; a slow reader holds none between two chunks.
type Reading = JoinHandle<io::Result<(Option<File>, Bytes)>>;

impl AnswerBody {
    pub(super) fn bytes(bytes: Bytes) -> Self {
        AnswerBody(Kind::Bytes(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }

    /// So many bytes of a file.
    #[cfg(feature = "sqlite")]
    pub(super) fn file(file: Arc<dyn Readable>, bytes: u64) -> Self {
        AnswerBody(Kind::File { reading: Some(read(Arc::clone(&file), None)), left: bytes, file })
    }
}

fn read(from: Arc<dyn Readable>, file: Option<File>) -> Reading {
    tokio::task::spawn_blocking(move || {
        let mut file = match file {
            Some(file) => file,
            None => File::open(from.path())?,
        };
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk)?;
        chunk.truncate(read);
        Ok((Some(file), Bytes::from(chunk)))
    })
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.0 {
            Kind::Bytes(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::File { reading, left, file: from } => {
                let Some(chunk) = reading else { return Poll::Ready(None) };
                let read_now = ready!(Pin::new(chunk).poll(cx));
                *reading = None;
                let (file, chunk) = read_now.map_err(io::Error::other)??;
                if chunk.is_empty() {
                    // The file ended before its time: so does the connection, and the reader notices.
                    return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                }
                *left = left.saturating_sub(chunk.len() as u64);
                if *left > 0 {
                    *reading = Some(read(Arc::clone(from), file));
                }
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Bytes(bytes) => bytes.is_none(),
            Kind::File { reading, .. } => reading.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.0 {
            Kind::Bytes(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Kind::File { left, .. } => *left,
        })
    }
}
