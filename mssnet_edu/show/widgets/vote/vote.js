// A vote on one picture after the other: is it evidence? Then the original appears beside it.
// State in the model: cases [{url, original, widths, claim, truth, right}], votes [true or false].

function render({ model, el }) {
  const get = (name) => model.get(name);
  const cases = get("cases");

  const root = makeFigure("vote", el, get("alt"));
  root.tabIndex = -1;
  const title = make("div", "mss-title", root);
  const panels = make("div", "mss-panels", root);
  const makePicture = (key, number, name) => {
    const panel = make("div", null, panels);
    make("div", "mss-note", panel, name);
    const image = make("img", null, panel);
    image.draggable = false;
    return { panel, image, key, number, name };
  };
  const pictures = [makePicture("url", 0, "the enlarged picture"), makePicture("original", 1, "the original")];
  const claim = make("p", "mss-vote-claim", root);
  const controls = make("div", "mss-controls", root);
  make("span", null, controls, get("question"));
  const buttons = [
    makeButton(controls, "Yes, I accept it", () => choose(true)),
    makeButton(controls, "No", () => choose(false)),
  ];
  const status = makeStatus(root);
  const next = makeButton(make("div", "mss-controls", root), "Next picture", () => {
    if (shown === cases.length - 1) {
      model.set("votes", []);
      model.save_changes();
      shown = 0;
    } else shown += 1;
    draw();
    buttons[0].focus();
  });
  make("figcaption", "mss-caption", root, "Click, or press the left arrow key for yes and the right one for no. Enter goes on.");

  let shown = Math.min(get("votes").length, cases.length - 1);

  function choose(accepted) {
    const votes = get("votes");
    if (votes.length !== shown) return; // voted already
    model.set("votes", [...votes, accepted]);
    model.save_changes();
    draw();
    next.focus();
  }

  function tally(votes) {
    const accepted = cases.filter((_, i) => votes[i]);
    const misled = accepted.filter((c) => !c.right).length;
    const lost = cases.filter((c, i) => c.right && i < votes.length && !votes[i]).length;
    const taken = accepted.length
      ? `You accepted ${accepted.length} of ${votes.length}; in ${misled} of these the classifier was wrong.`
      : `You accepted none of ${votes.length}.`;
    return `${taken} You refused ${votes.length - accepted.length}; in ${lost} of these it was right.`;
  }

  function draw() {
    const { truth, right, claim: said, ...current } = cases[shown];
    const votes = get("votes");
    const done = votes.length > shown;
    title.textContent = `Picture ${shown + 1} of ${cases.length}`;
    for (const { panel, image, key, number, name } of pictures) {
      if (image.src !== current[key]) image.src = current[key];
      image.style.width = `${current.widths[number]}px`;
      image.alt = number ? `${name}: ${truth}.` : `${name}.`;
      panel.hidden = number === 1 && !done;
    }
    claim.textContent = `The classifier says: ${said}.`;
    for (const [i, button] of buttons.entries()) {
      button.setAttribute("aria-disabled", done);
      button.setAttribute("aria-pressed", done && votes[shown] === (i === 0));
    }
    const was = done ? `It was: ${truth}. The classifier was ${right ? "right" : "wrong"}. ` : "Choose one.";
    status.textContent = was + (votes.length === cases.length ? tally(votes) : "");
    next.disabled = !done;
    next.textContent = shown === cases.length - 1 ? "Vote again" : "Next picture";
  }

  root.addEventListener("keydown", (event) => {
    if (withModifier(event)) return;
    if (event.key === "ArrowLeft") choose(true);
    else if (event.key === "ArrowRight") choose(false);
    else return;
    consume(event);
  });
  return drawOnChange(model, ["votes"], draw);
}

export default { render };
