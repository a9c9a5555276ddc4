// Unseen, below the handles of `sliders`, which are ipywidgets' own: keeps their keys from Jupyter,
// and tells screen readers their names.

function render({ el }) {
  el.style.display = "none";
  const watch = new MutationObserver(nameHandles);
  let box = null;
  let waiting = requestAnimationFrame(attach); // the box takes its children in later

  function attach() {
    box = el.closest(".widget-vbox");
    if (!box) return void (waiting = requestAnimationFrame(attach));
    box.addEventListener("focusin", keepKeys);
    watch.observe(box, { childList: true, subtree: true });
    nameHandles();
  }
  // Jupyter looks for the mark on the element that has the focus. Without it, Notebook 7 takes arrows
  // for "next cell", and "dd" for "delete this one".
  function keepKeys(event) {
    event.target.dataset.lmSuppressShortcuts = "true";
  }
  function nameHandles() {
    for (const handle of box.querySelectorAll(".widget-inline-hbox [role=slider]:not([aria-label])"))
      handle.setAttribute("aria-label", handle.closest(".widget-inline-hbox").querySelector(".widget-label").textContent);
  }
  return () => {
    cancelAnimationFrame(waiting);
    watch.disconnect();
    box?.removeEventListener("focusin", keepKeys);
  };
}

export default { render };
