// What the page asks of the server. Addresses are relative, so that the page works behind any path.

/** Something that the user can mend; the message is one plain line. */
export class Fault extends Error {}

/** The server has not answered, or stopped in the middle of an answer: the same can be asked again. */
export class Lost extends Fault {}

/** The server does not have this picture any more: it is to be sent again. */
export class UnknownPicture extends Lost {}

const NO_ROOM = "The server has no room for this picture now; try again in a moment.";
const NO_SERVER = "The server cannot be reached.";
const BROKEN_OFF = "The server has gone in the middle of the answer; ask again when it is back.";

async function reach(address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Lost(NO_SERVER);
  }
}

async function send(address, body) {
  const response = await reach(address, { method: "POST", body });
  if (response.ok) return response;
  const found = await response.json().catch(() => ({}));
  throw new Fault(found.error ?? `The server refused this (${response.status}).`);
}

/** What the server says about a picture that it now holds: {id, size, uploaded_size, media_type}. */
export async function upload(blob) {
  return (await send("studio/pictures", blob)).json();
}

/** The file of a picture that the server holds, which is what is sent again if it forgets it. */
export async function pictureOf(id) {
  const response = await reach(`studio/pictures/${id}`);
  if (!response.ok) throw new Fault(NO_ROOM);
  return response.blob();
}

/** {picture, sample, unnamed} of a session file, found to be whole. */
export async function openSession(blob) {
  return (await send("studio/sessions", blob)).json();
}

/** {name, blob} of a download; `wanted`: the session and how its overlay is drawn. */
export async function exported(form, wanted) {
  const response = await send(`studio/export/${form}`, JSON.stringify(wanted));
  const name = /filename\*=UTF-8''(.*)/.exec(response.headers.get("Content-Disposition"))[1];
  return { name: decodeURIComponent(name), blob: await response.blob() };
}

/** The events of an answer, as they come: see streaming.py. */
export async function* ask(question, signal) {
  const options = { method: "POST", signal, headers: { "Content-Type": "application/json" } };
  const joined = await reach("gradio_api/call/ask", { ...options, body: JSON.stringify({ data: [question] }) });
  const { event_id, error } = await joined.json().catch(() => ({}));
  if (!joined.ok) throw new Fault(error ?? `The server takes no questions now (${joined.status}); try again in a moment.`);
  const stream = await reach(`gradio_api/call/ask/${event_id}`, { signal });
  let whole = false;
  for await (const [name, data] of messages(stream.body)) {
    // Gradio says in words that it has stopped, and in an object that a function has failed
    if (name === "error" && typeof data === "string") throw new Lost(BROKEN_OFF);
    if (name === "error") throw new Fault("Something went wrong on the server; its log says what.");
    if (name !== "generating") continue;
    const [event] = data;
    if (event.kind === "error") throw new Fault(event.message);
    if (event.kind === "unknown_picture") throw new UnknownPicture(NO_ROOM);
    whole ||= event.kind === "done";
    yield event;
  }
  if (!whole) throw new Lost(BROKEN_OFF);
}

/** [event, data] of every message of a stream of server-sent events. */
async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const [, name, data] = /^event: (.*)\ndata: (.*)$/s.exec(block) ?? [];
        if (name) yield [name, JSON.parse(data)];
      }
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Lost(BROKEN_OFF);
  } finally {
    reader.cancel().catch(() => {}); // it may have ended already
  }
}
