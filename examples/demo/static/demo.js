// The session: everything on the page follows from the events of the official client, engine.io-client.

import { Socket } from "./vendor/engine.io.esm.min.js";
import { Chart } from "./chart.js";
import { RouteMap } from "./map.js";
import { isCalm } from "./surface.js";

const MEASURE_EVERY = 250; // ms between two measurements of the round-trip time
const STEP = 420; // ms that a step of the way is shown at least
const LOG_LINES = 300;

const $ = (id) => document.getElementById(id);
const map = new RouteMap($("map"));
const chart = new Chart($("chart"));
const encoder = new TextEncoder();

let session = null;

// ---------------------------------------------------------------------------------------------------- the session

function connect() {
  session?.socket.close();
  const transports = new FormData($("controls")).get("transports").split(",");
  const socket = new Socket({ transports });
  socket.binaryType = "arraybuffer";
  session = {
    socket,
    transports,
    began: performance.now(),
    opened: null,
    pinged: null,
    pings: 0,
    sent: 0,
    received: 0,
    waiting: [], // what was sent and has not come back: echoes keep the order
    measuring: null, // when the measurement began that is on its way
  };
  beginSteps(transports);
  show("status", "connecting …");
  for (const id of ["sid", "ping-interval", "ping-timeout", "max-payload", "upgraded", "uptime"]) show(id, "–");
  show("pings", "0");

  const mine = session; // events of a session that was replaced say nothing about this one
  const on = (event, handler) => socket.on(event, (...args) => mine === session && handler(...args));
  on("handshake", shakeHands);
  on("open", open);
  on("upgrading", () => {
    step("probe");
    map.travel("control", true, "websocket");
    later(STEP, () => map.travel("control", false, "websocket"));
  });
  on("upgrade", upgraded);
  on("upgradeError", (error) => note(`The upgrade failed, polling goes on: ${error.message}`, true));
  on("packetCreate", sending);
  on("packet", receiving);
  on("message", message);
  on("ping", beat);
  on("error", (error) => (mine.error = error));
  on("close", closed);
}

function shakeHands({ sid, pingInterval, pingTimeout, maxPayload }) {
  step("handshake");
  session.maxPayload = maxPayload;
  session.pingInterval = pingInterval;
  show("sid", sid);
  show("ping-interval", duration(pingInterval));
  show("ping-timeout", duration(pingTimeout));
  show("max-payload", size(maxPayload));
}

function open() {
  session.opened = session.pinged = performance.now();
  arrive(session.socket.transport.name);
  $("close").disabled = $("sending").disabled = false;
}

/** A transport is in use from now on. */
function arrive(transport) {
  step(transport);
  later(0, () => {
    document.body.dataset.state = transport;
    map.use(transport);
    show("status", `connected · ${transport === "polling" ? "polling" : "WebSocket"}`);
    document.title = `eio demo · ${transport}`;
  });
}

function upgraded({ name }) {
  step("upgrade");
  later(0, () => map.travel("control", true, name));
  arrive(name);
  show("upgraded", milliseconds(performance.now() - session.opened));
  chart.mark("upgrade", name);
}

function closed(reason) {
  const forced = reason === "forced close"; // by close()
  const error = reason === "transport error" && session.error ? `, ${session.error.message}` : "";
  note(forced ? "Closed by the client" : `Closed: ${reason}${error}`, !forced);
  step("close");
  later(0, () => {
    $("steps").classList.toggle("forced", forced);
    show("reason", forced ? "by the client" : reason);
    show("status", "closed");
    for (const id of ["clients", "server-transport"]) show(id, "–");
    document.body.dataset.state = "closed";
    document.title = "eio demo";
    map.use(null);
  });
  chart.pause();
  $("close").disabled = $("sending").disabled = true;
  session.opened = null;
}

// ---------------------------------------------------------------------------------------------------- the packets

function sending({ type, data }) {
  session.sent += weigh(data);
  if (type === "pong") map.travel("beat", true);
  else if (type === "message") map.travel(kind(data), true);
}

function receiving({ type, data }) {
  session.received += weigh(data);
  if (type === "ping") map.travel("beat", false);
  else if (type === "message") map.travel(kind(data), false);
}

function message(data) {
  const known = parse(data);
  const [awaited] = session.waiting;
  if (known?.server && known.rtt === session.measuring) measured(known);
  else if (known?.clients && !(awaited && same(awaited.data, data))) show("clients", known.clients);
  else echoed(data);
}

