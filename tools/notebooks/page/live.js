// Brings a page's widgets to life without a kernel. Each is an anywidget module, whose `render` gets
// what it gets in JupyterLab: an element and a model. Here the model lives in the page alone.
// A widget that fails leaves its still picture where it is.

const stored = (id) => document.getElementById(id).textContent;
// Each picture is stored once, however many widgets show it; a number: that <img> of the page has it.
const pictures = JSON.parse(stored("pictures"), (_, value) => (typeof value === "number" ? document.images[value].src : value));
const withPictures = (_, value) =>
  typeof value === "string" ? value.replace(/picture:(\d+);/g, (_, i) => pictures[i]) : value;
const { modules, models } = JSON.parse(stored("widgets"), withPictures);

// What the course's widgets use of https://anywidget.dev/en/afm/#render
class Model {
  listeners = {};
  constructor(state) {
    this.state = state;
  }
  get(name) {
    return this.state[name];
  }
  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    for (const event of [`change:${name}`, "change"]) for (const call of this.listeners[event] ?? []) call();
  }
  on(event, call) {
    (this.listeners[event] ??= new Set()).add(call);
  }
  off(event, call) {
    this.listeners[event]?.delete(call);
  }
  save_changes() {} // there is nobody to tell
  send() {}
}

async function inflate(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new DataView(await new Response(stream).arrayBuffer());
}

const loaded = modules.map((text) => import(URL.createObjectURL(new Blob([text], { type: "text/javascript" }))));
for (const each of Object.values(models)) {
  for (const name in each.buffers) each.state[name] = await inflate(each.buffers[name]);
  each.model = new Model(each.state);
}

for (const place of document.querySelectorAll("[data-widget]")) {
  const { module, model } = models[place.dataset.widget];
  try {
    const el = document.createElement("div");
    await (await loaded[module]).default.render({ model, el });
    place.replaceChildren(el);
    place.dataset.live = "true";
  } catch (error) {
    console.error(error);
  }
}

// On a phone a wide table is moved sideways: by a finger, and by keys once it can have the focus.
for (const figure of document.querySelectorAll("figure.mss")) {
  if (figure.scrollWidth > figure.clientWidth + 1) figure.tabIndex = 0;
}
