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

  // So many units of plotly's aspect ratio are as high as the view.
  const UNITS_HIGH = 2.23;

  // The aspect ratio that has the whole slab in view from all sides, and how many pixels an angstrom has then.
  const fitted = (slab) => {
    const places = slab.elements.flatMap((element) => element.places).concat(slab.cell);
    const [x, y, z] = [0, 1, 2].map((axis) => {
      const along = places.map((place) => place[axis]);
      return Math.max(...along) - Math.min(...along) || 2;
    });
    const high = Math.max(z + 4, (Math.hypot(x, y) + 2) * view.clientHeight / view.clientWidth);
    const units = UNITS_HIGH / high;
    return {ratio: {x: x * units, y: y * units, z: z * units}, pixels: view.clientHeight / high};
  };

  const camera = () => {
    const radians = angle * Math.PI / 180;
    return {eye: {x: 1.9 * Math.cos(radians), y: 1.9 * Math.sin(radians), z: 0.45},
            up: {x: 0, y: 0, z: 1}, projection: {type: "orthographic"}};
  };

  // Plotly draws a marker three times as wide as its size says: atoms are 1.5 covalent radii wide.
  const traces = (slab) => [
    ...slab.elements.map((element) => ({
      type: "scatter3d", mode: "markers", name: element.symbol, hoverinfo: "name+z",
      x: element.places.map((place) => place[0]),
      y: element.places.map((place) => place[1]),
      z: element.places.map((place) => place[2]),
      marker: {size: 0.5 * element.radius * fitted(slab).pixels, color: element.colour, opacity: 1,
               line: {color: "#1b2430", width: 1}},
    })),
    {type: "scatter3d", mode: "lines", hoverinfo: "skip", showlegend: false,
     x: slab.cell.map((place) => place[0]), y: slab.cell.map((place) => place[1]),
     z: slab.cell.map((place) => place[2]), line: {color: "#1b2430", width: 3}},
  ];

  const hidden = {visible: false};
  const layout = () => ({
    margin: {l: 0, r: 0, t: 0, b: 0}, uirevision: "slab", legend: {orientation: "h", y: 0.02, itemsizing: "constant"},
    font: {color: "#1b2430"},
    scene: {aspectmode: "manual", aspectratio: fitted(slabs[shown]).ratio, xaxis: hidden, yaxis: hidden, zaxis: hidden, camera: camera()},
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
