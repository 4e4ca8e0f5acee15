//! Reading a segment line by line, compressed or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::journal::AuditError;
use super::segment;

/// No line is longer. A compressed file that holds one was made to fill the memory of who reads it.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

/// One segment, being read.
pub(super) struct Lines {
    pub(super) path: PathBuf,
    reader: Box<dyn BufRead>,
    /// The number of the last line that was read, from 1.
    pub(super) number: usize,
    /// How many bytes stand behind the last line end.
    pub(super) torn: usize,
}

impl Lines {
    /// Opens a segment. One that was compressed since it was listed is read from there.
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        let reader = match reader(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => reader(&segment::packed(path)),
            opened => opened,
        };
        let reader = reader.map_err(|error| AuditError::io(path, error))?;
        Ok(Self { path: path.to_owned(), reader, number: 0, torn: 0 })
    }

    /// Reads the next whole line into `line`, without its end. `false` at the end of the file: what stands behind the last line
    /// end was never acknowledged.
    ///
    /// # Errors
    /// The file cannot be read any further: of kind `InvalidData`, what is in it is damaged.
    pub(super) fn next(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        (&mut self.reader).take(MOST_BYTES).read_until(b'\n', line)?;
        if line.pop_if(|end| *end == b'\n').is_none() {
            self.torn = line.len();
            if line.len() as u64 == MOST_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than any record"));
            }
            return Ok(false);
        }
        self.number += 1;
        Ok(true)
    }
}

/// The bytes of a segment as they were written.
pub(super) fn reader(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let file = File::open(path)?;
    if segment::is_packed(path) {
        return Ok(Box::new(BufReader::new(Unpacked(zstd::stream::read::Decoder::new(file)?))));
    }
    Ok(Box::new(BufReader::new(file)))
}

/// What is damaged in a compressed file is damage, whatever the decoder calls it.
struct Unpacked(zstd::stream::read::Decoder<'static, BufReader<File>>);

impl io::Read for Unpacked {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes).map_err(|error| {
            if error.raw_os_error().is_some() { error } else { io::Error::new(io::ErrorKind::InvalidData, error) }
        })
    }
}
