// A voice application written with the public WebSocket libraries, for the end-to-end tests.
//
//   VERBS='[…]' node ws_app.js LIBRARY PORT     (LIBRARY: node-client-ws or sdk; PORT 0: any free one)
//
// Listens on 127.0.0.1 and prints one JSON line per fact on stdout:
//
//   {"event":"listening","port":40123}
//   {"event":"session","type":"session:new","path":"/call","user":null,"data":{…}}
//   {"event":"hook","hook":"/action","data":{…}}
//   {"event":"call:status","data":{…}}      also jambonz:error
//   {"event":"closed","code":1000}
//
// Every session is answered with VERBS. A line on stdin is an order for the latest session:
//
//   {"do":"verbs","verbs":[…],"queue":false}  {"do":"inject","command":"mute:status","data":{…}}
//   {"do":"raw","text":"…"}  {"do":"reply","verbs":[…]}: to the hooks that come from now on
//   {"do":"kill"}: the socket, without a word   {"do":"close"}: in order   {"do":"deaf"}: refuse sockets
//   {"do":"hear"}: accept them again
'use strict';

const http = require('http');
const readline = require('readline');

const [library, port] = [process.argv[2], Number(process.argv[3])];
const quiet = { info: () => {}, error: () => {}, debug: () => {} };
const libraries = {
  'node-client-ws': () => require('@jambonz/node-client-ws').createEndpoint,
  sdk: () => {
    const { createEndpoint, Session } = require('@jambonz/sdk/websocket');
    compileOnce();
    new Session({ ws: { on: () => {} }, msg: { data: {} }, logger: quiet });
    return createEndpoint;
  },
};
if (!libraries[library] || !Number.isInteger(port)) {
  console.error('usage: VERBS=… node ws_app.js node-client-ws|sdk PORT');
  process.exit(2);
}

const print = (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`);
const verbs = JSON.parse(process.env.VERBS || '[]');
let answer = [];
let latest = null;
let deaf = false;

// The SDK compiles its schema anew for each session, always the same one, which takes many seconds on a
// machine that is busy.
function compileOnce() {
  const Ajv = require('ajv').default.prototype;
  const compile = Ajv.compile;
  let compiled = null;
  Ajv.compile = function (...schema) {
    compiled ??= compile.apply(this, schema);
    return compiled;
  };
}

// Both libraries have a method per verb; `sip:decline` is `sip_decline` to one and `sipDecline` to the
// other, so only plain names are used here.
function say(session, list) {
  for (const { verb, ...properties } of list) session[verb](properties);
  return session;
}

function serve(session, type, path, req) {
  latest = session;
  const [, credentials] = (req?.headers?.authorization || '').split(' ');
  const user = credentials ? Buffer.from(credentials, 'base64').toString().split(':')[0] : null;
  print({ event: 'session', type, path, user, data: session.toJSON() });
  for (const hook of ['/action', '/conference', 'named', '/wait']) {
    session.on(hook, (data) => {
      print({ event: 'hook', hook, data });
      // The SDK answers a notification by itself.
      if (library === 'node-client-ws' || typeof data.event !== 'string') say(session, answer).reply();
    });
  }
  for (const told of ['call:status', 'jambonz:error']) {
    session.on(told, (data) => print({ event: told, data }));
  }
  session.ws.on('close', (code) => print({ event: 'closed', code }));
  say(session, verbs).send();
}

const server = http.createServer();
// Before the library's own: a socket that is refused never gets there.
server.on('upgrade', (req, socket) => {
  if (deaf) socket.destroy();
});
const makeService = libraries[library]()({ server, logger: quiet });
for (const path of ['/call', '/call/adulting', '/other']) {
  const service = makeService({ path });
  for (const type of ['session:new', 'session:reconnect', 'session:redirect']) {
    service.on(type, (session, _, req) => serve(session, type, path, req));
  }
}

const orders = {
  verbs: ({ verbs: list, queue }) => say(latest, list).send({ execImmediate: !queue }),
  inject: ({ command, data, callSid }) => latest.injectCommand(command, data, callSid),
  raw: ({ text, binary }) => latest.ws.send(binary ? Buffer.from(text) : text),
  reply: ({ verbs: list }) => { answer = list; },
  kill: () => latest.ws.terminate(),
  close: () => latest.ws.close(1000),
  deaf: () => { deaf = true; },
  hear: () => { deaf = false; },
};
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line);
  orders[order.do](order);
});

server.listen(port, '127.0.0.1', () => print({ event: 'listening', port: server.address().port }));
server.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
