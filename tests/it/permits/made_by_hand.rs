//! A permit comes out of the policies and nowhere else.

use cedargate::clock::Timestamp;
use cedargate::policy::{IssuePermit, Permitted};

fn forge(permitted: Permitted, made: Timestamp) -> IssuePermit {
    IssuePermit { permitted, made }
}

fn main() {}
