"use strict";
// Draws the slab of the page with plotly; the page is whole without it.
(() => {
  const data = document.getElementById("slabs");
  const view = document.getElementById("view");
  const controls = document.getElementById("views");
  if (!data || !view || !window.Plotly) return;
  const slabs = JSON.parse(data.textContent);
  let shown = slabs.after ? "after" : "before";
  let angle = -60;

  const camera = () => {
    const radians = angle * Math.PI / 180;
    return {eye: {x: 1.9 * Math.cos(radians), y: 1.9 * Math.sin(radians), z: 0.45},
            up: {x: 0, y: 0, z: 1}, projection: {type: "orthographic"}};
  };

  const traces = (slab) => [
    ...slab.elements.map((element) => ({
      type: "scatter3d", mode: "markers", name: element.symbol, hoverinfo: "name+z",
      x: element.places.map((place) => place[0]),
      y: element.places.map((place) => place[1]),
      z: element.places.map((place) => place[2]),
      marker: {size: 5 + 7 * element.radius, color: element.colour, opacity: 1,
               line: {color: "#1b2430", width: 1}},
    })),
    {type: "scatter3d", mode: "lines", hoverinfo: "skip", showlegend: false,
     x: slab.cell.map((place) => place[0]), y: slab.cell.map((place) => place[1]),
     z: slab.cell.map((place) => place[2]), line: {color: "#1b2430", width: 3}},
  ];

  const hidden = {visible: false};
  const layout = () => ({
    margin: {l: 0, r: 0, t: 0, b: 0}, uirevision: "slab", legend: {orientation: "h", y: 0.02},
    font: {color: "#1b2430"},
    scene: {aspectmode: "data", xaxis: hidden, yaxis: hidden, zaxis: hidden, camera: camera()},
  });

  const draw = () => Plotly.react(view, traces(slabs[shown]), layout(),
    {displayModeBar: false, responsive: true});

  view.textContent = "";
  draw();
  controls.hidden = false;
  controls.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.turn) {
      angle += Number(button.dataset.turn);
      Plotly.relayout(view, {"scene.camera": camera()});
      return;
    }
    shown = button.dataset.slab;
    for (const other of controls.querySelectorAll("[data-slab]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    draw();
  });
})();
