// Puts a new answer in the place of what has changed, and says when no answer comes. The page is whole without it.
//
// The service says that something is different (/v1/events), and only then it is asked; where it does not say so, it is asked
// every two seconds. Ages grow by themselves in between.
"use strict";
(() => {
  const root = document.documentElement;
  const follow = document.getElementById("follow");
  if (!follow || follow.dataset.live !== "on") return;
  // In milliseconds: without the service's word; with it, for what no word comes of; between two looks; until it is asked for again.
  const [LEAST, ANYWAY, SPACING, AGAIN] = [2000, 10000, 400, 30000];
  let timer = 0;
  let asking = false;
  let stream = null;
  // Something is different, and was not looked at yet.
  let due = false;
  // Not before then.
  let earliest = 0;
  // How far the host's clock is ahead of this one's.
  let ahead = 0;

  const told = () => stream !== null && stream.readyState === EventSource.OPEN;

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

  const clock = () => {
    const now = Date.parse(document.getElementById("follow")?.dataset.now);
    if (!Number.isNaN(now)) ahead = now - Date.now();
  };

  const span = (seconds) => {
    if (seconds < 120) return seconds + "s";
    if (seconds < 7200) return Math.floor(seconds / 60) + "m";
    if (seconds < 172800) return Math.floor(seconds / 3600) + "h";
    return Math.floor(seconds / 86400) + "d";
  };

  const age = () => {
    if (document.hidden || root.classList.contains("stale")) return;
    for (const time of document.querySelectorAll("time.ago")) {
      const seconds = Math.floor((Date.now() + ahead - Date.parse(time.dateTime)) / 1000);
      const text = span(Math.max(0, seconds)) + " ago";
      if (seconds >= 0 && time.textContent !== text) time.textContent = text;
    }
  };

  const look = async () => {
    clearTimeout(timer);
    if (asking || document.hidden) return;
    asking = true;
    due = false;
    const began = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(30000) });
      if (answer.status === 404) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      take(await answer.text());
      clock();
    } catch {
      stale();
    }
    asking = false;
    // A large answer is asked for more seldom, so that looking costs the host little.
    const rest = Math.max(SPACING, 20 * (performance.now() - began));
    earliest = performance.now() + rest;
    timer = setTimeout(look, due ? rest : Math.max(rest, told() ? ANYWAY : LEAST));
  };

  const listen = () => {
    if (stream || document.hidden) return;
    const route = location.pathname.match(/^\/routes\/([^/]+\/[^/]+)$/);
    stream = new EventSource("/v1/events" + (route ? "?route=" + encodeURIComponent(decodeURIComponent(route[1])) : ""));
    stream.onopen = () => root.classList.add("told");
    stream.onmessage = () => {
      root.dataset.news = Number(root.dataset.news || 0) + 1;
      if (asking || due) { due = true; return; }
      const wait = earliest - performance.now();
      if (wait <= 0) { look(); return; }
      due = true;
      clearTimeout(timer);
      timer = setTimeout(look, wait);
    };
    stream.onerror = () => {
      root.classList.remove("told");
      // The browser tries a connection again that broke off, but not one that was refused.
      if (stream && stream.readyState === EventSource.CLOSED) { stream = null; setTimeout(listen, AGAIN); }
      if (!asking) { clearTimeout(timer); timer = setTimeout(look, LEAST); }
    };
  };

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) { listen(); look(); return; }
    // A browser has six connections to a host: pages that nobody sees leave them to those that somebody does.
    stream?.close();
    stream = null;
    root.classList.remove("told");
  });
  clock();
  setInterval(age, 1000);
  listen();
  timer = setTimeout(look, LEAST);
})();
