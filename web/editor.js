// The page of one film: opens it, asks the server for points and measurements, and lets a user correct the points.
//
// Gradio hands over `element`, `props`, `server` and `watch`. A server function answers { error } with a sentence for
// what cannot be done, and nothing at all when it cannot be reached.

const STEP_MM = 0.1; // an arrow key moves a point as far; with Shift ten times as far
const STEP_SHARE = 1 / 2400; // of the film's height where its pixel size is unknown

const find = (selector) => element.querySelector(selector);
const findAll = (selector) => [...element.querySelectorAll(selector)];
const root = find(".ceph");
const stage = find(".stage");

let film = null; // { key, name, width, height, pixel_size_mm, scale_source }
let found = new Map(); // points as the models placed them, by symbol
let points = new Map(); // and with the user's changes
let edits = {}; // { symbol: [x, y] } placed by the user
let history = []; // earlier edits, the latest last
let asked = 0; // number of the latest request for measurements
let chosen = null; // symbol of the point in focus

const language = () => document.documentElement.dataset.cephLanguage ?? "en"; // the page's head sets it
const say = (text) => (props.words[language()] ?? {})[text] ?? text;

// Fills {} in a translated form, one after the other.
function sayForm(form, ...parts) {
  return parts.reduce((text, part) => text.replace("{}", part), say(form));
}

const view = new View(stage, find(".picture"), find(".drawing"), () => {
  find(".zoom").textContent = `${Math.round(100 * view.scale * (window.devicePixelRatio || 1))} %`;
  marks.rescale(view.scale);
  drawRuler();
});
const marks = new Marks(find(".drawing"), describePoint);
const hand = new Hand(stage, view, marks, {
  picks: () => !isMeasuring() && !missing.placing && !root.classList.contains("no-marks"),
  grab: (point) => (choose(point.symbol), marks.focus(point.symbol)),
  move: (point, x, y) => (place(point.symbol, x, y), showTip(null)), // it would hide what one aims at
  drop: (point) => (keep(point.symbol), showTip(points.get(point.symbol))),
  cancel: () => showEdits(),
  press: pressFilm,
  hover: showTip,
});
const missing = new Missing(find(".missing"), say, { choose: prepareToPlace });

// --- texts ---------------------------------------------------------------------------------------------------------

function writeTexts() {
  for (const each of findAll("[data-say]")) each.textContent = say(each.dataset.say);
  for (const each of findAll("[data-label]")) {
    each.setAttribute("aria-label", say(each.dataset.label));
    if (each.matches("button")) each.title = say(each.dataset.label);
  }
  for (const each of findAll("[data-title]")) each.title = say(each.dataset.title);
  find(".norms select").replaceChildren(
    ...Object.keys(props.norm_sets).map((name) => new Option(say(name), name, false, name === normSet()))
  );
  find(".exports").replaceChildren(
    ...Object.entries(props.exports).map(([kind, text]) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: say(text) });
      button.dataset.export = kind;
      return button;
    })
  );
  root.lang = language();
  writeHoldsFor();
  if (film) describeFilm();
  if (points.size) marks.draw(view.scale);
  if (isRead()) missing.show(props.titles, points);
}

const normSet = () => find(".norms select").value || Object.keys(props.norm_sets)[0];

function writeHoldsFor() {
  find(".holds-for").textContent = say(props.norm_sets[normSet()] ?? "");
}

function describePoint(point) {
  const title = `${say(point.title)} (${point.symbol})`;
  if (point.taught_by === "user") return `${title}, ${say("placed by you")}`;
  const parts = [title];
  if (point.confidence !== null) parts.push(sayForm("confidence {} %", Math.round(100 * point.confidence)));
  if (point.radius95_px !== null) parts.push(sayForm("within {} for 95 of 100 films", showLength(point.radius95_px)));
  if (point.taught_by === "reader") parts.push(say("taught by readers, not by experts"));
  return parts.join(", ");
}

function showLength(length_px) {
  const { pixel_size_mm } = film;
  return pixel_size_mm ? `${(length_px * pixel_size_mm).toFixed(1)} mm` : `${length_px.toFixed(0)} px`;
}

function announce(text) {
  find(".spoken").textContent = text;
}

// --- server --------------------------------------------------------------------------------------------------------

