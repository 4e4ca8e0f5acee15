"""Plays a strict service provider (python3-saml) in single logout over the Redirect binding.

Reads a JSON object on standard input:

    act         "receive": takes the message of `query`; "begin": makes a signed LogoutRequest
    slo         the service provider's own address for logout messages
    entity_id   its entity ID
    key, certificate  what it signs with, PEM
    issuer, idp_slo, idp_certificate  the identity provider
    query       the query that arrived there (receive)
    request_id  the ID of its own request that it waits on, or null (receive)
    name_id, name_id_format, session_index, relay_state  whom to sign out (begin)

Prints a JSON object: `errors` (empty when accepted), the `reason`, `url` where the browser goes next, or null, and the
`request_id` of what it began. Exits 0 whatever the verdict; anything else means that no verdict could be reached.
"""

import json
import sys
from urllib.parse import parse_qsl, urlsplit

from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Constants


def auth(case):
    slo = urlsplit(case["slo"])
    request = {
        "https": "on" if slo.scheme == "https" else "off",
        "http_host": slo.netloc,
        "script_name": slo.path,
        "get_data": dict(parse_qsl(case.get("query") or "", keep_blank_values=True)),
        "post_data": {},
    }
    redirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
    settings = {
        "strict": True,
        "debug": False,
        "sp": {
            "entityId": case["entity_id"],
            "assertionConsumerService": {"url": case["slo"] + "-unused"},
            "singleLogoutService": {"url": case["slo"], "binding": redirect},
            "x509cert": case["certificate"],
            "privateKey": case["key"],
        },
        "idp": {
            "entityId": case["issuer"],
            "singleSignOnService": {"url": case["issuer"], "binding": redirect},
            "singleLogoutService": {"url": case["idp_slo"], "binding": redirect},
            "x509cert": case["idp_certificate"],
        },
        "security": {
            "logoutRequestSigned": True,
            "logoutResponseSigned": True,
            "wantMessagesSigned": True,
            "rejectDeprecatedAlgorithm": True,
            "signatureAlgorithm": Constants.RSA_SHA256,
            "digestAlgorithm": Constants.SHA256,
        },
    }
    return OneLogin_Saml2_Auth(request, settings)


def receive(case):
    party = auth(case)
    url = party.process_slo(keep_local_session=True, request_id=case["request_id"])
    return {"errors": party.get_errors(), "reason": party.get_last_error_reason(), "url": url}


def begin(case):
    party = auth(case)
    url = party.logout(
        return_to=case["relay_state"],
        name_id=case["name_id"],
        session_index=case["session_index"],
        name_id_format=case["name_id_format"],
    )
    return {"errors": [], "reason": None, "url": url, "request_id": party.get_last_request_id()}


if __name__ == "__main__":
    given = json.load(sys.stdin)
    json.dump({"receive": receive, "begin": begin}[given["act"]](given), sys.stdout)
