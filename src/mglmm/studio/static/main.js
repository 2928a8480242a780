// The studio: puts picture, answers, tree and server together.

import { events, take } from "./asking.js";
import { Shape } from "./masks.js";
import { save } from "./save.js";
import { Fault, Lost, openSession, pictureOf, upload } from "./server.js";
import { Session } from "./session.js";
import { watchStart } from "./start.js";
import { Answer, crumbsOf, element, nameOf, percent, swatch, treeOf, wholeAnswer } from "./talk.js";
import { Viewer } from "./viewer.js";

const byId = (id) => document.getElementById(id);
const configuration = JSON.parse(byId("configuration").textContent);

let session = null;
let focus = null; // the level: id of the object that is looked into, null for the whole picture
let shown = null; // the turn whose masks are on the picture
let pointed = []; // ids under the pointer or the keyboard's focus
let pinned = []; // ids that were chosen
let running = null; // {turn, controller} of the answer that streams
const answers = new Map(); // turn -> its Answer on the page

const viewer = new Viewer(byId("canvas"), {
  onpoint: (id) => point(id === null ? [] : [id]),
  onpick(id, touch) {
    if (id === null) return pin([]);
    // a finger cannot point before it picks: the first tap shows the object, the second looks inside
    if (touch && !pinned.includes(id)) return pin([id]);
    lookInside(id);
  },
});

/* What is pointed at and chosen */

function point(ids) {
  pointed = ids;
  light();
}

function pin(ids) {
  pinned = ids;
  light();
}

function light() {
  const ids = pointed.length ? pointed : pinned;
  viewer.light(ids);
  for (const node of document.querySelectorAll(".phrase, #tree button")) {
    const own = (node.dataset.ids ?? node.dataset.id).split(" ").map(Number);
    node.classList.toggle("lit", own.some((id) => ids.includes(id)));
    if (node.matches(".phrase")) node.setAttribute("aria-pressed", String(own.some((id) => pinned.includes(id))));
  }
  tellAbout(ids.map((id) => session.segments.get(id)));
}

function tellAbout(segments) {
  const about = byId("about");
  const said = JSON.stringify([segments.map(({ id }) => id), pinned, viewer.marks.length > 0]);
  if (about.dataset.said === said) return; // its button may have the keyboard's focus
  about.dataset.said = said;
  if (!segments.length) {
    const many = viewer.marks.length > 0;
    about.replaceChildren(element("span", { class: "hint" }, many ? "Choose an object to look inside it." : ""));
    return;
  }
  const area = segments.reduce((sum, segment) => sum + segment.shape.area, 0);
  const [first] = segments;
  const parts = [swatch(first), element("b", {}, nameOf(first)), element("span", {}, `${percent(area)} of the picture`)];
  if (pinned.includes(first.id) && first.id !== focus) {
    parts.push(element("button", { type: "button", onclick: () => lookInside(first.id) }, "Look inside"));
  }
  about.replaceChildren(...parts);
}

/** Makes a phrase light up its masks, and be chosen by a click or the Enter key. */
function watchPhrase(turn) {
  return (node, ids) => {
    const over = () => {
      if (shown !== turn) show(turn);
      point(ids);
    };
    const choose = () => pin(ids.every((id) => pinned.includes(id)) ? [] : ids);
    for (const name of ["pointerenter", "focus"]) node.addEventListener(name, over);
    for (const name of ["pointerleave", "blur"]) node.addEventListener(name, () => point([]));
    node.addEventListener("click", choose);
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose();
    });
  };
}

function watchNode(button, segment) {
  for (const name of ["pointerenter", "focus"]) button.addEventListener(name, () => point([segment.id]));
  for (const name of ["pointerleave", "blur"]) button.addEventListener(name, () => point([]));
  button.addEventListener("click", () => lookInside(segment.id));
}

/* Levels */

/** Go to a level; the answer that is shown there is its last. */
function go(level) {
  focus = level;
  pinned = pointed = [];
  const thread = session.thread(focus);
  byId("turns").replaceChildren(...thread.map((turn) => answers.get(turn).node));
  byId("crumbs").replaceChildren(...crumbsOf(session, focus, go));
  viewer.look(focus === null ? null : session.segments.get(focus).shape);
  show(thread.at(-1) ?? null);
  byId("tree").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  scrollToEnd();
  const label = focus === null ? "the picture" : session.segments.get(focus).label || "the object";
  byId("instruction-label").textContent = `Instruction about ${label}`;
  byId("instruction").placeholder = focus === null ? "Ask, or say what to segment" : `Ask more about ${label}`;
}