// What a server function answers; what is wrong is shown, and null comes back.
async function ask(name, question) {
  const answer = await server[name](question);
  const problem = answer ? answer.error : say("The server does not answer; is the demo still running?");
  showNotice(problem ?? "");
  return problem ? null : answer;
}

function showNotice(text) {
  find(".notice").textContent = text;
  find(".notice").hidden = !text;
}

function setBusy(text) {
  find(".busy").hidden = !text;
  find(".busy span").textContent = text ? say(text) : "";
  root.setAttribute("aria-busy", text ? "true" : "false");
}

const isRead = () => ["points", "refused"].includes(root.dataset.state); // by the models, with or without points
const isBusy = () => root.getAttribute("aria-busy") === "true";

async function whileBusy(text, task) {
  setBusy(text);
  try {
    return await task();
  } finally {
    setBusy("");
  }
}

// --- opening -------------------------------------------------------------------------------------------------------

async function openFile(file) {
  if (file.size > props.largest_mb * 1e6) {
    return showNotice(
      sayForm(
        "{} has {} MB, and this page takes {} MB; read it with predict.py instead.",
        file.name,
        Math.round(file.size / 1e6),
        props.largest_mb
      )
    );
  }
  await open("open_film", { binary: true, data: { film: file, language: language() } });
}

async function open(name, question) {
  if (isBusy()) return;
  const opened = await whileBusy("Opening the film …", () => ask(name, question));
  if (!opened) return;
  if (film) server.close_film({ key: film.key });
  await showFilm(opened);
  const text = (await isReady()) ? "Finding the points …" : "Loading the models, then finding the points …";
  const sent = question_of();
  const answer = await whileBusy(text, () => ask("find_points", sent));
  if (!answer || film?.key !== opened.key) return;
  showPoints(answer);
  // The scale, the norms or the language may have been chosen meanwhile.
  if (JSON.stringify(question_of()) !== JSON.stringify(sent)) refresh();
}

async function isReady() {
  const status = await server.model_status({});
  return status?.state !== "loading";
}

async function showFilm(opened) {
  const { png, ...facts } = opened;
  film = facts;
  found = points = new Map();
  edits = {};
  history = [];
  setRuler(null);
  missing.show({}, points);
  const picture = await (await fetch(`data:image/png;base64,${png}`)).blob();
  URL.revokeObjectURL(find(".picture").src);
  marks.set(points, []);
  root.dataset.state = "film";
  view.show(URL.createObjectURL(picture), film.width, film.height);
  find(".picture").alt = film.name;
  describeFilm();
  showSections({ warnings: "", measures: "", wiggles: "", cvm: "" });
}

function showPoints(answer) {
  found = new Map(answer.points.map((point) => [point.symbol, point]));
  root.dataset.state = found.size ? "points" : "refused";
  showEdits(true);
  showSections(answer);
  if (!found.size && find(".cvm .stages, .cvm .neck")) selectTab(find("#ceph-tab-cvm")); // a crop of the neck alone
  announce(sayForm("{} points found.", found.size));
}

function describeFilm() {
  const { name, width, height, pixel_size_mm, scale_source } = film;
  find(".film-name").textContent = name;
  find(".film-size").textContent = `${width} × ${height} px`;
  find(".film-scale").textContent = pixel_size_mm
    ? `${Number(pixel_size_mm.toPrecision(4))} mm (${say(scale_source)})`
    : say("unknown, so there are angles and ratios only");
  const entry = find(".scale input");
  if (document.activeElement !== entry) entry.value = pixel_size_mm ? Number(pixel_size_mm.toPrecision(4)) : "";
}

function showSections(sections) {
  for (const name of ["warnings", "measures", "wiggles", "cvm"]) {
    if (sections[name] === undefined) continue;
    const opened = findAll(`.${name} details[open]`).map((each) => each.dataset.name);
    renew(find(`.${name}`), sections[name]);
    for (const each of findAll(`.${name} details`)) each.open ||= opened.includes(each.dataset.name);
  }
}

// --- editing -------------------------------------------------------------------------------------------------------

const usersPoint = (symbol, title, x, y) => ({ symbol, title, x, y, confidence: null, radius95_px: null, taught_by: "user" });

// The place on the film that is nearest to one.
function onFilm(x, y) {
  const inside = (at, size) => Math.min(Math.max(at, -0.5), size - 0.5);
  return [inside(x, film.width), inside(y, film.height)];
}

