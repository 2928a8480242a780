// The session: one picture, what was asked about it and about the objects in it, and every mask that came of it.

/** Turns belong to levels: `focus` is the id of the object that is looked into, null for the whole picture. */
export class Session {
  constructor(picture, name, blob) {
    this.picture = picture; // as the server says: {id, size, uploaded_size, media_type}
    this.name = name;
    this.blob = blob; // what is sent again when the server has forgotten it
    this.segments = new Map(); // id -> {id, rle, label, score, parent, caption, color, shape, turn}
    this.turns = [];
    this.fresh = new Set(); // levels whose next turn begins a new conversation
  }

  /** A new turn, which is not answered yet. */
  begin(instruction, focus, task) {
    const turn = {
      instruction, focus, task, follows: this.conversation(focus).length > 0, text: "", spans: [], unnamed: [],
      state: "streaming", times: {}, at: performance.now(),
    };
    this.fresh.delete(focus);
    this.turns.push(turn);
    return turn;
  }

  /** The turns of a level, in order. */
  thread(focus) {
    return this.turns.filter((turn) => turn.focus === focus);
  }

  /** What the next turn of a level, or the one that is not answered yet, goes on with: no turn that was broken off. */
  conversation(focus) {
    if (this.fresh.has(focus)) return [];
    const thread = this.thread(focus);
    const start = thread.findLastIndex((turn) => !turn.follows);
    return thread.slice(Math.max(start, 0)).filter((turn) => turn.state === "done" && isAnswered(turn));
  }

  get nextId() {
    return Math.max(0, ...this.segments.keys()) + 1;
  }

  /** The masks of an answer, in the order of its phrases, then those of no phrase. */
  segmentsOf(turn) {
    const ids = [...turn.spans.flatMap((span) => span.segment_ids), ...this.masksOf(turn).map(({ id }) => id)];
    return [...new Set(ids)].map((id) => this.segments.get(id));
  }

  /** Every mask that came with an answer. */
  masksOf(turn) {
    return [...this.segments.values()].filter((one) => one.turn === turn);
  }

  /** The parts of an object that were found while looking into it; of unfinished answers only if there is no other. */
  parts(id) {
    const parts = [...this.segments.values()].filter((one) => one.parent === id && one.turn.focus === id);
    const whole = parts.filter(({ turn }) => turn.state === "done" || turn.state === "streaming");
    return whole.length ? whole : parts;
  }

  /** The objects from the whole picture down to a level. */
  ancestry(focus) {
    const found = [];
    for (let id = focus; id !== null; id = this.segments.get(id).turn.focus) found.unshift(this.segments.get(id));
    return found;
  }

  /** The turns that were answered, if not to the end, as a `Sample` orders them: level by level. */
  told() {
    const told = this.turns.filter(isAnswered);
    const levels = [...new Set(told.map((turn) => turn.focus))];
    return levels.flatMap((focus) => told.filter((turn) => turn.focus === focus));
  }

  /** The session as a `Sample`; `meta.unfinished` names the turns whose answer was stopped or broken off. */
  sample() {
    const told = this.told();
    return {
      id: this.name, image: this.name, size: this.picture.size, source: "studio",
      meta: { unfinished: told.flatMap((turn, index) => (turn.state === "done" ? [] : [index])) },
      segments: [...this.segments.values()].map(({ id, rle, label, caption, parent, score }) => (
        { id, rle, label, caption, parent, score })),
      turns: told.map((turn, index) => ({
        task: turn.task, instruction: turn.instruction, answer: { text: turn.text, spans: turn.spans },
        granularity: turn.focus === null ? null : "part", region_ids: turn.focus === null ? [] : [turn.focus],
        follows: turn.focus === told[index - 1]?.focus && turn.follows,
      })),
    };
  }

  /** The masks of no phrase: with which turn of `sample()` each came, and at which character of its text. */
  unnamed() {
    return this.told().flatMap((turn, index) => {
      const named = new Set(turn.spans.flatMap((span) => span.segment_ids));
      const masks = this.masksOf(turn).filter(({ id }) => !named.has(id));
      return masks.map(({ id }, order) => ({ turn: index, segment_id: id, place: turn.unnamed[order] }));
    });
  }

  /** Which turn of `sample()` a turn is; null if it is not there. */
  indexOf(turn) {
    const index = this.told().indexOf(turn);
    return index < 0 ? null : index;
  }

  /** The session of a `Sample` and its masks of no phrase, which the server has checked. */
  static of({ picture, sample, unnamed }, blob, place) {
    const session = new Session(picture, sample.image, blob);
    const segments = new Map(sample.segments.map((segment) => [segment.id, segment]));
    const unfinished = [sample.meta.unfinished ?? []].flat();
    for (const [index, { task, instruction, answer, region_ids, follows }] of sample.turns.entries()) {
      const masks = unnamed.filter((mask) => mask.turn === index);
      const turn = { instruction, task, follows, focus: region_ids[0] ?? null, text: answer.text, spans: answer.spans,
        unnamed: masks.map((mask) => mask.place), state: unfinished.includes(index) ? "stopped" : "done", times: {} };
      session.turns.push(turn);
      answer.spans.forEach((span, order) => {
        for (const id of span.segment_ids) if (segments.has(id)) session.add(segments.get(id), turn, order, place);
        span.segment_ids.forEach((id) => segments.delete(id));
      });
      masks.forEach(({ segment_id }, order) => session.add(segments.get(segment_id), turn, order, place));
    }
    return session;
  }

  /** Take in a segment; `order` is that of its phrase in the answer; `place` gives its shape and color. */
  add(segment, turn, order, place) {
    this.segments.set(segment.id, { ...segment, turn, ...place(segment, order) });
  }
}

/** Whether a turn has words or masks. */
const isAnswered = (turn) => Boolean(turn.text || turn.unnamed.length);
