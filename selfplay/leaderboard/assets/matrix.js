// Head to head: each two that played, the row's score against the column's.

const MOST_PLAYERS = 24;

function matrixSection(data) {
  if (!data.head_to_head.length) {
    return { node: null, show: () => {} };
  }
  const body = el('div', {});
  const meetings = meetingsOf(data);
  const show = (entries) => replaceChildren(body, matrixOf(data, meetings, entries));
  const note = el(
    'p',
    { class: 'dim' },
    'The row’s score against the column’s, over the number of games below it. Those shown are the ' +
      `standings’ filtered players with games, the first ${MOST_PLAYERS} by rating.`,
  );
  return { node: section('head-to-head', 'Head to head', note, body), show };
}

// "a b" -> [wins, draws, losses] of a, both ways round.
function meetingsOf(data) {
  const found = new Map();
  for (const [a, b, wins, draws, losses] of data.head_to_head) {
    found.set(`${a} ${b}`, [wins, draws, losses]);
    found.set(`${b} ${a}`, [losses, draws, wins]);
  }
  return found;
}

function matrixOf(data, meetings, entries) {
  const order = (e) => -(ratingOrder(e.rating) ?? -1e9);
  const played = entries.filter((e) => e.rating).sort((a, b) => order(a) - order(b));
  const players = played.slice(0, MOST_PLAYERS);
  if (players.length < 2) {
    return el('p', {}, 'Fewer than two players with games fit the filter.');
  }
  const places = players.map((e) => data.entries.indexOf(e));
  const heads = players.map((e, column) =>
    el('th', { scope: 'col', class: 'num', title: e.name }, column + 1, el('span', { class: 'hidden' }, `: ${e.name}`)),
  );
  const rows = players.map((e, row) => {
    const name = el('th', { scope: 'row', class: 'name' }, `${row + 1}. ${e.name}`);
    return el('tr', {}, name, places.map((other) => meetingCell(meetings.get(`${places[row]} ${other}`), places[row] === other)));
  });
  const left = played.length - players.length;
  const table = el(
    'table',
    { class: 'matrix' },
    el('caption', {}, `${players.length} players${left ? `, ${left} more not shown` : ''}; columns have the rows’ numbers.`),
    el('thead', {}, el('tr', {}, el('td', {}), heads)),
    el('tbody', {}, rows),
  );
  return scroller('Head to head', table);
}

function meetingCell(counts, self) {
  if (self) {
    return el('td', { class: 'self' });
  }
  if (!counts) {
    return el('td', { class: 'num' }, el('span', { class: 'unknown', title: 'never played' }, '·'));
  }
  const [wins, draws, losses] = counts;
  const games = wins + draws + losses;
  const score = (wins + draws / 2) / games;
  // Five shades from lost to won; the number says it exactly.
  const shade = `score${Math.min(4, Math.floor(score * 5))}`;
  const title = `${wins} won, ${draws} drawn, ${losses} lost`;
  return el('td', { class: `num ${shade}`, title }, percent(score, 0), el('span', { class: 'bounds' }, games));
}
