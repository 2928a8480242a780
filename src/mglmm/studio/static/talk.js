// The words on the page: answers with their phrases, the mask tree, the way back up.

/** An element with attributes, event listeners ("onclick") and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A share of the picture as a person says it. */
export function percent(share) {
  const value = share * 100;
  return value >= 10 ? `${Math.round(value)} %` : value >= 0.1 ? `${value.toFixed(1)} %` : "under 0.1 %";
}

const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 2 : 1)} s`;

/** An answer on the page; grows while it streams. `phrases(node, ids)` makes a phrase answer to the pointer. */
export class Answer {
  constructor(turn, phrases) {
    this.turn = turn;
    this.phrases = phrases;
    this.tail = document.createTextNode("");
    this.end = 0; // characters (code points) before the tail
    this.said = element("p", { class: "answer", "aria-busy": "true" }, this.tail);
    this.facts = element("p", { class: "facts" });
    this.node = element("article", { class: "turn" }, element("p", { class: "asked" }, turn.instruction), this.said, this.facts);
  }

  words(text) {
    this.tail.data += text;
  }

  /** A phrase is closed; its place counts code points of the whole answer. */
  phrase({ start, end, segment_ids }, color) {
    const tail = [...this.tail.data];
    const words = tail.slice(start - this.end, end - this.end).join("");
    const node = element("span", { class: "phrase", role: "button", tabindex: "0", "data-ids": segment_ids.join(" ") }, words);
    node.style.setProperty("--fill", color.fill);
    node.style.setProperty("--on-fill", color.ink);
    this.phrases(node, segment_ids);
    const before = tail.slice(0, start - this.end).join("");
    this.tail = document.createTextNode(tail.slice(end - this.end).join(""));
    this.said.lastChild.replaceWith(before, node, this.tail);
    this.end = end;
  }

  /** Write the whole turn anew; `color(id)` is that of a segment. */
  rewrite(color) {
    this.tail = document.createTextNode(this.turn.text);
    this.end = 0;
    this.said.replaceChildren(this.tail);
    for (const span of this.turn.spans) this.phrase(span, color(span.segment_ids[0]));
  }

  /** The answer has ended, in whichever way. */
  finish() {
    const { state, times, text, spans, unnamed } = this.turn;
    this.said.removeAttribute("aria-busy");
    this.node.classList.toggle("broken", state === "stopped" || state === "failed");
    if (!text) this.said.textContent = state === "done" ? "(no answer)" : "(not answered)";
    const masks = spans.reduce((sum, span) => sum + span.segment_ids.length, unnamed.length);
    const facts = [
      state === "stopped" && "stopped", state === "failed" && "broken off",
      text && (masks === 1 ? "1 mask" : `${masks || "no"} masks`),
      times.word && `first word ${seconds(times.word)}`, times.mask && `first mask ${seconds(times.mask)}`,
      times.all && `all ${seconds(times.all)}`,
    ];
    this.facts.textContent = facts.filter(Boolean).join("  ·  ");
  }
}

/** An answer that is there already. */
export function wholeAnswer(turn, phrases, color) {
  const answer = new Answer(turn, phrases);
  answer.rewrite(color);
  answer.finish();
  return answer;
}

/** The tree of masks as nested lists of buttons. `node(button, segment)` makes one answer to pointer and keys. */
export function treeOf(session, segments, focus, node) {
  if (!segments.length) return element("p", { class: "hint" }, "Masks of an answer are listed here, parts below their whole.");
  return element("ul", {}, ...segments.map((segment) => {
    const button = element("button", { type: "button", "data-id": segment.id, "aria-current": segment.id === focus ? "true" : null },
      swatch(segment), element("span", {}, nameOf(segment)), element("small", {}, percent(segment.shape.area)));
    node(button, segment);
    const item = element("li", {}, button);
    const parts = session.parts(segment.id);
    if (parts.length) item.append(treeOf(session, parts, focus, node));
    return item;
  }));
}

/** The levels from the whole picture down to where one is. */
export function crumbsOf(session, focus, go) {
  const levels = [{ id: null, label: "Whole picture" }, ...(focus === null ? [] : session.ancestry(focus))];
  return levels.map((level) => level.id === focus
    ? element("li", {}, element("span", { "aria-current": "location" }, nameOf(level)))
    : element("li", {}, element("button", { type: "button", class: "plain", onclick: () => go(level.id) }, nameOf(level))));
}

/** What an object is called on the page. */
export const nameOf = ({ label }) => label || "(no phrase)";

export function swatch(segment) {
  const made = element("i", { "aria-hidden": "true" });
  made.style.background = segment.color.fill;
  return made;
}
