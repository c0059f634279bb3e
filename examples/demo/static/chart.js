// The chart: round-trip times of the last minute, moving with the clock, in the colour of the transport they took.

import { Surface, isCalm } from "./surface.js";

const SPAN = 60_000; // ms shown
const FRAME = 30; // ms between two pictures: in that time it moves by a third of a pixel
const MARGIN = { top: 14, right: 16, bottom: 26, left: 58 };
const NICE = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000];

export class Chart {
  constructor(canvas) {
    this.samples = []; // {at, took, transport}
    this.marks = []; // {at, text, transport}
    this.top = 2; // ms at the upper edge; follows the samples, except for rare high ones, which leave the picture
    this.running = false;
    this.surface = new Surface(canvas, (...frame) => this.draw(...frame), FRAME);
  }

  add(took, transport, at = performance.now()) {
    this.samples.push({ at, took, transport });
    while (this.samples[0].at < at - SPAN - 2000) this.samples.shift();
    this.surface.wake();
  }

  /** A line that says what happened. */
  mark(text, transport, at = performance.now()) {
    this.marks = [...this.marks.filter((mark) => mark.at > at - SPAN), { at, text, transport }];
    this.surface.wake();
  }

  /** A gap: the next sample belongs to another session. */
  pause() {
    if (this.samples.length) this.samples.push({ ...this.samples.at(-1), took: null, at: performance.now() });
  }

  /** Milliseconds under which a part of the samples lies, of one transport or of all; null without samples. */
  quantile(part, transport) {
    const wanted = this.samples.filter(({ took, transport: by }) => took !== null && by === (transport ?? by));
    const sorted = wanted.map(({ took }) => took).sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? null;
  }

  draw(context, width, height, colours, now) {
    const left = MARGIN.left;
    const right = width - MARGIN.right;
    const bottom = height - MARGIN.bottom;
    const shown = this.samples.filter(({ at }) => at > now - SPAN - 1000);
    const high = Math.min(Math.max(...shown.map(({ took }) => took ?? 0)), 3 * this.quantile(0.9));
    const highest = Math.max(1, high * 1.2);
    this.top += (highest - this.top) * (isCalm() ? 1 : highest > this.top ? 0.2 : 0.05);
    const x = (at) => right - ((now - at) / SPAN) * (right - left);
    const y = (took) => bottom - (took / this.top) * (bottom - MARGIN.top);

    this.drawGrid(context, { left, right, bottom }, y, colours);
    context.save();
    context.beginPath();
    context.rect(left, 0, width - left, height);
    context.clip();
    this.drawMarks(context, { right, bottom }, x, colours, now);
    for (const run of runs(shown)) drawRun(context, run, { x, y, bottom }, colours);
    const last = shown.at(-1);
    if (last && last.took !== null) drawHead(context, x(last.at), y(last.took), colours[last.transport], now - last.at);
    context.restore();
    return shown.length > 0 && !isCalm();
  }

  drawGrid(context, { left, right, bottom }, y, colours) {
    const every = NICE.find((step) => this.top / step <= 4.5) ?? NICE.at(-1);
    context.font = `12px ${colours.font}`;
    context.lineWidth = 1;
    context.strokeStyle = colours.line;
    context.fillStyle = colours.soft;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (let took = 0; took <= this.top; took += every) {
      const level = Math.round(y(took)) + 0.5;
      context.beginPath();
      context.moveTo(left, level);
      context.lineTo(right, level);
      context.stroke();
      context.fillText(label(took), left - 9, level);
    }
    context.textBaseline = "alphabetic";
    for (const ago of right - left < 320 ? [60, 30, 0] : [60, 45, 30, 15, 0]) {
      context.textAlign = ago === 60 ? "left" : ago ? "center" : "right";
      context.fillText(ago ? `${ago} s ago` : "now", right - (ago / 60) * (right - left), bottom + 19);
    }
  }

  drawMarks(context, { right, bottom }, x, colours, now) {
    context.font = `600 12px ${colours.font}`;
    this.marks.forEach(({ at, text, transport }, index) => {
      const where = Math.round(x(at)) + 0.5;
      const until = index + 1 < this.marks.length ? x(this.marks[index + 1].at) : Infinity;
      const age = Math.min(1, (now - at) / 500);
      context.globalAlpha = isCalm() ? 1 : age;
      context.strokeStyle = context.fillStyle = colours[transport] ?? colours.soft;
      context.setLineDash([3, 4]);
      context.beginPath();
      context.moveTo(where, MARGIN.top - 8);
      context.lineTo(where, bottom);
      context.stroke();
      context.setLineDash([]);
      const wide = context.measureText(text).width + 12;
      const room = right - where > wide;
      context.textAlign = room ? "left" : "right";
      if (until - where > wide) context.fillText(text, where + (room ? 6 : -6), MARGIN.top + 2);
      context.globalAlpha = 1;
    });
  }
}

const label = (ms) => (ms < 1000 ? (ms ? `${ms} ms` : "0") : `${ms / 1000} s`);

/** Runs of samples of one transport; each begins with the last of the run before, so that the line has no gap. */
function runs(samples) {
  const found = [];
  for (const sample of samples) {
    if (sample.took === null) found.push(null);
    else if (found.at(-1)?.transport === sample.transport) found.at(-1).points.push(sample);
    else found.push({ transport: sample.transport, points: [found.at(-1)?.points.at(-1), sample].filter(Boolean) });
  }
  return found.filter(Boolean);
}

function drawRun(context, { transport, points }, { x, y, bottom }, colours) {
  const line = new Path2D();
  points.forEach(({ at, took }, index) => {
    if (!index) return line.moveTo(x(at), y(took));
    const before = points[index - 1];
    const half = (x(before.at) + x(at)) / 2;
    line.bezierCurveTo(half, y(before.took), half, y(took), x(at), y(took));
  });
  const area = new Path2D(line);
  area.lineTo(x(points.at(-1).at), bottom);
  area.lineTo(x(points[0].at), bottom);
  context.fillStyle = colours[transport];
  context.globalAlpha = 0.12;
  context.fill(area);
  context.globalAlpha = 1;
  context.strokeStyle = colours[transport];
  context.lineWidth = 2;
  context.lineJoin = "round";
  context.stroke(line);
}

function drawHead(context, x, y, colour, age) {
  context.fillStyle = colour;
  context.globalAlpha = Math.max(0, 0.3 - age / 1500);
  context.beginPath();
  context.arc(x, y, 4 + Math.min(9, age / 30), 0, 7);
  context.fill();
  context.globalAlpha = 1;
  context.beginPath();
  context.arc(x, y, 4, 0, 7);
  context.fill();
}
