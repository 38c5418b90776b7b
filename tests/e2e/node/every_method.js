// Every method of a public REST client is called, for the end-to-end tests.
//
//   BASE_URL=http://127.0.0.1:3000 ACCOUNT_SID=… API_KEY=… APPLICATION_SID=… \
//   APP_URL=http://127.0.0.1:40123 TARGET=sip:… RINGING=sip:… \
//     node every_method.js node-client|sdk
//
// TARGET answers every call and every request inside it; RINGING rings and never answers. At
// APP_URL, `/pause` lets a call wait, `/room` puts it into the conference `room`, `/status` takes
// events. Which methods there are is read from the library, and which properties a request can hold
// from its types (sdk) or its own argument checks (node-client): one that a newer library adds fails
// here as "never tried".
//
// Prints a JSON line {"no_effect": COMMAND, "call_sid": …} for each update that was accepted and
// found nothing to act on: whoever runs this looks for its alert. The exit code is 0 when all went
// as it should, else the last line is {"failed": …}.
'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');

const { BASE_URL, ACCOUNT_SID, API_KEY, APPLICATION_SID, APP_URL, TARGET, RINGING } = process.env;

const LIMIT_MS = 30000;
const POLL_MS = 50;
const FINAL = ['completed', 'failed', 'busy', 'no-answer'];
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NOBODY = '00000000-0000-4000-8000-000000000000';

const hook = (name) => ({ url: `${APP_URL}/${name}`, method: 'POST' });
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// Methods of a resource, inherited ones too.
function methodsOf(resource) {
  const names = new Set();
  for (
    let kind = Object.getPrototypeOf(resource);
    kind && kind !== Object.prototype;
    kind = Object.getPrototypeOf(kind)
  ) {
    Object.getOwnPropertyNames(kind)
      .filter((name) => name !== 'constructor' && typeof resource[name] === 'function')
      .forEach((name) => names.add(name));
  }
  return [...names];
}

// The client with a list of what was called and which properties were sent.
function watch(client) {
  const tried = new Set();
  const all = [];
  const watched = {};
  for (const [name, resource] of Object.entries(client)) {
    if (typeof resource !== 'object') continue;
    watched[name] = {};
    for (const method of methodsOf(resource)) {
      const full = `${name}.${method}`;
      all.push(full);
      watched[name][method] = (...given) => {
        tried.add(full);
        const fields = given.find((argument) => argument && typeof argument === 'object');
        Object.keys(fields || {}).forEach((field) => tried.add(`${full} ${field}`));
        return resource[method](...given);
      };
    }
  }
  return { ...watched, tried, all };
}

// HTTP status that an error of either library tells of.
function statusOf(error) {
  if (error.statusCode) return error.statusCode;
  const told = /failed: (\d{3})|unexpected status code (\d{3})/.exec(error.message);
  if (told) return Number(told[1] || told[2]);
  return /not found/.test(error.message) ? 404 : undefined;
}

async function refused(status, request) {
  const error = await request.then(
    () => assert.fail(`accepted instead of ${status}`),
    (error) => error,
  );
  assert.strictEqual(statusOf(error), status, error.stack);
  return error;
}

