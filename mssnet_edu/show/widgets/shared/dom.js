// Functions that all widgets use; this file stands before each widget's own (see __init__.py).

function make(tag, className, parent, text) {
  const node = document.createElement(tag);
  // Or JupyterLab takes the keys: arrows would leave the cell, "dd" delete it. It looks at the
  // focused element and upwards, so each element needs the mark.
  node.dataset.lmSuppressShortcuts = "true";
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

// The element of a widget, with its alternative text.
function makeFigure(name, parent, alt) {
  const root = make("figure", `mss mss-${name}`, parent);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", alt);
  return root;
}

// A line of text that screen readers read aloud when it changes.
function makeStatus(parent) {
  const status = make("p", "mss-said", parent);
  status.setAttribute("aria-live", "polite");
  return status;
}

function makeButton(parent, text, onClick, label) {
  const button = make("button", null, parent, text);
  button.type = "button";
  if (label) button.setAttribute("aria-label", label);
  if (onClick) button.addEventListener("click", onClick);
  return button;
}

function makeRange(parent, limits, label, onInput) {
  const range = make("input", null, parent);
  Object.assign(range, { type: "range", ...limits });
  range.setAttribute("aria-label", label);
  range.addEventListener("input", () => onInput(+range.value));
  return range;
}

// A canvas for `width` x `height` pixels, which screen readers take for a picture.
function makeCanvas(parent, className, width, height) {
  const canvas = make("canvas", className, parent);
  [canvas.width, canvas.height] = [width, height];
  canvas.setAttribute("role", "img");
  return canvas;
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

// Where in an element a pointer is: [x, y], 0 to 1 inside.
function pointerIn(element, event) {
  const box = element.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

// The direction of an arrow key, [x, y], or undefined.
function arrow(event) {
  return { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
}

function withModifier(event) {
  return event.ctrlKey || event.metaKey || event.altKey;
}

// The key was for the widget: neither the page nor JupyterLab may act on it.
function consume(event) {
  event.preventDefault();
  event.stopPropagation();
}

// Draw now and after each change of these names; returns the function that ends it.
function drawOnChange(model, names, draw) {
  for (const name of names) model.on(`change:${name}`, draw);
  draw();
  return () => {
    for (const name of names) model.off(`change:${name}`, draw);
  };
}

