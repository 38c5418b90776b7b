// A voice application written with the public webhook library, for the end-to-end tests.
//
//   WEBHOOK_SECRET=… node app.js PORT          (PORT 0: any free one)
//
// Listens on 127.0.0.1 and prints one JSON line per fact on stdout:
//
//   {"event":"listening","port":40123}
//   {"event":"request","number":1,"method":"POST","path":"/status","query":{},"signed":true,
//    "problem":null,"user":null,"agent":"jambonz","body":{…}}
//
// `signed` is true when the verifiers of both public packages accept the request; a request that
// is not signed is answered with 401. `user` is the name in the Basic credentials, if any.
'use strict';

const express = require('express');
const { WebhookResponse } = require('@jambonz/node-client');
const { WebhookResponse: SdkResponse } = require('@jambonz/sdk/webhook');

const secret = process.env.WEBHOOK_SECRET;
const port = Number(process.argv[2]);
if (!secret || !Number.isInteger(port)) {
  console.error('usage: WEBHOOK_SECRET=… node app.js PORT');
  process.exit(2);
}

const verifiers = [
  WebhookResponse.verifyJambonzSignature(secret),
  SdkResponse.verifySignature(secret),
];
const print = (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`);
const statusEvents = [];
const heard = [];

// The text of the first complaint, or null. A verifier throws, or passes its error on.
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

function basicUser(req) {
  const [scheme, credentials] = (req.get('Authorization') || '').split(' ');
  if (scheme !== 'Basic' || !credentials) return null;
  return Buffer.from(credentials, 'base64').toString().split(':')[0];
}

const app = express();
app.disable('x-powered-by');

// What /status, and what the whole application has heard so far, in order. For the tests, so not
// signed.
app.get('/events', (req, res) => res.json(statusEvents));
app.get('/requests', (req, res) => res.json(heard));

app.use(express.json({ limit: '1mb' }));
app.use((req, res, next) => {
  const problem = complaint(req, res);
  const request = {
    event: 'request',
    number: heard.length + 1,
    method: req.method,
    path: req.path,
    query: req.query,
    signed: problem === null,
    problem,
    user: basicUser(req),
    agent: req.get('User-Agent') || null,
    body: req.body,
  };
  heard.push(request);
  print(request);
  if (problem) return res.status(401).json({ msg: problem });
  return next();
});

// ?name=X, and any of joinMuted, startConferenceOnEnter, endConferenceOnExit, beep (1 or 0),
// memberTag, maxParticipants.
app.all('/hello-conference', (req, res) => {
  const { name, memberTag, maxParticipants, ...flags } = req.query;
  const options = {
    name: name || 'lobby',
    actionHook: '/action',
    statusHook: '/conference-status',
    statusEvents: ['start', 'end', 'join', 'leave'],
  };
  for (const flag of ['joinMuted', 'startConferenceOnEnter', 'endConferenceOnExit', 'beep']) {
    if (flag in flags) options[flag] = flags[flag] === '1';
  }
  if (memberTag) options.memberTag = memberTag;
  if (maxParticipants) options.maxParticipants = Number(maxParticipants);
  res.json(new WebhookResponse().conference(options));
});

// ?url=…&loop=N: plays a file and hangs up.
app.all('/hello-play', (req, res) => {
  const options = { url: req.query.url, actionHook: '/action' };
  if (req.query.loop) options.loop = Number(req.query.loop);
  res.json(new WebhookResponse().play(options).hangup({}));
});

// ?length=N: an answered call with nothing in it.
app.all('/hello-pause', (req, res) => {
  const length = Number(req.query.length || 60);
  res.json(new WebhookResponse().answer({}).pause({ length }).hangup({}));
});

app.all('/status', (req, res) => {
  statusEvents.push(req.method === 'GET' ? req.query : req.body);
  res.sendStatus(200);
});

app.all('/conference-status', (req, res) => res.sendStatus(200));
app.all('/action', (req, res) => res.json(new WebhookResponse()));

// Applications that fail, each in its way.
app.all('/error500', (req, res) => res.status(500).json({ msg: 'broken' }));
app.all('/silence', () => {});
app.all('/notjson', (req, res) => res.type('application/json').send('<html>no</html>'));
app.all('/notarray', (req, res) => res.json({ verb: 'hangup' }));
app.all('/empty', (req, res) => res.sendStatus(200));

const server = app.listen(port, '127.0.0.1', () => {
  print({ event: 'listening', port: server.address().port });
});
server.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
