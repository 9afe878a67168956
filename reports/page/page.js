"use strict";
(() => {
  const data = JSON.parse(document.getElementById("lyap-pictures").textContent);
  const charts = new Map();
  const compact = new Intl.NumberFormat("en", {maximumSignificantDigits: 3});
  const compactCount = value => value.toLocaleString("en");
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const superscript = n => String(n).replace(/./g, c => c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[+c]);
  const power = n => n >= -2 && n <= 3 ? String(+Math.pow(10, n).toPrecision(1)) : "10" + superscript(n);
  const decay = l => l === data.zero ? "0" : l === data.infinite ? "∞" : (m => compact.format(+(10 ** (l - m)).toPrecision(3)) + " × 10" + superscript(m))(Math.floor(l));

  // One style per kind of curve: colour, dash and mark all differ, so that no reading depends on colour alone.
  const looks = index => [
    {borderColor: css("--c-bound"), borderDash: [], pointStyle: "circle", pointRadius: 0, borderWidth: 2},
    {borderColor: css("--c-bound"), pointStyle: "circle", pointRadius: 3, showLine: false, backgroundColor: "transparent"},
    {borderColor: css("--c-long"), borderDash: [7, 4], pointStyle: "rect", pointRadius: 0, borderWidth: 2},
    {borderColor: css("--c-long"), pointStyle: "triangle", pointRadius: 4, showLine: false, backgroundColor: "transparent"},
    {borderColor: css("--c-path"), borderDash: [2, 3], pointStyle: "crossRot", pointRadius: 0, borderWidth: 2},
  ][index];
  const names = ["one step, proved", "one step, slowest input found", "long run, proved", "long run, slowest input found", "given sequence, proved"];

  // The axis of log10 of rates: the rungs for exactly zero and for infinity lie one step outside the finite values.
  function rateAxis(curves) {
    let low = Infinity, high = -Infinity, zero = false, infinite = false;
    for (const curve of curves) for (const value of curve.values) {
      if (value === null) continue;
      if (value === data.zero) zero = true;
      else if (value === data.infinite) infinite = true;
      else { low = Math.min(low, value); high = Math.max(high, value); }
    }
    if (low > high) { low = -1; high = 0; }
    low = Math.floor(low); high = Math.max(Math.ceil(high), low + 1);
    const step = [1, 2, 5, 10, 20, 50, 100].find(s => (high - low) / s <= 8) || 100;
    const gap = Math.max(step, (high - low) / 10);
    return {low, high, step, zeroAt: low - gap, infiniteAt: high + gap, min: zero ? low - gap * 1.3 : low, max: infinite ? high + gap * 1.3 : high, zero, infinite};
  }
  const place = (axis, value) => value === null ? NaN : value === data.zero ? axis.zeroAt : value === data.infinite ? axis.infiniteAt : value;
  const rateScale = axis => ({
    type: "linear", min: axis.min, max: axis.max, title: title("decay rate, nats per step"), grid: {color: css("--grid")},
    afterBuildTicks(scale) {
      const ticks = [];
      if (axis.zero) ticks.push({value: axis.zeroAt});
      for (let v = Math.ceil(axis.low / axis.step) * axis.step; v <= axis.high; v += axis.step) ticks.push({value: v});
      if (axis.infinite) ticks.push({value: axis.infiniteAt});
      scale.ticks = ticks;
    },
    ticks: {color: css("--quiet"), callback: v => axis.zero && v === axis.zeroAt ? "0" : axis.infinite && v === axis.infiniteAt ? "∞" : power(v)},
  });
  const title = text => ({display: true, text, color: css("--quiet")});
  const logTicks = scale => {
    const decades = Math.ceil(scale.max) - Math.floor(scale.min), step = Math.max(1, Math.ceil(decades / 7)), ticks = [];
    for (let v = Math.ceil(scale.min); v <= scale.max + 1e-9; v += step) ticks.push({value: v});
    scale.ticks = ticks;
  };
  const base = (kind, interactionAxis) => ({
    responsive: true, maintainAspectRatio: false, animation: false, normalized: true,
    interaction: {mode: "nearest", axis: interactionAxis || "x", intersect: false},
    plugins: {legend: {position: "bottom", align: "start", labels: {color: css("--ink"), usePointStyle: true, boxWidth: 26, boxHeight: 7, padding: 9, font: {size: 11}}}},
  });
  const legendLines = options => {
    options.plugins.legend.labels.generateLabels = chart => chart.data.datasets.map((set, i) => ({
      text: set.label, datasetIndex: i, hidden: !chart.isDatasetVisible(i), fontColor: css("--ink"), strokeStyle: set.borderColor, lineWidth: set.showLine === false ? 2 : Math.min(2, set.borderWidth || 2),
      fillStyle: "transparent", lineDash: set.showLine === false ? [] : set.borderDash || [], pointStyle: set.showLine === false ? set.pointStyle : "line"}));
    return options;
  };

  function rateSets(curves, axis, xs) {
    return curves.map(curve => ({label: curve.name, data: curve.values.map((v, i) => ({x: xs(i), y: place(axis, v), raw: v})), ...looks(names.indexOf(curve.name)), order: -names.indexOf(curve.name), pointHoverRadius: 4, clip: 6}));
  }
  const rateTip = heading => ({callbacks: {title: items => heading(items[0]), label: item => item.dataset.label + ": " + decay(item.raw.raw)}});

  function overview(record) {
    const view = data.records[record].overview, axis = rateAxis(view.curves), options = legendLines(base());
    options.scales = {y: rateScale(axis), x: {type: "linear", offset: view.layers.length < 3, title: title("layer"), grid: {color: css("--grid")},
      min: view.layers[0] - .3, max: view.layers[view.layers.length - 1] + .3, afterBuildTicks: s => { const k = Math.ceil(view.layers.length / 16); s.ticks = view.layers.filter((_, i) => i % k === 0).map(value => ({value})); },
      ticks: {color: css("--quiet"), callback: v => String(v)}}};
    options.plugins.tooltip = rateTip(item => "layer " + item.raw.x);
    const datasets = rateSets(view.curves, axis, i => view.layers[i]);
    for (const set of datasets) if (set.showLine !== false) set.pointRadius = 3;
    return {type: "line", data: {datasets}, options};
  }

  function rates(record, layer) {
    const view = data.records[record].layers[layer].rates, options = legendLines(base());
    const axis = rateAxis(view.curves), count = view.curves[0].values.length, margin = count < 50 ? .3 : 0, heads = data.records[record].layers[layer].perHead;
    options.scales = {y: rateScale(axis), x: {type: "linear", min: -margin, max: Math.max(1, (count - 1) * view.group + margin), title: title((heads ? "heads" : "channels") + ", slowest bound first"), grid: {display: false}, ticks: {color: css("--quiet"), maxTicksLimit: 6, precision: 0, includeBounds: false, callback: v => Number.isInteger(v) ? compactCount(v) : ""}}};
    options.plugins.tooltip = rateTip(item => view.group > 1 ? "slowest of channels " + item.raw.x + "–" + Math.min(view.channels, item.raw.x + view.group) : (heads ? "head" : "channel") + " at place " + item.raw.x);
    const datasets = rateSets(view.curves, axis, i => i * view.group);
    for (const set of datasets) {
      if (set.showLine === false) { set.pointRadius = count > 64 ? 2 : 3; set.borderWidth = 1; }
      if (set.label === names[4]) Object.assign(set, {showLine: false, pointStyle: "crossRot", pointRadius: count > 64 ? 2 : 4, borderWidth: 1});
    }
    return {type: "line", data: {datasets}, options};
  }

  // p per channel. Lines that lie far below what is proved may leave the picture: the axis follows bound and witness unless all fits within four times their depth.
  function preactivations(view, looksOf) {
    const options = legendLines(base()), count = view.curves[0].values.length, margin = count < 50 ? .3 : 0;
    const lowest = curves => Math.min(...curves.flatMap(curve => curve.values.filter(v => v !== null)));
    const highest = Math.max(...view.curves.flatMap(curve => curve.values.filter(v => v !== null)));
    const main = lowest(view.curves.filter(curve => curve.name === "proved" || curve.role === "witness")), all = lowest(view.curves);
    const low = Math.max(all, highest - 4 * (highest - main)), pad = Math.max(1, (highest - low) * .05);
    options.scales = {
      y: {type: "linear", min: Math.floor(low - pad), max: Math.ceil(highest + pad), title: title("p"), grid: {color: css("--grid")}, ticks: {color: css("--quiet"), maxTicksLimit: 8, includeBounds: false, callback: v => compactCount(v)}},
      x: {type: "linear", min: -margin, max: Math.max(1, (count - 1) * view.group + margin), title: title("channels, lowest bound first"), grid: {display: false}, ticks: {color: css("--quiet"), maxTicksLimit: 6, precision: 0, includeBounds: false, callback: v => Number.isInteger(v) ? compactCount(v) : ""}}};
    options.plugins.tooltip = {callbacks: {
      title: items => items.length ? (view.group > 1 ? "lowest of channels " + items[0].raw.x + "–" + Math.min(view.channels, items[0].raw.x + view.group) : "channel at place " + items[0].raw.x) : "",
      label: item => item.dataset.label + ": p " + (item.dataset.showLine === false ? "= " : "≥ ") + item.raw.y}};
    const datasets = view.curves.map((curve, k) => ({label: curve.name, data: curve.values.map((v, i) => ({x: i * view.group, y: v === null ? NaN : v})), ...looksOf(curve.name, count), order: k, pointHoverRadius: 4}));
    return {type: "line", data: {datasets}, options};
  }
  const marks = count => ({showLine: false, backgroundColor: "transparent", borderWidth: 1, pointRadius: count > 64 ? 2 : 3});
  const step = (record, layer) => preactivations(data.records[record].layers[layer].step, (name, count) => ({
    "proved": {borderColor: css("--c-bound"), borderWidth: 2, pointRadius: 0},
    "lowest reached": {borderColor: css("--c-bound"), pointStyle: "circle", ...marks(count)},
    "linear alone": {borderColor: css("--c-path"), borderDash: [7, 4], borderWidth: 1, pointRadius: 0},
    "norm alone": {borderColor: css("--c-long"), borderDash: [2, 3], borderWidth: 1, pointRadius: 0},
    "interval alone": {borderColor: css("--c-grey"), borderDash: [8, 3, 2, 3], borderWidth: 1, pointRadius: 0}}[name]));
  const sustained = (record, layer) => preactivations(data.records[record].layers[layer].sustained, (name, count) => name === "proved"
    ? {borderColor: css("--c-long"), borderDash: [7, 4], borderWidth: 2, pointRadius: 0} : {borderColor: css("--c-long"), pointStyle: "triangle", ...marks(count)});

  function halfLives(record, layer) {
    const view = data.records[record].layers[layer].halfLives, options = base();
    const last = view.first + view.width * view.counts.length;
    options.scales = {
      x: {type: "linear", min: view.first, max: last, title: title("half-life in steps, upper bound"), grid: {display: false}, afterBuildTicks: logTicks, ticks: {color: css("--quiet"), callback: v => power(v) + (v === last && view.open[1] ? " or more" : v === view.first && view.open[0] ? " or less" : "")}},
      y: {beginAtZero: true, title: title(data.records[record].layers[layer].perHead ? "heads" : "states"), grid: {color: css("--grid")}, ticks: {color: css("--quiet"), precision: 0, maxTicksLimit: 6}}};
    options.plugins.legend.display = false;
    options.plugins.tooltip = {callbacks: {title: () => "", label: item => compact.format(10 ** (item.raw.x - view.width / 2)) + " to " + compact.format(10 ** (item.raw.x + view.width / 2)) + " steps: " + item.raw.y}};
    return {type: "bar", data: {datasets: [{data: view.counts.map((y, i) => ({x: view.first + view.width * (i + .5), y})), backgroundColor: css("--c-path"), grouped: false, barPercentage: .92, categoryPercentage: 1}]}, options};
  }

  function survival(record, layer) {
    const view = data.records[record].layers[layer].survival, options = base(), at = Math.log10(view.steps);
    const styles = [["--c-long", [7, 4], "triangle"], ["--c-bound", [2, 2], "rect"], ["--c-path", [8, 3, 2, 3], "circle"], ["--ink", [4, 4], "rectRot"], ["--c-grey", [1, 3], "star"]];
    const datasets = [];
    view.curves.forEach((curve, i) => {
      const [colour, dash, mark] = styles[i % styles.length];
      datasets.push({label: curve.name, data: view.at.map((t, k) => ({x: Math.log10(t), y: 100 * curve.share[k]})), borderColor: css(colour), borderDash: dash, borderWidth: 1.5, pointRadius: 0, pointStyle: mark, backgroundColor: css(colour)});
      datasets.push({label: "proved", proved: true, data: [{x: at, y: 100 * curve.end}], borderColor: css(colour), backgroundColor: css(colour), pointRadius: 6, pointStyle: mark, showLine: false, clip: false});
    });
    datasets.push({label: "end", proved: true, data: [{x: at, y: 0}, {x: at, y: 100}], borderColor: css("--quiet"), borderWidth: 1, pointRadius: 0});
    options.scales = {
      x: {type: "linear", min: 0, max: Math.log10(view.at[view.at.length - 1]), title: title("steps t (vertical line: end of the sequence)"), grid: {display: false}, afterBuildTicks: logTicks, ticks: {color: css("--quiet"), callback: power}},
      y: {min: 0, max: 100, title: title("share left, %"), grid: {color: css("--grid")}, ticks: {color: css("--quiet"), maxTicksLimit: 6}}};
    options.plugins.legend.labels.generateLabels = chart => chart.data.datasets.flatMap((set, i) => set.proved ? [] : [{text: set.label, datasetIndex: i, fontColor: css("--ink"), strokeStyle: set.borderColor, fillStyle: set.borderColor, lineWidth: 1, pointStyle: set.pointStyle, hidden: !chart.isDatasetVisible(i)}]);
    options.plugins.legend.onClick = (event, item, legend) => { const show = !legend.chart.isDatasetVisible(item.datasetIndex); legend.chart.setDatasetVisibility(item.datasetIndex, show); legend.chart.setDatasetVisibility(item.datasetIndex + 1, show); legend.chart.update(); };
    options.plugins.tooltip = {filter: item => item.dataset.label !== "end", callbacks: {title: items => items.length ? "t = " + compact.format(Math.round(10 ** items[0].raw.x)) : "",
      label: item => (item.dataset.proved ? "proved: at most " : item.dataset.label + ", at the average rate: ") + compact.format(item.raw.y) + " %"}};
    return {type: "line", data: {datasets}, options};
  }

  // The envelope of a deviation over the steps: log10 of the largest values, one picture for all methods.
  function envelope(record, layer, group) {
    const view = data.records[record].deviations[group][layer], options = legendLines(base()), radius = innerWidth < 600 ? 1.3 : 2;
    const looksOf = curve => [
      {borderColor: css("--c-bound"), borderDash: [], borderWidth: 2.5, pointRadius: 0},
      {borderColor: css("--c-path"), borderDash: [2, 3], borderWidth: 2.5, pointRadius: 0},
      {borderColor: css("--c-long"), borderDash: [7, 4], borderWidth: 2.5, pointRadius: 0},
      {borderColor: css("--c-grey"), borderDash: [9, 3, 2, 3], borderWidth: 2.5, pointRadius: 0},
      {borderColor: css("--ink"), pointStyle: "circle", ...marks(0), pointRadius: radius},
      {borderColor: css("--c-path"), pointStyle: "triangle", ...marks(0), pointRadius: radius},
      {borderColor: css("--quiet"), borderDash: [], borderWidth: 1, pointRadius: 0}][curve.style];
    const all = view.curves.flatMap(curve => curve.values.filter(v => v !== null));
    const last = Math.max(...view.spans.map(([, end]) => end[end.length - 1]));
    options.scales = {
      x: {type: "linear", min: 0, max: last, title: title("step"), grid: {display: false}, ticks: {color: css("--quiet"), maxTicksLimit: 7, precision: 0, maxRotation: 0, includeBounds: true, callback: v => compactCount(v)}},
      y: {type: "linear", min: Math.floor(Math.min(...all) - .05), max: Math.ceil(Math.max(...all) + .05), title: title("largest value"), grid: {color: css("--grid")}, afterBuildTicks: logTicks, ticks: {color: css("--quiet"), callback: v => power(v)}}};
    options.plugins.tooltip = {callbacks: {
      title: items => items.length ? "steps " + compactCount(items[0].raw.begin) + (items[0].raw.end > items[0].raw.begin + 1 ? "–" + compactCount(items[0].raw.end - 1) : "") : "",
      label: item => item.dataset.label + ": " + (item.dataset.role === "bound" ? "≤ " : "") + decay(item.raw.y)}};
    const datasets = view.curves.map((curve, k) => {
      const [begin, end] = view.spans[curve.spans];
      return {label: curve.name, role: curve.role, data: curve.values.map((v, i) => ({x: (begin[i] + end[i] - 1) / 2, y: v === null ? NaN : v, begin: begin[i], end: end[i]})), ...looksOf(curve), order: k, pointHoverRadius: 4};
    });
    return {type: "line", data: {datasets}, options};
  }

  const draw = {envelope, overview, rates, step, sustained, halfLives, survival};
  function render(canvas) {
    if (charts.has(canvas)) return;
    const setup = draw[canvas.dataset.kind](+canvas.dataset.record, +(canvas.dataset.place || 0), +(canvas.dataset.group || 0));
    charts.set(canvas, new Chart(canvas, setup));
    canvas.dataset.rendered = "yes";
  }
  function redraw() {
    for (const [canvas, chart] of [...charts]) { chart.destroy(); charts.delete(canvas); render(canvas); }
  }
  const visible = canvas => canvas.offsetParent !== null;
  const canvases = [...document.querySelectorAll("canvas[data-kind]")];
  const renderVisible = () => canvases.filter(visible).forEach(render);

  // Pictures are drawn when they come near the screen: a model with 64 layers has about 200.
  const watcher = "IntersectionObserver" in window ? new IntersectionObserver(entries => {
    for (const entry of entries) if (entry.isIntersecting) { render(entry.target); watcher.unobserve(entry.target); }
  }, {rootMargin: "600px"}) : null;
  document.documentElement.classList.add("scripted");
  for (const bar of document.querySelectorAll(".selector")) {
    const choice = bar.querySelector("select"), layers = [...document.getElementById(bar.dataset.controls).children];
    const show = () => { layers.forEach(layer => layer.classList.toggle("chosen", choice.value === "all" || layer.dataset.place === choice.value)); };
    choice.addEventListener("change", show);
    for (const button of bar.querySelectorAll("button")) button.addEventListener("click", () => {
      const now = choice.value === "all" ? 0 : +choice.value + +button.dataset.step;
      choice.value = String(Math.min(layers.length - 1, Math.max(0, now)));
      show();
    });
    show();
  }
  const near = canvas => visible(canvas) && canvas.getBoundingClientRect().top < 2 * innerHeight;
  canvases.forEach(canvas => watcher && !near(canvas) ? watcher.observe(canvas) : render(canvas));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => { renderVisible(); redraw(); });
  addEventListener("afterprint", redraw);
})();
