// The standings on the page: choice of view, filters, the table itself and a row's details.

function standings(data, shown) {
  const all = views(data);
  const state = { view: all[0], measures: data.measures, sort: null, text: '', kind: '', open: new Set() };
  const status = el('p', { class: 'dim', role: 'status', id: 'standings-count' });
  const body = el('div', {});
  const draw = () => {
    const entries = filtered(state);
    status.textContent = `${entries.length} of ${state.view.entries.length} shown`;
    const before = body.querySelector('.scroll');
    const left = before ? before.scrollLeft : 0;
    replaceChildren(body, tableOf(state, entries, draw));
    body.querySelector('.scroll').scrollLeft = left;
    shown(entries);
  };
  const filter = el('input', {
    type: 'search',
    id: 'filter',
    placeholder: 'name, role, hardware, commit',
    autocomplete: 'off',
    input: () => {
      state.text = filter.value.trim().toLowerCase();
      draw();
    },
  });
  const kinds = [['', 'all'], ['run', 'runs'], ['anchor', 'anchors'], ['player', 'others']];
  const kind = selectBox('kind', 'Players', kinds, (value) => {
    state.kind = value;
    draw();
  });
  const label = el('label', { class: 'field wide', for: 'filter' }, el('span', {}, 'Filter'), filter);
  const bar = el('div', { class: 'controls' }, viewChoice(all, state, draw), label, kind.box);
  draw();
  return section('standings', 'Standings', bar, status, body, ...standingsNotes(data));
}

function viewChoice(all, state, draw) {
  if (all.length < 2) {
    return null;
  }
  const choices = all.map((view, place) => {
    const choose = () => {
      state.view = view;
      state.sort = null;
      draw();
    };
    const id = `view-${place}`;
    const input = el('input', { type: 'radio', name: 'view', id, checked: !place, change: choose });
    return [input, el('label', { for: id }, view.title)];
  });
  return el('fieldset', { class: 'choice' }, el('legend', {}, 'Domain'), choices);
}

function filtered(state) {
  const words = state.text.split(/\s+/).filter(Boolean);
  return state.view.entries.filter((e) => {
    const fields = [e.name, e.kind, e.roles.join(' '), e.hardware, e.commit, e.model, e.settings];
    const text = fields.filter(Boolean).join(' ').toLowerCase();
    return (!state.kind || e.kind === state.kind) && words.every((word) => text.includes(word));
  });
}

function tableOf(state, entries, draw) {
  const { view } = state;
  const known = (c) =>
    c.bar ? view.entries.some((e) => isNumber(c.ends(e)[1])) : view.entries.some((e) => knows(c, e));
  const columns = view.columns.filter(known);
  const absent = view.columns.filter((c) => !c.bar && !known(c)).map((c) => c.title);
  const sort = state.sort || { key: columns[0].key, direction: columns[0].first };
  const by = columns.find((c) => c.key === sort.key) || columns[0];
  const axis = barAxis(columns.find((c) => c.bar), view.entries);
  const rows = sorted(entries, by, sort.direction).flatMap((entry) =>
    rowOf(entry, columns, axis, state, draw),
  );
  const heads = columns.map((c) => headOf(c, axis, sort, state, draw));
  const table = el(
    'table',
    { class: 'standings' },
    el('caption', {}, `${view.title}: ${captionOf(view)}`),
    el('thead', {}, el('tr', {}, heads)),
    el('tbody', {}, rows),
  );
  const none = !entries.length && el('p', {}, 'No entry fits the filter.');
  const missing = absent.length && el('p', { class: 'dim' }, `Not known of any entry: ${absent.join(', ')}.`);
  return [scroller(`Standings, ${view.title}`, table), none, missing || null];
}

function knows(c, e) {
  const value = c.name ? e.name : c.value(e);
  return value !== null && value !== undefined && value !== '';
}

function captionOf(view) {
  const by = view.columns.find((c) => c.bar && c.measure);
  const order = (view.rated && 'players by rating, best first; ') || (by && `by ${by.measure.title}, best first; `);
  return `${order || ''}a number in brackets is a 95% interval.`;
}

