// A canvas that is as sharp as the screen, knows the page's colours, and draws only while somebody can see it.

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Whether the visitor asked for less motion. */
export const isCalm = () => calm.matches;

export class Surface {
  /**
   * `draw(context, width, height, colours, now)` paints a frame and returns whether another should follow, at the
   * earliest `pause` ms later.
   */
  constructor(canvas, draw, pause = 0) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.draw = draw;
    this.pause = pause;
    this.painted = 0;
    this.frame = null;
    this.readColours();
    dark.addEventListener("change", () => this.readColours());
    new ResizeObserver(() => this.resize()).observe(canvas);
    document.addEventListener("visibilitychange", () => this.wake());
  }

  /** Something changed: draw, and go on for as long as `draw` wants to. */
  wake() {
    if (this.frame === null && !document.hidden) this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    const now = performance.now(); // the frame's own time may lie before what is to be drawn
    this.frame = null;
    const { context, width, height } = this;
    if (!width) return;
    if (now - this.painted < this.pause) return this.wake();
    this.painted = now;
    context.clearRect(0, 0, width, height);
    if (this.draw(context, width, height, this.colours, now)) this.wake();
  }

  resize() {
    const ratio = devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.painted = 0;
    this.wake();
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    const names = ["paper", "card", "ink", "soft", "line", "polling", "websocket", "danger"];
    this.colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.colours.font = getComputedStyle(document.body).fontFamily;
    this.wake();
  }
}
