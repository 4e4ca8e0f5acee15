//! One geo file: read whole, verified whole, and then only asked.

use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest;
use maxminddb::{MaxMindDbError, PathElement, Reader, WithinOptions};
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;

/// The largest file that is read. MaxMind's largest has about 200 MB.
const MAX_FILE_BYTES: u64 = 1024 * 1024 * 1024;

/// What a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Country, city, coordinates.
    City,
    /// Country.
    Country,
    /// Autonomous system.
    Asn,
    /// Anonymisers.
    Anonymous,
}

impl Topic {
    /// All of them, in the order of the settings.
    pub const ALL: [Self; 4] = [Self::City, Self::Country, Self::Asn, Self::Anonymous];

    /// The key in `[geoip]`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::Country => "country",
            Self::Asn => "asn",
            Self::Anonymous => "anonymous",
        }
    }

    /// What its file must tell.
    fn subject(self) -> &'static str {
        match self {
            Self::City => "cities and coordinates",
            Self::Country => "countries",
            Self::Asn => "autonomous systems",
            Self::Anonymous => "anonymisers",
        }
    }
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum GeoFileError {
    /// It cannot be read.
    #[error("can't read `{}`: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than any such file.
    #[error("`{}` has more than 1 GiB", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// It is no such file, or not as it was made.
    #[error("`{}` is damaged or no geo file: {source}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong in it.
        source: MaxMindDbError,
    },
    /// It is whole, but about something else.
    #[error("`{}` is of type `{kind}` and says nothing of {subject}", path.display())]
    OffTopic {
        /// Which.
        path: PathBuf,
        /// What its maker calls it.
        kind: String,
        /// What it should tell.
        subject: &'static str,
    },
}

/// Where an answer comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The key in `[geoip]`.
    pub topic: Topic,
    /// The file.
    pub path: PathBuf,
    /// What its maker calls it: `GeoLite2-City`.
    pub kind: String,
    /// When it was built.
    pub built: Timestamp,
}

impl Source {
    /// Whole days since it was built; 0 for one from the future.
    #[must_use]
    pub fn age_days(&self, now: Timestamp) -> i64 {
        now.as_second().saturating_sub(self.built.as_second()).max(0) / (24 * 60 * 60)
    }
}

/// By what a changed file is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

/// A verified file.
pub struct Database {
    source: Arc<Source>,
    stamp: Stamp,
    sha256: [u8; 32],
    reader: Arc<Reader<Vec<u8>>>,
}

impl Database {
    /// Reads and verifies the file. What `earlier` read of the very same file, by time and length or else by content, is taken
    /// over without reading or verifying it again.
    ///
    /// # Errors
    /// It cannot be read, is damaged anywhere, or is about something else than `topic`.
    pub(super) fn open(topic: Topic, path: &Path, earlier: Option<&Arc<Self>>) -> Result<Arc<Self>, GeoFileError> {
        let failed = |source| GeoFileError::Read { path: path.to_owned(), source };
        let earlier = earlier.filter(|earlier| earlier.source.topic == topic && earlier.source.path == path);
        let file = fs::File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.len() > MAX_FILE_BYTES {
            return Err(GeoFileError::TooLarge { path: path.to_owned() });
        }
        let stamp = Stamp { modified: metadata.modified().ok(), bytes: metadata.len() };
        if let Some(earlier) = earlier.filter(|earlier| earlier.stamp == stamp && stamp.modified.is_some()) {
            return Ok(earlier.clone());
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(failed)?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest::digest(&digest::SHA256, &bytes).as_ref());
        if let Some(same) = earlier.filter(|earlier| earlier.sha256 == sha256) {
            let (source, reader) = (same.source.clone(), same.reader.clone());
            return Ok(Arc::new(Self { source, stamp, sha256, reader }));
        }
        let damaged = |source| GeoFileError::Damaged { path: path.to_owned(), source };
        let reader = Reader::from_source(bytes).map_err(damaged)?;
        reader.verify().map_err(damaged)?;
        let kind: String = printable(&reader.metadata().database_type);
        if !tells(&reader, topic).map_err(damaged)? {
            return Err(GeoFileError::OffTopic { path: path.to_owned(), kind, subject: topic.subject() });
        }
        let built = i64::try_from(reader.metadata().build_epoch).ok();
        let built = built.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        let source = Arc::new(Source { topic, path: path.to_owned(), kind, built });
        Ok(Arc::new(Self { source, stamp, sha256, reader: Arc::new(reader) }))
    }

    /// Where its answers come from.
    #[must_use]
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Whether both were read from the file once, and not each for itself.
    #[cfg(test)]
    pub(super) fn shares_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.reader, &other.reader)
    }

    /// The record of an address: `None` when the file has none.
    pub(super) fn record<T: DeserializeOwned>(&self, ip: IpAddr) -> Result<Option<T>, MaxMindDbError> {
        self.reader.lookup(ip)?.decode()
    }
}

/// Whether one record at least says something on the topic: a file in the wrong place would else make everything unknown, or
/// nobody an anonymiser, without a word.
fn tells(reader: &Reader<Vec<u8>>, topic: Topic) -> Result<bool, MaxMindDbError> {
    let path =
        |keys: &[&'static str]| -> Vec<PathElement<'static>> { keys.iter().map(|key| PathElement::Key(key)).collect() };
    let wanted = match topic {
        Topic::City => path(&["location", "latitude"]),
        Topic::Country => path(&["country", "iso_code"]),
        Topic::Asn => path(&["autonomous_system_number"]),
        Topic::Anonymous => path(&["is_anonymous"]),
    };
    for network in reader.networks(WithinOptions::default())? {
        let record = network?;
        let found = match topic {
            Topic::City => matches!(record.decode_path::<f64>(&wanted), Ok(Some(_))),
            Topic::Country => matches!(record.decode_path::<String>(&wanted), Ok(Some(_))),
            Topic::Asn => matches!(record.decode_path::<u32>(&wanted), Ok(Some(_))),
            Topic::Anonymous => matches!(record.decode_path::<bool>(&wanted), Ok(Some(_))),
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Text of a file as it may stand in a log, on a page and in a mail: one line of a bounded length.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(80).collect::<String>().trim().to_owned()
}
