/* What every page does beyond plain HTML. Pages work without it; nothing here holds words of its own: those come
   from <template id="words">. No inline styles in markup, no eval, nothing kept in the browser's storage but the
   pause switch. What markup may ask for:
     data-live               a box that asks by itself; it waits while the person is busy in it
     data-dialog="id"        opens that <dialog>; data-dialog-close closes the one around; dialog[data-open] opens by itself
     data-copy="text"        copies; data-insert="text" data-into="id" writes into that field at the caret
     data-counter="id"       tells the field's number of characters in that element
     data-guard              on a form: ask before leaving with something typed; data-many: may be sent twice
     data-submit-on-change   on a control: send its form when it changes
     data-keep-scroll[=end]  with an id: a swap keeps its scroll position (at the end: stays at the end)
     data-row                an entry that j and k step through; data-new: what n presses
     time[data-ago], time[data-ago=updated], time[data-until]   counted on: age, "updated" age, seconds left
     data-needs-js hidden    shown only where scripts run; data-focus: takes the focus when it arrives; data-dismiss
   From answers: HX-Trigger {"toast": {"message", "kind"}} and {"dialog": {"id"}}; X-Session-Ends (seconds). */
(function () {
  "use strict";

  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const byId = (id) => (id ? document.getElementById(id) : null);
  const word = (name) => (byId("words") ? byId("words").dataset[name] || "" : "");
  const on = (names, handler) => names.split(" ").forEach((name) => document.addEventListener(name, handler));
  const typingIn = (element) =>
    !!element && (element.isContentEditable || element.matches("input:not([type=checkbox],[type=radio],[type=button],[type=submit]),textarea,select"));

  /* ---------- saying things ---------- */
  function announce(text) {
    const region = byId("announcer");
    if (!region) return;
    region.textContent = "";
    setTimeout(() => { region.textContent = text; }, 60); // a change is read out, a repetition is not
  }

  const looks = { success: ["circle-check", "delivered"], info: ["info-circle", "operator"], warning: ["alert-triangle", "blocked"], danger: ["alert-circle", "failed"], error: ["alert-circle", "failed"] };

  function toast(text, kind) {
    const holder = byId("toasts"), pattern = byId("toast");
    if (!text || !holder || !pattern) return;
    const [picture, look] = looks[kind] || looks.info;
    const box = pattern.content.firstElementChild.cloneNode(true);
    box.classList.add("look-" + look);
    box.querySelector(".icon").className = "icon i-" + picture;
    box.querySelector(".note-toast-text").textContent = text;
    holder.append(box);
    announce(text);
    let rest = setTimeout(() => box.remove(), 8000);
    box.addEventListener("pointerenter", () => clearTimeout(rest));
    box.addEventListener("pointerleave", () => { rest = setTimeout(() => box.remove(), 3000); });
    box.addEventListener("focusin", () => clearTimeout(rest));
  }
  window.recado = { toast, announce };

  on("toast", (event) => toast(event.detail.message || event.detail.value, event.detail.kind));

  /* ---------- requests ---------- */
  const token = () => (document.querySelector("meta[name=csrf-token]") || {}).content || "";
  const changes = (method) => !/^(get|head|options)$/i.test(method || "get");
  // A live box asks by itself: marked so that it does not keep an unattended session alive.
  const asksItself = (element) => !!element && !!element.matches && element.matches("[data-live]");
  // Two names an event: version 2 of htmx and version 4.
  on("htmx:configRequest", (event) => {
    if (changes(event.detail.verb)) event.detail.headers["X-CSRFToken"] = token();
    if (asksItself(event.detail.elt)) event.detail.headers["X-Recado-Poll"] = "1";
  });
  on("htmx:config:request", (event) => {
    const request = event.detail.ctx.request;
    if (changes(request.method)) request.headers["X-CSRFToken"] = token();
    if (asksItself(event.detail.ctx.sourceElement)) request.headers["X-Recado-Poll"] = "1";
  });

  let silent = false; // one complaint while polling fails, not one a tick
  function complain(event, text, kind) {
    const live = event.detail.elt && event.detail.elt.closest && event.detail.elt.closest("[data-live]");
    if (live && silent) return;
    silent = silent || !!live;
    toast(text, kind || "danger");
  }
  on("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if (event.detail.xhr.getResponseHeader("HX-Redirect")) return;
    complain(event, word(status === 403 ? "forbidden" : status === 429 ? "busy" : "failed"));
  });
  on("htmx:sendError", (event) => complain(event, word("offline"), "warning"));
  on("htmx:timeout", (event) => complain(event, word("slow"), "warning"));
  on("htmx:afterOnLoad", (event) => { if (event.detail.xhr.status < 400) silent = false; });
  on("htmx:afterRequest", (event) => {
    const ends = event.detail.xhr && event.detail.xhr.getResponseHeader("X-Session-Ends");
    if (ends) sessionEnds(ends);
  });

  /* ---------- live boxes wait for the person ---------- */
  const OPEN = "input[type=checkbox]:checked,details[open],dialog[open],[aria-expanded=true]";
  let paused = false;

  function selectingIn(box) {
    const picked = window.getSelection();
    return !!picked && !picked.isCollapsed && box.contains(picked.anchorNode);
  }
  function busy(box) {
    if (document.hidden || paused) return true;
    const focus = document.activeElement;
    return (box.contains(focus) && typingIn(focus)) || !!box.querySelector(OPEN) || selectingIn(box);
  }
  function hold(event, element) {
    if (!element || !element.matches || !element.matches("[data-live]")) return;
    // A box that loads its first content (the chip, the badge) starts without any: that question is never skipped.
    const empty = /\bload\b/.test(element.getAttribute("hx-trigger") || "") && !element.dataset.asked;
    element.dataset.asked = "1";
    if (!empty && busy(byId(element.dataset.liveBox) || element)) event.preventDefault();
  }
  on("htmx:beforeRequest", (event) => hold(event, event.detail.elt));
  on("htmx:before:request", (event) => hold(event, event.detail.ctx && event.detail.ctx.sourceElement));

  function askNow() {
    if (!window.htmx) return;
    all("[data-live][hx-get]").forEach((box) => { if (!busy(byId(box.dataset.liveBox) || box)) window.htmx.ajax("GET", box.getAttribute("hx-get"), { source: box }); });
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) askNow(); });

  const PAUSE = "recado.paused";
  function setPaused(value, told) {
    paused = value;
    const button = byId("pause");
    if (!button) return;
    button.setAttribute("aria-pressed", String(value));
    button.title = value ? button.dataset.on : button.dataset.off;
    try { sessionStorage.setItem(PAUSE, value ? "1" : ""); } catch { /* storage may be closed; the switch still works */ }
    if (told) announce(word(value ? "paused" : "resumed"));
    if (told && !value) askNow();
  }

  /* ---------- swaps keep focus and scroll ---------- */
  const FOCUSABLE = "a[href],button,input,select,textarea,summary,[tabindex]";
  let kept = null;

  function remember(target) {
    if (!target || !target.querySelectorAll) return;
    const inside = all(FOCUSABLE, target), focus = document.activeElement;
    const scrolled = all("[data-keep-scroll][id]", target).concat(target.matches("[data-keep-scroll][id]") ? [target] : []);
    kept = {
      box: target.id,
      focus: target.contains(focus) && !focus.id ? inside.indexOf(focus) : -1,
      scroll: scrolled.map((box) => [box.id, box.scrollTop, box.scrollHeight - box.scrollTop - box.clientHeight < 24]),
    };
  }
  function restore() {
    if (!kept) return;
    const { box, focus, scroll } = kept;
    kept = null;
    scroll.forEach(([id, top, atEnd]) => {
      const again = byId(id);
      if (again) again.scrollTop = atEnd && again.dataset.keepScroll === "end" ? again.scrollHeight : top;
    });
    const again = focus >= 0 && byId(box) ? all(FOCUSABLE, byId(box))[focus] : null;
    if (again) again.focus({ preventScroll: true });
  }
  on("htmx:beforeSwap", (event) => remember(event.detail.target));
  on("htmx:afterSwap", (event) => { restore(); prepare(event.detail.elt && event.detail.elt.isConnected ? event.detail.elt : document); });

  /* ---------- dialogs and menus ---------- */
  const openers = new WeakMap();

  function openDialog(dialog, opener) {
    if (!dialog || dialog.open || !dialog.showModal) return;
    openers.set(dialog, opener || document.activeElement);
    dialog.showModal();
  }
  document.addEventListener("close", (event) => {
    const opener = openers.get(event.target);
    if (!opener) return;
    const again = opener.isConnected ? opener : byId(opener.id);
    if (again) again.focus();
  }, true);
  on("dialog", (event) => openDialog(byId(event.detail.id || event.detail.value)));

  function closeMenus(except) {
    all("details.menu[open]").forEach((menu) => { if (menu !== except) menu.open = false; });
  }
  document.addEventListener("toggle", (event) => {
    const menu = event.target;
    if (!menu.matches || !menu.matches("details.menu") || !menu.open) return;
    closeMenus(menu);
    hang(menu);
  }, true);
  document.addEventListener("scroll", () => all("details.menu[open]").forEach(hang), true);

  // A choice that asks for more shows where that is said.
  document.addEventListener("change", (event) => {
    const choice = event.target, more = choice.dataset && byId(choice.dataset.unfolds);
    if (more && choice.value === choice.dataset.unfoldsAt) more.open = true;
  });

  // A region that scrolls would cut its rows' menus off: hang them on the window instead.
  function hang(menu) {
    const list = menu.querySelector(".menu-list");
    if (!list || !menu.closest(".table-responsive")) return;
    const place = menu.getBoundingClientRect(), up = place.bottom + list.offsetHeight + 12 > window.innerHeight;
    Object.assign(list.style, { position: "fixed", right: document.documentElement.clientWidth - place.right + "px", left: "auto", top: up ? "auto" : place.bottom + 4 + "px", bottom: up ? window.innerHeight - place.top + 4 + "px" : "auto" });
  }

  document.addEventListener("click", (event) => {
    const target = event.target;
    if (!target.closest) return;
    if (!target.closest("details.menu")) closeMenus(null);
    const opener = target.closest("[data-dialog]"), closer = target.closest("[data-dialog-close]");
    if (opener && byId(opener.dataset.dialog)) { event.preventDefault(); closeMenus(null); openDialog(byId(opener.dataset.dialog), opener); }
    if (closer && closer.closest("dialog[open]")) { event.preventDefault(); closer.closest("dialog").close(); }
    if (target.matches("dialog[open]:not([data-sticky])")) {
      const box = target.getBoundingClientRect();
      if (event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom) target.close();
    }
    const dismiss = target.closest("[data-dismiss]");
    if (dismiss) (dismiss.closest(".flash,.note-toast") || dismiss).remove();
    if (target.closest("[data-print]")) window.print();
    const copy = target.closest("[data-copy]");
    if (copy) copyText(copy.dataset.copy);
    const insert = target.closest("[data-insert]");
    if (insert) insertText(byId(insert.dataset.into), insert.dataset.insert);
  });

  /* ---------- copying, inserting, counting ---------- */
  async function copyText(text) {
    let done = false;
    try { await navigator.clipboard.writeText(text); done = true; } catch { done = copyTheOldWay(text); }
    toast(word(done ? "copied" : "notCopied"), done ? "success" : "warning");
  }
  function copyTheOldWay(text) { // plain http has no clipboard interface
    const box = document.createElement("textarea"), focus = document.activeElement;
    box.value = text;
    box.className = "visually-hidden";
    document.body.append(box);
    box.select();
    let done = false;
    try { done = document.execCommand("copy"); } catch { done = false; }
    box.remove();
    if (focus) focus.focus();
    return done;
  }
  function insertText(field, text) {
    if (!field) return;
    field.focus();
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  function count(field) {
    const out = byId(field.dataset.counter);
    if (out) out.textContent = String(Array.from(field.value).length);
  }
  document.addEventListener("input", (event) => { if (event.target.matches("[data-counter]")) count(event.target); });

  /* ---------- forms ---------- */
  const sent = new WeakSet(), dirty = new Set();

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-keep-session]")) { event.preventDefault(); keepSession(form); return; }
    dirty.delete(form);
    if (event.defaultPrevented || form.method !== "post" || form.matches("[hx-post],[hx-get],[data-many]")) return;
    if (sent.has(form)) { event.preventDefault(); return; } // a double click sends once
    sent.add(form);
    form.setAttribute("aria-busy", "true");
  });
  window.addEventListener("pageshow", () => all("form[aria-busy]").forEach((form) => { sent.delete(form); form.removeAttribute("aria-busy"); }));
  document.addEventListener("input", (event) => { const form = event.target.closest("form[data-guard]"); if (form) dirty.add(form); });
  window.addEventListener("beforeunload", (event) => { if (Array.from(dirty).some((form) => form.isConnected)) event.preventDefault(); });
  document.addEventListener("change", (event) => { if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit(); });

  /* ---------- keys ---------- */
  const visible = (element) => element.getClientRects().length > 0;

  function step(direction) {
    const rows = all("[data-row]").filter(visible);
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.classList.contains("is-current"));
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + direction))];
    rows.forEach((row) => row.classList.toggle("is-current", row === next));
    const link = next.matches("a,button") ? next : next.querySelector("a[href],button");
    if (link) link.focus();
    next.scrollIntoView({ block: "nearest" });
  }
  const keys = {
    "/": () => { const box = all(".search,input[type=search]").find(visible); if (box) { box.focus(); box.select(); } return !!box; },
    "n": () => { const link = all("[data-new]").find(visible); if (link) link.click(); else if (document.body.dataset.newUrl) location.assign(document.body.dataset.newUrl); },
    "j": () => step(1),
    "k": () => step(-1),
    "?": () => openDialog(byId("help")),
  };
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.key === " " && target.matches && target.matches("a[role=button]")) { event.preventDefault(); target.click(); return; }
    if (event.key === "Escape") {
      const menu = document.querySelector("details.menu[open]");
      if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
      return;
    }
    if (document.body.dataset.shortcuts === "off" || event.defaultPrevented) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && target.form) { event.preventDefault(); target.form.requestSubmit(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || typingIn(target) || document.querySelector("dialog[open]")) return;
    if (keys[event.key] && keys[event.key]() !== false) { event.preventDefault(); return; }
    const own = /^[a-z]$/.test(event.key) && all("[aria-keyshortcuts=" + event.key + "]").find(visible); // the page's own keys
    if (own) { event.preventDefault(); if (typingIn(own)) own.focus(); else own.click(); }
  });

  /* ---------- clocks ---------- */
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always", style: "short" });
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

  function age(seconds) {
    if (Math.abs(seconds) < 3) return word("justNow");
    const [unit, length] = units.find((one) => Math.abs(seconds) >= one[1]);
    return relative.format(-Math.trunc(seconds / length), unit);
  }
  function tellAge() {
    all("time[data-ago]").forEach((time) => {
      const seconds = Math.round((Date.now() - Date.parse(time.dateTime)) / 1000);
      const past = age(seconds > -60 ? Math.max(0, seconds) : seconds); // a browser's clock may be a little behind
      const text = time.dataset.ago === "updated" ? word("updated").replace("{ago}", past) : past;
      if (text && time.textContent !== text) time.textContent = text;
    });
    all("time[data-until]").forEach((time) => {
      const left = `${Math.max(0, Math.ceil((Date.parse(time.dateTime) - Date.now()) / 1000))}\u00a0s`;
      if (time.textContent !== left) time.textContent = left;
    });
  }

  let warning = 0, ending = 0;
  // In seconds from now, not as a moment: a browser's clock may be wrong, and reloading too early would prolong it.
  function sessionEnds(seconds) {
    const left = Number(seconds) * 1000, dialog = byId("session-end");
    if (!dialog || Number.isNaN(left)) return;
    clearTimeout(warning);
    clearTimeout(ending);
    if (left > 120000 && dialog.open) dialog.close();
    warning = setTimeout(() => { openDialog(dialog); announce(dialog.textContent.trim().replace(/\s+/g, " ")); }, Math.max(0, left - 120000));
    ending = setTimeout(() => { dirty.clear(); location.reload(); }, Math.max(0, left) + 1500);
  }
  async function keepSession(form) {
    try {
      const answer = await fetch(form.action, { method: "POST", headers: { "X-CSRFToken": token() } });
      if (!answer.ok) throw new Error(String(answer.status));
      form.closest("dialog").close();
      sessionEnds(answer.headers.get("X-Session-Ends") || 1800);
    } catch { toast(word("failed"), "danger"); }
  }

  /* ---------- start, and again after each swap ---------- */
  const title = document.title;

  function prepare(root) {
    all("[data-needs-js][hidden]", root).forEach((element) => { element.hidden = false; });
    all("[data-counter]", root).forEach(count);
    const summary = all("[data-focus]", root)[0];
    if (summary) summary.focus();
    all("dialog[data-open]", root).forEach((dialog) => openDialog(dialog));
    const unread = document.querySelector("[data-unread] [data-count]");
    document.title = unread && Number(unread.dataset.count) ? "(" + unread.dataset.count + ") " + title : title;
    tellAge();
  }
  function start() {
    let was = "";
    try { was = sessionStorage.getItem(PAUSE) || ""; } catch { was = ""; }
    if (was && byId("pause")) setPaused(true, false);
    if (byId("pause")) byId("pause").addEventListener("click", () => setPaused(!paused, true));
    prepare(document);
    setInterval(tellAge, 1000);
    if (document.body.dataset.sessionEnds) sessionEnds(document.body.dataset.sessionEnds);
    all("[data-keep-scroll=end]").forEach((box) => { box.scrollTop = box.scrollHeight; });
    all(".subnav [aria-current]").forEach((link) => { link.closest("ul").scrollLeft = link.offsetLeft - 24; });
  }
  start();
})();
