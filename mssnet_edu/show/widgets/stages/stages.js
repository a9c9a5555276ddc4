// MSSNet stage by stage. All pictures are in `steps`, so stepping needs no kernel.
// State in the model: step (0 is the blurred photo). Playing, zooming and peeking stay in here.

const ZOOM = 4; // how far a click goes into the picture
const INTERVAL_MS = 1100;
const BARS_PX = 38;

// The map: one column a U-Net, boxed by scale; the bar above each says what it gained.
function makeMap(root, steps, signed, onChoose) {
  const map = make("div", "mss-map", root);
  // one scale for all bars, upwards from the line and downwards
  const highest = Math.max(0, ...steps.map((step) => step.gain));
  const lowest = Math.max(0, ...steps.map((step) => -step.gain));
  const perUnit = BARS_PX / Math.max(0.01, highest + lowest);
  let scale = null;
  let box = null;
  return steps.map((step, i) => {
    if (step.scale !== scale) {
      if (i) make("div", "mss-link", map, "→").setAttribute("aria-hidden", "true");
      const frame = make("div", "mss-scale", map);
      box = make("div", "mss-columns", frame);
      const name = make("div", "mss-scale-name", frame);
      make("b", null, name, step.scale || "input");
      if (step.scale) name.append(` works at ${step.works_at}`);
      scale = step.scale;
    }
    const column = make("div", "mss-column", box);
    const sign = step.gain < 0 ? "−" : signed ? "+" : "";
    make("div", "mss-value", column, i ? sign + Math.abs(step.gain).toFixed(2) : "\u00a0");
    const above = make("div", "mss-above", column);
    const below = make("div", "mss-beneath", column);
    above.style.height = `${highest * perUnit}px`;
    below.style.height = `${lowest * perUnit + 1}px`;
    make("div", "mss-bar-up", above).style.height = `${Math.max(0, step.gain) * perUnit}px`;
    make("div", "mss-bar-down", below).style.height = `${Math.max(0, -step.gain) * perUnit}px`;
    const label = i ? step.name : "the blurred photo";
    const button = makeButton(column, i ? step.name.split("-")[1] : "photo", () => onChoose(i), label);
    return { column, button };
  });
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const steps = get("steps");
  const last = steps.length - 1;
  const [photoWidth, photoHeight] = get("shape");

  const root = makeFigure("player", el, get("alt"));
  root.tabIndex = -1; // a click anywhere in the figure makes the keys work
  make("div", "mss-title", root, get("bars"));
  const columns = makeMap(root, steps, get("signed"), go);

  const panels = make("div", "mss-panels", root);
  const makeView = () => {
    const panel = make("figure", null, panels);
    const title = make("div", "mss-title", panel);
    const view = make("div", "mss-view mss-layers", panel);
    view.style.width = `${get("width")}px`;
    view.style.aspectRatio = `${photoWidth} / ${photoHeight}`;
    const image = make("img", null, view);
    image.draggable = false;
    image.decoding = "sync";
    return { panel, title, view, image };
  };
  const [picture, change] = [makeView(), makeView()];
  change.title.textContent = "What was changed ";
  const kinds = ["so far", "by this stage"].map((name, kind) =>
    makeButton(change.title, name, () => ((added = kind === 1), draw())));
  const legend = make("div", "mss-legend", change.panel, "darker");
  make("i", null, legend).setAttribute("aria-hidden", "true");
  const scale = make("span", null, legend);

  const status = makeStatus(root);
  const controls = make("div", "mss-controls", root);
  const backButton = makeButton(controls, "◀", () => go(get("step") - 1), "previous stage");
  const range = makeRange(controls, { min: 0, max: last, step: 1 }, "stage", go);
  const forthButton = makeButton(controls, "▶", () => go(get("step") + 1), "next stage");
  const playButton = makeButton(controls, "Play", () => (timer ? pause() : play()), "play all stages");
  const peekButton = makeButton(controls, "Hold: blurred photo");
  make("span", "mss-keys", controls, `Keys: ← →, 0 to ${last}, space plays, B held: blurred photo, Z or a click: closer.`);

  let timer = null;
  let peeking = false;
  let added = false; // does the map show what this stage changed, or all that was changed so far?
  let reached = 0; // bars of later stages would answer the learner's prediction
  let center = null; // [x, y] where the magnified view looks, or null

  function go(step) {
    pause();
    show(step);
  }
  function show(step) {
    model.set("step", clamp(step, 0, last));
    model.save_changes();
  }
  function play() {
    if (get("step") === last) show(0);
    timer = setInterval(() => {
      show(get("step") + 1);
      if (get("step") === last) pause();
    }, INTERVAL_MS);
    playButton.textContent = "Pause";
  }
  function pause() {
    clearInterval(timer);
    timer = null;
    playButton.textContent = "Play";
  }
  function peek(on) {
    peeking = on;
    draw();
  }
  function zoom(place) {
    center = place;
    draw();
  }

  function draw() {
    const now = get("step");
    const step = steps[now];
    const shown = peeking ? steps[0] : step;
    for (const [{ view, image }, url] of [[picture, shown.photo], [change, added ? step.added : step.change]]) {
      if (image.src !== url) image.src = url;
      view.classList.toggle("mss-close", center !== null);
      image.style.transform = center ? `scale(${ZOOM})` : "";
      image.style.transformOrigin = center ? `${100 * center[0]}% ${100 * center[1]}%` : "";
    }
    picture.title.textContent = shown === steps[0] ? "The blurred photo" : `The picture after ${shown.name}`;
    picture.image.alt = `${get("alt")} Shown: ${picture.title.textContent.toLowerCase()}, ${shown.size}.`;
    change.image.alt = added
      ? `Map of what ${step.name} itself changed.`
      : `Map of what was changed of the blurred photo by ${step.name} and the stages before it.`;
    kinds.forEach((button, kind) => button.setAttribute("aria-pressed", added === (kind === 1)));
    const level = Number(get("limits")[+added].toPrecision(2));
    scale.textContent = `brighter than ${added ? "before this stage" : "the blurred photo"}; full colour: ${level} grey levels`;
    reached = Math.max(reached, now);
    const took = now ? `, in ${step.seconds.toFixed(2)} s` : "";
    status.textContent = `${now ? step.name : "The blurred photo"}: ${step.note} (${step.size}${took}).`;
    columns.forEach(({ column, button }, i) => {
      column.classList.toggle("mss-now", i === now);
      column.classList.toggle("mss-done", i < now);
      column.classList.toggle("mss-hidden", i > reached);
      button.setAttribute("aria-pressed", i === now);
    });
    range.value = now;
    range.setAttribute("aria-valuetext", step.name);
    backButton.disabled = now === 0;
    forthButton.disabled = now === last;
  }

  // a click goes closer, in both panels at the same place; the pointer then moves the place
  const pointed = (view, event) => pointerIn(view, event).map((v) => clamp(v, 0, 1));
  for (const { view } of [picture, change]) {
    view.addEventListener("click", (event) => zoom(center ? null : pointed(view, event)));
    view.addEventListener("pointermove", (event) => center && zoom(pointed(view, event)));
  }
  peekButton.addEventListener("pointerdown", () => peek(true));
  for (const end of ["pointerup", "pointerleave", "pointercancel", "blur"]) peekButton.addEventListener(end, () => peeking && peek(false));

  root.addEventListener("keydown", (event) => {
    if (withModifier(event)) return;
    const { key } = event;
    const move = arrow(event);
    if (move) go(get("step") + move[0] + move[1]);
    else if (key === "Home") go(0);
    else if (key === "End") go(last);
    else if (/^[0-9]$/.test(key) && +key <= last) go(+key);
    else if (key === " " && event.target.tagName !== "BUTTON") timer ? pause() : play();
    else if ((key === "b" || key === "B" || (key === " " && event.target === peekButton)) && !peeking) peek(true);
    else if (key === "z" || key === "Z") zoom(center ? null : [0.5, 0.5]);
    else return;
    consume(event);
  });
  root.addEventListener("keyup", (event) => {
    if (peeking && ["b", "B", " "].includes(event.key)) peek(false);
  });
  root.addEventListener("focusout", () => peeking && peek(false));

  const stopDrawing = drawOnChange(model, ["step"], draw);
  return () => {
    clearInterval(timer);
    stopDrawing();
  };
}

export default { render };
