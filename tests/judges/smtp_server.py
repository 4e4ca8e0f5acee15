"""A mail server that others wrote (aiosmtpd): it prints each mail it takes as one line of JSON, as a mail program reads it."""

import argparse
import asyncio
import email
import email.policy
import json
import ssl

from aiosmtpd.smtp import SMTP, AuthResult

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--tls", choices=["none", "starttls", "implicit"], default="none")
parser.add_argument("--certificate")
parser.add_argument("--key")
parser.add_argument("--user")
parser.add_argument("--password")
parser.add_argument("--refuse", help="the recipient that has no mailbox here")
options = parser.parse_args()


def say(*words):
    print(*words, flush=True)


class Taker:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address == options.refuse:
            say("refused", address)
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: next((p.get_content() for p in message.walk() if p.get_content_type() == kind), None)
        say("mail", json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": [[name, str(value)] for name, value in message.items()],
            "text": part("text/plain"),
            "html": part("text/html"),
            "encrypted": session.ssl is not None or options.tls == "implicit",
            "authenticated": session.authenticated,
        }))
        return "250 taken"


def authenticate(server, session, envelope, mechanism, credentials):
    good = (credentials.login.decode(), credentials.password.decode()) == (options.user, options.password)
    if not good:
        say("wrong password")
    return AuthResult(success=good, handled=good)


async def serve():
    context = None
    if options.tls != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate, options.key)
    starttls = options.tls == "starttls"

    def session():
        return SMTP(
            Taker(),
            hostname="localhost",
            tls_context=context if starttls else None,
            require_starttls=starttls,
            auth_required=options.user is not None,
            auth_require_tls=starttls,
            authenticator=authenticate if options.user else None,
        )

    implicit = context if options.tls == "implicit" else None
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", options.port, ssl=implicit)
    say("listening on", server.sockets[0].getsockname()[1])
    await server.serve_forever()


asyncio.run(serve())
