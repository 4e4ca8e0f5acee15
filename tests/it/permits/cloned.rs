//! One yes, one assertion.

use cedargate::policy::IssuePermit;

fn twice(permit: IssuePermit) -> (IssuePermit, IssuePermit) {
    (permit.clone(), permit)
}

fn main() {}
