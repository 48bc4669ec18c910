// Draws a curve with the fall from its highest value below it; the points are in a json_script element.
(() => {
  "use strict";
  const drawn = new Map();

  function colour(name) {
    // A canvas does not know oklch(); what the browser computes for an element is rgb().
    const probe = document.createElement("i");
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function look() {
    return {
      autoSize: true,
      localization: { priceFormatter: (value) => value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 }) },
      layout: {
        background: { color: "transparent" }, textColor: colour("muted"), fontSize: 11,
        panes: { separatorColor: colour("line"), enableResize: false },
      },
      grid: { vertLines: { visible: false }, horzLines: { color: colour("line") } },
      rightPriceScale: { borderVisible: false },
      timeScale: { borderVisible: false, timeVisible: true },
      handleScale: false,
      handleScroll: { vertTouchDrag: false },
    };
  }

  function draw(figure) {
    const text = document.getElementById(figure.dataset.chart)?.textContent;
    if (!text || !window.LightweightCharts) return;
    const known = drawn.get(figure);
    if (known?.text === text) return;
    known?.chart.remove();
    const { createChart, AreaSeries } = window.LightweightCharts;
    const points = JSON.parse(text).map(([time, value]) => ({ time, value }));
    let highest = -Infinity;
    const falls = points.map(({ time, value }) => {
      highest = Math.max(highest, value);
      return { time, value: value - highest };
    });
    const chart = createChart(figure, look());
    const accent = colour("accent"), loss = colour("loss");
    const faint = (rgb) => rgb.replace("rgb(", "rgba(").replace(")", ", 0.18)");
    const flat = { lineWidth: 2, topColor: faint(accent), bottomColor: "transparent", lineColor: accent };
    chart.addSeries(AreaSeries, flat).setData(points);
    chart.addSeries(AreaSeries, {
      lineWidth: 1, lineColor: loss, topColor: "transparent", bottomColor: faint(loss), priceLineVisible: false,
      lastValueVisible: false,
    }, 1).setData(falls);
    chart.panes()[1].setHeight(70);
    drawn.set(figure, { chart, text, points });
    requestAnimationFrame(() => show(figure, 0));
  }

  function show(figure, days) {
    const { chart, points } = drawn.get(figure);
    const last = points.at(-1).time, first = days ? last - days * 86400 : points[0].time;
    if (first < last && points.length > 1) chart.timeScale().setVisibleRange({ from: Math.max(first, points[0].time), to: last });
    else chart.timeScale().fitContent();
    for (const button of document.querySelectorAll("[data-range]")) {
      button.ariaPressed = String(Number(button.dataset.range) === days);
    }
  }

  const drawAll = () => document.querySelectorAll("[data-chart]").forEach(draw);
  drawAll();
  document.addEventListener("htmx:afterSettle", drawAll);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-range]");
    if (button) show(button.closest(".card").querySelector("[data-chart]"), Number(button.dataset.range));
  });
  new MutationObserver(() => drawn.forEach(({ chart }) => chart.applyOptions(look())))
    .observe(document.documentElement, { attributeFilter: ["class"] });
})();
