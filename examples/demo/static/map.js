// The map: two ways between the browser and the server, and the packets that travel on the one in use.

import { Surface, isCalm } from "./surface.js";

const JOURNEY = 1100; // ms that a packet is on its way here; in truth about a thousandth of that
const SWEEP = 900; // ms in which the new way lights up
const CROWD = 120; // packets drawn at once, at most

const LABELS = { polling: "HTTP long-polling", websocket: "WebSocket" };

export class RouteMap {
  constructor(canvas) {
    this.packets = [];
    this.light = { polling: 0, websocket: 0 }; // how far each way is lit, 0 to 1
    this.active = null;
    this.before = null;
    this.surface = new Surface(canvas, (...frame) => this.draw(...frame));
    this.ends = [...canvas.parentElement.querySelectorAll(".end-icon")];
  }

  /** Light up the way in use, null for none. */
  use(transport) {
    this.active = transport;
    this.surface.canvas.ariaLabel = transport ? `Packets travel by ${LABELS[transport]}` : "No session";
    this.surface.wake();
  }

  /** Let a packet travel. `kind`: message, bytes, measure, beat or control; `way` defaults to the one in use. */
  travel(kind, outward, way = this.active) {
    if (isCalm() || document.hidden || !way || this.packets.length >= CROWD) return;
    // Those of one moment go one behind the other.
    const now = performance.now();
    const last = this.packets.findLast((packet) => packet.outward === outward && packet.way === way);
    const start = Math.max(now, last ? last.start + 26 : 0);
    if (start < now + 1500) this.packets.push({ kind, outward, way, start });
    this.surface.wake();
  }

  draw(context, width, height, colours, now) {
    const step = this.before === null ? 0 : now - this.before;
    let moving = false;
    for (const way of ["polling", "websocket"]) {
      const goal = this.active === way ? 1 : 0;
      const change = isCalm() ? 1 : step / SWEEP;
      this.light[way] = goal ? Math.min(1, this.light[way] + change) : Math.max(0, this.light[way] - change * 1.4);
      moving ||= this.light[way] !== goal;
    }
    const between = this.between();
    const routes = { polling: route(between, -1), websocket: route(between, 1) };
    const dimFirst = Object.keys(routes).sort((a, b) => this.light[a] - this.light[b]);
    for (const way of dimFirst) this.drawWay(context, way, routes[way], between, colours);
    this.packets = this.packets.filter((packet) => now - packet.start < JOURNEY);
    for (const packet of this.packets) {
      if (packet.start <= now) drawPacket(context, packet, routes[packet.way], colours, now);
    }
    moving ||= this.packets.length > 0;
    this.before = moving ? now : null;
    return moving;
  }

  /** The free room between the two ends: its left and right, its middle, and how far a way keeps off that. */
  between() {
    const canvas = this.surface.canvas.getBoundingClientRect();
    const [browser, server] = this.ends.map((end) => end.getBoundingClientRect());
    const middle = browser.top + browser.height / 2 - canvas.top;
    return { left: browser.right - canvas.left, right: server.left - canvas.left, middle, off: middle * 0.56 };
  }

  drawWay(context, way, points, { left, right, middle, off }, colours) {
    const lit = ease(this.light[way]);
    context.lineCap = "round";
    context.lineWidth = 2;
    context.strokeStyle = colours.line;
    context.setLineDash([2, 8]);
    trace(context, points, 1);
    context.setLineDash([]);
    if (lit > 0) {
      const reach = this.active === way ? lit : 1;
      context.strokeStyle = colours[way];
      context.globalAlpha = (this.active === way ? 1 : lit) * 0.16;
      context.lineWidth = 26;
      trace(context, points, reach);
      context.globalAlpha = this.active === way ? 1 : lit;
      context.lineWidth = 2.5;
      trace(context, points, reach);
      context.globalAlpha = 1;
    }
    const below = way === "websocket";
    context.font = `${lit > 0.5 ? 650 : 500} ${right - left < 320 ? 13 : 14}px ${colours.font}`;
    context.textAlign = "center";
    context.fillStyle = lit > 0.5 ? colours[way] : colours.soft;
    context.fillText(LABELS[way], (left + right) / 2, below ? middle + off + 32 : middle - off - 22);
  }
}

/** Points of a way that leaves one end, keeps to its side (-1 above, 1 below), and comes in at the other. */
function route({ left, right, middle, off }, side) {
  const bend = Math.min((right - left) * 0.3, 170);
  const lane = middle + side * off;
  const leave = [[left + 14, middle], [left + bend * 0.6, middle], [left + bend * 0.45, lane], [left + bend, lane]];
  const points = [];
  for (let step = 0; step <= 40; step++) points.push(cubic(step / 40, ...leave));
  const mirrored = points.map(([x, y]) => [left + right - x, y]).reverse();
  return measure([...points, ...mirrored]);
}

function cubic(t, a, b, c, d) {
  const s = 1 - t;
  const at = (axis) => s * s * s * a[axis] + 3 * s * s * t * b[axis] + 3 * s * t * t * c[axis] + t * t * t * d[axis];
  return [at(0), at(1)];
}

/** Add to each point how far along the way it is, 0 to 1. */
function measure(points) {
  let length = 0;
  let [beforeX, beforeY] = points[0];
  const measured = points.map(([x, y]) => {
    length += Math.hypot(x - beforeX, y - beforeY);
    [beforeX, beforeY] = [x, y];
    return [x, y, length];
  });
  return measured.map(([x, y, far]) => [x, y, far / length]);
}

function trace(context, points, reach) {
  context.beginPath();
  for (const [x, y, far] of points) if (far < reach) context.lineTo(x, y);
  context.lineTo(...place(points, reach, 0));
  context.stroke();
}

/** The place at a part of the way, a little to the side of it. */
function place(points, part, aside) {
  const after = Math.max(1, points.findIndex((point) => point[2] >= part));
  const [x0, y0, far0] = points[after - 1];
  const [x1, y1, far1] = points[after];
  const share = (part - far0) / (far1 - far0 || 1);
  const length = Math.hypot(x1 - x0, y1 - y0) || 1;
  return [x0 + (x1 - x0) * share - ((y1 - y0) / length) * aside, y0 + (y1 - y0) * share + ((x1 - x0) / length) * aside];
}

function drawPacket(context, { kind, outward, way, start }, points, colours, now) {
  const gone = (now - start) / JOURNEY;
  const part = ease(gone);
  const [x, y] = place(points, outward ? part : 1 - part, outward ? -7 : 7);
  context.globalAlpha = Math.min(1, gone * 12, (1 - gone) * 12);
  context.fillStyle = colours[way];
  context.strokeStyle = colours[way];
  context.beginPath();
  if (kind === "bytes") context.roundRect(x - 5.5, y - 5.5, 11, 11, 3);
  else context.arc(x, y, kind === "measure" ? 2.6 : 5.3, 0, 7);
  if (kind === "beat" || kind === "control") {
    context.lineWidth = 2.2;
    context.fillStyle = colours.card;
    context.fill();
    context.stroke();
  } else context.fill();
  context.globalAlpha = 1;
}

function ease(t) {
  return t < 0.5 ? 2 * t * t : 1 - (2 - 2 * t) ** 2 / 2;
}
