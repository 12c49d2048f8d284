// Puts a new answer in the place of what has changed, and says when no answer comes. The page is whole without it.
"use strict";
(() => {
  const follow = document.getElementById("follow");
  if (!follow || follow.dataset.live !== "on") return;
  const LEAST = 2000;
  let timer = 0;
  let asking = false;

  // The same element by another answer: its id, or else its place.
  const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  const attributes = (old, now) => {
    for (const { name } of [...old.attributes]) {
      // What the reader has opened stays open.
      if (!now.hasAttribute(name) && !(old.nodeName === "DETAILS" && name === "open")) old.removeAttribute(name);
    }
    for (const { name, value } of now.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  };

  const become = (old, now) => {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== now.nodeValue) old.nodeValue = now.nodeValue;
      return;
    }
    attributes(old, now);
    const byId = new Map();
    for (const child of old.children) if (child.id) byId.set(child.id, child);
    let at = old.firstChild;
    for (const wanted of [...now.childNodes]) {
      let here = at;
      if (wanted.id && byId.has(wanted.id)) here = byId.get(wanted.id);
      if (here && same(here, wanted)) {
        if (here === at) at = at.nextSibling;
        else old.insertBefore(here, at);
        become(here, wanted);
      } else {
        old.insertBefore(document.importNode(wanted, true), at);
      }
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  };

  const take = (text) => {
    const now = new DOMParser().parseFromString(text, "text/html");
    const focused = document.activeElement && document.activeElement.id;
    document.title = now.title;
    for (const tag of ["header", "main", "footer"]) {
      const [old, next] = [document.querySelector(tag), now.querySelector(tag)];
      if (old && next) become(old, next);
    }
    // What was moved has lost it.
    if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus({ preventScroll: true });
    document.documentElement.classList.remove("stale");
  };

  const stale = () => {
    if (document.documentElement.classList.contains("stale")) return;
    document.documentElement.classList.add("stale");
    const heard = document.getElementById("heard");
    if (heard) heard.textContent = "no answer since " + heard.textContent.replace(/^as of /, "");
  };

  const look = async () => {
    if (asking || document.hidden) return;
    asking = true;
    const began = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(30000) });
      if (answer.status === 404) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      take(await answer.text());
    } catch {
      stale();
    }
    asking = false;
    clearTimeout(timer);
    // A large answer is asked for more seldom, so that looking costs the host little.
    timer = setTimeout(look, Math.max(LEAST, 20 * (performance.now() - began)));
  };

  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  timer = setTimeout(look, LEAST);
})();
