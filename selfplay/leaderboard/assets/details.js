// What is known of one entry, all of it; and how to read the standings.

function detailsOf(entry, span, measures) {
  const facts = [
    ['Kind', { run: 'version of a run', anchor: 'anchor', player: 'player from game files' }[entry.kind]],
    ['Model', entry.model],
    ['Parameters', isNumber(entry.parameters) ? count(entry.parameters) : null],
    ['Training samples', isNumber(entry.samples) ? count(entry.samples) : null],
    ['Wall time of training', isNumber(entry.wall_s) ? duration(entry.wall_s) : null],
    ['Device time', isNumber(entry.device_s) ? `${duration(entry.device_s)} of one ${entry.device}` : null],
    ['Hardware', entry.hardware],
    ['Commit', entry.commit],
    ['Date', entry.date],
    ['Rating', ratingFact(entry.rating)],
    ['Legal at first try in games', intervalFact(FIRST_TRY, entry.first_try, 'moves')],
    ['Centipawns lost a move', acplFact(entry.acpl)],
    ['Puzzle rating', puzzleFact(entry.puzzle)],
    ...suiteFacts(entry, measures),
    ['Played as', entry.played_as],
    ['Settings', entry.settings],
    ['Repeatable', { true: 'yes', false: 'no' }[String(entry.repeatable)]],
  ];
  const list = facts.map(([name, value]) =>
    el('div', {}, el('dt', {}, name), el('dd', {}, value === null || value === undefined ? unknown() : value)),
  );
  return el('td', { colspan: span }, el('dl', {}, list));
}

function ratingFact(rating) {
  if (!rating) {
    return null;
  }
  const pairs = `${count(rating.games)} games in ${count(rating.pairs)} pairs or single games`;
  return `${eloText(rating)} ${eloBounds(rating)}, ${pairs}, score ${percent(rating.score)}`;
}

function intervalFact(measure, interval, what) {
  if (!interval) {
    return null;
  }
  const n = isNumber(interval.n) ? `, ${count(interval.n)} ${what}` : '';
  return `${measureText(measure, interval.value)} ${boundsText(measure, interval)}${n}`;
}

function acplFact(acpl) {
  if (!acpl) {
    return null;
  }
  const by = acpl.by === 'stored' ? 'evaluations in the files' : 'the analysis of the shown games';
  return `${decimal(acpl.value, 1)} over ${count(acpl.n)} moves, by ${by}`;
}

function puzzleFact(puzzle) {
  if (!puzzle) {
    return null;
  }
  const solved = `${count(puzzle.solved)} of ${count(puzzle.n)} solved`;
  const low = isNumber(puzzle.low) ? signed(puzzle.low) : '−∞';
  const high = isNumber(puzzle.high) ? signed(puzzle.high) : '∞';
  const value = isNumber(puzzle.value) ? `${signed(puzzle.value)} ` : '';
  return `${value}[${low}, ${high}], ${solved}`;
}

function suiteFacts(entry, measures) {
  return Object.entries(entry.suites).flatMap(([suite, estimates]) =>
    Object.entries(estimates).map(([key, interval]) => {
      const measure = measures[suite].find((one) => one.key === key);
      return [`${headText(measure.short)}, ${suite}`, intervalFact(measure, interval, 'observations')];
    }),
  );
}

function standingsNotes(data) {
  const notes = [
    'Rank: 1 and the number of entries that are certainly above this one: the difference of every two ' +
      'is tested, with Holm’s correction over all pairs. Entries of one rank are not distinguished.',
  ];
  if (data.ratings) {
    const { games, pairs, anchor, anchor_elo: elo, bootstraps } = data.ratings;
    const held = anchor === null ? 'the mean of the comparable players' : anchor;
    notes.push(
      `Elo: one Bradley–Terry fit over ${count(games)} games in ${count(pairs)} pairs or single ` +
        `games, ${held} held at ${signed(elo)}; intervals from ${count(bootstraps)} resamples of ` +
        'whole pairs. Who only lost stands below the floor, with an upper bound alone.',
    );
  }
  if (data.analysis) {
    notes.push(`ACPL and marks without stored evaluations: ${data.analysis}.`);
  }
  const more = data.notes.length
    ? el('details', {}, el('summary', {}, `${data.notes.length} notes on the data`), listOf(data.notes))
    : null;
  return [...notes.map((note) => el('p', { class: 'dim' }, note)), more];
}

function listOf(texts) {
  return el('ul', { class: 'dim' }, texts.map((text) => el('li', {}, text)));
}
