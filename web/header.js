// The page's head: its language, light or dark, and whether the models are there.
//
// The language is told to the other components by the event "ceph-language", and to the server by this one's value.

const KEPT = { language: "ceph-language", theme: "ceph-theme" }; // in the browser's own storage
const ASK_EVERY_MS = 1500;

const find = (selector) => element.querySelector(selector);
const say = (text) => (props.words[language] ?? {})[text] ?? text;

function recall(name) {
  try {
    return localStorage.getItem(KEPT[name]);
  } catch {
    return null; // storage may be forbidden
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(KEPT[name], value);
  } catch {
    // then it holds for this visit
  }
}

function firstLanguage() {
  if (props.language !== "auto") return props.language;
  const kept = recall("language");
  if (["en", "ko"].includes(kept)) return kept;
  return (navigator.languages ?? [navigator.language]).find((each) => /^(en|ko)\b/i.test(each))?.slice(0, 2) ?? "en";
}

let language = firstLanguage();
let status = { state: "loading", problem: "" };

function speak() {
  document.documentElement.lang = language;
  document.documentElement.dataset.cephLanguage = language;
  window.dispatchEvent(new CustomEvent("ceph-language"));
  for (const each of element.querySelectorAll("[data-say]")) each.textContent = say(each.dataset.say);
  for (const each of element.querySelectorAll("[data-label]")) {
    each.title = say(each.dataset.label);
    each.setAttribute("aria-label", each.title);
  }
  for (const each of element.querySelectorAll("[data-language]")) {
    each.setAttribute("aria-pressed", each.dataset.language === language);
  }
  showStatus();
  if (status.state === "failed") watchModels(); // for the reason in this language
  props.value = language;
}

function showStatus() {
  const texts = { loading: say("Loading the models …"), ready: say("Ready"), failed: status.problem };
  find(".status").textContent = texts[status.state];
  find(".status").dataset.state = status.state;
}

async function watchModels() {
  const answer = await server.model_status({ language });
  status = answer?.state ? answer : status;
  showStatus();
  if (status.state === "loading") setTimeout(watchModels, ASK_EVERY_MS);
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.language) {
    language = button.dataset.language;
    keep("language", language);
    speak();
  } else if (button?.matches(".theme")) {
    keep("theme", document.body.classList.toggle("dark") ? "dark" : "light");
  }
});

if (recall("theme")) document.body.classList.toggle("dark", recall("theme") === "dark");
speak();
watchModels();
