//! A permit comes out of the policies and nowhere else.

use cedargate::policy::IssuePermit;

fn main() {
    let _permit = IssuePermit { permitted: todo!(), made: todo!() };
}
