"use strict";
// Draws every figure of the page, whose data stand beside it, in the colours of the page; again when those change.
(() => {
  const touched = matchMedia("(pointer: coarse)").matches;
  const options = {
    displaylogo: false,
    displayModeBar: touched ? false : "hover",
    modeBarButtonsToRemove: ["select2d", "lasso2d"],
    responsive: true,
  };

  function figureOf(source) {
    const colours = getComputedStyle(document.documentElement);
    return JSON.parse(source.textContent, (key, value) =>
      key.endsWith("color") && typeof value === "string" && value.startsWith("--")
        ? colours.getPropertyValue(value).trim()
        : value
    );
  }

  function draw(chart) {
    const { data, layout } = figureOf(chart.nextElementSibling);
    // A finger that drags a chart means to scroll the page.
    if (touched) layout.dragmode = false;
    const button = chart.parentElement.querySelector("button");
    if (button && button.getAttribute("aria-pressed") === "true") layout.yaxis.type = "log";
    return Plotly.react(chart, data, layout, options);
  }

  const charts = [...document.querySelectorAll(".chart")];
  for (const chart of charts) {
    const button = chart.parentElement.querySelector("button");
    if (!button) continue;
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      draw(chart);
    });
  }
  const drawAll = () => Promise.all(charts.map(draw)).then(() => { document.body.dataset.drawn = "yes"; });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll();
})();
