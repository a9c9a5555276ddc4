// A film, frame by frame. All frames are in `panels`, so scrubbing and playing need no kernel.
// State in the model: frame (from 0). Playing stays in here.

const SVG = "http://www.w3.org/2000/svg";
const CURVE_PX = 46;

function makeSvg(tag, parent, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent.append(node);
  return node;
}

// A curve on a scale of its own: x counts frames, null leaves a gap.
function makeCurve(parent, { name, values }, onChoose) {
  const box = make("div", "mss-curve", parent);
  const title = make("div", "mss-curve-name", box, `${name}: `);
  const now = make("b", null, title);
  const last = Math.max(1, values.length - 1);
  const svg = makeSvg("svg", box, { viewBox: `0 0 ${last} ${CURVE_PX}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const known = values.filter((v) => v !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const height = (v) => CURVE_PX - 5 - ((CURVE_PX - 10) * (v - low)) / Math.max(high - low, 1e-9);
  let pen = "M";
  const path = values.map((v, x) => {
    if (v === null) {
      pen = "M";
      return "";
    }
    const step = `${pen}${x} ${height(v).toFixed(2)}`;
    pen = "L";
    return step;
  });
  if (low < 0 && high > 0) makeSvg("path", svg, { d: `M0 ${height(0)}H${last}`, class: "mss-zero" });
  makeSvg("path", svg, { d: path.join("") });
  const line = makeSvg("line", svg, { y1: 0, y2: CURVE_PX });
  const choose = (event) => onChoose(Math.round(pointerIn(svg, event)[0] * last));
  box.addEventListener("pointerdown", choose);
  box.addEventListener("pointermove", (event) => event.buttons && choose(event));
  return (frame) => {
    line.setAttribute("x1", frame);
    line.setAttribute("x2", frame);
    now.textContent = values[frame] === null ? "–" : values[frame].toFixed(1).replace("-", "−");
    return `${name} ${now.textContent}`;
  };
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const panels = get("panels");
  const last = panels[0].urls.length - 1;
  const [frameWidth, frameHeight] = get("shape");

  const root = makeFigure("scrubber", el, get("alt"));
  root.tabIndex = -1; // a click anywhere in the figure makes the keys work
  const row = make("div", "mss-panels", root);
  const pictures = panels.map((panel) => {
    const figure = make("figure", null, row);
    const title = make("div", "mss-title", figure, panel.name);
    if (panel.mark) make("span", `mss-mark mss-mark-${panel.mark}`, title, panel.mark);
    const view = make("div", "mss-frame mss-layers", figure);
    view.style.width = `${get("width")}px`;
    view.style.aspectRatio = `${frameWidth} / ${frameHeight}`;
    const image = make("img", get("width") >= 2 * frameWidth ? "mss-pixels" : null, view);
    image.draggable = false;
    image.decoding = "sync"; // no flash between frames
    return { panel, image };
  });

  const status = make("p", "mss-said", root);
  const controls = make("div", "mss-controls", root);
  const backButton = makeButton(controls, "◀", () => go(get("frame") - 1), "previous frame");
  const range = makeRange(controls, { min: 0, max: last, step: 1 }, "frame", go);
  const forthButton = makeButton(controls, "▶", () => go(get("frame") + 1), "next frame");
  const playButton = makeButton(controls, "Play", () => (timer ? pause() : play()), "play the film");
  const curves = make("div", "mss-curves", root);
  curves.style.width = `${panels.length * get("width") + 16 * (panels.length - 1)}px`;
  const drawCurves = get("curves").map((curve) => makeCurve(curves, curve, go));
  make("figcaption", "mss-caption", root,
    "Drag the slider, or click a curve. ← → step, Home End go to the ends, space plays.");

  let timer = null;

  function go(frame) {
    pause();
    show(frame);
  }
  function show(frame) {
    model.set("frame", clamp(frame, 0, last));
    model.save_changes();
  }
  function play() {
    if (get("frame") === last) show(0);
    timer = setInterval(() => {
      show(get("frame") + 1);
      if (get("frame") === last) pause();
    }, 1000 / get("fps"));
    playButton.textContent = "Pause";
    status.setAttribute("aria-live", "off"); // eight frames a second are not to be read aloud
  }
  function pause() {
    clearInterval(timer);
    timer = null;
    playButton.textContent = "Play";
    status.setAttribute("aria-live", "polite");
  }

  function draw() {
    const now = get("frame");
    const said = drawCurves.map((drawCurve) => drawCurve(now));
    status.textContent = [`Frame ${now + 1} of ${last + 1}`, ...said].join(" · ");
    for (const { panel, image } of pictures) {
      if (image.src !== panel.urls[now]) image.src = panel.urls[now];
      image.alt = `${get("alt")} ${panel.name}, frame ${now + 1}.`;
    }
    range.value = now;
    range.setAttribute("aria-valuetext", status.textContent);
    backButton.disabled = now === 0;
    forthButton.disabled = now === last;
  }

  root.addEventListener("keydown", (event) => {
    if (withModifier(event)) return;
    const move = arrow(event);
    if (move) go(get("frame") + move[0] + move[1]);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(last);
    else if (event.key === " " && event.target.tagName !== "BUTTON") timer ? pause() : play();
    else return;
    consume(event);
  });

  const stopDrawing = drawOnChange(model, ["frame"], draw);
  return () => {
    clearInterval(timer);
    stopDrawing();
  };
}

export default { render };
