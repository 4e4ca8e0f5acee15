//! A permit is redeemed once: this program builds, so the others fail for what they try.

use cedargate::clock::Timestamp;
use cedargate::policy::{Enroll, IssuePermit, StepPermit};

fn once(issue: IssuePermit, enroll: StepPermit<Enroll>, now: Timestamp) {
    let _permitted = issue.redeem(now);
    let _user = enroll.redeem(now);
}

fn main() {}
