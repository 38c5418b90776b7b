// The life of one call through a public REST client, for the end-to-end tests.
//
//   BASE_URL=http://127.0.0.1:3000 ACCOUNT_SID=… API_KEY=… APP_URL=http://127.0.0.1:40123 \
//     node rest.js TARGET [node-client|sdk]
//
// TARGET is `sip:…` (a URI), `name@realm` (a registered phone) or a number; it has to answer.
// APP_URL is where app.js listens. Creates the call, mutes and unmutes it, gives it another
// application, lists and reads it, deletes it. Prints one JSON line per step; the exit code is 0
// when every step went as it should, else the last line is {"step":"failed","reason":…}.
'use strict';

const assert = require('assert');

const { BASE_URL, ACCOUNT_SID, API_KEY, APP_URL } = process.env;
const [target, library = 'node-client'] = process.argv.slice(2);
if (!BASE_URL || !ACCOUNT_SID || !API_KEY || !APP_URL || !target) {
  console.error('usage: BASE_URL= ACCOUNT_SID= API_KEY= APP_URL= node rest.js TARGET [library]');
  process.exit(2);
}

const LIMIT_MS = 30000;
const POLL_MS = 50;
const FINAL = ['completed', 'failed', 'busy', 'no-answer'];

const print = (step, facts = {}) => process.stdout.write(`${JSON.stringify({ step, ...facts })}\n`);

// Both libraries behind the same six words.
const libraries = {
  'node-client': () => {
    const client = require('@jambonz/node-client')(ACCOUNT_SID, API_KEY, { baseUrl: BASE_URL });
    return client.calls;
  },
  sdk: () => {
    const { JambonzClient } = require('@jambonz/sdk/client');
    const options = { baseUrl: BASE_URL, accountSid: ACCOUNT_SID, apiKey: API_KEY };
    const { calls } = new JambonzClient(options);
    return {
      create: (options) => calls.create(options),
      update: (sid, change) => calls.update(sid, change),
      list: () => calls.list(),
      retrieve: (sid) => calls.get(sid),
      delete: (sid) => calls.delete(sid),
    };
  },
};

function destination(text) {
  if (/^sips?:/.test(text)) return { type: 'sip', sipUri: text };
  if (text.includes('@')) return { type: 'user', name: text };
  return { type: 'phone', number: text };
}

// Asks again and again until `look` gives something.
async function eventually(what, look) {
  const deadline = Date.now() + LIMIT_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < deadline, `${what}: waited ${LIMIT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const answered = (calls, sid) => eventually('answer', async () => {
  const call = await calls.retrieve(sid);
  assert.ok(!FINAL.includes(call.call_status), `call ended early: ${call.call_status}`);
  return call.call_status === 'in-progress' && call;
});

const asked = (path, sid) => eventually(`request of ${path}`, async () => {
  const heard = await (await fetch(`${APP_URL}/requests`)).json();
  return heard.find((request) => request.path === path && request.body.call_sid === sid);
});

// Forgotten at once, or kept as an ended call for a while.
const gone = (calls, sid) => eventually('end', async () => {
  try {
    const call = await calls.retrieve(sid);
    return FINAL.includes(call.call_status) && call.call_status;
  } catch (error) {
    assert.match(error.message, /not found|404/);
    return 'forgotten';
  }
});

async function main() {
  assert.ok(libraries[library], `no such library: ${library}`);
  const calls = libraries[library]();

  const sid = await calls.create({
    from: '15551230000',
    to: destination(target),
    call_hook: { url: `${APP_URL}/hello-conference?name=rest-${library}`, method: 'POST' },
    call_status_hook: { url: `${APP_URL}/status`, method: 'POST' },
    tag: { test: 'rest', library },
  });
  assert.match(sid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  print('created', { call_sid: sid });

  const call = await answered(calls, sid);
  assert.strictEqual(call.call_sid, sid);
  assert.strictEqual(call.account_sid, ACCOUNT_SID);
  assert.strictEqual(call.direction, 'outbound');
  assert.strictEqual(call.sip_status, 200);
  print('retrieved', { call });
  await asked('/hello-conference', sid);

  const list = await calls.list();
  assert.ok(Array.isArray(list), 'the list is an array');
  assert.ok(list.some((entry) => entry.call_sid === sid), 'the call is listed');
  print('listed', { count: list.length });

  for (const mute_status of ['mute', 'unmute']) {
    await calls.update(sid, { mute_status });
    print('updated', { mute_status });
  }
  const call_hook = { url: `${APP_URL}/hello-pause?length=60`, method: 'POST' };
  await calls.update(sid, { call_hook });
  await asked('/hello-pause', sid);
  print('updated', { call_hook: call_hook.url });

  await calls.delete(sid);
  print('deleted', { outcome: await gone(calls, sid) });

  await assert.rejects(calls.retrieve('00000000-0000-4000-8000-000000000000'), /not found|404/);
  print('done');
}

main().catch((error) => {
  print('failed', { reason: error.message, status: error.statusCode });
  process.exitCode = 1;
});
