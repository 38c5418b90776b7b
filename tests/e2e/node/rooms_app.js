// A voice application for rooms, queues and dials, written with the public webhook library and told by each
// test what to answer.
//
//   WEBHOOK_SECRET=… node rooms_app.js PORT          (PORT 0: any free one)
//
// Listens on 127.0.0.1 and prints one JSON line per fact on stdout, as app.js does:
//
//   {"event":"listening","port":40123}
//   {"event":"request","number":1,"at":1700000000000,"method":"POST","path":"/wait","signed":true,"problem":null,
//    "body":{…}}
//
// PUT /script with {"/call": [verbs], "/call#alice": [verbs], "/status": 204}: what is answered from now on.
// A key with a name counts for calls from (else to) that user alone and wins. Verbs go through the library,
// which checks them; as they stand go those of {"plain": [verbs]}, which the library does not know yet.
// What nobody scripted gets no verbs.
//
// PUT /order: has a public REST client do something (orders.js).
//
// GET /tone/HZ/MS.wav: a tone of that frequency and length at -16 dB.
//
// WebSocket /stream/NAME: keeps the sound that is streamed there; GET /stream/NAME gives {"metadata": {…}, "audio":
// the last two seconds at 8 kHz in base64, "closed": code or null}.
'use strict';

const express = require('express');
const { WebSocketServer } = require('ws');
const { WebhookResponse } = require('@jambonz/node-client');
const { WebhookResponse: SdkResponse } = require('@jambonz/sdk/webhook');

const secret = process.env.WEBHOOK_SECRET;
const port = Number(process.argv[2]);
if (!secret || !Number.isInteger(port)) {
  console.error('usage: WEBHOOK_SECRET=… node rooms_app.js PORT');
  process.exit(2);
}

const verifiers = [
  WebhookResponse.verifyJambonzSignature(secret),
  SdkResponse.verifySignature(secret),
];
const print = (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`);
const script = new Map();
let heard = 0;

// The text of the first complaint of the libraries' verifiers, or null.
function complaint(req, res) {
  try {
    for (const verify of verifiers) {
      verify(req, res, (error) => {
        if (error) throw error;
      });
    }
    return null;
  } catch (error) {
    return error.message;
  }
}

function response(verbs) {
  const answer = new WebhookResponse();
  for (const { verb, ...options } of verbs) answer[verb.replace(':', '_')](options);
  return answer;
}

function wav(hz, ms) {
  const rate = 8000;
  const samples = Math.round((rate * ms) / 1000);
  const file = Buffer.alloc(44 + 2 * samples);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + 2 * samples, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(rate, 24);
  file.writeUInt32LE(2 * rate, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(2 * samples, 40);
  const peak = 32768 * 10 ** (-16 / 20);
  for (let n = 0; n < samples; n += 1) {
    file.writeInt16LE(Math.round(peak * Math.sin((2 * Math.PI * hz * n) / rate)), 44 + 2 * n);
  }
  return file;
}

const app = express();
app.disable('x-powered-by');

app.get('/tone/:hz/:ms.wav', (req, res) => {
  res.type('audio/wav').send(wav(Number(req.params.hz), Number(req.params.ms)));
});

// Sound that came over sockets, by path.
const streams = new Map();
const KEPT_BYTES = 2 * 16000;

app.get('/stream/:name', (req, res) => {
  const stream = streams.get(req.path);
  if (!stream) return res.sendStatus(404);
  const { metadata, audio, closed } = stream;
  return res.json({ metadata, audio: audio.toString('base64'), closed });
});

app.use(express.json({ limit: '1mb' }));

app.put('/script', (req, res) => {
  for (const [key, answer] of Object.entries(req.body)) {
    if (Array.isArray(answer)) response(answer); // what the library refuses is the test's mistake
    script.set(key, answer);
  }
  res.json({});
});

app.put('/order', require('./orders'));

app.use((req, res) => {
  const problem = complaint(req, res);
  const said = req.method === 'GET' ? req.query : req.body;
  heard += 1;
  print({
    event: 'request',
    number: heard,
    at: Date.now(),
    method: req.method,
    path: req.path,
    signed: problem === null,
    problem,
    body: said,
  });
  if (problem) return res.status(401).json({ msg: problem });
  const users = [said.from, said.to].map((user) => `${req.path}#${user}`);
  const key = [...users, req.path].find((known) => script.has(known));
  const answer = script.get(key) || [];
  if (typeof answer === 'number') return res.sendStatus(answer);
  if (answer.plain) return res.json(answer.plain);
  return res.json(response(answer));
});

app.use((error, req, res, next) => {
  console.error(error.message);
  if (res.headersSent) return next(error);
  return res.status(400).json({ msg: error.message });
});

const server = app.listen(port, '127.0.0.1', () => {
  print({ event: 'listening', port: server.address().port });
});
new WebSocketServer({ server }).on('connection', (socket, req) => {
  const stream = { metadata: null, audio: Buffer.alloc(0), closed: null };
  streams.set(req.url, stream);
  socket.on('message', (data, isBinary) => {
    if (isBinary) stream.audio = Buffer.concat([stream.audio, data]).subarray(-KEPT_BYTES);
    else if (!stream.metadata) stream.metadata = JSON.parse(data);
  });
  socket.on('close', (code) => {
    stream.closed = code;
  });
});
server.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
