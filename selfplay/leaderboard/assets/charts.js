// Curves over training samples, one small chart per metric; the same run has the same colour in all.

const CHART = { width: 360, height: 220, left: 46, right: 12, top: 12, bottom: 30 };
const COLOURS = 8;
const FIRST_SHOWN = 8;

function chartsSection(data) {
  if (!data.charts.length) {
    return null;
  }
  const runs = data.runs.map((run) => run.name).filter((name) => data.charts.some((c) => lineOf(c, name)));
  const shown = new Set(runs.slice(0, FIRST_SHOWN));
  const grid = el('div', { class: 'grid' });
  const draw = () => {
    const drawn = data.charts.map((chart) => chartFigure(chart, runs, shown));
    replaceChildren(grid, drawn);
  };
  const choice = el('fieldset', { class: 'legend' }, el('legend', {}, 'Runs'));
  runs.forEach((name, place) => {
    const toggle = () => {
      if (!shown.delete(name)) {
        shown.add(name);
      }
      draw();
    };
    const id = `run-${place}`;
    const box = el('input', { type: 'checkbox', id, checked: shown.has(name), change: toggle });
    const key = svg('svg', { viewBox: '0 0 28 10', class: 'key', 'aria-hidden': 'true' });
    key.append(svg('line', { class: lineClass(place), x1: 1, x2: 27, y1: 5, y2: 5 }));
    choice.append(el('label', { for: id }, box, key, name));
  });
  draw();
  const note = el(
    'p',
    { class: 'dim' },
    'Over training samples: completions sampled and scored. Points: held out or rated, with 95% ' +
      'intervals. Thin lines: in training, each point the mean of its neighbours.',
  );
  return section('curves', 'Rating, reward and pass@k over training', note, choice, grid);
}

function lineOf(chart, run) {
  return chart.lines.find((line) => line.run === run);
}

function lineClass(place) {
  return `line s${place % COLOURS} d${Math.floor(place / COLOURS) % 3}`;
}

function chartFigure(chart, runs, shown) {
  const lines = chart.lines.filter((line) => shown.has(line.run));
  const caption = el('figcaption', {}, chart.title);
  if (!lines.length) {
    return el('figure', { class: 'chart' }, caption, el('p', { class: 'dim' }, 'None of the chosen runs has it.'));
  }
  const scale = scaleOf(lines);
  const drawn = lines.map((line) => drawLine(line, scale, runs.indexOf(line.run), chart));
  const box = `0 0 ${CHART.width} ${CHART.height}`;
  const label = `${chart.title}, ${lines.length} runs; the values stand in the table below`;
  const picture = svg('svg', { viewBox: box, role: 'img', 'aria-label': label }, axes(scale), drawn);
  return el('figure', { class: 'chart', 'data-chart': chart.id }, caption, picture, valuesTable(chart, lines));
}

function scaleOf(lines) {
  const points = lines.flatMap((line) => [...line.points, ...line.measured]);
  const xs = points.map((point) => point[0]);
  const ys = points.flatMap((point) => point.slice(1)).filter(isNumber);
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const margin = (high - low) * 0.06 || Math.abs(high) * 0.1 || 0.1;
  const y = { low: low >= 0 && low - margin < 0 ? 0 : low - margin, high: high + margin };
  const x = { low: Math.min(0, ...xs), high: Math.max(1, ...xs) };
  const inner = CHART.width - CHART.left - CHART.right;
  const tall = CHART.height - CHART.top - CHART.bottom;
  return {
    xs: x,
    ys: y,
    x: (value) => CHART.left + (inner * (value - x.low)) / (x.high - x.low),
    y: (value) => CHART.height - CHART.bottom - (tall * (value - y.low)) / (y.high - y.low),
  };
}

function axes(scale) {
  const bottom = CHART.height - CHART.bottom;
  const parts = [];
  for (const value of ticks(scale.ys.low, scale.ys.high, 4)) {
    const y = scale.y(value);
    parts.push(svg('line', { class: 'rule', x1: CHART.left, x2: CHART.width - CHART.right, y1: y, y2: y }));
    const at = { x: CHART.left - 6, y: y + 4, 'text-anchor': 'end' };
    parts.push(svg('text', at, shortNumber(value)));
  }
  for (const value of ticks(scale.xs.low, scale.xs.high, 4)) {
    const at = { x: scale.x(value), y: bottom + 16, 'text-anchor': 'middle' };
    parts.push(svg('text', at, shortNumber(value)));
  }
  const edge = `M${CHART.left} ${bottom}H${CHART.width - CHART.right}`;
  return [...parts, svg('path', { class: 'axis', d: edge })];
}

function drawLine(line, scale, place, chart) {
  const path = (points) => points.map((p) => `${scale.x(p[0]).toFixed(1)},${scale.y(p[1]).toFixed(1)}`).join(' ');
  const name = lineClass(place);
  const parts = [];
  if (line.points.length > 1) {
    const thin = line.measured.length ? ' thin' : '';
    parts.push(svg('polyline', { class: name + thin, points: path(line.points) }));
  }
  if (line.measured.length > 1) {
    parts.push(svg('polyline', { class: name, points: path(line.measured) }));
  }
  for (const [samples, value, low, high] of line.measured) {
    const x = scale.x(samples);
    if (isNumber(low) && isNumber(high)) {
      const ends = { x1: x, x2: x, y1: scale.y(low), y2: scale.y(high) };
      parts.push(svg('line', { class: `whisker s${place % COLOURS}`, ...ends }));
    }
    const text = `${line.run}, ${count(samples)} samples: ${pointText(chart, value, low, high)}`;
    const dot = { class: `point s${place % COLOURS}`, cx: x, cy: scale.y(value), r: 3.2 };
    parts.push(svg('circle', dot, svg('title', {}, text)));
  }
  return parts;
}

function pointText(chart, value, low, high) {
  const show = chart.unit === 'Elo' ? signed : (number) => decimal(number);
  const bounds = isNumber(low) && isNumber(high) ? ` [${show(low)}, ${show(high)}]` : '';
  return show(value) + bounds;
}

// The measured points once more, for whoever cannot see the picture.
function valuesTable(chart, lines) {
  const measured = lines.flatMap((line) => line.measured.map((point) => [line.run, ...point]));
  if (!measured.length) {
    return null;
  }
  const rows = measured.map(([run, samples, value, low, high]) =>
    el(
      'tr',
      {},
      el('th', { scope: 'row' }, run),
      el('td', { class: 'num' }, count(samples)),
      el('td', { class: 'num' }, pointText(chart, value, low, high)),
    ),
  );
  const heads = ['Run', 'Samples', 'Value'].map((text) => el('th', { scope: 'col' }, text));
  const table = el('table', {}, el('caption', {}, chart.title), el('thead', {}, el('tr', {}, heads)), el('tbody', {}, rows));
  return el('details', {}, el('summary', {}, 'Values'), scroller(`Values of ${chart.title}`, table));
}
