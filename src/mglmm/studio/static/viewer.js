// The picture with its masks: drawing, zooming to an object, and which object lies under the pointer.

const ZOOM_MS = 420, FADE_MS = 260;
const MAX_ZOOM = 6; // of an object that fills the stage, against the whole picture
const MARGIN = 0.14; // around an object that fills the stage, as a share of its size
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Draws on a canvas; `onpoint(id)` and `onpick(id, touch)` tell what the pointer does, null beside all objects. */
export class Viewer {
  constructor(canvas, { onpoint, onpick }) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.image = null;
    this.marks = []; // {id, shape, color, label, born}
    this.lit = new Set();
    this.focus = null;
    this.options = { opacity: 0.45, outlines: true, labels: true };
    this.view = null;
    this.motion = null;
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    canvas.addEventListener("pointermove", (event) => event.pointerType !== "touch" && onpoint(this.at(event)));
    canvas.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && onpoint(null));
    canvas.addEventListener("click", (event) => onpick(this.at(event), event.pointerType === "touch"));
  }

  /** Show a picture (an image element that has been decoded). */
  show(image) {
    this.image = image;
    this.focus = null;
    this.view = null;
    this.resize();
  }

  /** Show these masks; those that were not there before fade in. */
  mark(marks) {
    const known = new Map(this.marks.map((mark) => [mark.id, mark.born]));
    const now = performance.now();
    this.marks = [...marks].sort((a, b) => b.shape.area - a.shape.area);
    for (const mark of this.marks) mark.born = known.get(mark.id) ?? (still.matches ? 0 : now);
    this.paint();
  }

  /** Light up these masks, dim the others; none: all alike. */
  light(ids) {
    if (ids.length === this.lit.size && ids.every((id) => this.lit.has(id))) return;
    this.lit = new Set(ids);
    this.paint();
  }

  /** Zoom to a shape and veil what lies around it; null: the whole picture. */
  look(shape) {
    if (shape === this.focus) return;
    this.focus = shape;
    if (!this.view) return;
    this.motion = { from: this.view, to: this.fitting(), since: performance.now() };
    if (still.matches) this.motion.since = -Infinity;
    this.paint();
  }

  set(options) {
    Object.assign(this.options, options);
    this.paint();
  }

  resize() {
    const { width, height } = this.canvas.parentElement.getBoundingClientRect();
    if (!this.image || !width || !height) return;
    const ratio = devicePixelRatio;
    this.size = [width, height];
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.motion = null;
    this.view = this.fitting();
    this.draw(performance.now());
  }

  /** Scale and offset (in CSS pixels) that show the focus, or the whole picture, in the middle of the stage. */
  fitting() {
    const [width, height] = this.size;
    const { naturalWidth, naturalHeight } = this.image;
    const whole = Math.min(width / naturalWidth, height / naturalHeight);
    let [x0, y0, x1, y1] = [0, 0, naturalWidth, naturalHeight], scale = whole;
    if (this.focus) {
      [x0, y0, x1, y1] = this.focus.box;
      const room = 1 + 2 * MARGIN;
      scale = Math.min(width / ((x1 - x0) * room), height / ((y1 - y0) * room), whole * MAX_ZOOM);
      scale = Math.max(scale, whole);
    }
    // no empty stage beside a picture that could fill it
    const offset = (middle, all, stage) => (
      scale * all <= stage ? (stage - scale * all) / 2 : Math.min(0, Math.max(stage - scale * all, stage / 2 - scale * middle)));
    return { scale, x: offset((x0 + x1) / 2, naturalWidth, width), y: offset((y0 + y1) / 2, naturalHeight, height) };
  }

  /** The id of the smallest object under a pointer event; null beside all. */
  at(event) {
    if (!this.view) return null;
    const box = this.canvas.getBoundingClientRect();
    const x = (event.clientX - box.left - this.view.x) / this.view.scale;
    const y = (event.clientY - box.top - this.view.y) / this.view.scale;
    const found = this.marks.findLast((mark) => mark.shape.covers(x, y));
    this.canvas.style.cursor = found ? "pointer" : "";
    return found?.id ?? null;
  }

  /** Where the middle of an object is on the screen, for whoever wants to point at it. */
  place(id) {
    const mark = this.marks.find((one) => one.id === id);
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = mark.shape.middle;
    return [box.left + this.view.x + x * this.view.scale, box.top + this.view.y + y * this.view.scale];
  }

  paint() {
    if (this.frame || !this.view) return;
    this.frame = requestAnimationFrame((now) => {
      this.frame = 0;
      this.draw(now);
    });
  }

  draw(now) {
    const { context, image } = this;
    const moving = this.move(now);
    const { scale, x, y } = this.view;
    const ratio = devicePixelRatio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(scale * ratio, 0, 0, scale * ratio, x * ratio, y * ratio);
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0);
    if (this.focus) this.veil();
    const some = this.marks.some((mark) => this.lit.has(mark.id));
    let fading = false;
    for (const mark of this.marks) {
      const age = Math.min(1, (now - mark.born) / FADE_MS);
      fading ||= age < 1;
      this.fill(mark, age, some);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.name();
    if (moving || fading) this.paint();
  }

  /** One step of a zoom; whether there are more. */
  move(now) {
    if (!this.motion) return false;
    const { from, to, since } = this.motion;
    const share = Math.min(1, Math.max(0, (now - since) / ZOOM_MS));
    const eased = 1 - (1 - share) ** 3;
    this.view = Object.fromEntries(["scale", "x", "y"].map((key) => [key, from[key] + (to[key] - from[key]) * eased]));
    if (share === 1) this.motion = null;
    return share < 1;
  }

  veil() {
    const around = new Path2D();
    around.rect(0, 0, this.image.naturalWidth, this.image.naturalHeight);
    around.addPath(this.focus.path);
    this.context.fillStyle = getComputedStyle(this.canvas).getPropertyValue("--veil");
    this.context.fill(around, "evenodd");
  }

  /** A mask; `some`: others may be lit, and it steps back if it is not. */
  fill({ id, shape, color }, age, some) {
    const { context, options, view } = this;
    const lit = this.lit.has(id), dim = some && !lit;
    context.globalAlpha = age * (lit ? Math.max(0.62, options.opacity) : options.opacity * (dim ? 0.25 : 1));
    context.fillStyle = color.fill;
    context.fill(shape.path, "evenodd");
    if (options.outlines || lit) {
      context.globalAlpha = age * (dim ? 0.25 : 1);
      context.lineJoin = "round";
      context.strokeStyle = "#fff";
      context.lineWidth = (lit ? 4.5 : 3) / view.scale;
      context.stroke(shape.path);
      context.strokeStyle = color.fill;
      context.lineWidth = (lit ? 2.5 : 1.6) / view.scale;
      context.stroke(shape.path);
    }
    context.globalAlpha = 1;
  }

  /** The labels, of lit masks alone if there are any, smallest mask first; one that would cover another is left out. */
  name() {
    const { context, view } = this;
    const lit = this.marks.filter((mark) => this.lit.has(mark.id));
    const marks = lit.length || !this.options.labels ? lit : [...this.marks];
    marks.sort((a, b) => a.shape.area - b.shape.area);
    context.font = `500 12.5px ${getComputedStyle(this.canvas).fontFamily}`;
    context.textBaseline = "middle";
    const taken = [];
    for (const { shape, color, label } of marks) {
      if (!shape.area || !label) continue;
      const wide = context.measureText(label).width + 12, high = 21;
      const clamp = (value, size, all) => Math.min(Math.max(value, size / 2 + 2), all - size / 2 - 2);
      const middle = [shape.middle[0] * view.scale + view.x, shape.middle[1] * view.scale + view.y];
      if (middle.some((value, axis) => value < 0 || value > this.size[axis])) continue;
      const x = clamp(middle[0], wide, this.size[0]), y = clamp(middle[1], high, this.size[1]);
      const box = [x - wide / 2, y - high / 2, x + wide / 2, y + high / 2];
      if (taken.some((o) => box[0] < o[2] && o[0] < box[2] && box[1] < o[3] && o[1] < box[3])) continue;
      taken.push(box);
      context.fillStyle = color.fill;
      context.beginPath();
      context.roundRect(box[0], box[1], wide, high, 6);
      context.fill();
      context.fillStyle = color.ink;
      context.fillText(label, box[0] + 6, y + 0.5);
    }
  }
}
