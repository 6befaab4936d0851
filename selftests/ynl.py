#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""ynl.py DIR: a line of standard input is a request to the family that
DIR/specs/ipmesh.yaml describes, by the kernel's own client in DIR/lib:

    do OPERATION {"attribute": value, …} [create] [replace] [excl]
    dump OPERATION {…}
    subscribe GROUP
    ntf N			the next N notifications

Each gives one line of JSON. Addresses are written as people do."""
import ipaddress
import json
import select
import sys

sys.path.insert(0, sys.argv[1])
# pylint: disable=wrong-import-position
from lib import NlError, Netlink, YnlFamily  # noqa: E402

ADDRESSES = ("endpoint", "prefix", "address")
FLAGS = {"create": Netlink.NLM_F_CREATE, "replace": Netlink.NLM_F_REPLACE,
         "excl": Netlink.NLM_F_EXCL}


def encode(value, key=None):
    if isinstance(value, dict):
        return {k: encode(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [encode(v, key) for v in value]
    if key in ADDRESSES:
        return ipaddress.ip_address(value).packed
    return value


def notifications(family, wanted):
    while True:
        family.check_ntf()
        if len(family.async_msg_queue) >= wanted:
            got = family.async_msg_queue[:wanted]
            del family.async_msg_queue[:wanted]
            return got
        if not select.select([family.sock], [], [], 60)[0]:
            sys.exit(f"ynl.py: {len(family.async_msg_queue)} notifications of {wanted}")


def request(family, listener, line):
    verb, *rest = line.split(" ", 1)
    if verb == "subscribe":
        listener.ntf_subscribe(rest[0])
        return None
    if verb == "ntf":
        return notifications(listener, int(rest[0]))
    operation, body = rest[0].split(" ", 1)
    end = body.rindex("}") + 1
    values = encode(json.loads(body[:end]))
    try:
        if verb == "dump":
            return family.dump(operation, values)
        return family.do(operation, values, [FLAGS[f] for f in body[end:].split()])
    except NlError as e:
        return {"error": e.error, "extack": e.nl_msg.extack}


def main():
    spec = f"{sys.argv[1]}/specs/ipmesh.yaml"
    # Two: the client of 6.12 stumbles over a notification amid an answer.
    family, listener = YnlFamily(spec), YnlFamily(spec)
    for line in sys.stdin:
        print(json.dumps(request(family, listener, line.strip()), default=str),
              flush=True)


main()
