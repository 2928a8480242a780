// Downloads: made by the server from the session that the page sends it, and saved by the browser.

import { exported } from "./server.js";

/** Save the session in a form; `drawn`: of which turn the overlay is (null: none), and how it is drawn. */
export async function save(form, session, drawn) {
  const whole = { format: "mglmm-session", version: 1, picture: await dataUrl(session.blob), sample: session.sample(),
    unnamed: session.unnamed() };
  const stem = session.name.replace(/\.\w+$/, "").slice(0, 60) || "picture";
  const { name, blob } = form === "session"
    ? { name: `${stem}-session.json`, blob: new Blob([JSON.stringify(whole)], { type: "application/json" }) }
    : await exported(form, { session: whole, ...drawn });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

function dataUrl(blob) {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.readAsDataURL(blob);
  });
}
