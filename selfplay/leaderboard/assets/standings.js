// The table: one view for each domain and one for each ranked suite, sorted, filtered, opened by row.

const ROLE_TITLES = {
  base: 'the model that the run began with',
  champion: 'promoted by paired tests',
  final: 'the version at the end of the run',
  latest: 'the newest version of a run that has not ended',
};

function views(data) {
  const placed = new Set(data.boards.flatMap((board) => board.entries));
  const first = data.boards.find((board) => !board.ranked_by);
  return data.boards.map((board) => {
    // Who was neither measured nor rated stands on the first table of a domain.
    const own = new Set(board.entries);
    const here = (e, place) => own.has(place) || (board === first && !placed.has(place));
    const entries = data.entries.filter(here);
    const columns = board.ranked_by
      ? suiteColumns(board, data.measures[board.suites[0]])
      : domainColumns(board, data.measures);
    return { ...board, entries, columns };
  });
}

function domainColumns(board, measures) {
  const found = board.suites.flatMap((suite) =>
    measures[suite].map((measure, place) => {
      const title = `${headText(measure.short)}, ${suite.split('/').pop()}`;
      return measureColumn(measure, title, (e) => (e.suites[suite] || {})[measure.key], place > 0);
    }),
  );
  return board.rated
    ? [...ratingColumns(), ...found, ...movesColumns(), ...costColumns()]
    : [nameColumn(), ...found, ...costColumns()];
}

function ratingColumns() {
  const rating = (e) => e.rating || {};
  return [
    column('rank', 'Rank', (e) => rating(e).rank, count, { first: 'ascending' }),
    nameColumn(),
    {
      ...column('elo', 'Elo', (e) => ratingOrder(e.rating), null),
      cell: (e) => valueAndBounds(eloText(e.rating), eloBounds(e.rating)),
    },
    barColumn((e) => [rating(e).low, rating(e).elo, rating(e).high], null),
    column('games', 'Games', (e) => rating(e).games, count),
    column('score', 'Score', (e) => rating(e).score, percent, { minor: true }),
    measureColumn(FIRST_TRY, 'Legal in games', (e) => e.first_try, true),
  ];
}

function movesColumns() {
  const acpl = column('acpl', 'ACPL', (e) => e.acpl && e.acpl.value, (v) => decimal(v, 0), {
    minor: true,
    first: 'ascending',
  });
  const puzzle = column('puzzle', 'Puzzle rating', (e) => e.puzzle && e.puzzle.value, signed, {
    minor: true,
  });
  return [acpl, puzzle];
}

function suiteColumns(board, measures) {
  const [suite] = board.suites;
  const found = (measure) => (e) => e.suites[suite][measure.key];
  const by = measures.find((measure) => measure.key === board.ranked_by);
  const rest = measures.filter((measure) => measure !== by);
  // Variants of what ranks (pass@10), which no domain names, stand beside it.
  const sorted = [...rest.filter((m) => !m.named), ...rest.filter((m) => m.named)];
  const of = found(by);
  const ends = (e) => {
    const interval = of(e) || {};
    return [interval.low, interval.value, interval.high];
  };
  return [
    column('rank', 'Rank', (e) => e.ranks[suite], count, { first: 'ascending' }),
    nameColumn(),
    measureColumn(by, headText(by.title), of),
    barColumn(ends, by),
    column('tasks', 'Tasks', (e) => (of(e) || {}).n, count),
    ...sorted.map((measure) => measureColumn(measure, headText(measure.short), found(measure))),
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

function measureColumn(measure, title, find, minor = false) {
  const first = measure.higher_is_better === false ? 'ascending' : 'descending';
  const base = column(`${measure.key} ${title}`, title, (e) => (find(e) || {}).value, null, { minor, first });
  const text = (e) => measureText(measure, base.value(e));
  return { ...base, cell: (e) => valueAndBounds(text(e), boundsText(measure, find(e))) };
}

function textColumn(key, title, value) {
  return { key, title, value, cell: value, minor: true, first: 'ascending', numeric: false };
}

function nameColumn() {
  const title = 'Player';
  return { key: 'name', title, value: (e) => e.name, name: true, first: 'ascending', numeric: false };
}

// The bars of a measure; those of ratings without one.
function barColumn(ends, measure) {
  return { key: 'bar', title: '95% interval', ends, measure, bar: true, value: () => null };
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
