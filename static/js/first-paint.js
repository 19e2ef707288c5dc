// Runs before the first paint, as a plain blocking script: theme and drawer as this browser left them, so nothing jumps.
(() => {
  const root = document.documentElement;
  const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const theme = kept("wv-theme");
  const dark = theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.bsTheme = dark ? "dark" : "light";
  root.dataset.jobs = kept("wv-jobs") === "half" && innerWidth >= 768 ? "half" : "bar";
})();
