// Draws the rack map from the data of components/rackmap.py: racks from the front, servers at their units, a cell for each GPU.
// Cells are changed in place; only another set of racks or another size builds the map anew, so focus stays where it is.
(function () {
  "use strict";
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const own = (clientside.wattstat = clientside.wattstat || {});
  const WORDS = ["OK", "Warning", "Critical"], CLASSES = ["ok", "warning", "critical"];
  const LEGENDS = {
    power: ["idle", "at its limit", "W a GPU, against its own limit"],
    utilization: ["idle", "busy", "% of time in which a kernel ran"],
    margin: ["cool", "hot", "°C left until the device slows itself down"],
    memory: ["empty", "full", "% of GPU memory in use"],
    health: null,
    age: ["fresh", "30 s", "s since the reading"],
  };
  let current = null, metric = "power", signature = "", watched = null;

  const make = (tag, className, parent, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    if (parent) parent.appendChild(element);
    return element;
  };

  // The columns and the height of a unit that show the racks largest; text is left out before it gets too small to read.
  function fit(box, racks) {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    const gap = 12 * rem, head = 64 * rem, foot = 8;
    const tallest = Math.max(...racks.map((rack) => rack.top)) + 1;
    const room = Math.max(320 * rem, box.clientHeight);
    let best = null;
    for (let rows = 1; rows <= Math.min(4, racks.length); rows++) {
      const columns = Math.ceil(racks.length / rows);
      const width = (box.clientWidth - gap * (columns - 1)) / columns;
      const unit = (room - (rows - 1) * gap) / rows;
      const height = Math.min(40 * rem, (unit - head - foot) / tallest);
      const score = Math.min(width / (190 * rem), 1.2) * Math.min(height / (18 * rem), 1.4);
      const shown = Math.floor(Math.max(height, rows > 1 ? 5 : 14));
      if (!best || score > best.score) best = { score, columns, height: shown, width, tallest, rem };
    }
    return best;
  }

  function build(box, data) {
    const size = fit(box, data.racks);
    box.textContent = "";
    box.style.setProperty("--columns", size.columns);
    box.style.setProperty("--u", size.height + "px");
    for (const rack of data.racks) {
      const column = make("section", "rack", box);
      column.setAttribute("aria-label", "Rack " + rack.name);
      const head = make("header", "", column);
      make("h3", "", head, rack.name);
      rack.element = make("span", "rack-power " + (size.width < 140 * size.rem ? "gone" : size.width < 220 * size.rem ? "short" : ""), head);
      rack.bar = make("span", "bar", head);
      rack.fill = make("span", "fill", rack.bar);
      rack.source = make("span", "rack-source", head);
      const body = make("div", "units", column);
      body.style.setProperty("--units", size.tallest);
      for (const node of rack.nodes) buildNode(body, node, size);
    }
  }

  // How many rows make the cells the nearest to a square that is a little wider than high.
  function squarest(cells, [wide, high]) {
    let best = 1, least = Infinity;
    for (let rows = 1; rows <= cells; rows++) {
      if (cells % rows) continue;
      const off = Math.abs(Math.log((wide * rows * rows) / (cells * high) / 1.35));
      if (off < least) [best, least] = [rows, off];
    }
    return best;
  }

  function buildNode(body, node, size) {
    const link = (node.element = make("a", "server", body));
    link.dataset.name = node.name;
    link.style.gridRow = `${size.tallest - (node.unit + node.height - 1) + 1} / span ${node.height}`;
    const height = (node.height * size.height) / size.rem, wide = size.width / size.rem;
    const cells = node.gpus.length;
    // beside the name where a server is flat, under it where it is tall; no name at all where a rack is narrow
    const narrow = wide < 130, flat = !narrow && height < 46;
    link.classList.toggle("flat", flat);
    link.classList.toggle("bare", narrow || height < 15);
    const title = make("span", "title", link);
    node.mark = make("span", "shape", title);
    make("span", "name", title, node.name);
    node.watts = make("span", wide < 160 ? "watts gone" : "watts", title);
    const grid = make("span", "cells", link);
    const room = [flat ? wide * 0.5 : wide - 24, height - (flat || narrow ? 6 : 28)];
    const rows = flat ? 1 : squarest(cells, room);
    grid.style.setProperty("--across", Math.max(1, Math.ceil(cells / rows)));
    link.classList.toggle("silent", room[0] / Math.max(1, cells / rows) < 32 || room[1] / rows < 15);
    node.cells = (cells ? node.gpus : [{ own: true }]).map(() => {
      const cell = make("span", "cell", grid);
      return { cell, text: make("span", "text", cell), mark: make("span", "", cell) };
    });
    if (!cells) link.classList.add("whole");
    link.addEventListener("click", (event) => own.follow(event, link.href));
    link.addEventListener("pointermove", (event) => showTip(node, event));
    link.addEventListener("pointerleave", hideTip);
    link.addEventListener("focus", () => showTip(node, null));
    link.addEventListener("blur", hideTip);
  }

  function paint(data) {
    for (const rack of data.racks) {
      const whole = rack.limit ? `${rack.power} of ${rack.limit}` : rack.power;
      rack.element.textContent = rack.element.classList.contains("short") ? rack.power : whole;
      rack.element.parentElement.title = `Rack ${rack.name}: ${whole}; ${rack.about}`;
      rack.bar.hidden = rack.f === null && rack.known;
      rack.bar.className = "bar " + (rack.over ? "critical" : rack.known ? "ok" : "none");
      rack.source.textContent = "";
      make("span", "", rack.source, rack.from);
      if (rack.differs) {
        make("span", "shape warning", rack.source).setAttribute("aria-hidden", "true");
        make("span", "differs", rack.source, rack.differs);
      }
      rack.fill.style.setProperty("--f", Math.min(1, rack.f || 0));
      for (const node of rack.nodes) paintNode(node);
    }
  }

  function paintNode(node) {
    const word = node.seen ? WORDS[node.level] : "no data";
    node.element.href = "/node/" + encodeURIComponent(node.name) + location.search;
    node.element.setAttribute("aria-label", `${node.name}, ${node.power}, ${word}`);
    node.element.dataset.level = node.seen ? CLASSES[node.level] : node.level ? CLASSES[node.level] : "none";
    node.mark.className = "shape " + CLASSES[node.level];
    node.watts.textContent = node.gpus.length && node.seen ? node.power : "";
    node.cells.forEach((parts, i) => {
      const gpu = node.gpus[i];
      const [fill, text, level] = (gpu ? gpu.v : node.own)[metric] || [null, "", 0];
      parts.cell.className = "cell " + (fill === null ? "none" : CLASSES[level]);
      parts.cell.style.setProperty("--f", fill === null ? 0 : fill);
      parts.text.textContent = text;
      parts.mark.className = gpu && gpu.level ? "shape " + CLASSES[gpu.level] : "";
    });
  }

  function showTip(node, event) {
    const tip = document.getElementById("tip");
    if (!tip) return;
    const cell = event && event.target.closest(".cell");
    const at = cell ? node.cells.findIndex((parts) => parts.cell === cell) : -1;
    const lines = at >= 0 && node.gpus[at] ? [node.name, ...node.gpus[at].tip] : node.tip;
    tip.textContent = "";
    lines.filter(Boolean).forEach((line, i) => make(i ? "span" : "strong", "", tip, line));
    tip.classList.add("shown");
    const box = node.element.getBoundingClientRect();
    const x = event ? event.clientX + 14 : box.left, y = event ? event.clientY + 14 : box.bottom + 6;
    tip.style.left = Math.max(8, Math.min(x, innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = Math.max(8, y + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 24 : y) + "px";
  }

  function hideTip() {
    const tip = document.getElementById("tip");
    if (tip) tip.classList.remove("shown");
  }

  function shapeOf(data, box) {
    const servers = data.racks.map((rack) =>
      [rack.name, rack.top, ...rack.nodes.map((node) => `${node.name}:${node.unit}:${node.height}:${node.gpus.length}`)].join());
    return [servers.join(";"), box.clientWidth, box.clientHeight].join("|");
  }

  function carryOver(data) {
    // elements of the map as it stands belong to the new data
    data.racks.forEach((rack, r) => {
      const old = current.racks[r];
      Object.assign(rack, { element: old.element, bar: old.bar, fill: old.fill, source: old.source });
      rack.nodes.forEach((node, n) => {
        const before = old.nodes[n];
        Object.assign(before, node); // listeners hold the old object
        rack.nodes[n] = before;
      });
    });
  }

  function draw(data) {
    const box = document.getElementById("map");
    if (!box || !data) return;
    const shape = shapeOf(data, box);
    const focused = box.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    if (shape === signature && current && box.querySelector(".rack")) {
      if (data !== current) carryOver(data);
    } else {
      build(box, data);
      signature = shapeOf(data, box);
    }
    current = data;
    paint(data);
    if (focused) [...box.querySelectorAll(".server")].find((link) => link.dataset.name === focused)?.focus();
    if (watched !== box) {
      watched = box;
      new ResizeObserver(() => document.body.contains(box) && shapeOf(current, box) !== signature && draw(current)).observe(box);
    }
  }

  const html = (type, props) => ({ namespace: "dash_html_components", type, props });
  function legend() {
    const bounds = LEGENDS[metric];
    const ramp = bounds
      ? [html("Span", { children: bounds[0] }), html("Span", { className: "ramp" }), html("Span", { children: bounds[1] }),
         html("Span", { children: bounds[2], className: "about" })]
      : [html("Span", { children: "grey where all is well", className: "about" })];
    const key = (name, text) => html("Span", { className: "key", children: [html("Span", { className: name }), text] });
    return [...ramp, html("Span", { className: "spring" }), key("shape warning", "Warning"), key("shape critical", "Critical"),
            key("swatch none", "no data")];
  }

  // The first answer, before Dash knows which metric is chosen: the address says it.
  own.firstMap = function (data) {
    const named = new URLSearchParams(location.search).get("metric");
    if (named in LEGENDS) metric = named;
    draw(data);
  };

  own.map = function (data, chosen) {
    if (chosen !== metric || new URLSearchParams(location.search).get("metric") !== chosen) {
      const query = new URLSearchParams(location.search);
      if (clientside.callback_context.triggered_id === "map-metric" && query.get("metric") !== chosen) {
        query.set("metric", chosen);
        history.replaceState(history.state, "", "?" + query);
      }
      metric = chosen;
    }
    if (data) draw(data);
    return legend();
  };
})();
