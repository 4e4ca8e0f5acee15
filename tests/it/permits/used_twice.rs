//! Redeeming a permit gives it up.

use cedargate::clock::Timestamp;
use cedargate::policy::IssuePermit;

fn twice(permit: IssuePermit, now: Timestamp) {
    let _first = permit.redeem(now);
    let _second = permit.redeem(now);
}

fn main() {}
