// Without this script the page works too: forms are sent, and it is loaded again by hand.
"use strict";

const byId = (id) => document.getElementById(id);

// Puts each part in the place of the one with its id.
function show(html) {
  const focused = document.activeElement && document.activeElement.id;
  const parts = new DOMParser().parseFromString(html, "text/html").body.children;
  for (const part of [...parts]) {
    const before = part.id && byId(part.id);
    if (before) before.replaceWith(part);
  }
  if (focused && byId(focused)) byId(focused).focus();
}

async function part(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { "X-Part": "1" } });
  show(await answer.text());
  return answer.ok;
}

// One after the other, so that no older answer comes last. Who asks while one is on its way gets the next one: what that one
// shows may have been read before.
let reading = null;
let next = null;
function refresh() {
  if (!reading) {
    reading = part("/window").finally(() => (reading = null));
    return reading;
  }
  next ??= reading.catch(() => {}).then(() => {
    next = null;
    return refresh();
  });
  return next;
}

function line(text) {
  const item = document.createElement("li");
  item.textContent = text;
  byId("trail").append(item);
}

// Reads again until a replica has the order, and tells each change.
let following = 0;
async function follow(begun) {
  const mine = ++following;
  byId("trail").replaceChildren();
  let last = "";
  for (let pause = 20; mine === following; pause = Math.min(pause * 1.5, 1000)) {
    await refresh();
    const { origin, role } = byId("orders").dataset;
    if (origin && origin !== last) line(`after ${Math.round(performance.now() - begun)} ms: ${origin}`);
    last = origin;
    if (role === "replica") return;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = event.submitter;
  button.disabled = true;
  try {
    if (reading) await reading;
    const done = await part(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (done && "follow" in form.dataset) follow(performance.now());
  } catch {
    lost(true);
  } finally {
    button.disabled = false;
  }
});

const lost = (is) => (byId("connection").hidden = !is);
const live = new EventSource("/live");
live.addEventListener("open", () => lost(false));
live.addEventListener("error", () => lost(true));
live.addEventListener("parts", (event) => show(event.data));
live.addEventListener("orders", () => refresh().catch(() => lost(true)));
