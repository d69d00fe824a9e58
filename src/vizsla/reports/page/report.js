"use strict";
(() => {
  const tools = document.querySelector(".tools");
  if (!tools) return;
  tools.hidden = false;
  const findings = [...document.querySelectorAll(".finding")];
  const find = document.getElementById("find");
  const left = document.getElementById("left");
  const every = (open) => findings.forEach((f) => { if ("open" in f) f.open = open && !f.hidden; });
  document.getElementById("open").addEventListener("click", () => every(true));
  document.getElementById("close").addEventListener("click", () => every(false));
  find.addEventListener("input", () => {
    const wanted = find.value.toLowerCase();
    let seen = 0;
    for (const f of findings) {
      f.hidden = wanted !== "" && !f.textContent.toLowerCase().includes(wanted);
      if (!f.hidden) seen += 1;
    }
    left.textContent = wanted === "" ? "" : `${seen} of ${findings.length}`;
  });
  const named = location.hash && document.getElementById(location.hash.slice(1));
  if (named && "open" in named) { named.open = true; named.scrollIntoView(); }
})();
