"use strict";
(() => {
  const data = JSON.parse(document.getElementById("lyap-pictures").textContent);
  const charts = new Map();
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const superscript = n => String(n).replace(/./g, c => c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[+c]);
  const power = n => n >= -3 && n <= 3 ? String(+Math.pow(10, n).toPrecision(1)) : "10" + superscript(n);
  const number = l => { const v = 10 ** l, e = Math.floor(l); return e >= -3 && e <= 3 ? String(+v.toPrecision(3)) : +(10 ** (l - e)).toPrecision(3) + " × 10" + superscript(e); };
  // Decades below the largest value that a picture shows; what falls below leaves it.
  const kDecades = 24;

  // Colour, dash and width all differ, so that no reading depends on colour alone.
  const looks = {
    low: {label: "low", borderWidth: 0, pointRadius: 0, fill: "+1"},
    high: {label: "± one standard deviation", borderWidth: 0, pointRadius: 0, fill: false},
    mean: {label: "mean of the blocks", colour: "--c-long", borderWidth: 2, borderDash: [], fill: false},
    largest: {label: "largest block", colour: "--c-path", borderWidth: 1.5, borderDash: [2, 3], fill: false},
    envelope: {label: "proved for all", colour: "--c-bound", borderWidth: 3, borderDash: [], fill: false},
    closed: {label: "proved, closed form", colour: "--c-grey", borderWidth: 1.5, borderDash: [7, 4], fill: false},
  };
  const faint = colour => colour + "40";
  const title = text => ({display: true, text, color: css("--quiet")});

  function axis(curves) {
    const values = Object.values(curves).flat().filter(v => v !== null);
    const high = values.length ? Math.max(...values) : 0, low = values.length ? Math.max(Math.min(...values), high - kDecades) : -1;
    if (high - low < .5) return {min: Math.floor(low * 10) / 10 - .1, max: Math.ceil(high * 10) / 10 + .1};
    const step = high - low < 5 ? .5 : 1;
    return {min: Math.floor(low / step) * step, max: Math.ceil(high / step) * step};
  }
  // Whole decades; 1, 2 and 5 of each where few are shown.
  function logTicks(scale) {
    const span = scale.max - scale.min, step = Math.max(1, Math.ceil(span / 7)), ticks = [];
    for (let d = Math.floor(scale.min); d <= scale.max; ++d) for (const m of span <= 2.5 ? [1, 2, 5] : [1]) {
      const value = d + Math.log10(m);
      if (value >= scale.min - 1e-9 && value <= scale.max + 1e-9 && (m > 1 || d % step === 0)) ticks.push({value});
    }
    scale.ticks = ticks;
  }
  const tickText = v => Math.abs(v - Math.round(v)) < 1e-9 ? power(Math.round(v)) : String(+(10 ** v).toPrecision(1));

  function setup(canvas) {
    const {record, distribution, variant, result, part} = canvas.dataset;
    const times = data[+record].times, curves = data[+record].distributions[+distribution][+variant][+result][part];
    const y = axis(curves), datasets = [];
    for (const [name, look] of Object.entries(looks)) {
      if (!curves[name]) continue;
      const colour = css(look.colour || "--c-long");
      // Where mean minus deviation is not above zero the band reaches the bottom.
      const place = v => v === null ? (name === "low" ? y.min : NaN) : v;
      datasets.push({...look, data: curves[name].map((v, k) => ({x: times[k], y: place(v), raw: v})), borderColor: colour, backgroundColor: faint(colour), pointRadius: times.length < 3 ? 3 : 0, pointHoverRadius: 4, name, order: name === "largest" ? -9 : -Object.keys(looks).indexOf(name)});
      if (name === "low" || name === "high") Object.assign(datasets[datasets.length - 1], {pointRadius: 0, pointHoverRadius: 0});
    }
    const labels = {color: css("--ink"), usePointStyle: true, boxWidth: 26, boxHeight: 7, padding: 8, font: {size: 11},
      generateLabels: chart => chart.data.datasets.flatMap((set, i) => set.name === "low" ? [] : [{text: set.label, datasetIndex: i, hidden: !chart.isDatasetVisible(i), fontColor: css("--ink"), strokeStyle: set.name === "high" ? "transparent" : set.borderColor, fillStyle: set.name === "high" ? set.backgroundColor : "transparent", lineWidth: set.borderWidth, lineDash: set.borderDash || [], pointStyle: set.name === "high" ? "rect" : "line"}])};
    return {type: "line", data: {datasets}, options: {
      responsive: true, maintainAspectRatio: false, animation: false, normalized: true, interaction: {mode: "index", intersect: false},
      scales: {
        x: {type: "linear", min: times.length > 1 ? 0 : .5, max: Math.max(times[times.length - 1], 1.5), title: title("step t"), grid: {display: false}, ticks: {color: css("--quiet"), maxTicksLimit: 6, precision: 0, includeBounds: false, callback: v => Number.isInteger(v) ? v.toLocaleString("en") : ""}},
        y: {type: "linear", ...y, title: title("deviation"), grid: {color: css("--grid")}, afterBuildTicks: logTicks, ticks: {color: css("--quiet"), callback: tickText}}},
      plugins: {
        legend: {position: "bottom", align: "start", labels, onClick(event, item, legend) {
          const chart = legend.chart, show = !chart.isDatasetVisible(item.datasetIndex);
          chart.setDatasetVisibility(item.datasetIndex, show);
          if (chart.data.datasets[item.datasetIndex].name === "high") chart.setDatasetVisibility(item.datasetIndex - 1, show);
          chart.update();
        }},
        tooltip: {filter: item => item.dataset.name !== "low" && item.dataset.name !== "high", itemSort: (a, b) => b.raw.y - a.raw.y, callbacks: {
          title: items => items.length ? "t = " + items[0].raw.x.toLocaleString("en") : "",
          label: item => item.dataset.label + ": " + (item.dataset.name === "envelope" || item.dataset.name === "closed" ? "≤ " : "") + (item.raw.raw === null ? "0" : number(item.raw.raw))}}}}};
  }
  function render(canvas) {
    if (charts.has(canvas)) return;
    charts.set(canvas, new Chart(canvas, setup(canvas)));
    canvas.dataset.rendered = "yes";
  }
  function redraw() {
    for (const [canvas, chart] of [...charts]) { chart.destroy(); charts.delete(canvas); render(canvas); }
  }
  const canvases = [...document.querySelectorAll("canvas[data-part]")];
  const visible = canvas => canvas.offsetParent !== null;
  const watcher = "IntersectionObserver" in window ? new IntersectionObserver(entries => {
    for (const entry of entries) if (entry.isIntersecting) { render(entry.target); watcher.unobserve(entry.target); }
  }, {rootMargin: "600px"}) : null;
  document.documentElement.classList.add("scripted");
  const near = canvas => visible(canvas) && canvas.getBoundingClientRect().top < 2 * innerHeight;
  canvases.forEach(canvas => watcher && !near(canvas) ? watcher.observe(canvas) : render(canvas));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => { canvases.filter(visible).forEach(render); redraw(); });
  addEventListener("afterprint", redraw);
})();
