// Draws the closes around an alert with fills, price lines and a strip in the trend's colour.
(() => {
  "use strict";
  const COLORS = { BLUE: "#3b82f6", RED: "#b4453c" };
  const UP = { position: "belowBar", shape: "arrowUp" }, DOWN = { position: "aboveBar", shape: "arrowDown" };

  function colour(name) {
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
      layout: { background: { color: "transparent" }, textColor: colour("muted"), fontSize: 11 },
      grid: { vertLines: { visible: false }, horzLines: { color: colour("line") } },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.12, bottom: 0.16 } },
      timeScale: { borderVisible: false, timeVisible: true },
      handleScale: false,
      handleScroll: { vertTouchDrag: false },
    };
  }

  // A mark stands at a point of the line: the last one that is not after it.
  function place(marks, times) {
    return marks.map((mark) => {
      const time = times.findLast((moment) => moment <= mark.time) ?? times[0];
      const tone = colour(mark.side === "buy" ? "accent" : "ink");
      return { ...(mark.side === "buy" ? UP : DOWN), time, color: tone, text: mark.text };
    });
  }

  function draw(figure) {
    const text = document.getElementById(figure.dataset.alertChart)?.textContent;
    if (!text || !window.LightweightCharts) return;
    const { createChart, createSeriesMarkers, LineSeries, HistogramSeries } = window.LightweightCharts;
    const { points, marks, lines } = JSON.parse(text);
    const chart = createChart(figure, look());
    const closes = chart.addSeries(LineSeries, {
      color: colour("quiet"), lineWidth: 2, pointMarkersVisible: true, pointMarkersRadius: 2.5,
      priceLineVisible: false, lastValueVisible: false,
    });
    closes.setData(points.map(([time, value]) => ({ time, value })));
    for (const [title, price] of lines) {
      const tone = colour({ entry: "accent", stop: "loss", target: "good" }[title] || "muted");
      closes.createPriceLine({ title, price, color: tone, lineWidth: 1, lineStyle: title === "entry" ? 0 : 1 });
    }
    createSeriesMarkers(closes, place(marks, points.map(([time]) => time)));
    const strip = chart.addSeries(HistogramSeries, { priceScaleId: "strip", priceLineVisible: false, lastValueVisible: false });
    strip.priceScale().applyOptions({ scaleMargins: { top: 0.965, bottom: 0 }, visible: false });
    strip.setData(points.map(([time, , name]) => ({ time, value: 1, color: COLORS[name] || colour("neutral-fill") })));
    requestAnimationFrame(() => chart.timeScale().fitContent());
    new MutationObserver(() => chart.applyOptions(look())).observe(document.documentElement, { attributeFilter: ["class"] });
  }

  document.querySelectorAll("[data-alert-chart]").forEach(draw);
})();
