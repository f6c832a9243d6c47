// What the browser does by itself: the address, ages, refreshing, and in-page links. No request is made from here.
(function () {
  "use strict";
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const own = (clientside.wattstat = clientside.wattstat || {});

  const SECONDS = { s: 1, m: 60, h: 3600 };
  function refreshSeconds(search) {
    const found = /^(\d{1,4})([smh])$/.exec(new URLSearchParams(search).get("refresh") || "10s");
    return found ? Math.max(1, found[1] * SECONDS[found[2]]) : 0;
  }

  // Put a parameter into the address; every part of the page that depends on it follows.
  own.setParameters = function (changes) {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changes)) value === null ? query.delete(name) : query.set(name, value);
    const text = query.toString();
    clientside.set_props("url", { search: text ? "?" + text : "" });
  };

  // Time range and refresh: the address leads; a choice in a control goes into the address.
  own.controls = function (pathname, search, range, refresh, options) {
    const query = new URLSearchParams(search || "");
    const isOwn = !query.has("from") && !query.has("to"), page = (pathname || "/").split("/")[1];
    const from = query.get("from") || (isOwn && page === "energy" ? "now/M" : "now-6h"), to = query.get("to") || "now";
    const every = query.get("refresh") || "10s";
    const chosen = clientside.callback_context.triggered_id;
    if (chosen === "range" && range && !range.includes("|")) {
      if (range !== from || to !== "now") own.setParameters({ from: range, to: "now" });
      return [range, options.filter((option) => !option.value.includes("|")), clientside.no_update];
    }
    if (chosen === "range" && range === WHOLE.value && !isOwn) own.setParameters({ from: null, to: null });
    if (chosen === "refresh" && refresh) {
      if (refresh !== every) own.setParameters({ refresh });
      return [clientside.no_update, clientside.no_update, refresh];
    }
    const listed = [...(page === "job" ? [WHOLE] : []), ...options.filter((option) => !option.value.includes("|"))];
    if (isOwn && page === "job") return [WHOLE.value, listed, every];
    if (to === "now" && listed.some((option) => option.value === from)) return [from, listed, every];
    const value = from + "|" + to;
    return [value, [...listed, { value, label: PERIODS[value] || describe(from) + " – " + describe(to) }], every];
  };

  // A run is shown over its own time, unless somebody looks closer.
  const WHOLE = { value: "run|", label: "Whole run" };
  const PERIODS = { "now/M|now": "This month", "now-1M/M|now/M": "Last month", "now/d|now": "Today", "now-7d/d|now": "Last 7 days" };
  function describe(text) {
    if (!/^\d{9,14}$/.test(text)) return text;
    return new Date(+text).toLocaleString("en-GB", { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit" });
  }

  let shown = null;
  own.crumbs = function (pathname, search) {
    // what was filled in for one page must not stand under the name of another
    if (shown !== null && shown !== pathname) {
      for (const element of document.querySelectorAll("#page [id]")) {
        if (element.filled !== undefined) { element.replaceChildren(); element.filled = undefined; }
      }
    }
    if (shown !== pathname) own.forgetFilter();
    shown = pathname;
    const given = new URLSearchParams(search || "");
    const parts = (pathname || "/").split("/").filter(Boolean).map(decodeURIComponent);
    const kiosk = given.get("kiosk");
    document.documentElement.toggleAttribute("data-kiosk", kiosk === "1" || kiosk === "true" || kiosk === "tv");
    const section = parts[0] === "node" ? "nodes" : parts[0] === "job" ? "jobs" : parts[0] === "runbooks" ? "alerts" : parts[0] || "";
    const name = SECTIONS[section], here = parts.length > 1 ? "true" : "page";
    document.title = (parts.slice(1).join("/") || name || "Wattstat") + (name || parts[1] ? " · Wattstat" : "");
    // what belongs to the viewer goes along to every page; what filters one page stays with it
    const query = carried(given);
    const links = Object.entries(SECTIONS).map(([path, label]) => ({
      namespace: "dash_html_components", type: "A",
      props: { href: "/" + path + query, children: label, "data-link": "", "aria-current": path === section ? here : undefined },
    }));
    return [links, "/" + query];
  };

  const SECTIONS = { "": "Overview", nodes: "Servers", jobs: "Jobs", energy: "Energy", power: "Power", policies: "Policies",
    storage: "Storage", fabric: "Fabric", alerts: "Alerts", health: "Health" };
  function carried(given) {
    const kept = [...given].filter(([name]) => ["from", "to", "refresh", "theme", "kiosk"].includes(name));
    return kept.length ? "?" + new URLSearchParams(kept) : "";
  }

  // The filters of the list of jobs: the address leads, a choice goes into it, and the list begins anew.
  own.filters = function (search, text, state) {
    const given = new URLSearchParams(search || ""), q = given.get("q") || "", chosen = given.get("state") || "";
    const changed = clientside.callback_context.triggered.map((one) => one.prop_id);
    if (changed.length === 1 && changed[0] === "jobs-q.value") {
      if ((text || "").trim() !== q) own.setParameters({ q: (text || "").trim() || null, cursor: null, row: null });
      return [clientside.no_update, clientside.no_update];
    }
    if (changed.length === 1 && changed[0] === "jobs-state.value") {
      if ((state || "") !== chosen) own.setParameters({ state: state || null, cursor: null, row: null });
      return [clientside.no_update, clientside.no_update];
    }
    return [q, chosen];
  };

  // A dot of a scatter leads to its job.
  own.open = function (clicked) {
    const href = clicked && clicked.points && clicked.points[0] && clicked.points[0].customdata;
    if (href) own.go(href);
  };

  own.tick = function (visible, search) {
    const seconds = refreshSeconds(search || "");
    return [(seconds || 10) * 1000, !visible || !seconds];
  };

  // Dash throws an answer away when its question is asked anew: on a slow server a page that asks at every tick would stay
  // empty. So a tick that finds questions under way is left out, for a while.
  const PATIENCE = 60000;
  const asked = new Set();
  const plainFetch = window.fetch;
  window.fetch = function (address, ...rest) {
    const answer = plainFetch.call(this, address, ...rest);
    if (!String((address && address.url) || address).includes("_dash-update-component")) return answer;
    const question = { at: performance.now() };
    asked.add(question);
    const over = () => asked.delete(question);
    answer.then(over, over);
    return answer;
  };
  own.beat = function (ticks) {
    const isWaiting = [...asked].some((question) => performance.now() - question.at < PATIENCE);
    return isWaiting && ticks ? clientside.no_update : ticks || 0;
  };

  // Put markup in place, touching only what differs: focus, open details and running ages stay as they are.
  own.fill = function (parts) {
    for (const [id, text] of Object.entries(parts || {})) {
      const target = document.getElementById(id);
      if (!target || target.filled === text) continue;
      const made = document.createElement("template");
      made.innerHTML = text;
      own.arrange(made.content, id);
      morphChildren(target, made.content);
      target.filled = text;
    }
    countAges();
  };

  // The head of the page has asked for the overview's numbers already; they are shown as soon as their frame stands.
  function showFirst(first) {
    const figures = document.getElementById("figures");
    if (location.pathname !== "/") return true;
    if (!figures) return false;
    if (figures.filled !== undefined) return true;
    own.fill(first.fill);
    if (first.map) own.firstMap(first.map);
    return true;
  }
  if (window.wattstatFirst) window.wattstatFirst.then((first) => {
    if (!first || showFirst(first)) return;
    const watch = new MutationObserver(() => showFirst(first) && watch.disconnect());
    watch.observe(document.body, { childList: true, subtree: true });
  });

  function morphChildren(target, source) {
    const wanted = [...source.childNodes];
    wanted.forEach((node, i) => {
      const there = target.childNodes[i];
      if (!there) target.appendChild(node);
      else if (there.nodeType !== node.nodeType || there.nodeName !== node.nodeName) target.replaceChild(node, there);
      else if (node.nodeType === Node.ELEMENT_NODE) morph(there, node);
      else if (there.data !== node.data) there.data = node.data;
    });
    while (target.childNodes.length > wanted.length) target.lastChild.remove();
  }

  function morph(there, node) {
    for (const { name, value } of node.attributes) if (there.getAttribute(name) !== value) there.setAttribute(name, value);
    for (const { name } of [...there.attributes]) if (!node.hasAttribute(name) && name !== "open") there.removeAttribute(name);
    morphChildren(there, node);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-link]");
    if (link) own.follow(event, link.href);
  });

  // Plotly knows pixels only; sizes were chosen for a root size of 16.
  own.draw = function (data) {
    if (!data) return clientside.no_update;
    own.fill(data.fill);
    for (const [id, pixels] of Object.entries(data.heights || {})) {
      const panel = document.getElementById(id);
      if (panel) panel.style.setProperty("--height", pixels / 16 + "rem");
    }
    const scale = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    const drawn = structuredClone(data.figure), layout = drawn.layout;
    layout.font.size *= scale;
    layout.hoverlabel.font.size *= scale;
    layout.legend.itemwidth *= scale;
    for (const note of layout.annotations || []) note.font = { size: ((note.font || {}).size || 14) * scale };
    for (const axis of [layout.xaxis, layout.yaxis]) if (axis && axis.title) axis.title.font = { size: layout.font.size };
    for (const trace of drawn.data) {
      if (trace.line) trace.line.width *= scale;
      if (trace.colorbar) {
        trace.colorbar.thickness *= scale;
        trace.colorbar.tickfont.size *= scale;
      }
      if (trace.marker && trace.marker.size) trace.marker.size = trace.marker.size.map((size) => size * scale);
    }
    return drawn;
  };

  // Two days of a form: the last one is in it, so the time ends at the midnight after it.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-dates]")) return;
    event.preventDefault();
    const { from, to } = Object.fromEntries(new FormData(event.target));
    const after = new Date(Date.parse(to) + 86400e3).toISOString().slice(0, 10);
    own.setParameters({ from, to: after, cursor: null });
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-print]")) window.print();
    const copied = event.target.closest("[data-copy]");
    if (copied) copy(copied);
  });
  // Without a secure page the browser has no clipboard for us; the link is then shown to be copied by hand.
  function copy(button) {
    const text = new URL(button.dataset.copy, location.href).href;
    const said = (word) => { button.textContent = word; setTimeout(() => { button.textContent = "Copy link"; }, 2000); };
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => said("Copied"), () => window.prompt("Link", text));
    else window.prompt("Link", text);
  }

  // A hidden tab asks for nothing.
  document.addEventListener("visibilitychange", () => {
    if (clientside.set_props) clientside.set_props("visible", { data: !document.hidden });
  });

  // Links drawn by our own scripts move within the page, as Dash's own links do.
  own.follow = function (event, href) {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button > 0) return;
    event.preventDefault();
    own.go(href);
  };
  own.go = function (href) {
    const target = new URL(href, location.href);
    clientside.set_props("url", { pathname: target.pathname, search: target.search });
  };

  // g o: overview, g n: servers, g j: jobs, g e: energy, g p: power, g y: policies, g s: storage,
  // g f: fabric, g a: alerts, g h: health, j and k: next and previous server.
  const PLACES = { o: "/", n: "/nodes", j: "/jobs", e: "/energy", p: "/power", y: "/policies", s: "/storage", f: "/fabric", a: "/alerts",
    h: "/health" };
  let lead = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    const click = (id) => { const element = document.getElementById(id); if (element) element.click(); };
    const isLed = Date.now() - lead < 1500;
    lead = 0;
    if (event.key === "g") lead = Date.now();
    else if (isLed && event.key in PLACES) own.go(PLACES[event.key] + carried(new URLSearchParams(location.search)));
    else if (event.key === "j") click("next");
    else if (event.key === "k") click("previous");
  });

  const THIN = "\u202f";
  function duration(seconds) {
    if (seconds < 100) return Math.floor(seconds) + THIN + "s";
    if (seconds < 6000) return Math.floor(seconds / 60) + THIN + "min";
    return Math.floor(seconds / 3600) + THIN + "h";
  }

  // Ages count on between answers, by the browser's monotonic clock; so a page whose server is gone says so too.
  const seen = new WeakMap();
  function countAges() {
    for (const element of document.querySelectorAll(".age[data-age]")) {
      const key = element.dataset.stamp + " " + element.dataset.age;
      let known = seen.get(element);
      if (!known || known.key !== key) seen.set(element, (known = { key, at: performance.now() }));
      const age = +element.dataset.age + (performance.now() - known.at) / 1000;
      const text = duration(age) + " ago";
      if (element.textContent !== text) element.textContent = text;
      const late = age > +element.dataset.late;
      element.classList.toggle("late", late);
      const panel = element.closest(".panel, .page-head");
      if (panel) panel.classList.toggle("stale", late);
      if (element.closest("#map-panel")) {
        const figures = document.getElementById("figures");
        if (figures) figures.classList.toggle("stale", late);
      }
    }
  }
  setInterval(countAges, 1000);
})();
