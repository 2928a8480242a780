// An answer on its way: what is asked of the server, and what its events change in the session.

import { UnknownPicture, ask, upload } from "./server.js";

/** The events of an answer; a picture that the server has forgotten is sent again. */
export async function* events(session, turn, signal) {
  const { id, rle, label } = session.segments.get(turn.focus) ?? {};
  const question = {
    picture: session.picture.id, instruction: turn.instruction, first_segment_id: session.nextId,
    focus: turn.focus === null ? null : { id, rle, label },
    turns: session.conversation(turn.focus).map(({ instruction, text, spans, unnamed }) => (
      { instruction, answer: { text, spans }, unnamed })),
  };
  try {
    yield* ask(question, signal);
  } catch (error) {
    if (!(error instanceof UnknownPicture)) throw error;
    const { id: picture } = await upload(session.blob);
    session.picture = { ...session.picture, id: picture };
    yield* ask({ ...question, picture }, signal);
  }
}

/** Take an event into the session; `place` is that of `Session.add`. True if the answer is not what was streamed of it. */
export function take(event, session, turn, place) {
  const since = performance.now() - turn.at;
  if (event.kind === "words") {
    turn.times.word ??= since;
    turn.text += event.text;
  } else if (event.kind === "grounded") {
    turn.times.mask ??= since;
    for (const segment of event.segments) session.add(segment, turn, turn.spans.length, place);
    turn.spans.push(event.span);
  } else if (event.kind === "unnamed") { // masks that no phrase is tied to
    turn.times.mask ??= since;
    for (const segment of event.segments) session.add(segment, turn, session.masksOf(turn).length, place);
    turn.unnamed.push(event.place);
  } else if (event.kind === "done") {
    turn.times.all = since;
    return settle(event, session, turn, place);
  }
  return false;
}

/** Make the whole answer the turn's. */
function settle({ answer: { text, spans }, unnamed, segments }, session, turn, place) {
  if (JSON.stringify([turn.text, turn.spans]) === JSON.stringify([text, spans])) return false;
  Object.assign(turn, { text, spans, unnamed });
  const order = (id) => spans.findIndex((span) => span.segment_ids.includes(id));
  for (const { id } of session.masksOf(turn)) session.segments.delete(id);
  for (const segment of segments) session.add(segment, turn, Math.max(order(segment.id), 0), place);
  return true;
}
