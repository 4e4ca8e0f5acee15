//! One permit, one authenticator.

use cedargate::clock::Timestamp;
use cedargate::policy::{Enroll, StepPermit};

fn twice(permit: StepPermit<Enroll>, now: Timestamp) {
    let _first = permit.redeem(now);
    let _second = permit.redeem(now);
}

fn main() {}
