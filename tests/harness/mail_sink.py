#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An SMTP server for tests: stores what it accepts, and misbehaves on request.

Prints "port N" when it listens. A message becomes FOLDER/NNNNNN.eml (the bytes as received,
dot-stuffing undone) and NNNNNN.json (envelope,
connection, HELO name, TLS, user). FOLDER/connections has a line per connection. The local part
of a recipient says what happens to it:

refuse550  550 at RCPT            defer451  451 at RCPT
data550    550 after the message  data451   451 after the message
drop       hangs up after the final dot, without a reply; the message is not stored
dropkept   the same, but the message is stored
hang       never answers after the final dot
slow       answers half a second late
long       refuses at RCPT with several lines that repeat the address
full       accepts MAIL and RCPT, answers 452 to DATA
"""

import argparse
import asyncio
import json
import pathlib
import ssl

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword, syntax


class Sink:
    def __init__(self, args):
        self.args = args
        self.folder = pathlib.Path(args.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stored = 0
        self.connections = 0

    def connected(self):
        self.connections += 1
        with open(self.folder / "connections", "a", encoding="ascii") as f:
            f.write(f"{self.connections}\n")
        return self.connections

    def authenticate(self, server, session, envelope, mechanism, data):
        if isinstance(data, LoginPassword):
            user, password = data.login.decode(), data.password.decode()
            if [user, password] == self.args.auth:
                return AuthResult(success=True, auth_data=user)
        return AuthResult(success=False, handled=False)

    async def handle_RCPT(self, server, session, envelope, address, options):
        local = address.split("@")[0]
        if local == "refuse550":
            return f"550 5.1.1 <{address}>: user unknown"
        if local == "defer451":
            return f"451 4.7.1 <{address}>: try again later"
        if local == "long":
            return f"550-5.2.1 <{address}> cannot\r\n550 5.2.1 <{address}> receive"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        local = envelope.rcpt_tos[0].split("@")[0]
        if local in ("drop", "dropkept"):
            if local == "dropkept":
                self.store(server, session, envelope)
            server.transport.close()
        if local in ("drop", "dropkept", "hang"):
            await asyncio.sleep(3600)
        if local == "slow":
            await asyncio.sleep(0.5)
        if local == "data550":
            return "550 5.7.1 we do not want this"
        if local == "data451":
            return "451 4.3.0 not now"
        self.store(server, session, envelope)
        return "250 2.0.0 stored"

    def store(self, server, session, envelope):
        self.stored += 1
        name = self.folder / f"{self.stored:06}"
        part = name.with_suffix(
            ".part"
        )  # a sink that is killed meanwhile has not acknowledged it, and leaves no half of it
        part.write_bytes(envelope.original_content)
        part.rename(name.with_suffix(".eml"))
        name.with_suffix(".json").write_text(
            json.dumps(
                {
                    "from": envelope.mail_from,
                    "to": envelope.rcpt_tos,
                    "connection": server.number,
                    "helo": session.host_name,
                    "tls": session.ssl is not None,
                    "user": session.auth_data if session.authenticated else None,
                }
            ),
            encoding="utf-8",
        )


class Server(SMTP):
    """aiosmtpd's protocol, with limits per connection."""

    def __init__(self, sink, **kwargs):
        super().__init__(sink, **kwargs)
        self.sink = sink
        self.number = 0
        self.mails = 0

    def connection_made(self, transport):
        if self.number == 0:  # not again after STARTTLS
            self.number = self.sink.connected()
        super().connection_made(transport)

    @syntax("MAIL FROM: <address>")
    async def smtp_MAIL(self, arg):
        limit = self.sink.args.max_per_connection
        if limit and self.mails >= limit:
            if not self.sink.args.silent:
                await self.push("421 4.7.0 too many messages on this connection")
            self.transport.close()
            return
        self.mails += 1
        await super().smtp_MAIL(arg)

    @syntax("DATA")
    async def smtp_DATA(self, arg):
        if self.envelope.rcpt_tos and self.envelope.rcpt_tos[0].startswith("full@"):
            await self.push("452 4.3.1 no room")
            return
        await super().smtp_DATA(arg)


async def serve(args):
    sink = Sink(args)
    kwargs = {"hostname": "sink.example.org", "data_size_limit": 64 << 20, "enable_SMTPUTF8": False}
    if args.close_idle:
        kwargs["timeout"] = args.close_idle
    if args.auth:
        kwargs.update(authenticator=sink.authenticate, auth_required=True, auth_require_tls=False)
    if args.starttls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*args.starttls)
        kwargs.update(tls_context=context, require_starttls=args.require_starttls)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Server(sink, loop=loop, **kwargs), "127.0.0.1", args.port
    )
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--starttls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--require-starttls", action="store_true", help="530 to mail without TLS")
    parser.add_argument(
        "--auth", nargs=2, metavar=("USER", "PASS"), help="530 to mail without authentication"
    )
    parser.add_argument(
        "--close-idle",
        type=float,
        metavar="SECONDS",
        help="closes a connection that is idle for longer",
    )
    parser.add_argument(
        "--max-per-connection", type=int, metavar="N", help="421 to the next MAIL, and hangs up"
    )
    parser.add_argument(
        "--silent", action="store_true", help="with --max-per-connection: hangs up without the 421"
    )
    try:
        asyncio.run(serve(parser.parse_args()))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