/** Describe an object with its parts, or show that again. */
function lookInside(id) {
  if (id === focus) return;
  const { label } = session.segments.get(id);
  if (session.thread(id).some(({ state }) => state === "done" || state === "streaming")) return go(id);
  if (running) return complain(new Fault("An answer is still on its way; wait for it, or stop it first."));
  go(id);
  answer(configuration.inside.replace("{object}", definite(label || "object")), "mgsc");
}

/** The phrase with "the" for its article, as `definite` of session.py. */
const definite = (phrase) => `the ${phrase.trim().replace(/^(a|an|the|one|this|that)\s+/i, "")}`;

/* What is on the page */

/** Show the masks of a turn; null: none. */
function show(turn) {
  shown = turn;
  const segments = turn ? session.segmentsOf(turn) : [];
  viewer.mark(segments);
  for (const [one, { node }] of answers) node.classList.toggle("shown", one === turn);
  drawTree();
  light();
  const said = segments.map((segment) => segment.label).join(", ");
  byId("canvas").setAttribute("aria-label", `${session.name}${said ? `, with masks of ${said}` : ", without masks"}`);
  byId("fresh").hidden = !session.conversation(focus).length;
}

/** The masks of the answer about the whole picture that is shown, or that one came from; parts below. */
function drawTree() {
  const [top] = focus === null ? [] : session.ancestry(focus);
  const turn = top?.turn ?? (shown?.focus === null ? shown : null);
  byId("tree").replaceChildren(treeOf(session, turn ? session.segmentsOf(turn) : [], focus, watchNode));
}

function complain(error, again) {
  const children = [element("span", {}, error.message)];
  if (again) children.push(element("button", { type: "button", onclick: again }, "Ask again"));
  children.push(element("button", { type: "button", class: "plain", onclick: () => byId("alert").replaceChildren() }, "Close"));
  byId("alert").replaceChildren(...children);
}

function view(name) {
  document.body.dataset.view = name;
  byId("start").hidden = name !== "start";
  byId("work").hidden = name !== "work";
  for (const node of document.querySelectorAll("[data-when]")) node.hidden = node.dataset.when !== name;
  byId("back").hidden = name !== "start" || !session;
}

/* Pictures and sessions */

async function begin(next) {
  running?.controller.abort();
  const image = new Image();
  image.src = URL.createObjectURL(next.blob);
  await image.decode();
  URL.revokeObjectURL(image.src);
  session = next;
  answers.clear();
  for (const turn of session.turns) answers.set(turn, wholeAnswer(turn, watchPhrase(turn), colorOf));
  byId("alert").replaceChildren();
  view("work");
  viewer.mark([]);
  viewer.show(image);
  go(null);
  const [height, width] = next.picture.uploaded_size;
  const [high, wide] = next.picture.size;
  const smaller = width !== wide || height !== high;
  byId("smaller").textContent = smaller ? `The picture of ${width} × ${height} pixels was made smaller: ${wide} × ${high}.` : "";
  byId("instruction").focus({ preventScroll: true });
}

function tell(text) {
  byId("status").textContent = text;
}

/** Runs a step that may fail in a way the user can mend. */
async function tried(step) {
  try {
    document.body.classList.add("waiting");
    await step();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    complain(error);
  } finally {
    document.body.classList.remove("waiting");
  }
}

const openPicture = (blob, name) => tried(async () => {
  if (blob.size > configuration.max_upload_bytes) {
    throw new Fault(`${name}: larger than ${configuration.max_upload_bytes >> 20} MiB; make it smaller first`);
  }
  const picture = await upload(blob);
  await begin(new Session(picture, name, await pictureOf(picture.id)));
});

const reopen = (file) => tried(async () => {
  const opened = await openSession(file);
  await begin(Session.of(opened, await pictureOf(opened.picture.id), place));
});

/** The shape and color of a new segment, whose phrase is the `order`-th of its answer. */
function place({ rle }, order) {
  return { shape: new Shape(rle), color: configuration.palette[order % configuration.palette.length] };
}

const colorOf = (id) => session.segments.get(id).color;

/* Asking */

async function answer(instruction, task = "conversation") {
  if (running) return;
  const turn = session.begin(instruction, focus, task);
  const said = new Answer(turn, watchPhrase(turn));
  const controller = new AbortController();
  answers.set(turn, said);
  running = { turn, controller };
  byId("alert").replaceChildren();
  byId("turns").append(said.node);
  busy(true);
  show(turn);
  scrollToEnd();
  try {
    for await (const event of events(session, turn, controller.signal)) tellOf(event, turn, said);
    turn.state = "done";
    tell(`Answered, with ${session.segmentsOf(turn).length} masks.`);
  } catch (error) {
    turn.state = error.name === "AbortError" ? "stopped" : "failed";
    if (turn.state === "failed") {
      if (!(error instanceof Fault)) throw error;
      complain(error, error instanceof Lost || turn.text ? () => answerAgain(turn) : null);
    }
  } finally {
    running = null;
    busy(false);
    const follow = following();
    said.finish();
    follow();
    if (turn === shown) show(turn);
  }
}