// The points with the user's changes; `anew` where there are other points than before.
function showEdits(anew = false) {
  points = new Map();
  for (const [symbol, title] of Object.entries(props.titles)) {
    if (symbol in edits) points.set(symbol, usersPoint(symbol, title, ...edits[symbol]));
    else if (found.has(symbol)) points.set(symbol, found.get(symbol));
  }
  const isShown = (symbol) => marks.marks.has(symbol);
  if (anew || points.size !== marks.marks.size || ![...points.keys()].every(isShown)) marks.set(points, props.tracing);
  marks.points = points;
  marks.draw(view.scale);
  missing.show(props.titles, points);
  find("[data-do=undo]").disabled = !history.length;
  find("[data-do=reset-all]").disabled = !Object.keys(edits).length;
  find("[data-do=reset-point]").disabled = !(chosen in edits);
}

// Shows a point elsewhere, while it moves; nothing is kept yet.
function place(symbol, x, y) {
  points.set(symbol, usersPoint(symbol, props.titles[symbol], ...onFilm(x, y)));
  marks.draw(view.scale);
}

// Keeps a point where it is shown.
function keep(symbol) {
  const { x, y } = points.get(symbol);
  change({ ...edits, [symbol]: [x, y] });
  announce(sayForm("{} moved.", say(points.get(symbol).title)));
}

// Makes the next press on the film place a point; none where `symbol` is null.
function prepareToPlace(symbol) {
  if (symbol) setRuler(null);
  stage.classList.toggle("placing", Boolean(symbol));
  const title = symbol && `${say(props.titles[symbol])} (${symbol})`;
  showHint(symbol ? sayForm("Click where {} lies.", title) : "");
  if (!symbol) return;
  announce(sayForm("Click where {} lies, or press Enter to put it in the middle and move it by arrows.", title));
  stage.focus({ preventScroll: true });
}

// What the next press on the film is for.
function showHint(text) {
  find(".hint-box").hidden = !text;
  find(".hint-box span").textContent = text;
}

// Puts a point that was missing on the film, as the user's.
function add(symbol, x, y) {
  root.dataset.state = "points";
  change({ ...edits, [symbol]: onFilm(x, y) });
  marks.focus(symbol);
  announce(sayForm("{} placed.", say(props.titles[symbol])));
}

function change(newEdits) {
  history.push(edits);
  edits = newEdits;
  showEdits();
  return measure();
}

function undo() {
  if (!history.length) return;
  edits = history.pop();
  showEdits();
  announce(say("Undone."));
  measure();
}

function resetPoint(symbol) {
  if (!(symbol in edits)) return;
  const { [symbol]: _, ...others } = edits;
  change(others);
}

function choose(symbol) {
  chosen = symbol;
  find("[data-do=reset-point]").disabled = !(symbol in edits);
}

function question_of(more = {}) {
  const { key, pixel_size_mm, scale_source } = film;
  return { key, edits, pixel_size_mm, scale_source, norm_set: normSet(), language: language(), ...more };
}

// Asks for the measurements of the points as they are; an answer that a later question has overtaken is dropped.
async function measure() {
  if (!isRead()) return;
  const started = performance.now();
  const number = ++asked;
  const answer = await ask("measure", question_of());
  if (!answer || number !== asked) return;
  showSections(answer);
  root.dataset.measuredMs = (performance.now() - started).toFixed(1);
  root.dataset.measured = number;
}

// Asks for all that is said of the film anew; dropped when another film or language came meanwhile.
async function refresh() {
  measure();
  const question = question_of();
  const answer = await ask("tell_stage", question);
  if (answer && question.key === film.key && question.language === language()) showSections(answer);
}

// --- saving and loading --------------------------------------------------------------------------------------------

async function save(kind) {
  const file = await whileBusy("Writing the file …", () => ask("export", question_of({ kind })));
  if (!file) return;
  const link = document.createElement("a");
  const content = await (await fetch(`data:${file.type};base64,${file.content}`)).blob();
  link.href = URL.createObjectURL(content);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function loadPoints(file) {
  const answer = await ask("load_points", question_of({ text: await file.text() }));
  if (!answer) return;
  root.dataset.state = "points";
  await change(answer.edits);
  announce(sayForm("{} points loaded.", answer.count));
}
