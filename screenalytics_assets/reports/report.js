"use strict";
(() => {
  const data = document.getElementById("thumbnails");
  const thumbnails = data ? JSON.parse(data.textContent) : {};
  const tip = document.getElementById("tip");
  const picture = tip && tip.querySelector("img");
  const words = tip && tip.querySelector("span");
  const hide = () => { if (tip) tip.hidden = true; };
  const show = (link) => {
    if (!tip) return;
    const uri = thumbnails[link.dataset.face];
    picture.hidden = !uri;
    if (uri) picture.src = uri;
    words.textContent = link.getAttribute("aria-label");
    tip.hidden = false;
    const box = link.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(4, box.left + box.width / 2 - own.width / 2), innerWidth - own.width - 4);
    const above = box.top - own.height - 6;
    tip.style.left = left + "px";
    tip.style.top = (above > 0 ? above : box.bottom + 6) + "px";
  };
  for (const row of document.querySelectorAll("svg.spans")) {
    const links = [...row.querySelectorAll("a")];
    links.forEach((link, i) => {
      // One stop of the Tab key a row; the arrow keys go along it.
      link.setAttribute("tabindex", i ? "-1" : "0");
      for (const name of ["mouseenter", "focus"]) link.addEventListener(name, () => show(link));
      for (const name of ["mouseleave", "blur"]) link.addEventListener(name, hide);
      link.addEventListener("keydown", (event) => {
        const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: links.length - 1 }[event.key];
        if (to === undefined || !links[to]) return;
        event.preventDefault();
        link.setAttribute("tabindex", "-1");
        links[to].setAttribute("tabindex", "0");
        links[to].focus();
      });
    });
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { passive: true, capture: true });
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = button.previousElementSibling;
      getSelection().selectAllChildren(code);
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
})();
