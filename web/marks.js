// The points over the film as marks that can be seen, focused and picked, and the tracing's lines that follow them.

const SVG = "http://www.w3.org/2000/svg";
const CONFIDENCE_STEPS = [
  // least confidence, class
  [0.7, "sure"],
  [0.45, "fair"],
  [0, "doubtful"],
];

// Where a name stands beside its point, on a face that looks to the right, so that neighbours' names do not cover each
// other: x, y in screen pixels. Names to the left end there.
const NAME_AT = [9, -7];
const NAMES_AT = {
  UIA: [-10, 4], LIA: [-10, 4], LIT: [1, 19], UMT: [-8, -8], LMT: [-8, 17], LPM: [8, 17], Ar: [-10, 8], Po: [-8, -8],
  Go: [-10, 10], PNS: [-8, -8], Me: [-8, 16], Gn: [8, 17], A: [10, 5], B: [10, 5], Pog: [-10, 2], Or: [8, 17],
  "N`": [10, 9], Sn: [10, 5], Li: [10, 9], R: [-10, 4],
};

function svgElement(name, attributes = {}, parent = null) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (parent) parent.append(element);
  return element;
}

// How a point is drawn: placed by the user, or by how sure the model is of it.
function markKind(point) {
  if (point.taught_by === "user") return "edited";
  if (point.confidence === null) return "fair";
  return CONFIDENCE_STEPS.find(([least]) => point.confidence >= least)[1];
}

class Marks {
  constructor(drawing, describe) {
    this.describe = describe; // a point to its text for screen readers
    this.lines = svgElement("g", { class: "lines", "aria-hidden": "true" }, drawing);
    this.radii = svgElement("g", { class: "radii", "aria-hidden": "true" }, drawing);
    this.layer = svgElement("g", { class: "marks", role: "group" }, drawing);
    this.marks = new Map(); // symbol: { mark, radius }
    this.paths = []; // [line, path]
    this.points = new Map();
  }

  // points: Map of symbol to { symbol, title, x, y, confidence, radius95_px, taught_by }
  set(points, tracing) {
    this.layer.replaceChildren();
    this.radii.replaceChildren();
    this.lines.replaceChildren();
    this.points = points;
    this.marks = new Map();
    for (const point of points.values()) {
      const mark = svgElement("g", { class: "mark", tabindex: "0", role: "button", "data-symbol": point.symbol });
      svgElement("circle", { class: "halo", r: 11 }, mark);
      svgElement("circle", { class: "dot", r: 4.5 }, mark);
      svgElement("path", { class: "diamond", d: "M0-6.5 6.5 0 0 6.5-6.5 0Z" }, mark);
      svgElement("circle", { class: "middle", r: 0.9 }, mark);
      const name = svgElement("text", { class: "name" }, mark);
      name.textContent = point.symbol;
      this.layer.append(mark);
      this.marks.set(point.symbol, { mark, name, radius: svgElement("circle", { class: "radius" }, this.radii) });
    }
    this.nameSides();
    this.paths = tracing.map((line) => [line, svgElement("path", { class: `line ${line.kind}` }, this.lines)]);
  }

  // Lets names stand to those sides where the face has room for them, whichever way it looks.
  nameSides() {
    const [sella, nasion] = [this.points.get("S"), this.points.get("N")];
    const forward = sella && nasion && nasion.x < sella.x ? -1 : 1;
    for (const [symbol, { name }] of this.marks) {
      const [right, y] = NAMES_AT[symbol] ?? NAME_AT;
      name.setAttribute("x", forward * right);
      name.setAttribute("y", y);
      name.setAttribute("text-anchor", forward * right < 0 ? "end" : "start");
    }
  }

  // Places everything anew; `scale` is screen pixels per film pixel.
  draw(scale) {
    for (const [symbol, { mark, radius }] of this.marks) {
      const point = this.points.get(symbol);
      const kind = markKind(point);
      mark.setAttribute("transform", `translate(${point.x} ${point.y}) scale(${1 / scale})`);
      mark.setAttribute("class", `mark ${kind}`);
      mark.setAttribute("aria-label", this.describe(point));
      radius.setAttribute("class", `radius ${kind}`);
      radius.setAttribute("cx", point.x);
      radius.setAttribute("cy", point.y);
      radius.setAttribute("r", point.radius95_px ?? 0);
    }
    for (const [line, path] of this.paths) path.setAttribute("d", linePath(line, this.points));
  }

  // Zooming leaves places alone, but marks keep their size on the screen.
  rescale(scale) {
    for (const [symbol, { mark }] of this.marks) {
      const { x, y } = this.points.get(symbol);
      mark.setAttribute("transform", `translate(${x} ${y}) scale(${1 / scale})`);
    }
  }

  // The mark nearest to a film place, within a reach in film pixels; large fingers need not hit the dot.
  nearest(x, y, reach) {
    let best = null;
    for (const point of this.points.values()) {
      const distance = Math.hypot(point.x - x, point.y - y);
      if (distance <= reach) [best, reach] = [point, distance];
    }
    return best;
  }

  focus(symbol) {
    this.marks.get(symbol)?.mark.focus({ preventScroll: true });
  }
}

// --- lines ---------------------------------------------------------------------------------------------------------

// The path of a tracing line; empty where a landmark is missing. A knot is the mean of its landmarks.
function linePath(line, points) {
  const knots = [];
  for (const symbols of line.knots) {
    const places = symbols.map((symbol) => points.get(symbol));
    if (places.some((place) => !place)) return "";
    const mean = (axis) => places.reduce((sum, place) => sum + place[axis], 0) / places.length;
    knots.push([mean("x"), mean("y")]);
  }
  return line.smooth ? smoothPath(knots) : "M" + extendEnds(knots, line.extend).join("L");
}

function unit([x, y]) {
  const length = Math.max(Math.hypot(x, y), 1e-9);
  return [x / length, y / length];
}

function between([x, y], [toX, toY]) {
  return [toX - x, toY - y];
}

function shifted([x, y], [dx, dy], length) {
  return [x + length * dx, y + length * dy];
}

// Knots with both ends moved outwards by a share of the way from end to end, as tracing.extended does it.
function extendEnds(knots, share) {
  const last = knots.length - 1;
  const reach = share * Math.hypot(...between(knots[0], knots[last]));
  const moved = [...knots];
  moved[0] = shifted(knots[0], unit(between(knots[1], knots[0])), reach);
  moved[last] = shifted(knots[last], unit(between(knots[last - 1], knots[last])), reach);
  return moved;
}

// Cubic curves through the knots, with the arms of tracing.bezier_arms.
function smoothPath(knots) {
  const ways = knots.slice(1).map((knot, index) => between(knots[index], knot));
  const directions = ways.map(unit);
  const lengths = ways.map((way) => Math.hypot(...way));
  const tangents = knots.map((_, index) => {
    const [before, after] = [directions[Math.max(index - 1, 0)], directions[Math.min(index, ways.length - 1)]];
    return unit([before[0] + after[0], before[1] + after[1]]);
  });
  let path = `M${knots[0]}`;
  ways.forEach((_, index) => {
    const arm = (other) => Math.min(lengths[index] / 3, (lengths[other] ?? Infinity) / 2);
    const first = shifted(knots[index], tangents[index], arm(index - 1));
    const second = shifted(knots[index + 1], tangents[index + 1], -arm(index + 1));
    path += `C${first} ${second} ${knots[index + 1]}`;
  });
  return path;
}
