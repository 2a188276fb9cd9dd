/* Draws every figure[data-chart] from its own table (templates/_macros/ui.html:chart) with Chart.js, in the page's
   colours, and again after a swap. Without this script, or without Chart.js, the table stays in sight. */
(function () {
  "use strict";

  const drawn = new Map(); // figure → chart
  let paper = false; // while the page is being printed
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const colour = (element, name) => getComputedStyle(element).getPropertyValue(name).trim();

  // Chart.js knows no light-dark(): let the browser work the colour out on a real element.
  const probe = document.createElement("span");
  probe.className = "visually-hidden";
  document.body.append(probe);
  function solid(element, name) {
    probe.style.color = name.startsWith("--") ? colour(element, name) : name;
    return getComputedStyle(probe).color;
  }

  function read(figure) {
    const table = figure.querySelector("table");
    const heads = Array.from(table.tHead.rows[0].cells).slice(1);
    const rows = Array.from(table.tBodies[0].rows);
    return {
      labels: rows.map((row) => row.cells[0].textContent.trim()),
      rows,
      series: heads.map((head, index) => ({
        head,
        label: head.textContent.trim(),
        data: rows.map((row) => Number(row.cells[index + 1].dataset.value)),
      })),
    };
  }

  function datasets(kind, table, surface) {
    if (kind === "doughnut") {
      return [{ data: table.series[0].data, backgroundColor: table.rows.map((row) => solid(row, "--solid")), borderColor: surface, borderWidth: 2, hoverOffset: 4 }];
    }
    return table.series.map((one) => {
      const ink = solid(one.head, "--solid");
      return { label: one.label, data: one.data, backgroundColor: ink, borderColor: ink, borderWidth: kind === "line" ? 2 : 0, borderRadius: 4, maxBarThickness: 36, pointRadius: 2, tension: 0.3 };
    });
  }

  function options(kind, figure, ink, line) {
    const number = new Intl.NumberFormat(document.documentElement.lang);
    const stacked = "stacked" in figure.dataset;
    const scales = kind === "doughnut" ? {} : {
      x: { stacked, grid: { display: false }, border: { color: line }, ticks: { color: ink } },
      y: { stacked, beginAtZero: true, grid: { color: line }, border: { display: false }, ticks: { color: ink, precision: 0, maxTicksLimit: 6, callback: (value) => number.format(value) } },
    };
    const value = (item) => (kind === "doughnut" ? item.parsed : item.parsed.y);
    const name = (item) => (kind === "doughnut" ? item.label : item.dataset.label);
    return {
      responsive: true,
      maintainAspectRatio: false,
      animation: still || paper || figure.closest("[data-live]") ? false : { duration: 300 },
      locale: document.documentElement.lang,
      cutout: "68%",
      interaction: { mode: kind === "doughnut" ? "nearest" : "index", intersect: kind === "doughnut" },
      plugins: {
        legend: { position: "bottom", labels: { color: ink, boxWidth: 10, boxHeight: 10, useBorderRadius: true, borderRadius: 3, padding: 16 } },
        tooltip: { padding: 10, cornerRadius: 8, callbacks: { label: (item) => " " + name(item) + ": " + number.format(value(item)) } },
      },
      scales,
    };
  }

  // The sum in the middle of a ring.
  const total = {
    id: "total",
    afterDraw(chart) {
      if (chart.config.type !== "doughnut" || !chart.getDatasetMeta(0).data.length) return;
      const { x, y } = chart.getDatasetMeta(0).data[0], sum = chart.data.datasets[0].data.reduce((a, b) => a + b, 0);
      chart.ctx.save();
      chart.ctx.font = "600 1.375rem " + window.Chart.defaults.font.family;
      chart.ctx.fillStyle = chart.options.ink;
      chart.ctx.textAlign = "center";
      chart.ctx.textBaseline = "middle";
      chart.ctx.fillText(new Intl.NumberFormat(document.documentElement.lang).format(sum), x, y);
      chart.ctx.restore();
    },
  };

  function draw(figure) {
    const box = figure.querySelector(".chart-box"), details = figure.querySelector(".chart-data");
    const kind = figure.dataset.chart, table = read(figure);
    if (!table.rows.length || !table.series.length) return;
    box.hidden = false;
    details.open = false;
    const ink = solid(figure, "--tblr-secondary-color"), line = solid(figure, "--tblr-border-color");
    const family = getComputedStyle(document.body).fontFamily;
    window.Chart.defaults.font.family = family;
    const config = { type: kind, data: { labels: table.labels, datasets: datasets(kind, table, solid(figure, "--tblr-bg-surface")) }, options: options(kind, figure, ink, line), plugins: [total] };
    config.options.ink = solid(figure, "--tblr-emphasis-color");
    config.options.plugins.legend.display = kind === "doughnut" || table.series.length > 1; // one series is named above it
    drawn.set(figure, new window.Chart(box.querySelector("canvas"), config));
  }

  function drawAll() {
    drawn.forEach((chart, figure) => { if (!figure.isConnected) { chart.destroy(); drawn.delete(figure); } });
    if (!window.Chart) return;
    document.querySelectorAll("figure[data-chart]").forEach((figure) => { if (!drawn.has(figure)) draw(figure); });
  }

  drawAll();
  document.addEventListener("htmx:afterSwap", drawAll);
  document.addEventListener("htmx:after:swap", drawAll);

  // On paper: light, and every chart with its table, for nobody can open it there.
  let theme = "";
  function redraw() {
    drawn.forEach((chart) => chart.destroy());
    drawn.clear();
    drawAll();
  }
  window.addEventListener("beforeprint", () => {
    theme = document.documentElement.dataset.bsTheme || "";
    document.documentElement.dataset.bsTheme = "light";
    paper = true;
    document.documentElement.classList.add("on-paper"); // as wide as a page of paper, whatever the window is
    redraw();
    document.querySelectorAll(".chart-data").forEach((details) => { details.open = true; });
  });
  window.addEventListener("afterprint", () => {
    document.documentElement.dataset.bsTheme = theme;
    document.documentElement.classList.remove("on-paper");
    paper = false;
    redraw();
  });
})();
