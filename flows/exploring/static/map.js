// The map: points by WebGL, and over them, on a canvas of its own, rings and the names of classes.

const VERTEX = `
attribute vec2 place; attribute vec4 colour;
uniform vec2 middle, scale; uniform mediump float size;
varying vec4 shade;
void main() {
  gl_Position = vec4((place - middle) * scale, 0.0, 1.0);
  gl_PointSize = colour.a < 0.2 ? size * 0.7 : size;
  shade = vec4(colour.rgb * colour.a, colour.a);
}`;
const FRAGMENT = `
precision mediump float; varying vec4 shade; uniform mediump float size;
void main() {
  if (size > 3.0 && length(gl_PointCoord - 0.5) > 0.5) discard;
  gl_FragColor = shade;
}`;
const REACH = 14;
const CLOSEST = 400;
const LEAST = 20000; // points of a frame while the map moves
const FIRST = 200000; // points of the first of these
const SLOW = 34; // ms between frames, beyond which fewer are drawn
const STILL = 160; // ms without a move, after which all are drawn

export class PointMap {
  /** `on`: choose(row) and draw(mask), which are called when somebody does so. `drawing`: a drag draws, and moves nothing. */
  constructor(points, over, on) {
    this.points = points;
    this.over = over;
    this.on = on;
    this.n = 0;
    this.marks = [];
    [this.lasso, this.drawing] = [null, false];
    this.chosen = -1;
    this.names = [];
    this.budget = FIRST;
    this.last = 0;
    this.gl = points.getContext("webgl", { antialias: false, alpha: true, premultipliedAlpha: true });
    if (this.gl) this.begin();
    new ResizeObserver(() => this.resize()).observe(points.parentElement);
    this.listen();
  }

