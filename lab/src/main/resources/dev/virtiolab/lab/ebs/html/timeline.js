// Draws the history of the cell that the page's address names, and its table. What Pack.java says
// about the data holds here. Texts are set as text, never as markup.
(() => {
  "use strict";

  const data = JSON.parse(document.getElementById("histories").textContent);
  const cells = new Map(Object.entries(data.cells));
  const TPL = { 4: "APPLICATION", 8: "CALLBACK", 16: "NOTIFY", 31: "HIGH_LEVEL" };
  const DEVICE = /^[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/;

  // In pixels: heights, and how far apart steps stand.
  const PHASES = 24, FLAGS = 40, LANE = 36, MAPPINGS = 58, FOOT = 22;
  const NARROWEST = 9, WIDEST = 26, MARGIN = 16;
  // DMA comes after every step, so it gets less room than they do.
  const DMA_ROOM = 0.5;

  // ---- elements

  const SVG = "http://www.w3.org/2000/svg";

  function add(parent, child, attributes, text) {
    for (const [name, value] of Object.entries(attributes || {})) {
      child.setAttribute(name, typeof value === "number" ? Math.round(value * 10) / 10 : value);
    }
    if (text !== undefined) {
      child.textContent = text;
    }
    parent.append(child);
    return child;
  }
  const html = (parent, name, attributes, text) =>
    add(parent, document.createElement(name), attributes, text);
  const draw = (parent, name, attributes, text) =>
    add(parent, document.createElementNS(SVG, name), attributes, text);

  // ---- the history of a cell, spelled out

  /** Steps with their numbers; {leftOut: n} where n are not there. */
  function stepsOf(cell) {
    let number = 0;
    return cell.steps.map((at) => {
      if (at < 0) {
        number -= at;
        return { leftOut: -at };
      }
      const [tpl, actor, kind, text, live, open, breaks] = data.steps[at];
      return {
        number: ++number,
        tpl,
        actor: data.texts[actor],
        kind: data.kinds[kind],
        text: data.texts[text],
        live: data.texts[live].split(" ").filter((address) => address),
        open,
        breaks: data.invariants.filter((_, i) => breaks >> i & 1).map(([name]) => name),
      };
    });
  }

  const told = (step) =>
    `step ${step.number} · ${TPL[step.tpl] || "TPL " + step.tpl} · ${step.actor} · ${step.text}` +
    (step.breaks.length ? ` · breaks ${step.breaks.join(", ")}` : "");

  /** Who is in the picture, from above: loader and core, policy, drivers, others, devices. */
  function lanesOf(cell, steps) {
    const lanes = [{ name: "loader and core", actors: ["loader", "core"], kind: "core" }];
    const lane = (name, kind) => {
      if (!lanes.some((one) => one.actors.includes(name))) {
        lanes.push({ name, actors: [name], kind });
      }
    };
    lane(cell.policy, "policy");
    // A driver that shares its name is told apart by its card: name@00:04.0.
    const actors = [...new Set(steps.map((step) => step.actor))].sort();
    for (const name of cell.drivers) {
      const own = actors.filter((actor) =>
        actor.startsWith(`${name}@`) && DEVICE.test(actor.slice(name.length + 1)));
      (own.length ? own : [name]).forEach((actor) => lane(actor, "driver"));
    }
    const devices = new Set();
    for (const step of steps) {
      step.live.forEach((address) => devices.add(address));
      (DEVICE.test(step.actor) ? devices : { add: (name) => lane(name, "other") }).add(step.actor);
    }
    [...devices].sort().forEach((address) => lane(address, "device"));
    const head = PHASES + (steps.some((step) => step.breaks.length) ? FLAGS : 0);
    lanes.forEach((one, i) => (one.top = head + i * LANE));
    return lanes;
  }

  /** Where each step stands, in units; several devices' DMA in one gap stands in one place. */
  function placesOf(steps) {
    let at = 0;
    let gap = new Set();
    return steps.map((step) => {
      if (step.kind !== "dma") {
        gap = new Set();
        return (at += 1);
      }
      if (gap.size === 0 || gap.has(step.actor)) {
        gap = new Set();
        at += DMA_ROOM;
      }
      gap.add(step.actor);
      return at;
    });
  }

  /** Handlers from entry to exit, and when each waited for one that came between. */
  function handlersOf(steps) {
    const stack = [];
    const handlers = [];
    const leave = (handler, at) => {
      handler.to = at;
      const below = stack.at(-1);
      if (below) {
        below.waits.push([handler.from, at]);
      }
    };
    steps.forEach((step, i) => {
      if (step.kind === "enter") {
        const handler = { step, from: i, waits: [], depth: stack.length };
        stack.push(handler);
        handlers.push(handler);
      } else if (step.kind === "leave" && stack.some((one) => one.step.actor === step.actor)) {
        let handler;
        do {
          handler = stack.pop();
          leave(handler, i);
        } while (handler.step.actor !== step.actor);
      }
    });
    while (stack.length) {
      const handler = stack.pop();
      handler.open = true;
      leave(handler, steps.length - 1);
    }
    return handlers;
  }

  // ---- the picture

  /** One sign for each kind of step, with its middle at (x, y). */
  function mark(parent, kind, x, y, style) {
    const shape = (d) => draw(parent, "path", { d, class: `mark k-${kind} ${style}` });
    switch (kind) {
      case "exit-boot-services":
      case "hand-off":
        return shape(`M${x},${y - 7}l7,7l-7,7l-7,-7z`);
      case "signal":
        return shape(`M${x - 3.5},${y - 6}l7,6l-7,6z`);
      case "map":
        return shape(`M${x},${y - 5}l5,9h-10z`);
      case "unmap":
        return shape(`M${x},${y + 5}l5,-9h-10z`);
      case "register":
      case "quiet":
        return shape(`M${x - 4},${y - 4}h8v8h-8z`);
      case "dma":
        return shape(`M${x},${y - 7}v14`);
      default:
        return draw(parent, "circle", { cx: x, cy: y, r: 2.6, class: `mark k-${kind} ${style}` });
    }
  }

  function picture(parent, cell, all, tell) {
    const steps = all.filter((step) => !step.leftOut);
    const lanes = lanesOf(cell, steps);
    const laneOf = new Map(lanes.flatMap((lane) => lane.actors.map((actor) => [actor, lane])));
    const places = placesOf(steps);
    const head = lanes[0].top;
    const bottom = head + lanes.length * LANE;

    const frame = html(parent, "div", { class: "timeline" });
    const names = html(frame, "div", { class: "lanes", "aria-hidden": "true" });
    names.style.paddingTop = `${head}px`;
    for (const lane of lanes) {
      html(names, "div", { class: lane.kind }, lane.name).style.height = `${LANE}px`;
    }
    html(names, "div", { class: "mappings" }, "open mappings").style.height = `${MAPPINGS}px`;

    const room = frame.clientWidth - names.offsetWidth - 2 * MARGIN;
    const unit = Math.min(WIDEST, Math.max(NARROWEST, room / (places.at(-1) + 0.5)));
    const x = places.map((place) => MARGIN + (place - 0.5) * unit);
    const width = x.at(-1) + MARGIN + unit;
    const height = bottom + MAPPINGS + FOOT;
    const svg = draw(frame, "svg", {
      width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": `${steps.length} steps as a picture; the table below has them all`,
    });
    const end = x.at(-1) + unit / 2;

    const grid = draw(svg, "g", { class: "grid" });
    for (let top = head; top <= bottom + MAPPINGS; top += top < bottom ? LANE : MAPPINGS) {
      draw(grid, "line", { x1: 0, x2: width, y1: top, y2: top });
    }
    let free = 0;
    steps.forEach((step, i) => {
      if ((step.number === 1 || step.number % 10 === 0) && x[i] >= free) {
        draw(grid, "text", { x: x[i], y: height - 6, "text-anchor": "middle" }, step.number);
        free = x[i] + 30;
      }
    });

    // What breaks: a line through all lanes, and a flag.
    const broken = draw(svg, "g", { class: "breaks" });
    const rows = [0, 0];
    steps.forEach((step, i) => {
      if (!step.breaks.length) {
        return;
      }
      const text = step.breaks.join(" ");
      const wide = text.length * 7 + 12;
      const left = Math.min(x[i] - 8, width - wide - 2);
      const row = rows[0] <= left ? 0 : 1;
      rows[row] = left + wide + 4;
      const top = 40 - row * 20;
      draw(broken, "line", { x1: x[i], x2: x[i], y1: top + 16, y2: bottom + MAPPINGS });
      draw(broken, "rect", { x: left, y: top, width: wide, height: 17, rx: 3 });
      draw(broken, "text", { x: left + wide / 2, y: top + 13, "text-anchor": "middle" }, text);
    });

    // Devices, as long as they are live.
    for (const lane of lanes.filter((one) => one.kind === "device")) {
      let from = null;
      steps.forEach((step, i) => {
        const live = step.live.includes(lane.name);
        if (live && from === null) {
          from = i === 0 ? 0 : x[i];
        }
        if (from !== null && (!live || i === steps.length - 1)) {
          draw(svg, "rect", {
            class: "live", x: from, y: lane.top + 9, height: LANE - 18,
            width: Math.max(1, (live ? end : x[i]) - from),
          });
          from = null;
        }
      });
    }

    // Handlers: a box each, hatched while another one runs.
    const hatch = draw(draw(svg, "defs"), "pattern", {
      id: "waits", width: 6, height: 6, patternUnits: "userSpaceOnUse",
      patternTransform: "rotate(45)",
    });
    draw(hatch, "line", { x1: 0, x2: 0, y1: 0, y2: 6 });
    for (const handler of handlersOf(steps)) {
      const lane = laneOf.get(handler.step.actor);
      const same = handler.depth && lane.inner ? 5 : 0;
      lane.inner = true;
      const from = x[handler.from], to = handler.open ? end : x[handler.to];
      const box = draw(svg, "g", { class: `handler tpl${handler.step.tpl}` });
      draw(box, "title", {}, told(handler.step));
      const top = lane.top + 4 + same, high = LANE - 8 - 2 * same;
      draw(box, "rect", { x: from, y: top, width: Math.max(3, to - from), height: high, rx: 3 });
      for (const [start, stop] of handler.waits) {
        draw(box, "rect", {
          class: "waits", x: x[start], y: top, width: Math.max(2, x[stop] - x[start]), height: high,
        });
      }
      handler.lane = lane;
    }
    for (const handler of handlersOf(steps)) {
      const lane = laneOf.get(handler.step.actor);
      const from = x[handler.from], to = handler.open ? end : x[handler.to];
      const name = TPL[handler.step.tpl] || `TPL ${handler.step.tpl}`;
      const label = to - from > 74 ? name : to - from > 11 ? name[0] : "";
      draw(svg, "text", { class: `level tpl${handler.step.tpl}`, x: from + 3, y: lane.top + 13 }, label);
    }
    // From where a handler was interrupted to the one that came between, and back.
    const stack = [];
    const nested = draw(svg, "g", { class: "nested" });
    for (const handler of handlersOf(steps)) {
      while (stack.length && stack.at(-1).to <= handler.from) {
        stack.pop();
      }
      const below = stack.at(-1);
      if (below) {
        const a = laneOf.get(below.step.actor).top + LANE / 2;
        const b = laneOf.get(handler.step.actor).top + LANE / 2;
        if (a !== b) {
          const ends = [handler.from].concat(handler.open ? [] : [handler.to]);
          ends.forEach((i) => draw(nested, "line", { x1: x[i], x2: x[i], y1: a, y2: b }));
        }
      }
      stack.push(handler);
    }

    // Steps.
    const marks = draw(svg, "g", { class: "marks" });
    steps.forEach((step, i) => {
      if (step.kind !== "enter" && step.kind !== "leave") {
        const lane = laneOf.get(step.actor);
        mark(marks, step.kind, x[i], lane.top + LANE / 2 + (lane.kind === "device" ? 0 : 4),
          step.breaks.length ? "broken" : "");
      }
      if (step.breaks.length) {
        const y = laneOf.get(step.actor).top + LANE / 2;
        draw(marks, "circle", { class: "ring", cx: x[i], cy: y, r: 10 });
      }
      if (step.kind === "exit-boot-services" && i === 0) {
        draw(svg, "text", { class: "phase", x: 2, y: 12 }, "ExitBootServices");
      }
      if (step.kind === "hand-off") {
        draw(svg, "line", { class: "phase", x1: x[i], x2: x[i], y1: 16, y2: bottom + MAPPINGS });
        draw(svg, "text", { class: "phase", x: width - 2, y: 12, "text-anchor": "end" }, "hand-off");
      }
    });

    // Open mappings, as they are taken down.
    const most = Math.max(1, ...steps.map((step) => step.open));
    const level = (open) => bottom + MAPPINGS - 2 - open / most * (MAPPINGS - 22);
    let path = `M0,${bottom + MAPPINGS}V${level(steps[0].open)}`;
    const counts = draw(svg, "g", { class: "counts" });
    free = 0;
    steps.forEach((step, i) => {
      path += `H${x[i]}V${level(step.open)}`;
      if (i === 0 || step.open !== steps[i - 1].open) {
        const last = steps.slice(i + 1).every((later) => later.open === step.open);
        if (x[i] >= free || last) {
          draw(counts, "text", { x: x[i] + (i && !last ? 0 : 3), y: level(step.open) - 4 }, step.open);
          free = x[i] + 22;
        }
      }
    });
    counts.prepend(draw(counts, "path", { d: `${path}H${end}V${bottom + MAPPINGS}z` }));

    // Whoever points at it is told the step.
    const cursor = draw(svg, "line", { class: "cursor", x1: -9, x2: -9, y1: head, y2: bottom + MAPPINGS });
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const atX = event.clientX - box.left, atY = event.clientY - box.top;
      let best = 0, least = Infinity;
      steps.forEach((step, i) => {
        const lane = laneOf.get(step.actor);
        const far = Math.abs(x[i] - atX) + (atY >= lane.top && atY < lane.top + LANE ? 0 : 3);
        if (far < least) {
          [best, least] = [i, far];
        }
      });
      cursor.setAttribute("x1", x[best]);
      cursor.setAttribute("x2", x[best]);
      tell(steps[best]);
    });
    return frame;
  }

  function legend(parent) {
    const list = html(parent, "ul", { class: "key", "aria-hidden": "true" });
    const kinds = [
      ["signal", "signals"], ["call", "calls"], ["register", "register written"], ["map", "maps"],
      ["unmap", "unmaps"], ["dma", "DMA"],
    ];
    for (const [kind, name] of kinds) {
      const item = html(list, "li");
      mark(draw(item, "svg", { width: 16, height: 16 }), kind, 8, 8, "");
      item.append(name);
    }
    for (const [style, name] of [
      ["tpl8", "handler at CALLBACK"], ["tpl16", "at NOTIFY"], ["waits", "interrupted"],
      ["live", "device live"],
    ]) {
      const item = html(list, "li");
      html(item, "span", { class: `swatch ${style}` });
      item.append(name);
    }
  }

  // ---- the table

  function table(parent, all) {
    const details = html(parent, "details", { open: "" });
    const count = all.reduce((sum, step) => sum + (step.leftOut || 1), 0);
    const shown = all.filter((step) => !step.leftOut).length;
    const which = shown === count ? "All" : `${shown} of`;
    html(details, "summary", {}, `${which} ${count} steps as a table`);
    const sheet = html(html(details, "div", { class: "scroll" }), "table", { class: "steps" });
    const head = html(html(sheet, "thead"), "tr");
    for (const name of ["step", "level", "who", "kind", "what", "live after it", "open mappings"]) {
      html(head, "th", { scope: "col" }, name);
    }
    const body = html(sheet, "tbody");
    for (const step of all) {
      if (step.leftOut) {
        const row = html(body, "tr", { class: "left-out" });
        html(row, "td", { colspan: 7 }, `${step.leftOut} steps are left out here`);
        continue;
      }
      const row = html(body, "tr", { class: step.breaks.length ? "broken" : `k-${step.kind}` });
      html(row, "th", { scope: "row" }, step.number);
      html(row, "td", {}, TPL[step.tpl] || step.tpl);
      html(row, "td", {}, step.actor);
      html(row, "td", {}, step.kind);
      const what = html(row, "td", {}, step.text);
      if (step.breaks.length) {
        what.append(" ");
        html(what, "strong", {}, `breaks ${step.breaks.join(", ")}`);
      }
      html(row, "td", {}, step.live.join(" ") || "none");
      html(row, "td", {}, step.open);
    }
  }

  // ---- a cell

  const panel = document.createElement("section");
  panel.className = "panel";
  let shown = null;

  function chip(parent, verdict) {
    const [word, sign] = data.verdicts[verdict];
    const span = html(parent, "span", { class: `chip v-${word}` });
    html(span, "span", { class: "sign", "aria-hidden": "true" }, sign);
    span.append(` ${word}`);
  }

  const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

  function orders(cell) {
    if (data.verdicts[cell.verdict][0] === "does-not-terminate") {
      return cell.run === 1 ? "The first order was cut: others were not tried."
        : `${plural(cell.run, "order")} run, and one of them cut at least: not every other was tried.`;
    }
    const ran = cell.run === cell.orders ? "all of them run" : `${cell.run} of them run, the rest like these`;
    return `${plural(cell.orders, "order")}, ${ran}; ${cell.failing} of ${plural(cell.run, "run")} failing.`;
  }

  function show(key) {
    const cell = cells.get(key);
    const place = document.getElementById(key);
    if (!cell || !place) {
      return false;
    }
    document.querySelectorAll("td.chosen").forEach((one) => one.classList.remove("chosen"));
    place.classList.add("chosen");
    panel.replaceChildren();
    place.closest("figure").after(panel);
    shown = key;

    const title = html(panel, "h3", { tabindex: "-1" });
    title.append(`${cell.policy} with ${cell.drivers.join(" and ")} on ${cell.platform} `);
    chip(title, cell.verdict);
    if (!cell.steps) {
      html(panel, "p", {}, `Nothing was run: ${data.verdicts[cell.verdict][2]}.`);
      return true;
    }
    if (cell.reason && cell.reason !== cell.cut) {
      html(panel, "p", { class: "reason" }, cell.reason);
    }
    if (cell.cut) {
      html(panel, "p", { class: "warning" }, `The run was cut: ${cell.cut}`);
    }
    html(panel, "p", { class: "quiet" }, `${orders(cell)} ` +
      (cell.failing ? "Drawn is the one that fails soonest." : "Drawn is the first one."));
    const steps = stepsOf(cell);
    const readout = document.createElement("p");
    readout.className = "readout";
    const tell = (step) => (readout.textContent = told(step));
    picture(panel, cell, steps, tell);
    tell(steps.find((step) => step.breaks && step.breaks.length) || steps.find((step) => step.number));
    panel.append(readout);
    legend(panel);
    if (cell.breaches.length) {
      const list = html(panel, "dl", { class: "breaches" });
      for (const [invariant, step, text] of cell.breaches) {
        const [name, meaning] = data.invariants[invariant];
        html(list, "dt", {}, `${name}, step ${step}`);
        const told = text === cell.reason;
        const why = html(list, "dd", {}, told ? `Against: ${meaning}.` : text);
        if (!told) {
          html(why, "span", { class: "quiet" }, ` Against: ${meaning}.`);
        }
      }
    }
    const again = html(panel, "p", { class: "again" }, "To run it again, step by step: ");
    html(again, "code", {}, cell.replay);
    table(panel, steps);
    return true;
  }

  /** For whoever followed a link to what this page does not have. */
  function missing(key) {
    document.querySelectorAll("td.chosen").forEach((one) => one.classList.remove("chosen"));
    panel.replaceChildren();
    html(panel, "h3", { tabindex: "-1" }, "There is no such cell on this page");
    html(panel, "p", { class: "warning" }, key);
    document.querySelector("figure").before(panel);
    shown = null;
  }

  function fromAddress() {
    let key;
    try {
      key = decodeURIComponent(location.hash.slice(1));
    } catch {
      return false; // somebody typed half an escape
    }
    if (!show(key)) {
      if (!key || document.getElementById(key) || !document.querySelector("figure")) {
        return false;
      }
      missing(key);
    }
    panel.scrollIntoView({ block: "nearest" });
    const top = panel.getBoundingClientRect().top;
    if (top < 0 || top > innerHeight / 2) {
      panel.scrollIntoView();
    }
    panel.querySelector("h3").focus({ preventScroll: true });
    return true;
  }

  addEventListener("hashchange", fromAddress);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (shown !== null && innerWidth !== width) {
      width = innerWidth;
      show(shown);
    }
  });
  if (fromAddress()) {
    // The browser scrolls to the cell itself once all is there: then it is our turn.
    addEventListener("load", () => setTimeout(fromAddress));
  } else {
    // The cell that says most: one where it depends on the order, else one that fails.
    const word = (cell) => data.verdicts[cell.verdict][0];
    const first = [...cells].find(([, cell]) => word(cell) === "order-dependent")
      || [...cells].find(([, cell]) => cell.failing) || [...cells][0];
    if (first) {
      show(first[0]);
    }
  }
})();
