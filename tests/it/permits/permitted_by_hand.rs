//! What the issuer reads from comes out of a redeemed permit and nowhere else.

use cedargate::domain::IssueRequest;
use cedargate::policy::Permitted;

fn forge(request: IssueRequest, other: Permitted) -> Permitted {
    Permitted { request, ..other }
}

fn main() {}
