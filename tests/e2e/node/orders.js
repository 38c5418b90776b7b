// What the public REST clients make of an order, for an application that tests talk to.
//
//   PUT /order {"library":"node-client"|"sdk", "resource":"calls", "method":"update", "args":[…],
//               "base_url":…, "account_sid":…, "api_key":…}
//
// Answers {"result":…}, or 502 with what the library throws: {"msg":…, "status":…}.
'use strict';

const jambonz = require('@jambonz/node-client');
const { JambonzClient } = require('@jambonz/sdk/client');

const clients = {
  'node-client': (baseUrl, accountSid, apiKey) => jambonz(accountSid, apiKey, { baseUrl }),
  sdk: (baseUrl, accountSid, apiKey) => new JambonzClient({ baseUrl, accountSid, apiKey }),
};

module.exports = async (req, res) => {
  const { library, resource, method, args, base_url, account_sid, api_key } = req.body;
  try {
    const client = clients[library](base_url, account_sid, api_key);
    const result = await client[resource][method](...args);
    res.json({ result: result === undefined ? null : result });
  } catch (error) {
    res.status(502).json({ msg: error.message, status: error.statusCode });
  }
};
