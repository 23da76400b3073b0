// The charts come as drawings that need no script. This lays a chart over each that can be
// pointed at: one crosshair for all, a drag for a closer look, a click for the lines behind.
// The numbers stand in the figure's data-chart, and come again with the page's stream.
"use strict";

const admin = (() => {
  const lang = document.documentElement.lang;
  const isRussian = lang === "ru";
  const main = document.getElementById("main");
  const words = main && main.dataset.words ? JSON.parse(main.dataset.words) : {};

  // Numbers, as the page writes them --------------------------------------------------

  const SPACE = "\u00a0";
  const NONE = "–";
  const unit = (english, russian) => SPACE + (isRussian ? russian : english);
  const mark = (text) => (isRussian ? text.replace(".", ",") : text);
  const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  const grouped = (value) =>
    String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, isRussian ? SPACE : ",");

  function number(value) {
    const size = Math.abs(value);
    if (!isFinite(value)) return NONE;
    if (size === 0) return "0";
    if (size < 0.01) return mark("<0.01");
    if (size < 9.995) return mark(trimmed(value.toFixed(2)));
    if (size < 99.95) return mark(trimmed(value.toFixed(1)));
    return grouped(value);
  }

  function bytes(value) {
    const units = isRussian ? ["Б", "КиБ", "МиБ", "ГиБ", "ТиБ"] : ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = 0;
    for (; value >= 999.5 && step + 1 < units.length; step++) value /= 1024;
    return number(value) + SPACE + units[step];
  }

  function seconds(value) {
    if (value < 0.00095) return mark(trimmed((value * 1e3).toFixed(2))) + unit("ms", "мс");
    if (value < 0.995) return number(value * 1e3) + unit("ms", "мс");
    return number(value) + unit("s", "с");
  }

  function share(value) {
    const percent = value * 100;
    if (percent > 0 && percent < 0.1) return mark("<0.1") + SPACE + "%";
    return (percent < 9.95 ? mark(trimmed(percent.toFixed(1))) : percent.toFixed(0)) + SPACE + "%";
  }

  function any(value) {
    const size = Math.abs(value);
    if (size && (size < 1e-4 || size >= 1e15)) {
      return mark(value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e"));
    }
    if (size && size < 0.01) return mark(trimmed(value.toFixed(2 - Math.floor(Math.log10(size)))));
    for (const [unit, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"]]) {
      if (size >= unit * 0.9995) return number(value / unit) + SPACE + letter;
    }
    return number(value);
  }

  const writers = {
    number,
    any,
    bytes,
    seconds,
    share,
    "bytes-per-second": (value) => bytes(value) + (isRussian ? "/с" : "/s"),
  };
  const write = (unit, value) =>
    value === null || value === undefined || !isFinite(value) ? NONE : (writers[unit] || number)(value);

  // Times -----------------------------------------------------------------------------

  const pad = (number) => String(number).padStart(2, "0");
  const minute = (at) => pad(at.getHours()) + ":" + pad(at.getMinutes());
  const clock = (at) => minute(at) + ":" + pad(at.getSeconds());
  const date = (at) => pad(at.getMonth() + 1) + "-" + pad(at.getDate());
  const utc = (at) => at.toISOString().replace("T", " ").replace(/(\.000)?Z$/, " UTC");

  const DAY_MS = 86400000;

  function tick(ms, spanMs) {
    const at = new Date(ms);
    if (spanMs > 2 * DAY_MS) return date(at);
    return spanMs < 300000 ? clock(at) : minute(at);
  }

  // Drawing ---------------------------------------------------------------------------

  const HEIGHT = 168;
  const DASHES = { l2: [7, 5], l3: [1, 5], l4: [4, 3], l6: [7, 5], l7: [1, 5], l8: [4, 3] };
  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim() || "#888";
  const drawn = new Map();

  /** What is drawn of each line; bars stand on those before them, and the highest is drawn first. */
  function heights(data) {
    if (!data.bars) return data.lines.map((line) => line.values);
    let below = data.lines[0].values.map(() => 0);
    const stacked = data.lines.map((line) => (below = line.values.map((value, idx) => below[idx] + (value || 0))));
    return stacked.reverse();
  }

  // A bar stands in the middle of its step, a point at the end.
  const columns = (data) => [
    data.lines[0].values.map((_, idx) => (data.from + (idx - (data.bars ? 0.5 : 0)) * data.step) / 1000),
    ...heights(data),
  ];

  const span = (data) => data.step * Math.max(1, data.lines[0].values.length - 1);

  /** Steps of a day have their moments within, shorter ones at their ends. */
  const isDaily = (data) => data.step >= DAY_MS;

  /** A moment, with the day where an hour comes more than once. */
  function moment(data, ms) {
    const at = new Date(ms);
    if (isDaily(data)) return date(at);
    return (span(data) >= DAY_MS ? date(at) + " " : "") + (data.step < 60000 ? clock : minute)(at);
  }

  /** The address of what is behind the values between two moments. */
  function placeBehind(data, from, to) {
    const { place } = data.behind;
    return place + (place.includes("?") ? "&" : "?") + "from=" + Math.round(from) + "&to=" + Math.round(to);
  }

  /** The address of the same page for another stretch of time. */
  function placeOf(from, to) {
    const query = new URLSearchParams(location.search);
    query.delete("range");
    for (const name of ["before", "after", "count"]) query.delete(name);
    query.set("from", Math.round(from));
    query.set("to", Math.round(to));
    return location.pathname + "?" + query;
  }

  const look = (from, to) => location.assign(placeOf(from, to));

  function legend(chart, idx) {
    chart.figure.querySelectorAll("[data-now]").forEach((now, line) => {
      const values = chart.data.lines[line] ? chart.data.lines[line].values : [];
      const isOff = idx === null || idx === undefined;
      const at = isOff ? values.findLastIndex((value) => value !== null) : idx;
      // Of bars the sum is worth to know where none is pointed at.
      const sum = () => grouped(values.reduce((sum, value) => sum + (value || 0), 0));
      now.textContent = isOff && chart.data.bars ? sum() : write(chart.data.unit, values[at]);
    });
    point(chart, idx);
  }

  /** Says the moment that is pointed at; its room is kept where there is none. */
  function point({ figure, data }, idx) {
    const room = figure.querySelector(".pointed");
    if (idx === null || idx === undefined) return room.replaceChildren();
    const to = data.from + idx * data.step;
    const time = document.createElement("time");
    time.dateTime = new Date(to).toISOString();
    time.textContent = data.bars ? stretch(data, to) : moment(data, to);
    room.replaceChildren(time);
  }

  /** A step in words: its day, or from when to when. */
  function stretch(data, to) {
    if (isDaily(data)) return moment(data, to);
    return moment(data, to - data.step) + "–" + (data.step < 60000 ? clock : minute)(new Date(to));
  }

  function marks(plot, chart) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.lineWidth = 2 * devicePixelRatio;
    for (const { at, class: kind, good } of chart.data.marks || []) {
      const x = plot.valToPos(at / 1000, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = colour(good ? "mark-" + kind : "bad");
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  // Where there is less than nothing the axis begins below.
  const bottom = (chart) => chart.data.bottom || 0;

  /** The first and the last bar need half a step, in seconds. */
  const aside = (data) => (data.bars ? data.step / 2000 : 0);

  const bar = (line) => ({
    fill: () => colour(line.class),
    width: 0,
    paths: uPlot.paths.bars({ size: [0.86, 100] }),
    points: { show: false },
  });

  const curve = (line, idx) => ({
    stroke: () => colour(line.class),
    width: 2,
    dash: DASHES[line.class],
    cap: "round",
    fill: idx === 0 ? () => colour(line.class) + "1a" : undefined,
    spanGaps: false,
    points: { show: (_, series, first, last) => last - first < 3 },
  });

  function options(chart, width) {
    const soft = () => colour("soft");
    const font = "12px system-ui, sans-serif";
    const grid = { stroke: () => colour("rule"), width: 1 };
    let selectedAt = 0;
    return {
      width,
      height: HEIGHT,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: "admin" },
        drag: { x: true, y: false, setScale: false },
        points: { size: 7 },
      },
      scales: {
        x: {
          time: true,
          range: (_, min, max) => [min - aside(chart.data), max + aside(chart.data)],
        },
        y: { range: () => [bottom(chart), chart.data.top] },
      },
      axes: [
        {
          stroke: soft,
          font,
          grid: { show: false },
          ticks: { show: false },
          size: 24,
          space: 64,
          values: (_, splits) => splits.map((split) => tick(split * 1000, span(chart.data))),
        },
        {
          stroke: soft,
          font,
          grid,
          ticks: { show: false },
          size: 72,
          gap: 6,
          splits: () => [bottom(chart), (bottom(chart) + chart.data.top) / 2, chart.data.top],
          values: (_, splits) => splits.map((split) => write(chart.data.unit, split)),
        },
      ],
      series: [
        {},
        ...(chart.data.bars ? [...chart.data.lines].reverse().map(bar) : chart.data.lines.map(curve)),
      ],
      hooks: {
        draw: [(plot) => marks(plot, chart)],
        setCursor: [(plot) => legend(chart, plot.cursor.idx)],
        setSelect: [
          (plot) => {
            const { left, width } = plot.select;
            if (width < 8) return;
            selectedAt = performance.now();
            look(plot.posToVal(left, "x") * 1000, plot.posToVal(left + width, "x") * 1000);
          },
        ],
        ready: [
          (plot) => {
            const { behind } = chart.data;
            plot.over.title = words.hint[behind ? behind.kind : "none"];
            if (!behind) return;
            plot.over.addEventListener("click", (event) => {
              const idx = plot.cursor.idx;
              if (idx === null || idx === undefined || performance.now() - selectedAt < 300) return;
              const to = chart.data.from + idx * chart.data.step;
              // A finger has no way to look before it clicks, and none to drag: it is offered both.
              if (event.pointerType === "touch") offer(chart, to);
              else location.assign(placeBehind(chart.data, to - chart.data.step, to));
            });
          },
        ],
      },
    };
  }

  const CLOSER_STEPS = 5;

  function offer({ figure, data }, to) {
    let ways = figure.querySelector(".behind");
    if (!ways) {
      ways = document.createElement("p");
      ways.className = "behind";
      ways.append(document.createElement("a"), " ", document.createElement("a"));
      figure.append(ways);
    }
    const [behind, closer] = ways.querySelectorAll("a");
    behind.href = placeBehind(data, to - data.step, to);
    behind.textContent = words[data.behind.kind] + " " + stretch(data, to);
    const [from, until] = [to - data.step * (CLOSER_STEPS + 1), to + data.step * CLOSER_STEPS];
    closer.href = placeOf(from, Math.max(to, Math.min(until, Date.now())));
    closer.textContent = words.closer;
  }

  function draw(figure) {
    const data = JSON.parse(figure.dataset.chart);
    const still = figure.querySelector(".plot");
    if (!data.lines.length || !still) return;
    const chart = { figure, data };
    const box = document.createElement("div");
    box.className = "moving";
    // What is drawn is said by the drawing that came with the page, which stays for readers.
    box.setAttribute("aria-hidden", "true");
    still.before(box);
    chart.plot = new uPlot(options(chart, box.clientWidth || 320), columns(data), box);
    still.classList.add("visually-hidden");
    drawn.set(figure.id, chart);
    chart.sized = new ResizeObserver(() => {
      const width = box.clientWidth;
      if (width && width !== chart.plot.width) chart.plot.setSize({ width, height: HEIGHT });
    });
    chart.sized.observe(box);
  }

  /** Takes the numbers of a tick. */
  function update(id, data) {
    const chart = drawn.get(id);
    if (!chart || chart.data.lines.length !== data.lines.length) return;
    chart.data = data;
    if (!chart.plot.select.width) chart.plot.setData(columns(data));
    if (chart.plot.cursor.idx === null || chart.plot.cursor.idx === undefined) legend(chart, null);
    const table = chart.figure.querySelector("details[open] tbody");
    if (table) retell(chart, table);
  }

  /** Draws a chart that has other lines now, or had none until now. */
  function renew(markup) {
    const template = document.createElement("template");
    template.innerHTML = markup;
    const fresh = template.content.querySelector("figure");
    const old = fresh && document.getElementById(fresh.id);
    if (!old) return;
    const known = drawn.get(fresh.id);
    if (known) {
      known.sized.disconnect();
      known.plot.destroy();
      drawn.delete(fresh.id);
    }
    const table = old.querySelector("details");
    const other = fresh.querySelector("details");
    if (table && other) other.open = table.open;
    admin.localTimes(fresh);
    old.replaceWith(fresh);
    if (fresh.dataset.chart) draw(fresh);
  }

  /** Writes an open table anew. */
  function retell(chart, table) {
    const { data } = chart;
    const rows = [];
    for (let idx = data.lines[0].values.length - 1; idx >= 0; idx--) {
      if (data.lines.every((line) => line.values[idx] === null)) continue;
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      const to = data.from + idx * data.step;
      const at = document.createElement("time");
      at.dateTime = new Date(to).toISOString();
      at.title = utc(new Date(to));
      at.textContent = moment(data, to);
      if (data.behind) {
        const link = document.createElement("a");
        link.href = placeBehind(data, to - data.step, to);
        link.append(at);
        head.append(link);
      } else {
        head.append(at);
      }
      row.append(head);
      for (const line of data.lines) {
        const cell = document.createElement("td");
        cell.textContent = write(data.unit, line.values[idx]);
        row.append(cell);
      }
      rows.push(row);
    }
    table.replaceChildren(...rows);
  }

  function drawAll(root) {
    for (const figure of root.querySelectorAll("figure[data-chart]")) draw(figure);
  }

  if (window.uPlot) {
    drawAll(document);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const { plot } of drawn.values()) plot.redraw();
    });
  }

  return { words, write, minute, clock, date, utc, pad, look, update, renew, drawAll };
})();
