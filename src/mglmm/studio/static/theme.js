// The theme: "light", "dark", or "" for that of the system; set before anything is painted.

window.theme = {
  get now() {
    return document.documentElement.dataset.theme;
  },
  set(theme) {
    document.documentElement.dataset.theme = theme;
    stored((storage) => storage.setItem("mglmm-theme", theme));
  },
};

/** In a frame of another site the browser may forbid storage; the theme then lasts as long as the page. */
function stored(use) {
  try {
    return use(localStorage);
  } catch (error) {
    if (error.name !== "SecurityError") throw error;
    return null;
  }
}

document.documentElement.dataset.theme = stored((storage) => storage.getItem("mglmm-theme")) ?? "";
