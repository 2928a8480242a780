// The ways in which a picture comes: chosen, dropped, pasted, taken with the camera, a sample; or a whole session.

import { Fault } from "./server.js";

const byId = (id) => document.getElementById(id);

/** Calls `picture(blob, name)` or `session(blob)` with what the user brings; `fault(error)` if that fails. */
export function watchStart({ picture, session, fault }) {
  const bring = (file) => (file.type === "application/json" || file.name.endsWith(".json") ? session(file) : picture(file, file.name));
  byId("choose").addEventListener("click", () => byId("picture-file").click());
  byId("open-session").addEventListener("click", () => byId("session-file").click());
  for (const [id, take] of [["picture-file", (file) => picture(file, file.name)], ["session-file", session]]) {
    byId(id).addEventListener("change", ({ target }) => {
      if (target.files.length) take(target.files[0]);
      target.value = "";
    });
  }
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", async () => {
      const response = await fetch(`studio/samples/${button.dataset.sample}`).catch(() => null);
      if (response?.ok) picture(await response.blob(), `world-${button.dataset.seed}.png`);
      else fault(new Fault("The sample picture cannot be fetched; is the server still there?"));
    });
  }
  addEventListener("dragover", (event) => {
    event.preventDefault();
    byId("drop").classList.add("over");
  });
  addEventListener("dragleave", () => byId("drop").classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    byId("drop").classList.remove("over");
    if (event.dataTransfer.files.length) bring(event.dataTransfer.files[0]);
    else fault(new Fault("That is no file; save the picture first and drop it as a file, or paste it."));
  });
  addEventListener("paste", ({ clipboardData }) => {
    const [file] = clipboardData.files;
    if (file) bring(file);
  });
  watchCamera(picture, fault);
}

function watchCamera(picture, fault) {
  const dialog = byId("camera"), video = byId("video");
  byId("use-camera").addEventListener("click", async () => {
    try {
      if (!navigator.mediaDevices) throw new Fault("The browser gives the camera only to pages of this machine or over https.");
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
      dialog.showModal();
    } catch (error) {
      fault(error instanceof Fault ? error : new Fault("The camera cannot be used; allow it in the browser, or choose a picture."));
    }
  });
  byId("shoot").addEventListener("click", () => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => picture(blob, "camera.jpg"), "image/jpeg", 0.95);
    dialog.close();
  });
  byId("close-camera").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
  });
}
