//! What the issuer reads from comes out of a redeemed permit and nowhere else.

use cedargate::policy::Permitted;

fn forge(request: cedargate::domain::IssueRequest) -> Permitted {
    Permitted { request, ..todo!() }
}

fn main() {}