  begin() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.at = Object.fromEntries(["middle", "scale", "size"].map((name) => [name, gl.getUniformLocation(program, name)]));
    this.buffers = ["place", "colour"].map((name) => {
      const buffer = gl.createBuffer();
      const slot = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(slot);
      if (name === "place") gl.vertexAttribPointer(slot, 2, gl.FLOAT, false, 0, 0);
      else gl.vertexAttribPointer(slot, 4, gl.UNSIGNED_BYTE, true, 0, 0);
      return buffer;
    });
    this.points.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.points.addEventListener("webglcontextrestored", () => {
      this.begin();
      this.send(0, this.xy);
      if (this.rgba) this.send(1, this.rgba);
      this.draw();
    });
  }

  send(which, data) {
    const { gl } = this;
    if (!gl) return;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[which]);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
  }

  /** Show points: x and y of each. */
  place(xy) {
    this.n = xy.length / 2;
    this.xy = xy;
    this.send(0, xy);
    if (!this.rgba || this.rgba.length !== 4 * this.n) this.colour(new Uint8Array(4 * this.n).fill(140));
    this.whole();
  }

  colour(rgba) {
    this.rgba = rgba;
    this.send(1, rgba);
    this.draw();
  }

  /** Names over the map: [{name, x, y, colour}]. */
  label(names) {
    this.names = names;
    this.draw();
  }

  choose(row, marks) {
    this.chosen = row;
    this.marks = marks;
    this.draw();
  }

  /** Show all: the frame leaves out the thousandth of points that lie farthest to each side. */
  whole() {
    const step = Math.max(1, Math.floor(this.n / 20000));
    const sides = [[], []];
    for (let row = 0; row < this.n; row += step) {
      sides[0].push(this.xy[2 * row]);
      sides[1].push(this.xy[2 * row + 1]);
    }
    const ends = sides.map((side) => {
      side.sort((a, b) => a - b);
      const cut = Math.floor(side.length * 0.001);
      return [side[cut] ?? 0, side[side.length - 1 - cut] ?? 1];
    });
    this.middle = ends.map(([low, high]) => (low + high) / 2);
    this.spans = ends.map(([low, high]) => high - low || 1);
    this.zoom = 1;
    this.draw();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.points.parentElement;
    if (!width || !height) return;
    this.ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.points, this.over]) {
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(height * this.ratio);
    }
    this.draw();
  }

  /** Pixels of CSS for a unit of the plane; the same both ways. */
  get unit() {
    const { clientWidth: width, clientHeight: height } = this.points;
    return 0.92 * Math.min(width / this.spans[0], height / this.spans[1]) * this.zoom;
  }

  toPixels(x, y) {
    const { clientWidth: width, clientHeight: height } = this.points;
    return [width / 2 + (x - this.middle[0]) * this.unit, height / 2 - (y - this.middle[1]) * this.unit];
  }

  toPlane(left, top) {
    const { clientWidth: width, clientHeight: height } = this.points;
    return [this.middle[0] + (left - width / 2) / this.unit, this.middle[1] - (top - height / 2) / this.unit];
  }

  draw() {
    if (this.waits || !this.n) return;
    this.waits = true;
    requestAnimationFrame((now) => {
      this.waits = false;
      this.drawNow(this.pace(now));
    });
  }

  /**
   * How many points this frame has. While the map moves, as many as are drawn in time: they lie in the order of hashes,
   * so the first are a fair sample of all. When it stands still, all of them.
   */
  pace(now) {
    const passed = now - this.last;
    const both = this.moves && this.moved; // so that this is the time of a frame, and not of a rest
    [this.last, this.moved] = [now, this.moves];
    if (!this.moves) return this.n;
    if (both && passed > SLOW) this.budget = Math.max(LEAST, Math.min(this.budget, this.n) * Math.max(0.3, SLOW / passed));
    else if (both && passed < SLOW / 2 + 1) this.budget = Math.min(this.n, this.budget * 1.15);
    this.rest();
    return Math.min(this.n, Math.round(this.budget));
  }

  /** Draw all points once nothing has moved for a while; a frame that is still to come is a move. */
  rest() {
    clearTimeout(this.still);
    this.still = setTimeout(() => {
      if (this.waits) {
        this.rest();
        return;
      }
      this.moves = false;
      this.draw();
    }, STILL);
  }

  get size() {
    const base = this.n > 3e5 ? 1.5 : this.n > 3e4 ? 2.5 : this.n > 3000 ? 4 : 7;
    return base * Math.min(Math.sqrt(this.zoom), 4) * (this.ratio ?? 1);
  }

  drawNow(n) {
    const { gl } = this;
    const { clientWidth: width, clientHeight: height } = this.points;
    if (!width || !height) return;
    if (gl) {
      gl.viewport(0, 0, this.points.width, this.points.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(this.at.middle, ...this.middle);
      gl.uniform2f(this.at.scale, (2 * this.unit) / width, (2 * this.unit) / height);
      gl.uniform1f(this.at.size, this.size);
      gl.drawArrays(gl.POINTS, 0, n);
      this.points.dataset.n = n;
    }
    this.drawOver(width, height);
  }

  drawOver(width, height) {
    const pen = this.over.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const [ink, ground] = ["--ink", "--ground"].map((name) => style.getPropertyValue(name).trim());
    pen.setTransform(this.ratio ?? 1, 0, 0, this.ratio ?? 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "600 13px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    const taken = [];
    for (const { name, x, y } of this.names) {
      const [left, top] = this.toPixels(x, y);
      const half = pen.measureText(name).width / 2 + 4;
      if (left < half || left > width - half || top < 10 || top > height - 10) continue;
      if (taken.some(([l, t, h]) => Math.abs(l - left) < h + half && Math.abs(t - top) < 18)) continue;
      taken.push([left, top, half]);
      pen.lineWidth = 4;
      pen.strokeStyle = ground;
      pen.strokeText(name, left, top);
      pen.fillStyle = ink;
      pen.fillText(name, left, top);
    }
    const ring = (row, radius, thick) => {
      const [left, top] = this.toPixels(this.xy[2 * row], this.xy[2 * row + 1]);
      for (const [colour, line] of [[ground, thick + 2], [ink, thick]]) {
        pen.beginPath();
        pen.arc(left, top, radius, 0, 2 * Math.PI);
        pen.lineWidth = line;
        pen.strokeStyle = colour;
        pen.stroke();
      }
    };
    for (const row of this.marks) ring(row, 6, 1);
    if (this.chosen >= 0) ring(this.chosen, 10, 2.5);
    if (this.lasso) {
      pen.strokeStyle = ink;
      pen.lineWidth = 1;
      pen.setLineDash([4, 3]);
      pen.beginPath();
      for (const at of this.lasso) pen.lineTo(...at);
      pen.closePath();
      pen.stroke();
      pen.setLineDash([]);
    }
  }

  zoomAt(left, top, factor) {
    const [x, y] = this.toPlane(left, top);
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.5), CLOSEST);
    const [nowX, nowY] = this.toPlane(left, top);
    this.middle = [this.middle[0] + x - nowX, this.middle[1] + y - nowY];
    this.moves = true;
    this.draw();
  }

  move(right, down) {
    this.middle = [this.middle[0] - right / this.unit, this.middle[1] + down / this.unit];
    this.moves = true;
    this.draw();
  }

  /** The point nearest to a place on the canvas, -1 when none is near; of those in full colour. */
  nearest(left, top) {
    const [x, y] = this.toPlane(left, top);
    let least = (REACH / this.unit) ** 2;
    let found = -1;
    for (let row = 0; row < this.n; row++) {
      const away = (this.xy[2 * row] - x) ** 2 + (this.xy[2 * row + 1] - y) ** 2;
      if (away < least && this.rgba[4 * row + 3] > 100) [least, found] = [away, row];
    }
    return found;
  }

  /** 1 for each point within a closed line of pixels, by the parity of the sides that a ray from it crosses. */
  inside(lasso) {
    const line = lasso.map(([left, top]) => this.toPlane(left, top));
    const [xs, ys] = [0, 1].map((side) => line.map((at) => at[side]));
    const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const mask = new Uint8Array(this.n);
    for (let row = 0; row < this.n; row++) {
      const [x, y] = [this.xy[2 * row], this.xy[2 * row + 1]];
      if (x < x0 || x > x1 || y < y0 || y > y1) continue;
      let is = 0;
      for (let i = 0, j = line.length - 1; i < line.length; j = i++) {
        if (ys[i] > y !== ys[j] > y && x < xs[i] + ((xs[j] - xs[i]) * (y - ys[i])) / (ys[j] - ys[i])) is ^= 1;
      }
      mask[row] = is;
    }
    return mask;
  }

  listen() {
    const { points } = this;
    const pointers = new Map();
    let begun = null;
    const at = (event) => {
      const frame = points.getBoundingClientRect();
      return [event.clientX - frame.left, event.clientY - frame.top];
    };
    const apart = () => {
      const [a, b] = [...pointers.values()];
      return Math.hypot(a[0] - b[0], a[1] - b[1]);
    };
    points.addEventListener("pointerdown", (event) => {
      points.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, at(event));
      begun = pointers.size === 1 ? { at: at(event), draws: event.shiftKey || this.drawing } : null;
    });
    points.addEventListener("pointermove", (event) => {
      const last = pointers.get(event.pointerId);
      if (!last || !this.n) return;
      const now = at(event);
      const before = pointers.size === 2 ? apart() : 0;
      pointers.set(event.pointerId, now);
      if (pointers.size === 2) {
        const [a, b] = [...pointers.values()];
        this.zoomAt((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, apart() / (before || 1));
      } else if (begun?.draws) {
        this.lasso ??= [begun.at];
        if (Math.hypot(...now.map((each, side) => each - this.lasso.at(-1)[side])) >= 2) this.lasso.push(now);
        this.draw();
      } else if (begun && (begun.moves || Math.hypot(now[0] - begun.at[0], now[1] - begun.at[1]) > 4)) {
        begun.moves = true;
        this.move(now[0] - last[0], now[1] - last[1]);
      }
    });
    const ended = (event) => {
      const was = begun;
      pointers.delete(event.pointerId);
      begun = null;
      const { lasso } = this;
      this.lasso = null;
      if (lasso) this.draw();
      if (!was || !this.n || event.type === "pointercancel") return;
      if (lasso?.length > 2) {
        this.on.draw(this.inside(lasso));
      } else if (!was.moves) {
        const row = this.nearest(...at(event));
        if (row >= 0) this.on.choose(row);
      }
    };
    points.addEventListener("pointerup", ended);
    points.addEventListener("pointercancel", ended);
    points.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (this.n) this.zoomAt(...at(event), Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)));
    }, { passive: false });
    points.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
      if (steps[event.key]) this.move(...steps[event.key]);
      else if (event.key === "+" || event.key === "=") this.closer(1.4);
      else if (event.key === "-") this.closer(1 / 1.4);
      else if (event.key === "0") this.whole();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  closer(factor) {
    this.zoomAt(this.points.clientWidth / 2, this.points.clientHeight / 2, factor);
  }
}
