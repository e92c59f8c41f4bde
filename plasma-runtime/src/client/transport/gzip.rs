//! Compression of bodies, with a bound on what an answer may grow to.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// Compresses a body when it is at least `threshold` bytes and gets smaller. None: send it as it is.
pub(crate) fn compress(body: &[u8], threshold: usize) -> Option<Bytes> {
    if body.len() < threshold {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Writing to a vector cannot fail; were it to, the plain body is as good.
    encoder.write_all(body).ok()?;
    let compressed = encoder.finish().ok()?;
    (compressed.len() < body.len()).then(|| Bytes::from(compressed))
}

/// Decompresses a body to at most `limit` bytes. Stops there: a small body that unfolds to gigabytes costs `limit`.
pub(crate) fn decompress(body: &[u8], limit: usize) -> Result<Bytes, String> {
    let mut plain = Vec::with_capacity(body.len().saturating_mul(4).min(limit));
    let read = MultiGzDecoder::new(body)
        .take(limit as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|error| format!("the answer is not valid gzip: {error}"))?;
    if read > limit {
        return Err(format!("the answer is larger than {limit} bytes after decompression"));
    }
    Ok(Bytes::from(plain))
}
