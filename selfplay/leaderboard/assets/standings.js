// The table: one view for chess and one for each ranked suite, sorted, filtered, opened by row.

const ROLE_TITLES = {
  base: 'the model that the run began with',
  champion: 'promoted by paired tests',
  final: 'the version at the end of the run',
  latest: 'the newest version of a run that has not ended',
};

function views(data) {
  const suites = [...new Set(data.entries.flatMap((e) => Object.keys(e.suites)))].sort();
  const ranked = suites.filter((s) => data.entries.some((e) => s in e.ranks));
  const plain = suites.filter((s) => !ranked.includes(s));
  const inChess = (e) => e.rating || plain.some((s) => e.suites[s]) || ranked.every((s) => !e.suites[s]);
  const chess = data.entries.filter(inChess);
  const found = [];
  if (chess.some((e) => e.rating) || plain.length || !ranked.length) {
    found.push({ id: 'chess', title: 'Chess', entries: chess, columns: chessColumns(plain, chess) });
  }
  for (const suite of ranked) {
    const entries = data.entries.filter((e) => e.suites[suite]);
    found.push({ id: suite, title: suite, entries, columns: suiteColumns(suite, entries) });
  }
  return found;
}

function chessColumns(suites, entries) {
  const rating = (e) => e.rating || {};
  const columns = [
    column('rank', 'Rank', (e) => rating(e).rank, count, { first: 'ascending' }),
    nameColumn(),
    {
      ...column('elo', 'Elo', (e) => ratingOrder(e.rating), null),
      cell: (e) => valueAndBounds(eloText(e.rating), eloBounds(e.rating)),
    },
    barColumn((e) => [rating(e).low, rating(e).elo, rating(e).high], false),
    column('games', 'Games', (e) => rating(e).games, count),
    column('score', 'Score', (e) => rating(e).score, percent, { minor: true }),
    intervalColumn('legal_rate', 'Legal in games', (e) => e.first_try, { minor: true }),
  ];
  for (const suite of suites) {
    const all = ['legal_rate', 'best_move_rate', 'regret', 'puzzle_accuracy'];
    for (const metric of all.filter((m) => entries.some((e) => e.suites[suite] && e.suites[suite][m]))) {
      const title = `${metricName(metric)}, ${suite.split('/').pop()}`;
      const options = { minor: metric !== 'legal_rate', first: metric === 'regret' && 'ascending' };
      columns.push(intervalColumn(metric, title, (e) => (e.suites[suite] || {})[metric], options));
    }
  }
  const acpl = column('acpl', 'ACPL', (e) => e.acpl && e.acpl.value, (v) => decimal(v, 0), {
    minor: true,
    first: 'ascending',
  });
  const puzzle = column('puzzle', 'Puzzle rating', (e) => e.puzzle && e.puzzle.value, signed, {
    minor: true,
  });
  return [...columns, acpl, puzzle, ...costColumns()];
}

function suiteColumns(suite, entries) {
  const found = (e, metric) => e.suites[suite][metric];
  const names = [...new Set(entries.flatMap((e) => Object.keys(e.suites[suite])))];
  const rest = names.filter((name) => name !== 'pass_rate' && name !== 'hack_gap').sort();
  const ends = (e) => {
    const interval = found(e, 'pass_rate') || {};
    return [interval.low, interval.value, interval.high];
  };
  return [
    column('rank', 'Rank', (e) => e.ranks[suite], count, { first: 'ascending' }),
    nameColumn(),
    intervalColumn('pass_rate', metricName('pass_rate'), (e) => found(e, 'pass_rate')),
    barColumn(ends, true),
    column('tasks', 'Tasks', (e) => (found(e, 'pass_rate') || {}).n, count),
    ...rest.map((metric) => intervalColumn(metric, metricName(metric), (e) => found(e, metric))),
    intervalColumn('hack_gap', 'Hack gap', (e) => found(e, 'hack_gap'), { first: 'ascending' }),
    ...costColumns(),
  ];
}

function costColumns() {
  const minor = { minor: true, first: 'ascending' };
  return [
    column('samples', 'Samples', (e) => e.samples, count, { first: 'ascending' }),
    column('wall', 'Wall time', (e) => e.wall_s, duration, minor),
    {
      ...column('device', 'Device time', (e) => e.device_s, null, minor),
      cell: (e) => isNumber(e.device_s) && `${duration(e.device_s)} ${e.device}`,
    },
    column('size', 'Parameters', (e) => e.parameters, millions, minor),
    textColumn('hardware', 'Hardware', (e) => e.hardware),
    textColumn('commit', 'Commit', (e) => e.commit),
    textColumn('date', 'Date', (e) => e.date && e.date.slice(0, 10)),
  ];
}

function column(key, title, value, show, { minor = false, first = 'descending' } = {}) {
  const cell = (e) => (isNumber(value(e)) && show ? show(value(e)) : null);
  return { key, title, value, cell, minor, first: first || 'descending', numeric: true };
}

function intervalColumn(metric, title, find, options) {
  const base = column(`${metric} ${title}`, title, (e) => (find(e) || {}).value, null, options);
  const text = (e) => metricText(metric, base.value(e));
  return { ...base, cell: (e) => valueAndBounds(text(e), boundsText(metric, find(e))) };
}

function textColumn(key, title, value) {
  return { key, title, value, cell: value, minor: true, first: 'ascending', numeric: false };
}

function nameColumn() {
  const title = 'Player';
  return { key: 'name', title, value: (e) => e.name, name: true, first: 'ascending', numeric: false };
}

function barColumn(ends, rate) {
  return { key: 'bar', title: '95% interval', ends, rate, bar: true, value: () => null };
}

// Those above the ceiling come first, those below the floor last; then the bound decides.
function ratingOrder(rating) {
  if (!rating || rating.status === 'unconnected') {
    return null;
  }
  if (isNumber(rating.elo)) {
    return rating.elo;
  }
  const bound = rating.status === 'above' ? rating.low : rating.high;
  return (rating.status === 'above' ? 1e6 : -1e6) + (bound || 0);
}

function valueAndBounds(value, bounds) {
  if (value === null) {
    return null;
  }
  return [value, bounds && el('span', { class: 'bounds' }, bounds)];
}

// Ascending or descending; what is not known stands last either way, equals keep their order.
function sorted(entries, by, direction) {
  const sign = direction === 'ascending' ? 1 : -1;
  const missing = (value) => value === null || value === undefined || value === '';
  return entries
    .map((entry, place) => [by.value(entry), place, entry])
    .sort(([a, i], [b, j]) => {
      if (missing(a) || missing(b)) {
        return missing(a) - missing(b) || i - j;
      }
      const order = typeof a === 'string' ? a.localeCompare(b) : a - b;
      return sign * order || i - j;
    })
    .map(([, , entry]) => entry);
}
