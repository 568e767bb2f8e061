// Promotions with what decided them, and answers with why they failed.

function promotionsSection(data) {
  if (!data.promotions.length) {
    return null;
  }
  const heads = ['Run', 'Version', 'Against', 'Decision', 'Suite', 'Difference', 'p', 'Change'];
  const numeric = new Set(['Version', 'Difference', 'p']);
  const head = heads.map((text) => el('th', { scope: 'col', class: numeric.has(text) && 'num' }, text));
  const table = el(
    'table',
    { class: 'promotions' },
    el('caption', {}, 'Every decision, oldest first in each run; a run’s numbers stand side by side.'),
    el('thead', {}, el('tr', {}, head)),
    data.promotions.map((row) => el('tbody', {}, promotionRows(row))),
  );
  const note = el(
    'p',
    { class: 'dim' },
    'A version is compared with the champion item by item and promoted when it is better in one suite and ' +
      'worse in none, at 5% after Holm’s correction. Difference: mean utility gained, with its ' +
      '95% bootstrap interval; of a match the candidate’s Elo, with the log-likelihood ratio of ' +
      'its sequential test in the place of p.',
  );
  return section('promotions', 'Promotions', note, scroller('Promotions', table));
}

// One row per suite, and one for the match where candidate and champion played.
function promotionRows(row) {
  const evidence = row.suites.map(changeCells);
  if (row.match) {
    evidence.push(matchCells(row.match));
  }
  if (!evidence.length) {
    evidence.push(el('td', { colspan: 4 }, unknown()));
  }
  return evidence.map((cells, place) =>
    el('tr', { class: place ? 'more' : '' }, place ? null : decisionCells(row, evidence.length), cells),
  );
}

function decisionCells(row, height) {
  const span = { rowspan: height };
  const version = isNumber(row.version) ? row.version : unknown();
  const word = row.action || (row.promoted ? 'promoted' : 'not promoted');
  return [
    el('th', { scope: 'rowgroup', ...span }, row.run),
    el('td', { class: 'num', ...span }, version),
    el('td', span, row.against || unknown()),
    el('td', { class: 'decision', ...span }, el('span', { class: `verdict ${row.promoted ? 'good' : ''}` }, word), row.reason && el('span', { class: 'bounds' }, row.reason)),
  ];
}

function changeCells(suite) {
  const { difference: d, p } = suite;
  const show = (value) => (value > 0 ? `+${decimal(value)}` : decimal(value));
  const bounds = d && isNumber(d.low) && isNumber(d.high) ? `[${show(d.low)}, ${show(d.high)}]` : '';
  return [
    el('td', {}, suite.suite),
    el('td', { class: 'num' }, d ? [show(d.value), el('span', { class: 'bounds' }, bounds)] : unknown()),
    el('td', { class: 'num' }, isNumber(p) ? pText(p) : unknown()),
    changeCell(suite.change),
  ];
}

function matchCells({ pairs, elo, llr, change }) {
  const value = isNumber(elo.value) ? `${signed(elo.value)} Elo` : unknown();
  const ends = [isNumber(elo.low) ? signed(elo.low) : '−∞', isNumber(elo.high) ? signed(elo.high) : '∞'];
  const test = isNumber(llr) ? `LLR ${decimal(llr, 2)}` : unknown();
  return [
    el('td', {}, isNumber(pairs) ? `match, ${count(pairs)} pairs` : 'match'),
    el('td', { class: 'num' }, value, el('span', { class: 'bounds' }, `[${ends.join(', ')}]`)),
    el('td', { class: 'num' }, test),
    changeCell(change),
  ];
}

function changeCell(change) {
  const good = { better: 'good', worse: 'bad' }[change] || '';
  return el('td', {}, change ? el('span', { class: `verdict ${good}` }, change) : unknown());
}

function pText(p) {
  return p < 0.001 ? '< 0.001' : p.toFixed(3);
}

function answersSection(data) {
  if (!data.answers.length) {
    return null;
  }
  const body = el('div', {});
  const groups = [...new Set(data.answers.map((p) => `${p.run}, ${p.suite}`))];
  const show = (group) => {
    const fitting = data.answers.filter((p) => `${p.run}, ${p.suite}` === group);
    replaceChildren(body, fitting.map(answerPair));
  };
  const choice = selectBox('answer-group', 'Run and suite', groups.map((g) => [g, g]), show);
  show(groups[0]);
  const note = el(
    'p',
    { class: 'dim' },
    'Greedy answers before and after training, evenly spaced over the suite, whatever came of them, ' +
      'with the first test that each one failed, where there are tests.',
  );
  const title = capital([...new Set(data.answers.map((p) => p.what))].join(' and '));
  return section('answers', title, note, el('div', { class: 'controls' }, choice.box), body);
}

function answerPair(pair) {
  const answers = [['Base model', pair.base], ['Final version', pair.final]];
  const figures = answers.map(([title, answer]) => {
    const good = answer.verdict === 'pass' ? 'good' : 'bad';
    const note = answer.note && el('p', { class: 'failed' }, capital(answer.note));
    const caption = el('figcaption', {}, `${title}: `, el('span', { class: `verdict ${good}` }, answer.verdict));
    const label = `${title}'s answer to ${pair.task}`;
    const text = el('pre', { tabindex: '0', 'aria-label': label }, answer.text || 'nothing');
    return el('figure', {}, caption, text, note);
  });
  return el('article', { class: 'answer' }, el('h3', {}, pair.task), el('div', { class: 'pair' }, figures));
}