/** The round trip, four times a second; what the server knows about us rides along. */
function measure() {
  const now = performance.now();
  if (!session?.opened || session.measuring !== null || now - session.opened < MEASURE_EVERY) return;
  session.measuring = now;
  session.socket.send(JSON.stringify({ rtt: now, transport: session.socket.transport.name }));
}

function measured({ rtt, transport, server }) {
  session.measuring = null;
  const took = performance.now() - rtt;
  if (transport === session.socket.transport.name) { // otherwise it changed on the way
    chart.add(took, transport);
    show("rtt-now", milliseconds(took));
    show("rtt-median", milliseconds(chart.quantile(0.5, transport)));
    show("rtt-p99", milliseconds(chart.quantile(0.99, transport)));
  }
  show("integration", `eio on ${server.integration}`);
  show("server-transport", server.transport);
  show("server-messages", server.messages.toLocaleString("en"));
  show("server-uptime", duration(server.uptime * 1000, 0));
}

function beat() {
  session.pings += 1;
  session.pinged = performance.now();
  show("pings", session.pings);
  $("heart").classList.remove("beat");
  void $("heart").offsetWidth; // start the animation anew
  $("heart").classList.add("beat");
}

// --------------------------------------------------------------------------------------------------- the messages

function send(data, name) {
  if (!session?.opened) return;
  const inflated = session.socket.transport.name === "polling" && typeof data !== "string"; // base64
  const largest = session.maxPayload * (inflated ? 0.74 : 1);
  const weight = weigh(data);
  if (weight > largest) return note(`${name ?? "That"} is too large: ${size(weight)}, at most ${size(largest)}`, true);
  session.waiting.push({ data, at: performance.now() });
  line("out", data, name ?? size(weight));
  session.socket.send(data);
}

function echoed(data = "") {
  const { data: sent, at } = session.waiting.shift();
  const took = milliseconds(performance.now() - at);
  line("in", data, `${same(sent, data) ? `${size(weigh(data))}, identical` : "differs!"} · ${took}`);
}

function same(a, b) {
  if (a === b) return true;
  if (typeof a === "string" || typeof b === "string") {
    // JSON comes back without its spaces: the server's application received an object, and sent one.
    return parse(a) !== null && JSON.stringify(parse(a)) === JSON.stringify(parse(b));
  }
  const [x, y] = [new Uint8Array(a), new Uint8Array(b)];
  return x.length === y.length && x.every((byte, index) => byte === y[index]);
}

