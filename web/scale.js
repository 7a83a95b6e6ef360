// The scale of the film on the page: typed in, or by a ruler of two clicks on a known length.

let ruler = null; // { from, to } film places
const rulerLine = svgElement("g", { class: "ruler" }, find(".drawing"));

function setScale(pixel_size_mm, source) {
  film.pixel_size_mm = pixel_size_mm;
  film.scale_source = source;
  describeFilm();
  if (points.size) marks.draw(view.scale);
  measure();
}

const isMeasuring = () => find("[data-do=ruler]").getAttribute("aria-pressed") === "true";

function setRuler(places, on = false) {
  ruler = places;
  if (on) missing.choose(null);
  if (!missing.placing) showHint(on && !ruler?.to ? say("Click both ends of a known length.") : "");
  find("[data-do=ruler]").setAttribute("aria-pressed", on);
  stage.classList.toggle("measuring", on);
  find(".ruler-box").hidden = !(ruler && ruler.to);
  drawRuler();
}

function drawRuler() {
  rulerLine.replaceChildren();
  if (!ruler) return;
  const ends = [ruler.from, ruler.to ?? ruler.from];
  svgElement("path", { d: `M${ends[0]}L${ends[1]}` }, rulerLine);
  for (const [cx, cy] of ends) svgElement("circle", { cx, cy, r: 4 / view.scale }, rulerLine);
}

function pressFilm(x, y) {
  if (missing.placing) return add(missing.placing, x, y);
  if (!isMeasuring()) return;
  if (!ruler || ruler.to) return setRuler({ from: [x, y], to: null }, true);
  setRuler({ from: ruler.from, to: [x, y] }, true);
  find(".ruler-box input").focus();
}

function useRuler() {
  const length_mm = Number(find(".ruler-box input").value);
  const length_px = Math.hypot(ruler.to[0] - ruler.from[0], ruler.to[1] - ruler.from[1]);
  const pixel_size_mm = length_mm / length_px;
  if (!(pixel_size_mm >= 0.01 && pixel_size_mm <= 2)) {
    return showNotice(say("This length does not fit the two clicks; click both ends and enter millimetres."));
  }
  setRuler(null);
  setScale(pixel_size_mm, "measured on the ruler");
}