function headOf(c, axis, sort, state, draw) {
  const kind = [c.numeric && 'num', c.minor && 'minor', c.name && 'name'].filter(Boolean).join(' ');
  if (c.bar) {
    const ends = axis && el('span', { class: 'ends' }, el('span', {}, axis.left), el('span', {}, axis.right));
    return el('th', { scope: 'col', class: 'bar' }, c.title, ends);
  }
  const active = sort.key === c.key;
  const press = () => {
    const other = { ascending: 'descending', descending: 'ascending' };
    state.sort = { key: c.key, direction: active ? other[sort.direction] : c.first };
    draw();
    const again = [...document.querySelectorAll('#standings th button')];
    const same = again.find((button) => button.dataset.key === c.key);
    if (same) {
      same.focus();
    }
  };
  const button = el('button', { type: 'button', 'data-key': c.key, click: press }, c.title);
  return el('th', { scope: 'col', class: kind, 'aria-sort': active ? sort.direction : 'none' }, button);
}

function rowOf(entry, columns, axis, state, draw) {
  const open = state.open.has(entry.name);
  const toggle = () => {
    if (!state.open.delete(entry.name)) {
      state.open.add(entry.name);
    }
    draw();
    const again = [...document.querySelectorAll('#standings .opener')];
    const same = again.find((button) => button.dataset.name === entry.name);
    if (same) {
      same.focus();
    }
  };
  const cells = columns.map((c) => cellOf(c, entry, axis, open, toggle));
  const row = el('tr', { class: `kind-${entry.kind}` }, cells);
  return open ? [row, el('tr', { class: 'details' }, detailsOf(entry, columns.length, state.measures))] : [row];
}

function cellOf(c, entry, axis, open, toggle) {
  if (c.name) {
    const opener = { type: 'button', class: 'opener', 'aria-expanded': String(open), click: toggle };
    const name = el('button', { ...opener, 'data-name': entry.name }, entry.name);
    const role = (r) => el('span', { class: `role ${r}`, title: ROLE_TITLES[r] || '' }, r);
    return el('th', { scope: 'row', class: 'name' }, name, ' ', entry.roles.map(role));
  }
  const kind = [c.numeric && 'num', c.minor && 'minor', c.bar && 'bar'].filter(Boolean).join(' ');
  if (c.bar) {
    return el('td', { class: kind }, axis && barOf(axis, c.ends(entry)));
  }
  const shown = c.cell(entry);
  return el('td', { class: kind }, shown === null || shown === undefined || shown === false ? unknown() : shown);
}

// One axis for all rows, over the finite ends; bounds that have none run to the edge.
function barAxis(c, entries) {
  const ends = c ? entries.flatMap((e) => c.ends(e)).filter(isNumber) : [];
  if (!ends.length) {
    return null;
  }
  const { measure } = c;
  const share = measure && isShare(measure);
  const low = share ? Math.min(0, ...ends) : Math.min(...ends);
  const high = share ? Math.max(1, ...ends) : Math.max(...ends, measure ? -Infinity : low + 1);
  const text = (value) => (share ? percent(value, 0) : measure ? shortNumber(value) : signed(value));
  return { low, high, left: text(low), right: text(high), zero: low < 0 && high > 0 };
}

function barOf(axis, [low, middle, high]) {
  const place = (value) => 2 + (116 * (value - axis.low)) / (axis.high - axis.low || 1);
  const parts = [svg('line', { class: 'rail', x1: 2, x2: 118, y1: 8, y2: 8 })];
  if (axis.zero) {
    parts.push(svg('line', { class: 'zero', x1: place(0), x2: place(0), y1: 2, y2: 14 }));
  }
  if (!isNumber(low) && !isNumber(middle) && !isNumber(high)) {
    return null;
  }
  const from = isNumber(low) ? place(low) : 0;
  const to = isNumber(high) ? place(high) : 120;
  parts.push(svg('line', { class: 'span', x1: from, x2: Math.max(to, from + 1), y1: 8, y2: 8 }));
  if (isNumber(middle)) {
    parts.push(svg('circle', { class: 'dot', cx: place(middle), cy: 8, r: 3.5 }));
  }
  return svg('svg', { viewBox: '0 0 120 16', class: 'interval', 'aria-hidden': 'true' }, parts);
}