// The library itself refuses: nothing is sent.
async function refusedUnsent(request) {
  await assert.rejects(request, (error) => error.code === 'ERR_ASSERTION');
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

// What the server shows below the account, asked without the library.
async function look(tail) {
  const url = `${BASE_URL}/v1/Accounts/${ACCOUNT_SID}${tail}`;
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${API_KEY}` } });
  assert.strictEqual(answer.status, 200, tail);
  return answer.json();
}

// Makes something below the account, without the library.
async function make(tail, body) {
  const url = `${BASE_URL}/v1/Accounts/${ACCOUNT_SID}${tail}`;
  const headers = { Authorization: `Bearer ${API_KEY}`, 'Content-Type': 'application/json' };
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  assert.strictEqual(answer.status, 201, tail);
}

// A call in that state; `read` is the library's method for one call.
const reaches = (read, sid, isThere) => eventually('call', async () => {
  const call = await read(sid);
  return isThere(call) && call;
});
const isUp = (call) => {
  assert.ok(!FINAL.includes(call.call_status), `call ended early: ${call.call_status}`);
  return call.call_status === 'in-progress';
};

function assertIsCall(call) {
  for (const field of ['call_sid', 'account_sid', 'call_id', 'call_status', 'direction', 'from', 'to']) {
    assert.strictEqual(typeof call[field], 'string', field);
  }
  assert.strictEqual(call.account_sid, ACCOUNT_SID);
  assert.strictEqual(typeof call.sip_status, 'number');
  for (const field of ['duration', 'caller_name', 'parent_call_sid', 'service_url']) {
    const kind = field === 'duration' ? 'number' : 'string';
    if (field in call) assert.strictEqual(typeof call[field], kind, field);
  }
}

const toTarget = () => ({
  from: '15551230000',
  to: { type: 'sip', sipUri: TARGET },
  call_hook: hook('pause'),
  call_status_hook: hook('status'),
});

// Updates that find nothing to act on in a call that only waits.
const WITHOUT_EFFECT = {
  child_call_hook: hook('pause'),
  listen_status: 'pause',
  transcribe_status: 'resume',
  mute_status: 'mute',
  conf_mute_status: 'unmute',
  conf_hold_status: 'hold',
  whisper: { verb: 'say', text: 'hello' },
  dub: { action: 'addTrack', track: 'music' },
  media_path: 'no-media',
  conferenceParticipantAction: { action: 'tag', tag: 'agents' },
  agent_update: { type: 'update_instructions', instructions: 'be brief' },
  room_say: { text: 'hello', replace: true },
  room_play: { url: `${APP_URL}/hello.wav`, id: 'hello' },
};

// The life of a call, as both libraries tell it: `calls` has their common methods, `read` one call,
// `commands` are the update properties that the library knows.
async function liveCall(calls, read, commands) {
  const sid = await calls.create({ ...toTarget(), tag: { order: 7 }, headers: { 'X-Order': '7' } });
  assert.match(sid, UUID);
  const call = await reaches(read, sid, isUp);
  assertIsCall(call);
  assert.strictEqual(call.call_sid, sid);
  assert.strictEqual(call.direction, 'outbound');
  assert.strictEqual(call.sip_status, 200);
  assert.deepStrictEqual(call.customer_data, { order: 7 });
  const listed = await calls.list({});
  listed.forEach(assertIsCall);
  assert.ok(listed.some((entry) => entry.call_sid === sid), 'the call is listed');

  for (const [command, value] of Object.entries(WITHOUT_EFFECT)) {
    if (!commands.includes(command)) continue;
    assert.strictEqual(await calls.update(sid, { [command]: value }), undefined);
    print({ no_effect: command, call_sid: sid });
  }
  await calls.update(sid, { sip_request: {
    method: 'INFO', content_type: 'text/plain', content: 'hello', headers: { 'X-A': '1' },
  } });
  await refused(422, calls.update(sid, { call_status: 'no-answer' }));
  await refused(400, calls.update(sid, { call_hook: hook('room'), mute_status: 'mute' }));
  await refused(404, calls.update(NOBODY, { mute_status: 'mute' }));

  await calls.update(sid, { call_hook: hook('room'), call_status_hook: hook('status') });
  const member = (isThere) => eventually('member', async () => {
    if (!(await look('/Conferences')).includes('room')) return false;
    const members = await look('/Conferences/room/Participants');
    return members.some((found) => found.call_sid === sid && isThere(found));
  });
  await member(() => true);
  await calls.update(sid, { mute_status: 'mute' });
  await member((found) => found.muted);
  await calls.update(sid, { mute_status: 'unmute' });
  await member((found) => !found.muted);
  await calls.update(sid, { conf_mute_status: 'mute' });
  await calls.update(sid, { conf_hold_status: 'hold', wait_hook: `${APP_URL}/pause` });
  await calls.update(sid, { conf_hold_status: 'unhold' });

  await calls.update(sid, { call_status: 'completed' });
  await reaches(read, sid, (ended) => ended.call_status === 'completed');
  await refused(422, calls.update(sid, { call_status: 'completed' }));
  assert.strictEqual(await calls.delete(sid), undefined);
  await refused(404, read(sid));
  await refused(404, calls.delete(sid));

  const ringing = await calls.create({ ...toTarget(), to: { type: 'sip', sipUri: RINGING } });
  await reaches(read, ringing, (call) => call.call_status === 'ringing');
  await calls.update(ringing, { call_status: 'no-answer' });
  await reaches(read, ringing, (call) => call.call_status === 'no-answer');

  const ended = await calls.create({
    from: '15551230000',
    to: { type: 'sip', sipUri: TARGET },
    application_sid: APPLICATION_SID,
  });
  await reaches(read, ended, isUp);
  await calls.delete(ended);
  await refused(404, read(ended));

  const nowhere = await calls.create({ ...toTarget(), to: { type: 'phone', number: '15559990000' } });
  const failed = await reaches(read, nowhere, (call) => FINAL.includes(call.call_status));
  assert.deepStrictEqual([failed.call_status, failed.sip_status], ['failed', 603]);
  const unknown = await calls.create({ ...toTarget(), to: { type: 'user', name: 'nobody@example' } });
  const absent = await reaches(read, unknown, (call) => FINAL.includes(call.call_status));
  assert.deepStrictEqual([absent.call_status, absent.sip_status], ['failed', 404]);
  await refused(400, calls.create({ ...toTarget(), to: { type: 'teams', number: '1', tenant: 't' } }));
  await refused(400, calls.create({ ...toTarget(), to: {} }));
  await refused(400, calls.create({ ...toTarget(), application_sid: NOBODY }));
}

async function nodeClient() {
  const factory = require('@jambonz/node-client');
  // It takes a base URL in four forms.
  for (const tail of ['', '/', '/v1', '/v1/']) {
    const { calls } = factory(ACCOUNT_SID, API_KEY, { baseUrl: `${BASE_URL}${tail}` });
    assert.deepStrictEqual(await calls.list({}), []);
  }
  const client = watch(factory(ACCOUNT_SID, API_KEY, { baseUrl: BASE_URL }));
  const { calls, applications, messages } = client;
  const commands = checkedBy('@jambonz/node-client/lib/utils.js', 'Calls', 'update');
  await liveCall(calls, calls.retrieve, commands.filter((name) => name !== 'media_path'));
  // A command that it checks and yet does not let through alone.
  await refusedUnsent(calls.update(NOBODY, { media_path: 'no-media' }));
  await refusedUnsent(calls.update(NOBODY, {}));
  await refusedUnsent(calls.update(NOBODY, { mute_status: 'loud' }));
  await refusedUnsent(calls.create({ ...toTarget(), call_status_hook: undefined }));
  await refusedUnsent(calls.create({ ...toTarget(), call_hook: '/relative' }));

  const body = { name: 'desk', call_hook: hook('pause'), call_status_hook: hook('status') };
  const sid = await applications.create(body);
  assert.match(sid, UUID);
  await refused(422, applications.create(body));
  const made = await applications.retrieve(sid);
  assert.strictEqual(made.account_sid, ACCOUNT_SID);
  const { url, method } = made.call_hook;
  assert.deepStrictEqual({ url, method }, body.call_hook);
  assert.strictEqual(await applications.update(sid, { name: 'counter' }), undefined);
  const list = await applications.list();
  assert.strictEqual(list.find((entry) => entry.application_sid === sid).name, 'counter');
  assert.strictEqual(await applications.delete(sid), undefined);
  await refused(404, applications.retrieve(sid));
  await refused(404, applications.update(sid, { name: 'gone' }));
  await refused(404, applications.delete(sid));

  const message = { from: '15551230000', to: '15551230001', text: 'hello' };
  const unsent = await refused(480, messages.create(message));
  assert.strictEqual(typeof (await unsent.json()).msg, 'string');
  // Inherited by its class, but not offered by it nor by any server.
  const isNotOffered = (error) => [404, 405].includes(statusOf(error));
  for (const method of client.all.filter((name) => /^messages\.(?!create$)/.test(name))) {
    const [, name] = method.split('.');
    await assert.rejects(messages[name](NOBODY, {}), isNotOffered, method);
  }
  return { client, properties: { 'calls.update': commands } };
}

async function sdk() {
  const { JambonzClient } = require('@jambonz/sdk/client');
  const options = { baseUrl: `${BASE_URL}/`, accountSid: ACCOUNT_SID, apiKey: API_KEY };
  const client = watch(new JambonzClient(options));
  const { calls, conferences, queues } = client;
  const commands = typedBy('UpdateCallRequest');
  assert.deepStrictEqual(await calls.count(), { inbound: 0, outbound: 0 });
  assert.deepStrictEqual(await conferences.list(), []);
  assert.deepStrictEqual(await queues.list(), []);
  await make('/Queues', { name: 'support b' });
  assert.deepStrictEqual(await queues.list(), [{ name: 'support b', length: 0 }]);
  assert.strictEqual((await queues.list('sup?ort *[a-c]')).length, 1);
  assert.deepStrictEqual(await queues.list('sup?ort *[a-c]/&x'), []);
  await liveCall(calls, calls.get, commands);

  const sid = await calls.create({
    ...toTarget(),
    answerOnBridge: true,
    trunk: 'ignored',
    fromHost: 'from.example',
    headers: { 'X-Order': '8' },
    tag: { order: 8 },
    timeout: 30,
    timeLimit: 600,
    sipRequestWithinDialogHook: hook('status'),
    speech_synthesis_vendor: 'google',
    speech_synthesis_language: 'en-US',
    speech_synthesis_voice: 'en-US-Standard-C',
    speech_recognizer_vendor: 'google',
    speech_recognizer_language: 'en-US',
    amd: { actionHook: `${APP_URL}/status` },
  });
  const call = await reaches(calls.get, sid, isUp);
  const finds = async (filter, isFound) => {
    const found = (await calls.list(filter)).some((entry) => entry.call_sid === sid);
    assert.strictEqual(found, isFound, JSON.stringify(filter));
  };
  for (const [filter, other] of [
    [{ direction: 'outbound' }, { direction: 'inbound' }],
    [{ from: call.from }, { from: '15551239999' }],
    [{ to: call.to }, { to: 'nobody' }],
    [{ callStatus: 'in-progress' }, { callStatus: 'ringing' }],
  ]) {
    await finds(filter, true);
    await finds(other, false);
    await finds({ direction: 'outbound', callStatus: 'in-progress', ...other }, false);
  }
  assert.deepStrictEqual(await calls.count(), { inbound: 0, outbound: 1 });

  for (const [command, value, companions] of [
    ['tag', { order: 9 }],
    ['dtmf', { digit: '1', duration: 100 }],
    ['record', { action: 'startCallRecording', siprecServerURL: RINGING, recordingID: 'r' }],
    ['noise_isolation_status', 'enable', {
      noise_isolation_vendor: 'krisp', noise_isolation_level: 100, noise_isolation_model: 'm',
    }],
  ]) {
    await calls.update(sid, { [command]: value, ...companions });
  }
  await reaches(calls.get, sid, (tagged) => tagged.customer_data.order === 9);
  for (const body of [
    { llm_status: 'move-to-conference', conference: 'room' },
    { transfer: { to: { type: 'phone', number: '1' } } },
  ]) {
    const error = await refused(400, calls.update(sid, body));
    assert.match(error.message, /no valid options supplied to updateCall/);
  }

  const helped = async (command, request) => {
    assert.strictEqual(await request, undefined);
    print({ no_effect: command, call_sid: sid });
  };
  await helped('mute_status', calls.mute(sid, 'unmute'));
  await helped('whisper', calls.whisper(sid, { verb: 'play', url: `${APP_URL}/hello.wav` }));
  await helped('agent_update', calls.updateAgent(sid, { type: 'generate_reply', user_input: 'x' }));
  const noise = { vendor: 'krisp', level: 50, model: 'm' };
  assert.strictEqual(await calls.noiseIsolation(sid, 'disable', noise), undefined);
  await refused(400, calls.transfer(sid, { to: { type: 'phone', number: '1' } }));
  await refused(400, calls.mute(sid, 'loud'));
  assert.strictEqual(await calls.redirect(sid, `${APP_URL}/room`), undefined);
  await eventually('room', async () => (await conferences.list()).includes('room'));
  await calls.delete(sid);
  await eventually('the end', async () => (await calls.count()).outbound === 0);
  return {
    client,
    properties: {
      'calls.update': commands,
      'calls.create': typedBy('CreateCallRequest'),
      'calls.list': typedBy('ListCallsFilter'),
    },
  };
}

// Properties that node-client's own check of that request takes apart.
function checkedBy(file, resource, method) {
  const check = require(file).validators[resource][method].toString();
  const [, names] = /const\s*\{([^}]*)\}\s*=/.exec(check);
  return names.split(',').map((name) => name.trim()).filter(Boolean);
}

// Properties of an interface in the type declarations of the sdk.
function typedBy(name) {
  const dist = path.dirname(path.dirname(require.resolve('@jambonz/sdk/client')));
  const texts = fs.readdirSync(dist)
    .filter((file) => file.endsWith('.d.ts'))
    .map((file) => fs.readFileSync(path.join(dist, file), 'utf8'));
  const text = texts.find((declarations) => declarations.includes(`interface ${name} {`));
  assert.ok(text, `the sdk declares no ${name}`);
  const from = text.indexOf(`interface ${name} {`);
  const body = text.slice(from, text.indexOf('\n}', from));
  return [...body.matchAll(/^ {4}(\w+)\??:/gm)].map(([, property]) => property);
}

async function main() {
  const libraries = { 'node-client': nodeClient, sdk };
  const { client, properties } = await libraries[process.argv[2]]();
  const missing = client.all.filter((method) => !client.tried.has(method));
  for (const [method, names] of Object.entries(properties)) {
    assert.ok(names.length > 0, `no properties of ${method} found`);
    missing.push(...names.map((name) => `${method} ${name}`).filter((n) => !client.tried.has(n)));
  }
  assert.deepStrictEqual(missing, [], 'never tried');
  print({ tried: client.all.length });
}

main().catch((error) => {
  print({ failed: error.stack });
  process.exitCode = 1;
});