/** The object or array that a text is as JSON, or null. */
function parse(text) {
  if (typeof text !== "string" || !/^[{[]/.test(text)) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function line(way, data, meta) {
  const item = document.createElement("li");
  item.className = way;
  const bytes = typeof data !== "string";
  const parts = [
    ["way", way === "out" ? "↑" : "↓"],
    [bytes ? "what bytes" : "what", bytes ? preview(data) : shorten(data)],
    ["meta", meta],
  ];
  for (const [name, text] of parts) {
    const part = document.createElement("span");
    part.className = name;
    part.textContent = text;
    item.append(part);
  }
  item.firstChild.title = item.firstChild.ariaLabel = way === "out" ? "sent" : "received";
  append(item);
}

function note(text, bad = false) {
  const item = document.createElement("li");
  item.className = bad ? "note bad" : "note";
  item.innerHTML = '<span class="way">·</span><span class="what"></span><span class="meta"></span>';
  item.children[1].textContent = text;
  item.children[2].textContent = new Date().toLocaleTimeString("en-GB");
  append(item);
}

let arriving = [];

/** Add a line to the log, together with others of this moment: a layout for each would be felt in the round trips. */
function append(item) {
  if (arriving.push(item) > 1) return;
  setTimeout(() => {
    const log = $("log");
    const following = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(...arriving);
    arriving = [];
    while (log.childElementCount > LOG_LINES) log.firstChild.remove();
    if (following) log.scrollTop = log.scrollHeight;
  }, 30);
}

// ------------------------------------------------------------------------------------------------------ the steps

// The client reaches them within milliseconds. They are shown one after the other, each with the time it was reached.
let script = [];
let playing = null;

function beginSteps(transports) {
  later(0, null);
  $("steps").classList.toggle("direct", transports[0] === "websocket");
  const upgrade = transports.length > 1 ? ["probe", "upgrade"] : [];
  const expected = ["handshake", ...transports, ...upgrade, "close"];
  for (const item of $("steps").children) {
    item.className = expected.includes(item.dataset.step) ? "" : "skipped";
    item.querySelector("time").textContent = "";
  }
  show("reason", "not yet");
}

function step(name) {
  const reached = performance.now() - session.began;
  later(STEP, () => {
    for (const item of $("steps").children) {
      if (item.classList.contains("now")) item.className = "done";
      if (item.dataset.step !== name) continue;
      item.className = "now";
      item.querySelector("time").textContent = reached < 10_000 ? milliseconds(reached) : duration(reached, 0);
      for (const before of earlier(item)) if (!before.className) before.className = "skipped";
    }
  });
}

function* earlier(item) {
  while ((item = item.previousElementSibling)) yield item;
}

/** Show something after what is being shown, and leave it `pause` ms; null forgets what has not been shown yet. */
function later(pause, show) {
  if (show === null) {
    clearTimeout(playing);
    playing = null;
    script = [];
    return;
  }
  script.push({ pause: isCalm() || document.hidden ? 0 : pause, show });
  if (playing === null) play();
}

function play() {
  const next = script.shift();
  playing = null;
  if (!next) return;
  next.show();
  playing = setTimeout(play, next.pause);
}

// ---------------------------------------------------------------------------------------------------- small things

function show(id, text) {
  const element = $(id);
  if (element.textContent !== String(text)) element.textContent = text;
}

/** The bytes of a packet's data; an empty message has none. */
const weigh = (data = "") => (typeof data === "string" ? encoder.encode(data).length : data.byteLength);

function kind(data) {
  if (data !== undefined && typeof data !== "string") return "bytes";
  return data?.startsWith('{"rtt"') ? "measure" : "message";
}

function preview(data) {
  const bytes = new Uint8Array(data, 0, Math.min(12, data.byteLength));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return data.byteLength > 12 ? `${hex} …` : hex || "(no bytes)";
}

const shorten = (text) => (text.length > 400 ? `${text.slice(0, 400)} …` : text || "(empty)");

function size(bytes) {
  if (bytes < 1e3) return `${Math.round(bytes)} B`;
  return bytes < 1e6 ? `${Number((bytes / 1e3).toPrecision(3))} kB` : `${Number((bytes / 1e6).toPrecision(3))} MB`;
}

function milliseconds(ms) {
  if (ms === null) return "–";
  const text = ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
  return text.replace(" ", "\u00a0"); // on one line
}

function duration(ms, digits = 1) {
  const seconds = ms / 1000;
  if (seconds < 60) return `${Number(seconds.toFixed(digits))} s`;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  const rest = String(Math.floor(seconds % 60)).padStart(2, "0");
  return hours ? `${hours} h ${String(minutes).padStart(2, "0")} min` : `${minutes} min ${rest} s`;
}

/** What changes by itself. */
function tick() {
  if (!session?.opened) return;
  const now = performance.now();
  show("uptime", duration(now - session.opened, 0));
  show("bytes-sent", size(session.sent));
  show("bytes-received", size(session.received));
  const part = Math.min(1, (now - session.pinged) / session.pingInterval);
  $("ring").style.strokeDasharray = `${part * 100} 100`;
}

// ------------------------------------------------------------------------------------------------- the page itself

$("controls").addEventListener("submit", (event) => {
  event.preventDefault();
  connect();
});
$("controls").addEventListener("change", connect);
$("close").addEventListener("click", () => session.socket.close());

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if ($("text").value) send($("text").value);
  $("text").value = "";
});
$("noise").addEventListener("click", () => send(crypto.getRandomValues(new Uint8Array(65_536)).buffer, "noise"));
$("burst").addEventListener("click", () => {
  for (let number = 1; number <= 100; number++) send(`message ${number} of 100`);
});
$("file").addEventListener("change", async ({ target }) => {
  for (const file of target.files) send(await file.arrayBuffer(), file.name);
  target.value = "";
});

// A file that is dropped on the messages is sent.
const messages = document.querySelector(".messages");
messages.addEventListener("dragover", (event) => {
  event.preventDefault();
  messages.classList.add("dropping");
});
for (const end of ["dragleave", "drop"]) messages.addEventListener(end, () => messages.classList.remove("dropping"));
messages.addEventListener("drop", async (event) => {
  event.preventDefault();
  for (const file of event.dataTransfer.files) send(await file.arrayBuffer(), file.name);
});

setInterval(measure, MEASURE_EVERY);
setInterval(tick, 100);
connect();
