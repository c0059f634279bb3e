// What the tests call: the scenarios and the client of tests/interop, which run here as they run in Node.js.

import * as client from "/interop/client.mjs";

window.client = client;

/** Run `scenarios/<name>.mjs` against the server at `url`; what it returns. */
window.scenario = async (name, url, options) => (await import(`/interop/scenarios/${name}.mjs`)).default(url, options);

/** From now on, messages that `withheld(data)` is true of never leave a WebSocket of this page. */
window.withhold = (withheld) => {
  const send = WebSocket.prototype.send;
  return new Promise((resolve) => {
    WebSocket.prototype.send = function (data) {
      if (withheld(data)) resolve();
      else send.call(this, data);
    };
  });
};
