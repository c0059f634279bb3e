// The official client against the application of application.py: node interop.mjs URL [plain]
//
// Prints {check: {transport: null or what went wrong}} as one line of JSON. The process ends by itself: a connection that
// the server leaves open would keep it alive, and is a failure too. With "plain", the server stands on python-engineio:
// what that cannot do is named below, and left out.

import assert from "node:assert/strict";
import { Manager } from "socket.io-client";

const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };
const CHECK_WITHIN = 6_000; // ms; each needs less than one second
const END_WITHIN = 5_000; // ms after the last

const DEFECTS_OF_PLAIN = {
  "binary to a room on every transport": "the packet that members share remembers one of its two forms for all of them",
  "order of more than 16 packets": "a POST with more ends the session",
  "ends by itself": "a close over polling leaves the GET unanswered",
};

const [, , url, engine] = process.argv;
const lacks = engine === "plain" ? DEFECTS_OF_PLAIN : {};
let managers = [];

/** A connected socket of its own connection; on the last of its transports, where it may upgrade. */
async function open(transports, { namespace = "/", auth, ...options } = {}) {
  const manager = new Manager(url, { transports, reconnection: false, ...options });
  managers.push(manager);
  const socket = manager.socket(namespace, { auth });
  await Promise.all([event(socket, "connect"), upgraded(manager, transports)]);
  return socket;
}

/** Wait until the connection is on the last of its transports. */
async function upgraded(manager, transports) {
  if (transports.length === 1) return;
  await new Promise((resolve) => (manager.engine.id ? resolve() : manager.engine.once("handshake", resolve)));
  if (manager.engine.transport.name !== transports.at(-1)) {
    await new Promise((resolve) => manager.engine.once("upgrade", resolve));
  }
}

/** The next event of this name, its one argument or all of them. */
function event(socket, name) {
  return new Promise((resolve, reject) => {
    socket.once(name, (...args) => resolve(args.length > 1 ? args : args[0]));
    if (name !== "connect_error") socket.once("connect_error", (error) => reject(error));
    if (name !== "disconnect") socket.once("disconnect", (why) => reject(new Error(`${why} before "${name}"`)));
  });
}

/** So many events of this name, from now on. */
function events(socket, name, count) {
  const seen = [];
  return new Promise((resolve) => {
    socket.on(name, (...args) => seen.push(args) === count && resolve(seen));
  });
}

const ask = (socket, ...args) => socket.timeout(CHECK_WITHIN).emitWithAck(...args);

const VALUES = [
  "text", "", "Grüße, 世界 🌍 \u2028 \0 \u001e", 1, -0.5, true, null, [], {}, ["nested", { deep: [1, [2]] }], "4",
];
const BINARY = [Buffer.from([0, 1, 255]), { first: Buffer.from("one"), list: [Buffer.from("two"), 3] }, Buffer.alloc(0)];

