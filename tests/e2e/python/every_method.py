"""Every method of the public Python SDK's REST client is called, for the end-to-end tests.

The environment and the lines printed are those of node/every_method.js. Which methods there are is
read from the library: one that a newer version adds fails here as "never tried".
"""

import asyncio
import inspect
import json
import os
import re
import sys
import time
import traceback

from aiohttp import ClientResponseError
from jambonz_sdk.client import JambonzClient

LIMIT_S = 30
POLL_S = 0.05
FINAL = ("completed", "failed", "busy", "no-answer")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOBODY = "00000000-0000-4000-8000-000000000000"

ACCOUNT_SID = os.environ["ACCOUNT_SID"]
APP_URL = os.environ["APP_URL"]
TARGET = os.environ["TARGET"]
RINGING = os.environ["RINGING"]

# Updates that find nothing to act on in a call that only waits.
WITHOUT_EFFECT = {
    "child_call_hook": f"{APP_URL}/pause",
    "listen_status": "silence",
    "transcribe_status": "pause",
    "conf_mute_status": "mute",
    "conf_hold_status": "unhold",
    "conferenceParticipantAction": {"action": "coach", "tag": "agents"},
    "media_path": "partial-media",
    "room_say": {"text": "hello"},
}


def say(**line):
    print(json.dumps(line), flush=True)


def equal(left, right):
    assert left == right, f"{left!r} is not {right!r}"


class Watched:
    """A resource with a list of which of its methods were called."""

    def __init__(self, name, resource, tried):
        self._name, self._resource, self._tried = name, resource, tried

    def __getattr__(self, method):
        self._tried.add(f"{self._name}.{method}")
        return getattr(self._resource, method)


def resources(client):
    """The client's resources by name: what it holds that has methods of its own."""
    return {name: held for name, held in vars(client).items() if not name.startswith("_")}


def methods(name, resource):
    found = inspect.getmembers(type(resource), inspect.isfunction)
    return {f"{name}.{method}" for method, _ in found if not method.startswith("_")}


async def refused(status, request):
    try:
        answer = await request
    except ClientResponseError as error:
        equal(error.status, status)
    else:
        raise AssertionError(f"{answer!r} instead of {status}")


async def eventually(what, look):
    """Asks again and again until `look` gives something."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        found = await look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: waited {LIMIT_S} s"
        await asyncio.sleep(POLL_S)


def call_to(uri):
    return {
        "from": "15551230000",
        "to": {"type": "sip", "sipUri": uri},
        "call_hook": f"{APP_URL}/pause",
        "call_status_hook": f"{APP_URL}/status",
    }


async def state(calls, sid, wanted):
    async def look():
        call = await calls.get(sid)
        assert call["call_status"] not in FINAL or call["call_status"] in wanted, call
        return call if call["call_status"] in wanted else None

    return await eventually(f"a call that is {wanted}", look)


async def live_call(calls, conferences):
    equal(await calls.count(), {"inbound": 0, "outbound": 0})
    equal(await calls.list(), [])
    sid = await calls.create(
        {
            **call_to(TARGET),
            "timeout": 30,
            "tag": {"order": 7},
            "headers": {"X-Order": "7"},
            "caller_name": "not a property of the server's",
        }
    )
    assert UUID.fullmatch(sid), sid
    call = await state(calls, sid, ["in-progress"])
    equal((call["call_sid"], call["account_sid"]), (sid, ACCOUNT_SID))
    equal((call["direction"], call["sip_status"]), ("outbound", 200))
    equal(call["customer_data"], {"order": 7})
    equal(await calls.count(), {"inbound": 0, "outbound": 1})
    for name, value, other in (
        ("direction", "outbound", "inbound"),
        ("from", call["from"], "15551239999"),
        ("to", call["to"], "nobody"),
        ("callStatus", "in-progress", "ringing"),
    ):
        equal([found["call_sid"] for found in await calls.list({name: value})], [sid])
        equal(await calls.list({name: other}), [])

    # 202 with a text, which this library hands out.
    for command, value in WITHOUT_EFFECT.items():
        equal(await calls.update(sid, {command: value}), "Accepted")
        say(no_effect=command, call_sid=sid)
    equal(await calls.mute(sid, "mute"), "Accepted")
    say(no_effect="mute_status", call_sid=sid)
    equal(await calls.whisper(sid, {"verb": "say", "text": "hello"}), "Accepted")
    say(no_effect="whisper", call_sid=sid)
    equal(await calls.update_agent(sid, {"type": "generate_reply"}), "Accepted")
    say(no_effect="agent_update", call_sid=sid)
    equal(await calls.noise_isolation(sid, "on", {"noise_isolation_level": 50}), "Accepted")
    equal(await calls.noise_isolation(sid, "off"), "Accepted")
    equal(await calls.update(sid, {"tag": {"order": 8}}), "Accepted")
    equal((await calls.get(sid))["customer_data"], {"order": 8})
    asked = await calls.update(sid, {"sip_request": {"method": "INFO"}})
    equal(asked, {"status": 200, "reason": "OK"})
    await refused(400, calls.update(sid, {}))
    await refused(400, calls.update(sid, {"llm_status": "stop"}))
    await refused(400, calls.mute(sid, "loud"))
    await refused(422, calls.update(sid, {"call_status": "no-answer"}))
    await refused(404, calls.mute(NOBODY, "mute"))

    equal(await calls.redirect(sid, f"{APP_URL}/room"), "Accepted")

    async def is_in_room():
        return await conferences.list() == ["room"]

    await eventually("the room", is_in_room)
    equal(await calls.mute(sid, "mute"), "Accepted")
    equal(await calls.update(sid, {"call_status": "completed"}), "Accepted")
    await state(calls, sid, ["completed"])
    await refused(422, calls.update(sid, {"call_status": "completed"}))
    equal(await calls.delete(sid), None)
    await refused(404, calls.get(sid))
    await refused(404, calls.delete(sid))

    ringing = await calls.create(call_to(RINGING))
    await state(calls, ringing, ["ringing"])
    equal(await calls.delete(ringing), None)
    await refused(404, calls.get(ringing))
    await refused(400, calls.create({"from": "1", "call_hook": f"{APP_URL}/pause"}))
    await refused(400, calls.create({**call_to(TARGET), "application_sid": NOBODY}))
    await refused(400, calls.create({**call_to(TARGET), "call_hook": "/relative"}))


async def main():
    tried, every = set(), set()
    options = {
        "base_url": os.environ["BASE_URL"] + "/",
        "account_sid": ACCOUNT_SID,
        "api_key": os.environ["API_KEY"],
    }
    async with JambonzClient(**options) as client:
        watched = {}
        for name, resource in resources(client).items():
            every |= methods(name, resource)
            watched[name] = Watched(name, resource, tried)
        equal(await watched["conferences"].list(), [])
        equal(await watched["queues"].list(), [])
        equal(await watched["queues"].list("sup?ort *[a-c]/&x"), [])
        await live_call(watched["calls"], watched["conferences"])
    async with JambonzClient(**{**options, "api_key": NOBODY}) as stranger:
        await refused(401, stranger.calls.list())
    equal(sorted(every - tried), [])
    say(tried=len(every))


try:
    asyncio.run(main())
except Exception:
    say(failed=traceback.format_exc())
    sys.exit(1)
