// What the page of one film does when something is pressed, typed, dropped or pasted; the last of its scripts.

const actions = {
  choose: () => find(".film-file").click(),
  "zoom-in": () => view.zoomMiddle(1.4),
  "zoom-out": () => view.zoomMiddle(1 / 1.4),
  fit: () => view.fit(),
  invert: (button) => view.setTone({ invert: toggle(button) }),
  undo,
  "reset-point": () => resetPoint(chosen),
  "reset-all": () => Object.keys(edits).length && change({}),
  ruler: (button) => setRuler(null, toggle(button)),
  "use-ruler": useRuler,
  "drop-ruler": () => setRuler(null),
  leave: () => (missing.choose(null), setRuler(null)),
  "no-scale": () => setScale(null, ""),
  "load-points": () => find(".points-file").click(),
  "to-scale": () => selectTab(find("#ceph-tab-film")),
};

function toggle(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", on);
  return on;
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || button.disabled) return;
  const { do: action, show, export: kind, example } = button.dataset;
  if (action) actions[action](button);
  else if (show) root.classList.toggle(`no-${show}`, !toggle(button));
  else if (kind) save(kind);
  else if (example) open("open_example", { name: example, language: language() });
  else if (button.role === "tab") selectTab(button);
});

function selectTab(tab) {
  for (const each of findAll("[role=tab]")) {
    const selected = each === tab;
    each.setAttribute("aria-selected", selected);
    each.tabIndex = selected ? 0 : -1;
    find(`#${each.getAttribute("aria-controls")}`).hidden = !selected;
  }
}

find(".tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const tabs = findAll("[role=tab]");
  const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
  next.focus();
  selectTab(next);
});

stage.addEventListener("focusin", (event) => {
  const symbol = event.target.closest?.(".mark")?.dataset.symbol;
  if (!symbol) return;
  choose(symbol);
  const point = points.get(symbol);
  if (!hand.held) view.reveal(point.x, point.y);
  showTip(point);
});
stage.addEventListener("focusout", () => showTip(null));

const nudges = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

element.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea")) return;
  const symbol = event.target.closest?.(".mark")?.dataset.symbol;
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === "z") undo();
  else if (command || event.altKey || !film || !stage.contains(event.target)) return;
  else if (symbol && nudges[event.key]) nudge(symbol, nudges[event.key], event.shiftKey);
  else if (symbol && ["Delete", "Backspace"].includes(event.key)) resetPoint(symbol);
  else if (["+", "="].includes(event.key)) zoomToFocus(symbol, 1.4);
  else if (["-", "_"].includes(event.key)) zoomToFocus(symbol, 1 / 1.4);
  else if (event.key === "0") view.fit();
  else if (event.key === "Escape") (missing.choose(null), setRuler(null), stage.focus());
  else if (event.key === "Enter" && missing.placing && !event.target.closest("button")) add(missing.placing, ...view.middle);
  else return;
  event.preventDefault();
});

function nudge(symbol, [stepX, stepY], far) {
  const step = (film.pixel_size_mm ? STEP_MM / film.pixel_size_mm : film.height * STEP_SHARE) * (far ? 10 : 1);
  const { x, y } = points.get(symbol);
  place(symbol, x + stepX * step, y + stepY * step);
  view.reveal(points.get(symbol).x, points.get(symbol).y);
  keep(symbol);
  showTip(points.get(symbol));
}

function zoomToFocus(symbol, factor) {
  if (!symbol) return view.zoomMiddle(factor);
  const [x, y] = view.toStage(points.get(symbol).x, points.get(symbol).y);
  const box = stage.getBoundingClientRect();
  view.zoomAt(box.left + x, box.top + y, factor);
}

function showTip(point) {
  const tip = find(".tip");
  tip.hidden = !point;
  findAll(".mark.hovered").forEach((each) => each.classList.remove("hovered"));
  stage.classList.toggle("over-point", Boolean(point));
  if (!point) return;
  marks.marks.get(point.symbol)?.mark.classList.add("hovered");
  tip.textContent = describePoint(point);
  const [x, y] = view.toStage(point.x, point.y);
  tip.style.left = `${Math.min(Math.max(x, 90), stage.clientWidth - 90)}px`;
  tip.style.top = `${y < 70 ? y + 18 : y - 18}px`;
  tip.classList.toggle("below", y < 70);
}

for (const name of ["brightness", "contrast"]) {
  find(`[name=${name}]`).addEventListener("input", (event) => view.setTone({ [name]: Number(event.target.value) }));
  find(`[name=${name}]`).addEventListener("dblclick", (event) => {
    event.target.value = 1;
    view.setTone({ [name]: 1 });
  });
}

find(".scale").addEventListener("submit", (event) => {
  event.preventDefault();
  const pixel_size_mm = Number(find(".scale input").value);
  if (pixel_size_mm >= 0.01 && pixel_size_mm <= 2) setScale(pixel_size_mm, "given by the user");
});
find(".ruler-box").addEventListener("keydown", (event) => event.key === "Enter" && useRuler());
find(".norms select").addEventListener("change", () => (writeHoldsFor(), measure()));

find(".film-file").addEventListener("change", (event) => takeFiles(event.target));
find(".points-file").addEventListener("change", (event) => takeFiles(event.target));

function takeFiles(input) {
  const [file] = input.files;
  input.value = "";
  if (file) (input.matches(".points-file") ? loadPoints : openFile)(file);
}

for (const name of ["dragenter", "dragover"]) {
  element.addEventListener(name, (event) => {
    event.preventDefault();
    root.classList.add("dropping");
  });
}
element.addEventListener("dragleave", (event) => {
  if (!element.contains(event.relatedTarget)) root.classList.remove("dropping");
});
element.addEventListener("drop", (event) => {
  event.preventDefault();
  root.classList.remove("dropping");
  const [file] = event.dataTransfer.files;
  if (file) (film && file.name.toLowerCase().endsWith(".json") ? loadPoints : openFile)(file);
});
document.addEventListener("paste", (event) => {
  const [file] = event.clipboardData?.files ?? [];
  if (file && element.offsetParent) openFile(file);
});

// A page that goes away can only send a beacon, which Gradio's own `server` does not; it asks for the same.
window.addEventListener("pagehide", () => {
  if (!film) return;
  const question = { data: { key: film.key }, component_id: props.component_id, fn_name: "close_film" };
  const body = JSON.stringify({ ...question, session_hash: "closing" });
  const address = `${window.gradio_config?.root ?? location.origin}/gradio_api/component_server`;
  navigator.sendBeacon(address, new Blob([body], { type: "application/json" }));
});

window.addEventListener("ceph-language", () => {
  writeTexts();
  if (isRead()) refresh();
});

function showExamples() {
  find(".examples").hidden = !props.examples.length;
  find(".example-list").replaceChildren(
    ...props.examples.map(({ name, title, thumbnail }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.example = name;
      const picture = Object.assign(document.createElement("img"), { src: thumbnail, alt: "" });
      const text = document.createElement("span");
      text.dataset.say = title;
      button.append(picture, text);
      return button;
    })
  );
}

root.classList.add("no-names", "no-radii");
showExamples();
writeTexts();
