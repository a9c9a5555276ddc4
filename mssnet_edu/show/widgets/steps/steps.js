// Handles over figures that were computed before: what `sliders` is on a page without a kernel.
// State in the model: controls, figures, at, alone (see Sliders.steps). Nothing is computed here.

function render({ model, el }) {
  const [controls, figures, at, alone] = ["controls", "figures", "at", "alone"].map((name) => model.get(name));
  const chosen = controls.map((control) => control.start);

  const root = make("div", "mss-steps", el);
  const rows = controls.map(({ description, labels, ordered }, i) => {
    const row = make("label", "mss-steps-row", root);
    make("span", "mss-steps-name", row, description);
    const handle = make(ordered ? "input" : "select", null, row);
    if (ordered) Object.assign(handle, { type: "range", min: 0, max: labels.length - 1, step: 1 });
    else labels.forEach((label, k) => (make("option", null, handle, label).value = k));
    handle.addEventListener("input", () => choose(i, +handle.value));
    return { handle, value: ordered ? make("output", "mss-steps-value", row) : null };
  });
  const view = make("div", null, root);
  make("p", "mss-steps-note", root, [
    `${Object.keys(at).length} positions were computed for this page; the running notebook computes any.`,
    alone ? "Here one handle moves at a time, and the others go back to where they began." : "",
  ].filter(Boolean).join(" "));

  function choose(i, k) {
    if (alone) controls.forEach((control, j) => (chosen[j] = control.start));
    chosen[i] = k;
    draw();
  }

  function draw() {
    rows.forEach(({ handle, value }, i) => {
      const label = controls[i].labels[chosen[i]];
      handle.value = chosen[i];
      if (value) value.textContent = label;
      if (value) handle.setAttribute("aria-valuetext", label);
    });
    view.innerHTML = figures[at[chosen.join()]];
  }
  draw();
}

export default { render };