function answerAgain(turn) {
  if (session.turns.includes(turn) && turn.focus !== focus) go(turn.focus);
  answer(turn.instruction, turn.task);
}

/** Call before words are added: what it returns scrolls on, unless the user has scrolled back to read. */
function following() {
  const log = byId("turns");
  const page = log.scrollHeight > log.clientHeight ? log : document.scrollingElement;
  const atEnd = page.scrollHeight - page.scrollTop - page.clientHeight < 80;
  return () => atEnd && scrollToEnd();
}

function scrollToEnd() {
  for (const page of [byId("turns"), document.scrollingElement]) page.scrollTop = page.scrollHeight;
}

/** Show what an event has changed. */
function tellOf(event, turn, said) {
  const follow = following();
  const changed = take(event, session, turn, place);
  if (event.kind === "words") said.words(event.text);
  if (event.kind === "grounded") said.phrase(event.span, colorOf(event.span.segment_ids[0]));
  if (changed) said.rewrite(colorOf);
  if ((changed || event.kind === "grounded" || event.kind === "unnamed") && shown === turn) show(turn);
  if (turn.focus === focus) follow();
}

function busy(state) {
  byId("send").hidden = state;
  byId("stop").hidden = !state;
  byId("turns").setAttribute("aria-busy", String(state));
}

/* Buttons and keys */

function submit() {
  const field = byId("instruction");
  const instruction = field.value.trim();
  if (!instruction) {
    complain(new Fault("The instruction is empty; say what to describe, segment or answer."));
    return field.focus();
  }
  if (instruction.length > configuration.max_instruction_characters) {
    return complain(new Fault(`The instruction is longer than ${configuration.max_instruction_characters} characters.`));
  }
  if (running) return;
  field.value = "";
  answer(instruction);
}

function chooseTask({ way, instruction }) {
  const field = byId("instruction");
  if (way === "edit") {
    field.value = instruction;
    field.focus();
    field.setSelectionRange(instruction.length, instruction.length);
  } else if (way === "object") {
    const [id] = pinned.length ? pinned : [];
    if (id === undefined) complain(new Fault("Choose an object first: click a phrase or an object in the picture."));
    else lookInside(id);
  } else if (!running) {
    if (focus !== null) go(null);
    answer(instruction);
  }
}

const download = (form) => tried(async () => {
  await save(form, session, { turn: shown && session.indexOf(shown), ...viewer.options });
  byId("downloads").hidePopover();
});

const THEMES = { "": "as the system", light: "light", dark: "dark" };

function setTheme(theme) {
  window.theme.set(theme);
  byId("theme").setAttribute("aria-label", `Theme: ${THEMES[theme]}`);
  byId("theme").title = `Theme: ${THEMES[theme]}`;
  viewer.paint();
}

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
byId("instruction").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
byId("stop").addEventListener("click", () => running?.controller.abort());
byId("fresh").addEventListener("click", () => {
  session.fresh.add(focus);
  byId("fresh").hidden = true;
  byId("turns").append(element("p", { class: "hint" }, "A new conversation: what was said above is left out."));
  byId("instruction").focus();
});
byId("new-picture").addEventListener("click", () => view("start"));
byId("back").addEventListener("click", () => view("work"));
byId("opacity").addEventListener("input", ({ target }) => viewer.set({ opacity: target.value / 100 }));
for (const name of ["outlines", "labels"]) byId(name).addEventListener("change", ({ target }) => viewer.set({ [name]: target.checked }));
for (const button of document.querySelectorAll("[data-form]")) button.addEventListener("click", () => download(button.dataset.form));
for (const button of document.querySelectorAll("[data-task]")) {
  button.addEventListener("click", () => chooseTask(configuration.tasks[button.dataset.task]));
}
byId("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  setTheme(names[(names.indexOf(window.theme.now) + 1) % names.length]);
});
addEventListener("keydown", (event) => {
  if (document.body.dataset.view !== "work" || document.querySelector(":popover-open, dialog[open]")) return;
  if (event.key === "Escape" && focus !== null) go(session.segments.get(focus).turn.focus);
  const writing = event.target.matches("input, textarea");
  if (event.key === "/" && !writing) {
    event.preventDefault();
    byId("instruction").focus();
  }
});

setTheme(window.theme.now);
view("start");
watchStart({ picture: openPicture, session: reopen, fault: complain });
if (matchMedia("(max-width: 899px)").matches) byId("tree-box").open = false;
window.studio = { // for whoever looks at the page from the browser's console, and for the tests
  viewer, state: () => ({ session, focus, shown, pinned, running }) };