const checks = {
  async auth(transports) {
    const socket = await open(transports, { auth: { token: "secret" } });
    const who = await ask(socket, "who");
    assert.equal(who.sid, socket.id);
    assert.deepEqual(who.session, { auth: { token: "secret" } });
    assert.equal(who.transport, transports.at(-1));
    assert.deepEqual(who.rooms, [socket.id]);
  },

  async "connection refused"(transports) {
    const manager = new Manager(url, { transports, reconnection: false });
    managers.push(manager);
    const error = await event(manager.socket("/", { auth: { refuse: "a test" } }), "connect_error");
    assert.equal(error.message, "not you");
    assert.deepEqual(error.data, { because: "a test" });
    const unknown = await event(manager.socket("/unknown"), "connect_error");
    assert.ok(unknown instanceof Error);
  },

  async namespaces(transports) {
    const socket = await open(transports);
    const elsewhere = socket.io.socket("/elsewhere", { auth: { also: "here" } });
    assert.deepEqual(await event(elsewhere, "hello"), { also: "here" });
    assert.notEqual(elsewhere.id, socket.id);
    assert.deepEqual(await ask(elsewhere, "echo", 1), ["elsewhere", 1]);
    assert.deepEqual(await ask(socket, "echo", 1), 1);
    elsewhere.disconnect();
    assert.equal(await ask(socket, "echo", "still here"), "still here");
  },

  async events(transports) {
    const socket = await open(transports);
    for (const value of VALUES) {
      socket.emit("say", value);
      assert.deepEqual(await event(socket, "said"), value);
    }
    socket.emit("say", ...VALUES);
    assert.deepEqual(await event(socket, "said"), VALUES);
  },

  async "binary events"(transports) {
    const socket = await open(transports);
    for (const value of BINARY) {
      socket.emit("say", value);
      assert.deepEqual(await event(socket, "said"), value);
    }
    socket.emit("say", ...BINARY);
    assert.deepEqual(await event(socket, "said"), BINARY);
  },

  async "acknowledgements of the server"(transports) {
    const socket = await open(transports);
    for (const value of [...VALUES, ...BINARY]) assert.deepEqual(await ask(socket, "echo", value), value);
    const several = await new Promise((resolve) => socket.emit("echo", 1, BINARY[1], (...args) => resolve(args)));
    assert.deepEqual(several, [1, BINARY[1]]);
  },

  async "acknowledgements of the client"(transports) {
    const socket = await open(transports);
    socket.on("question", (question, answer) => answer({ answer: question }));
    for (const value of ["what", ...BINARY]) assert.deepEqual(await ask(socket, "ask", value), { answer: value });
  },

  async rooms(transports) {
    const [one, two, three] = await Promise.all([1, 2, 3].map(() => open(transports)));
    await Promise.all([one, two].map((socket) => ask(socket, "join", "room")));
    const told = [events(one, "told", 1), events(two, "told", 1)];
    three.on("told", () => assert.fail("it is not in the room"));
    three.emit("tell", "room", "hello", { all: 1 });
    assert.deepEqual(await Promise.all(told), [[["hello", { all: 1 }]], [["hello", { all: 1 }]]]);
    await ask(two, "leave", "room");
    two.on("told", () => assert.fail("it has left the room"));
    three.emit("tell", "room", "again");
    await event(one, "told");
    one.on("told", () => assert.fail("it is the sender"));
    one.emit("tell", "room", "not to myself");
    await Promise.all([one, two, three].map((socket) => ask(socket, "echo", 1)));
    assert.deepEqual((await ask(one, "who")).rooms, [one.id, "room"].sort());
  },

  async "a room on every transport"() {
    const members = await Promise.all(Object.values(TRANSPORTS).map((transports) => open(transports)));
    await Promise.all(members.map((socket) => ask(socket, "join", "mixed")));
    const told = members.map((socket) => events(socket, "told", 50));
    const teller = await open(TRANSPORTS.websocket);
    for (let number = 0; number < 50; number++) teller.emit("tell", "mixed", number);
    for (const seen of await Promise.all(told)) assert.deepEqual(seen.flat(), [...Array(50).keys()]);
  },

  async "binary to a room on every transport"() {
    const members = await Promise.all(Object.values(TRANSPORTS).map((transports) => open(transports)));
    await Promise.all(members.map((socket) => ask(socket, "join", "mixed binary")));
    const numbers = members.map((socket) => events(socket, "number", 30));
    const teller = await open(TRANSPORTS.websocket);
    teller.emit("count", "mixed binary", 30);
    for (const seen of await Promise.all(numbers)) {
      assert.deepEqual(seen, [...Array(30).keys()].map((number) => {
        const attachment = Buffer.from(`${number}`);
        return [number, attachment, { again: attachment }];
      }));
    }
  },

  async order(transports) {
    await burst(await open(transports), 5);
  },

  async "order of more than 16 packets"(transports) {
    await burst(await open(transports), 200);
  },

  async "disconnected by the server"(transports) {
    const socket = await open(transports);
    socket.emit("kick");
    const [reason] = await event(socket, "disconnect");
    assert.equal(reason, "io server disconnect");
    socket.connect();
    await event(socket, "connect");
    assert.equal(await ask(socket, "echo", "back"), "back");
  },

  async "reconnects"(transports) {
    const socket = await open(transports, { reconnection: true, reconnectionDelay: 10 });
    const { id } = socket;
    const gone = event(socket, "disconnect");
    socket.io.engine.close();
    await gone;
    await event(socket, "connect");
    assert.notEqual(socket.id, id);
    assert.equal(await ask(socket, "echo", "back"), "back");
  },
};

/** Numbers to the server and back, all at once, two packets each. */
async function burst(socket, count) {
  const said = events(socket, "said", count);
  for (let number = 0; number < count; number++) socket.emit("say", number, Buffer.from([number]));
  assert.deepEqual(await said, [...Array(count).keys()].map((number) => [number, Buffer.from([number])]));
}

/** Run a check; what went wrong, or null. */
async function run(check, transports) {
  let timer;
  try {
    await Promise.race([
      check(transports),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`not done within ${CHECK_WITHIN} ms`)), CHECK_WITHIN);
      }),
    ]);
    return null;
  } catch (error) {
    return `${error.stack ?? error}`;
  } finally {
    clearTimeout(timer);
    for (const manager of managers) {
      manager.reconnection(false);
      manager._close();
    }
    managers = [];
  }
}

const results = {};
for (const [name, check] of Object.entries(checks)) {
  if (name in lacks) continue;
  results[name] = {};
  const kinds = check.length ? Object.entries(TRANSPORTS) : [["mixed", null]];
  for (const [kind, transports] of kinds) results[name][kind] = await run(check, transports);
}
process.stdout.write(`${JSON.stringify(results)}\n`, () => {
  if ("ends by itself" in lacks) process.exit(0);
  setTimeout(() => {
    console.error(`a connection is still open ${END_WITHIN} ms after the end`);
    process.exit(2);
  }, END_WITHIN).unref();
});
