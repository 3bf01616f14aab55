// Takes the reader's choice of light or dark before anything is painted.
try {
  const theme = localStorage.getItem("pyscrape.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Without storage the system's choice holds.
}
