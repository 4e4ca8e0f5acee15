//! How a record becomes few bytes before it is sealed. All records look alike, so each is compressed against a dictionary that
//! holds the usual words; and what is left is filled up, so that its length does not tell whose it is.
//!
//! `version (1) ‖ length of what follows when it is expanded (4, big endian) ‖ length of the frame (4) ‖ zstd frame ‖ zeros`

use std::sync::{Mutex, PoisonError};

use zstd::bulk::{Compressor, Decompressor};

use super::journal::AuditError;
use super::record::Record;

/// What version 1 is compressed against. It never changes: another one is another version.
const DICTIONARY: &[u8] = include_bytes!("dictionary.txt");
const VERSION: u8 = 1;
const LEVEL: i32 = 1;
const HEADER: usize = 9;
/// Lengths are filled up to a multiple of this.
const BLOCK: usize = 64;
/// No record is longer, expanded.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Packs and unpacks records. The state of the compressor is kept, since making it costs more than using it.
pub(super) struct Codec {
    compressor: Mutex<Compressor<'static>>,
    expander: Mutex<Decompressor<'static>>,
}

impl Codec {
    pub(super) fn new() -> Result<Self, AuditError> {
        let compressor = Compressor::with_dictionary(LEVEL, DICTIONARY).map_err(|_| AuditError::Seal)?;
        let expander = Decompressor::with_dictionary(DICTIONARY).map_err(|_| AuditError::Seal)?;
        Ok(Self { compressor: Mutex::new(compressor), expander: Mutex::new(expander) })
    }

    pub(super) fn pack(&self, record: &Record) -> Result<Vec<u8>, AuditError> {
        let json = serde_json::to_vec(record).map_err(AuditError::Encode)?;
        if json.len() > MOST_BYTES {
            return Err(AuditError::TooLong);
        }
        let frame = {
            let mut compressor = self.compressor.lock().unwrap_or_else(PoisonError::into_inner);
            compressor.compress(&json).map_err(|_| AuditError::Seal)?
        };
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut packed = Vec::with_capacity((HEADER + frame.len()).next_multiple_of(BLOCK) + 16);
        packed.push(VERSION);
        packed.extend_from_slice(&length(&json));
        packed.extend_from_slice(&length(&frame));
        packed.extend_from_slice(&frame);
        packed.resize(packed.len().next_multiple_of(BLOCK), 0);
        Ok(packed)
    }

    /// `None`: these bytes are no record.
    pub(super) fn unpack(&self, packed: &[u8]) -> Option<Record> {
        let (&[VERSION, a, b, c, d, e, f, g, h], rest) = packed.split_first_chunk::<HEADER>()? else { return None };
        let length = |bytes: [u8; 4]| usize::try_from(u32::from_be_bytes(bytes)).ok();
        let (expanded, frame) = (length([a, b, c, d])?, rest.get(..length([e, f, g, h])?)?);
        if expanded > MOST_BYTES {
            return None;
        }
        let json = {
            let mut expander = self.expander.lock().unwrap_or_else(PoisonError::into_inner);
            expander.decompress(frame, expanded).ok()?
        };
        serde_json::from_slice(&json).ok()
    }
}
