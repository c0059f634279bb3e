// The official client, as the scenarios use it: events as promises that end when the session does. Runs in Node.js and
// in browsers.

import { Fetch, NodeWebSocket, Socket } from "engine.io-client";

/** What happened so far, for the report of a failure. */
export const story = [];

/** Open a session; `options` are the client's own, and `fetch: true` takes its transport on fetch() for polling. */
export function connect(url, { fetch = false, ...options } = {}) {
  const socket = new Socket(url, fetch ? { ...options, transports: [Fetch, NodeWebSocket] } : options);
  socket.received = [];
  socket.pings = 0;
  let failure = { status: null, body: null };
  socket.on("error", (error) => (failure = refusal(error)));
  socket.ended = new Promise((resolve) => {
    socket.on("close", (reason, details) => resolve({ reason, code: details?.context?.code ?? null, ...failure }));
  });
  socket.on("data", (data) => socket.received.push(describe(data)));
  socket.on("ping", () => (socket.pings += 1));
  const begin = Date.now();
  for (const name of ["open", "upgrading", "upgrade", "upgradeError", "error", "close", "ping"]) {
    socket.on(name, (what) => story.push(`${Date.now() - begin} ms ${name} ${what?.name ?? what ?? ""}`));
  }
  return socket;
}

/** The next event of this name; an error when the session ends before it. */
export async function event(socket, name) {
  const seen = new Promise((resolve) => socket.once(name, (value) => resolve({ value })));
  const first = await Promise.race([seen, socket.ended]);
  if ("value" in first) return first.value;
  throw new Error(`closed before "${name}": ${JSON.stringify(first)}`);
}

/** Open, and wait until the session is on the last of its transports. */
export async function connected(url, options) {
  const socket = connect(url, options);
  const [{ upgrades }] = await Promise.all([event(socket, "handshake"), event(socket, "open")]);
  socket.sid = socket.id; // the client forgets it when it closes
  const better = upgrades.some((name) => socket.transports.includes(name));
  if (better && options.upgrade !== false) await event(socket, "upgrade");
  return socket;
}

/** Wait until `count` messages have come. */
export async function received(socket, count) {
  while (socket.received.length < count) await event(socket, "data");
  return socket.received;
}

/** Close, and wait for the end. */
export function close(socket) {
  socket.close();
  return socket.ended;
}

/** One turn of the event loop: timers, network, all of it. */
export const turn = () => new Promise(globalThis.setImmediate ?? posted);

/** Browsers delay a timer that was set by a timer; a message between ports is a task like any other. */
function posted(resolve) {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    resolve();
  };
  port2.postMessage(null);
}

/** A message as JSON: {text} or {hex}. The client delivers an empty text as undefined. */
export function describe(data) {
  if (data === undefined || typeof data === "string") return { text: data ?? "" };
  const digits = Array.from(new Uint8Array(data), (byte) => byte.toString(16).padStart(2, "0"));
  return { hex: digits.join("") };
}

/** The reverse: binary alternately as the two types that people send. */
let views = 0;
export function message({ text, hex }) {
  if (text !== undefined) return text;
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (digits) => parseInt(digits, 16));
  if (views++ % 2 === 0) return bytes;
  return globalThis.Buffer ? Buffer.from(bytes) : bytes.buffer;
}

/** The HTTP status of a refused request and, where the client shows it, the body. */
function refusal({ description, context }) {
  const status = description?.message?.match(/Unexpected server response: (\d+)/)?.[1] ?? description;
  return { status: Number(status) || null, body: context?.responseText ?? null };
}
