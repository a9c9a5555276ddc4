// MSSNet stage by stage. All pictures are in `steps`, so stepping needs no kernel.
// State in the model: step (0 is the blurred photo). Playing, zooming and peeking stay in here.

const CLOSE = 4; // how far a click goes into the picture
const BEAT_MS = 1100;
const BARS_PX = 44;

function button(parent, text, label, onClick) {
  const node = make("button", null, parent, text);
  node.type = "button";
  if (label) node.setAttribute("aria-label", label);
  if (onClick) node.addEventListener("click", onClick);
  return node;
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const steps = get("steps");
  const last = steps.length - 1;
  const [photoWidth, photoHeight] = get("shape");

  const root = make("figure", "mss mss-player", el);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", get("alt"));

  // the map: one column a U-Net, boxed by scale; the bar above each says what it gained
  make("div", "mss-title", root, get("bars"));
  const map = make("div", "mss-map", root);
  // one scale for all bars, upwards from the line and downwards
  const most = Math.max(0, ...steps.map((s) => s.gain));
  const least = Math.max(0, ...steps.map((s) => -s.gain));
  const perUnit = BARS_PX / Math.max(0.01, most + least);
  const columns = [];
  let scale = null;
  let box = null;
  steps.forEach((s, i) => {
    if (s.scale !== scale) {
      if (i) make("div", "mss-link", map, "→").setAttribute("aria-hidden", "true");
      const frame = make("div", "mss-scale", map);
      box = make("div", "mss-columns", frame);
      const name = make("div", "mss-scale-name", frame);
      make("b", null, name, s.scale || "input");
      if (s.scale) name.append(` works at ${s.works_at}`);
      scale = s.scale;
    }
    const column = make("div", "mss-column", box);
    const sign = s.gain < 0 ? "−" : get("signed") ? "+" : "";
    make("div", "mss-value", column, i ? sign + Math.abs(s.gain).toFixed(2) : "\u00a0");
    const above = make("div", "mss-above", column);
    const below = make("div", "mss-beneath", column);
    above.style.height = `${most * perUnit}px`;
    below.style.height = `${least * perUnit + 1}px`;
    make("div", "mss-bar-up", above).style.height = `${Math.max(0, s.gain) * perUnit}px`;
    make("div", "mss-bar-down", below).style.height = `${Math.max(0, -s.gain) * perUnit}px`;
    button(column, i ? s.name.split("-")[1] : "photo", i ? `${s.name}: ${s.note}` : "the blurred photo", () => go(i));
    columns.push(column);
  });

  // the two panels
  const panels = make("div", "mss-panels", root);
  const views = ["photo", "change"].map((what) => {
    const panel = make("figure", null, panels);
    const title = make("div", "mss-title", panel);
    const view = make("div", "mss-view", panel);
    view.style.width = `${get("width")}px`;
    view.style.aspectRatio = `${photoWidth} / ${photoHeight}`;
    const image = make("img", null, view);
    image.draggable = false;
    image.decoding = "sync";
    return { what, panel, title, view, image };
  });
  const [picture, change] = views;
  change.title.textContent = "What was changed";
  const legend = make("div", "mss-legend", change.panel, "darker");
  make("i", null, legend).setAttribute("aria-hidden", "true");
  legend.append(`brighter than the blurred photo; full colour: ${Math.round(get("span"))} grey levels`);

  const said = make("p", "mss-said", root);
  said.setAttribute("aria-live", "polite");

  const controls = make("div", "mss-controls", root);
  const back = button(controls, "◀", "previous stage", () => go(get("step") - 1));
  const range = make("input", null, controls);
  Object.assign(range, { type: "range", min: 0, max: last, step: 1 });
  range.setAttribute("aria-label", "stage");
  range.addEventListener("input", () => go(+range.value));
  const forth = button(controls, "▶", "next stage", () => go(get("step") + 1));
  const playing = button(controls, "Play", "play all stages", () => (timer ? pause() : play()));
  const peekButton = button(controls, "Hold: blurred photo");
  make("figcaption", "mss-caption", root,
    "← → Home End step, 0 to " + last + " choose, space plays, B held shows the blurred photo, click or Z goes closer.");

  let timer = null;
  let peeking = false;
  let close = null; // [x, y] where the magnified view looks, or null

  function go(to) {
    pause();
    show(to);
  }
  function show(to) {
    model.set("step", Math.min(last, Math.max(0, to)));
    model.save_changes();
  }
  function play() {
    if (get("step") === last) show(0);
    timer = setInterval(() => {
      show(get("step") + 1);
      if (get("step") === last) pause();
    }, BEAT_MS);
    playing.textContent = "Pause";
  }
  function pause() {
    clearInterval(timer);
    timer = null;
    playing.textContent = "Play";
  }
  function peek(on) {
    peeking = on;
    draw();
  }

  function draw() {
    const now = get("step");
    const s = steps[now];
    const seen = peeking ? steps[0] : s;
    for (const [view, name] of [[picture, "photo"], [change, "change"]]) {
      const url = name === "photo" ? seen.photo : s.change;
      if (view.image.src !== url) view.image.src = url;
      view.view.classList.toggle("mss-close", close !== null);
      view.image.style.transform = close ? `scale(${CLOSE})` : "";
      view.image.style.transformOrigin = close ? `${100 * close[0]}% ${100 * close[1]}%` : "";
    }
    picture.title.textContent = seen === steps[0] ? "The blurred photo" : `The picture after ${seen.name}`;
    picture.image.alt = `${get("alt")} Shown: ${picture.title.textContent.toLowerCase()}, ${seen.size}.`;
    change.image.alt = `Map of what ${s.name} had changed of the blurred photo.`;
    const took = now ? `, in ${s.seconds.toFixed(2)} s` : "";
    said.textContent = `${now ? s.name : "The blurred photo"}: ${s.note} (${s.size}${took}).`;
    columns.forEach((column, i) => {
      column.classList.toggle("mss-now", i === now);
      column.classList.toggle("mss-done", i < now);
      column.querySelector("button").setAttribute("aria-pressed", i === now);
    });
    range.value = now;
    range.setAttribute("aria-valuetext", s.name);
    back.disabled = now === 0;
    forth.disabled = now === last;
  }

  // a click goes closer, in both panels at the same place; the pointer then moves the place
  const place = (view, event) => {
    const r = view.getBoundingClientRect();
    return [(event.clientX - r.left) / r.width, (event.clientY - r.top) / r.height].map((v) => Math.min(1, Math.max(0, v)));
  };
  for (const { view } of views) {
    view.addEventListener("click", (event) => {
      close = close ? null : place(view, event);
      draw();
    });
    view.addEventListener("pointermove", (event) => {
      if (close) {
        close = place(view, event);
        draw();
      }
    });
  }
  peekButton.addEventListener("pointerdown", () => peek(true));
  for (const end of ["pointerup", "pointerleave", "pointercancel", "blur"]) peekButton.addEventListener(end, () => peeking && peek(false));

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = get("step");
    const key = event.key;
    if (key === "ArrowRight" || key === "ArrowDown") go(step + 1);
    else if (key === "ArrowLeft" || key === "ArrowUp") go(step - 1);
    else if (key === "Home") go(0);
    else if (key === "End") go(last);
    else if (/^[0-9]$/.test(key) && +key <= last) go(+key);
    else if (key === " " && event.target.tagName !== "BUTTON") timer ? pause() : play();
    else if ((key === "b" || key === "B" || (key === " " && event.target === peekButton)) && !peeking) peek(true);
    else if (key === "z" || key === "Z") { close = close ? null : [0.5, 0.5]; draw(); }
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  root.addEventListener("keyup", (event) => {
    if (peeking && ["b", "B", " "].includes(event.key)) peek(false);
  });
  root.addEventListener("focusout", () => peeking && peek(false));
  root.tabIndex = -1; // a click anywhere in the figure makes the keys work

  model.on("change:step", draw);
  draw();
  return () => {
    clearInterval(timer);
    model.off("change:step", draw);
  };
}

export default { render };
