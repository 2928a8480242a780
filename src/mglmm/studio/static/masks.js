// Masks: from compressed runs to something that can be drawn, pointed at and labelled, all in the browser.

const GRID = 1024; // longer side of the grid that a mask is read on; finer than any screen shows it

/** The runs of COCO's compressed counts, zeros first. Source: rleFrString of the COCO API (maskApi.c). */
export function runsOf(counts) {
  const runs = [];
  for (let at = 0; at < counts.length;) {
    let run = 0, shift = 0, code;
    do {
      code = counts.charCodeAt(at++) - 48;
      run |= (code & 31) << shift;
      shift += 5;
    } while (code & 32);
    if (code & 16 && shift < 32) run |= -1 << shift;
    runs.push(runs.length > 2 ? run + runs[runs.length - 2] : run);
  }
  return runs;
}

/** A mask, ready for the screen. Coordinates are pixels of the picture, x to the right and y down. */
export class Shape {
  constructor(rle) {
    const [height, width] = rle.size;
    const scale = Math.min(1, GRID / Math.max(height, width));
    this.w = Math.max(1, Math.round(width * scale));
    this.h = Math.max(1, Math.round(height * scale));
    this.stepX = width / this.w;
    this.stepY = height / this.h;
    this.bits = sampled(runsOf(rle.counts), height, this);
    this.measure();
    this.path = outline(this);
  }

  /** Whether the mask covers a point of the picture. */
  covers(x, y) {
    const column = Math.floor(x / this.stepX), row = Math.floor(y / this.stepY);
    return column >= 0 && row >= 0 && column < this.w && row < this.h && this.bits[row * this.w + column] === 1;
  }

  /** Finds `area` (share of the picture), `box` (x0, y0, x1, y1) and `middle`, the point deepest inside. */
  measure() {
    const { w, h, bits } = this;
    const depth = new Uint16Array(w * h);
    let count = 0, deepest = -1, x0 = w, y0 = h, x1 = 0, y1 = 0;
    for (let at = 0; at < bits.length; at++) {
      if (!bits[at]) continue;
      const x = at % w, y = (at / w) | 0;
      count++;
      x0 = Math.min(x0, x); x1 = Math.max(x1, x + 1); y0 = Math.min(y0, y); y1 = Math.max(y1, y + 1);
      depth[at] = 1 + Math.min(x ? depth[at - 1] : 0, y ? depth[at - w] : 0);
    }
    for (let at = bits.length - 1; at >= 0; at--) {
      if (!bits[at]) continue;
      const x = at % w, y = (at / w) | 0;
      depth[at] = Math.min(depth[at], 1 + (x < w - 1 ? depth[at + 1] : 0), 1 + (y < h - 1 ? depth[at + w] : 0));
      if (deepest < 0 || depth[at] > depth[deepest]) deepest = at;
    }
    this.area = count / (w * h);
    this.box = count ? [x0 * this.stepX, y0 * this.stepY, x1 * this.stepX, y1 * this.stepY] : [0, 0, 0, 0];
    this.middle = [((deepest % w) + 0.5) * this.stepX, (Math.floor(deepest / w) + 0.5) * this.stepY];
  }
}

/** 0 or 1 at the middle of every cell of the grid; the runs go down the columns of the picture. */
function sampled(runs, height, { w, h, stepX, stepY }) {
  const bits = new Uint8Array(w * h);
  let at = 0, end = runs[0] ?? 0;
  for (let x = 0; x < w; x++) {
    const column = Math.floor((x + 0.5) * stepX) * height;
    for (let y = 0; y < h; y++) {
      const place = column + Math.floor((y + 0.5) * stepY);
      while (place >= end && at < runs.length - 1) end += runs[++at];
      bits[y * w + x] = at & 1;
    }
  }
  return bits;
}

const STEPS = [[1, 0], [0, 1], [-1, 0], [0, -1]]; // right, down, left, up

/** The border of a shape as closed lines, clockwise around it, its corners cut by half a cell. */
function outline({ w, h, bits, stepX, stepY }) {
  const ways = borders(w, h, bits);
  const path = new Path2D();
  const across = w + 1;
  for (let start = 0; start < ways.length; start++) {
    while (ways[start]) {
      const begun = 31 - Math.clz32(ways[start]);
      let at = start, way = begun, first = true, open;
      do {
        ways[at] &= ~(1 << way);
        at += STEPS[way][0] + STEPS[way][1] * across;
        open = [(way + 1) % 4, way, (way + 3) % 4].find((turn) => ways[at] & (1 << turn));
        const next = open ?? begun; // back where it began, the line goes on as it did there
        if (next !== way) {
          corner(path, at % across, (at / across) | 0, way, next, stepX, stepY, first);
          first = false;
        }
        way = next;
      } while (open !== undefined);
      path.closePath();
    }
  }
  return path;
}

/** For every corner of the grid the ways in which a border leaves it, one bit each, the shape to the right. */
function borders(w, h, bits) {
  const ways = new Uint8Array((w + 1) * (h + 1));
  const across = w + 1;
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const at = y * w + x;
      if (!bits[at]) continue;
      const corner = y * across + x;
      if (!y || !bits[at - w]) ways[corner] |= 1;
      if (x === w - 1 || !bits[at + 1]) ways[corner + 1] |= 2;
      if (y === h - 1 || !bits[at + w]) ways[corner + across + 1] |= 4;
      if (!x || !bits[at - 1]) ways[corner + across] |= 8;
    }
  }
  return ways;
}

function corner(path, x, y, coming, going, stepX, stepY, first) {
  const fromX = (x - STEPS[coming][0] / 2) * stepX, fromY = (y - STEPS[coming][1] / 2) * stepY;
  const toX = (x + STEPS[going][0] / 2) * stepX, toY = (y + STEPS[going][1] / 2) * stepY;
  if (first) path.moveTo(fromX, fromY);
  else path.lineTo(fromX, fromY);
  path.quadraticCurveTo(x * stepX, y * stepY, toX, toY);
}
