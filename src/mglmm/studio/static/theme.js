// The theme that was chosen, before anything is painted: "light", "dark", or none for that of the system.
document.documentElement.dataset.theme = localStorage.getItem("mglmm-theme") ?? "";
