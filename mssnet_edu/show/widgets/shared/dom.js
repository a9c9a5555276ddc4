// What every widget's script begins with (see script in __init__.py).

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

