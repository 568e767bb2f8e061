// Elements made one by one: every text goes in as a text node, so that no name, move or program
// of anybody is ever read as markup.

const SVG_NAMESPACE = 'http://www.w3.org/2000/svg';

// Objects have no prototype: a suite may be called "constructor" or "__proto__".
function readData() {
  const bare = (key, value) =>
    value && typeof value === 'object' && !Array.isArray(value)
      ? Object.assign(Object.create(null), value)
      : value;
  return JSON.parse(document.getElementById('data').textContent, bare);
}

// Set attributes: true is an empty attribute; false, null and undefined are none; functions are
// listeners by the name of their event.
function dress(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') {
      node.addEventListener(name, value);
    } else if (value === true) {
      node.setAttribute(name, '');
    } else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, String(value));
    }
  }
}

function fill(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) {
      continue;
    }
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

// el('p', {class: 'dim'}, 'text', otherElement)
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  dress(node, attributes);
  fill(node, children);
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG_NAMESPACE, tag);
  dress(node, attributes);
  fill(node, children);
  return node;
}

function replaceChildren(node, ...children) {
  node.replaceChildren();
  fill(node, children);
}

// A part of the page that the navigation leads to.
function section(id, title, ...children) {
  const heading = el('h2', { id: `${id}-title` }, title);
  return el('section', { id, 'aria-labelledby': `${id}-title` }, heading, ...children);
}

// What is wider than a phone scrolls on its own; it takes the focus so that keys can scroll it.
function scroller(label, child) {
  return el('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': label }, child);
}

// A labelled choice. `options` are [value, text]; `changed` gets the new value.
function selectBox(id, label, options, changed) {
  const select = el('select', { id, change: () => changed(select.value) });
  for (const [value, text] of options) {
    select.append(el('option', { value }, text));
  }
  return { select, box: el('label', { class: 'field', for: id }, el('span', {}, label), select) };
}

function unknown() {
  return el('span', { class: 'unknown', title: 'not known' }, '–');
}
