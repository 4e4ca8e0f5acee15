//! Damaged lines of the journal, told beside what was read of it: they keep nobody from the rest, and nobody overlooks them.

use std::io::{self, Write as _};

use super::plain;
use crate::audit::Skipped;

/// How many are told one by one; `--json` names more.
const MOST_TOLD: usize = 10;

/// Tells them on standard error; nothing where there are none.
pub(super) fn tell(skipped: &Skipped) -> io::Result<()> {
    let err = &mut io::stderr().lock();
    for damage in skipped.damaged.iter().take(MOST_TOLD) {
        writeln!(err, "damaged: {}", plain(&damage.to_string()))?;
    }
    let told = u64::try_from(skipped.damaged.len().min(MOST_TOLD)).unwrap_or(u64::MAX);
    match skipped.damaged_count().saturating_sub(told) {
        _ if told == 0 => Ok(()),
        0 => writeln!(err, "the rest was read; `cedargate audit verify` tells more"),
        more => {
            writeln!(err, "… and {more} more damaged lines; the rest was read, and `cedargate audit verify` tells more")
        }
    }
}
