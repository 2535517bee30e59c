"use strict";
// Draws the equilibrium shape of the page with plotly; the page is whole without it.
(() => {
  const data = document.getElementById("shape");
  const view = document.getElementById("view");
  const controls = document.getElementById("views");
  if (!data || !view || !window.Plotly) return;
  const orientations = JSON.parse(data.textContent);
  let angle = -62;
  // Of the cube that the shape touches, in plotly's units, of which 2.23 are as high as the view.
  const SIZE = 2.0;

  const camera = () => {
    const radians = angle * Math.PI / 180;
    return {eye: {x: 1.7 * Math.cos(radians), y: 1.7 * Math.sin(radians), z: 0.7},
            up: {x: 0, y: 0, z: 1}, projection: {type: "orthographic"}};
  };

  const axis = (points, number) => points.map((point) => point[number]);

  // A face is convex: triangles from its first corner cover it.
  const mesh = (orientation) => {
    const points = [];
    const triangles = [];
    for (const face of orientation.faces) {
      const first = points.length;
      points.push(...face);
      for (let corner = 1; corner + 1 < face.length; corner += 1) {
        triangles.push([first, first + corner, first + corner + 1]);
      }
    }
    return {type: "mesh3d", name: orientation.name, showlegend: true, hoverinfo: "name", flatshading: true,
            color: orientation.colour, lighting: {ambient: 0.8, diffuse: 0.3, specular: 0.02},
            x: axis(points, 0), y: axis(points, 1), z: axis(points, 2),
            i: axis(triangles, 0), j: axis(triangles, 1), k: axis(triangles, 2)};
  };

  const above = (face) => [0, 1, 2].map((number) =>
    1.2 * axis(face, number).reduce((sum, value) => sum + value, 0) / face.length);

  const faces = orientations.flatMap((orientation) => orientation.faces);
  const edges = faces.flatMap((face) => [...face, face[0], [null, null, null]]);
  const named = orientations.flatMap((orientation) =>
    orientation.faces.map((face) => ({place: above(face), text: orientation.label})));

  // The names of the faces that are turned to the eye: at the rim the body would hide half of a name.
  const names = (eye) => {
    const shown = named.filter(({place}) => {
      const along = place[0] * eye.x + place[1] * eye.y + place[2] * eye.z;
      return along > 0.35 * Math.hypot(...place) * Math.hypot(eye.x, eye.y, eye.z);
    });
    return {x: shown.map((one) => one.place[0]), y: shown.map((one) => one.place[1]),
            z: shown.map((one) => one.place[2]), text: shown.map((one) => one.text)};
  };

  // The names stand on the faces: colours alone would not tell them apart for everybody.
  const traces = [
    ...orientations.map(mesh),
    {type: "scatter3d", mode: "lines", hoverinfo: "skip", showlegend: false,
     x: axis(edges, 0), y: axis(edges, 1), z: axis(edges, 2), line: {color: "#1b2430", width: 4}},
    {type: "scatter3d", mode: "text", hoverinfo: "skip", showlegend: false,
     ...names(camera().eye), textfont: {color: "#1b2430", size: 13}},
  ];

  const hidden = {visible: false, range: [-1.2, 1.2]};
  view.textContent = "";
  Plotly.newPlot(view, traces, {
    margin: {l: 0, r: 0, t: 0, b: 0}, legend: {orientation: "h", y: 0.02}, font: {color: "#1b2430"},
    scene: {aspectmode: "manual", aspectratio: {x: SIZE, y: SIZE, z: SIZE}, xaxis: hidden, yaxis: hidden, zaxis: hidden, camera: camera()},
  }, {displayModeBar: false, responsive: true});
  view.on("plotly_relayout", () => {
    const {x, y, z, text} = names(view.layout.scene.camera.eye);
    Plotly.restyle(view, {x: [x], y: [y], z: [z], text: [text]}, [traces.length - 1]);
  });
  controls.hidden = false;
  controls.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    angle += Number(button.dataset.turn);
    Plotly.relayout(view, {"scene.camera": camera()});
  });
})();
