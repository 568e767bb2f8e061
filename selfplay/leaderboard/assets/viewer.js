// The game viewer: a board that steps through a game, its moves, and the engine's evaluation.

const MARKS = { '??': 'blunder', '?': 'mistake', '?!': 'inaccuracy' };
const EVALUATED_BY = {
  stored: 'evaluations stored in the file; marks by winning chance lost, as lichess sets them',
  analysis: 'evaluations of the analysis; marks by winning chance lost, as lichess sets them',
  players: 'the players’ own evaluations of their moves; they judge nobody, so there are no marks',
};
const CURVE = { width: 400, height: 90 };

function viewerSection(data) {
  if (!data.games.length) {
    return null;
  }
  const state = { game: null, ply: 0, flipped: false };
  const parts = viewerParts(state);
  const all = data.games.map((game, place) => [String(place), gameTitle(game), game]);
  const choice = selectBox('game', 'Game', all, (value) => open(Number(value)));
  const names = [...new Set(data.games.flatMap((g) => [g.white, g.black]))].filter(Boolean).sort();
  const players = [['', `all (${data.games.length} games)`], ...names.map((name) => [name, name])];
  const player = selectBox('game-player', 'Player', players, (name) => {
    const fitting = all.filter(([, , g]) => !name || g.white === name || g.black === name);
    replaceChildren(choice.select, fitting.map(([value, text]) => el('option', { value }, text)));
    open(Number(fitting[0][0]));
  });
  const open = (place) => {
    const game = data.games[place];
    Object.assign(state, { game, ply: 0, positions: positionsOf(game), moves: wordsOf(game.uci) });
    drawGame(state, parts);
  };
  const box = el('div', { class: 'viewer', id: 'viewer', tabindex: '0', role: 'group' }, parts.box);
  box.setAttribute('aria-label', 'Game viewer; arrow keys step through the moves');
  box.addEventListener('keydown', (event) => stepByKey(event, state, parts));
  open(0);
  const note = `${data.games.length} games, chosen evenly over all meetings and whatever their results. `;
  const keys = 'Keys: ← → step, Home and End jump, F turns the board.';
  const controls = el('div', { class: 'controls' }, player.box, choice.box);
  return section('games', 'Games', el('p', { class: 'dim' }, note + keys), controls, box);
}

function gameTitle(game) {
  const kind = game.kind === 'self-play' ? 'self-play, ' : '';
  const round = game.round ? ` (${kind}round ${game.round})` : '';
  return `${game.white || '?'} – ${game.black || '?'}, ${game.result || '*'}${round}`;
}

function viewerParts(state) {
  const parts = { board: el('div', { class: 'board-box' }), curve: el('div', { class: 'curve' }) };
  parts.status = el('p', { class: 'status', role: 'status' });
  parts.moves = el('div', { class: 'moves', role: 'group', 'aria-label': 'Moves' });
  parts.facts = el('div', { class: 'facts' });
  const go = (find) => () => goTo(state, parts, find());
  const button = (id, text, label, find) =>
    el('button', { type: 'button', id, 'aria-label': label, title: label, click: go(find) }, text);
  const turn = () => {
    state.flipped = !state.flipped;
    drawPly(state, parts);
  };
  parts.nextMark = button('next-mark', '??', 'Next marked move', () => nextMark(state));
  const buttons = [
    button('first', '|◀', 'Start', () => 0),
    button('back', '◀', 'Back', () => state.ply - 1),
    button('forward', '▶', 'Forward', () => state.ply + 1),
    button('last', '▶|', 'End', () => state.moves.length),
    parts.nextMark,
    el('button', { type: 'button', id: 'flip', 'aria-label': 'Turn the board', title: 'Turn the board', click: turn }, '⇅'),
  ];
  const left = el('div', { class: 'left' }, parts.board, el('div', { class: 'buttons' }, buttons), parts.status);
  parts.box = [left, el('div', { class: 'right' }, parts.facts, parts.curve, parts.moves)];
  return parts;
}

function stepByKey(event, state, parts) {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const targets = { ArrowLeft: state.ply - 1, ArrowRight: state.ply + 1, Home: 0, End: state.moves.length };
  if (event.key in targets) {
    event.preventDefault();
    goTo(state, parts, targets[event.key]);
  } else if (event.key === 'f' || event.key === 'F') {
    state.flipped = !state.flipped;
    drawPly(state, parts);
  }
}

function goTo(state, parts, ply) {
  state.ply = Math.max(0, Math.min(state.moves.length, ply));
  drawPly(state, parts);
}

// The ply after the next marked move, from the beginning again after the last one.
function nextMark(state) {
  const marked = Object.keys(state.game.marks).map((ply) => Number(ply) + 1).sort((a, b) => a - b);
  return marked.find((ply) => ply > state.ply) ?? marked[0] ?? state.ply;
}

function drawGame(state, parts) {
  const { game } = state;
  const sans = wordsOf(game.san);
  const first = state.positions[0].white ? 0 : 1;
  const start = game.fen ? Number(game.fen.split(' ')[5]) || 1 : 1;
  const moves = sans.map((san, ply) => moveButton(state, parts, san, ply, first, start));
  replaceChildren(parts.moves, moves);
  replaceChildren(parts.facts, gameFacts(game));
  replaceChildren(parts.curve, curveOf(state, parts));
  parts.nextMark.disabled = !Object.keys(game.marks).length;
  drawPly(state, parts);
}

function moveButton(state, parts, san, ply, first, start) {
  const at = ply + first;
  const number = `${start + Math.floor(at / 2)}${at % 2 ? '…' : '.'}`;
  const mark = state.game.marks[ply] || '';
  const note = state.game.notes[ply];
  const press = () => goTo(state, parts, ply + 1);
  const label = `${number} ${san}${mark ? `, ${MARKS[mark]}` : ''}`;
  const move = el('button', { type: 'button', class: `move ${MARKS[mark] || ''}`, 'aria-label': label, click: press }, san, mark);
  const shown = at % 2 && ply ? null : el('span', { class: 'number' }, number);
  return el('span', { class: 'ply' }, shown, move, note && el('span', { class: 'note' }, note));
}

function gameFacts(game) {
  const side = (name, version) => [el('strong', {}, name || '?'), version && el('span', { class: 'dim' }, ` ${version}`)];
  const ended = [game.termination, game.detail].filter(Boolean).join(': ');
  const lines = [
    el('p', {}, '○ ', side(game.white, game.white_version)),
    el('p', {}, '● ', side(game.black, game.black_version)),
    el('p', {}, el('strong', {}, game.result || '*'), ended && ` · ${ended}`),
  ];
  const where = [game.event, game.date, game.file].filter(Boolean).join(' · ');
  lines.push(el('p', { class: 'dim' }, where));
  if (game.broken) {
    lines.push(el('p', { class: 'warning' }, game.broken));
  }
  return lines;
}

function drawPly(state, parts) {
  const { game, ply } = state;
  const last = ply ? state.moves[ply - 1] : null;
  replaceChildren(parts.board, drawBoard(state.positions[ply], last, state.flipped));
  const buttons = parts.moves.querySelectorAll('.move');
  buttons.forEach((button, place) => {
    if (place === ply - 1) {
      button.setAttribute('aria-current', 'true');
    } else {
      button.removeAttribute('aria-current');
    }
  });
  if (ply) {
    // Only the list scrolls: scrollIntoView would move the page as well.
    const box = parts.moves;
    const line = buttons[ply - 1].parentElement;
    box.scrollTop = line.offsetTop - box.clientHeight / 2;
  } else {
    parts.moves.scrollTop = 0;
  }
  const said = ply ? wordsOf(game.san)[ply - 1] + (game.marks[ply - 1] ? ` (${MARKS[game.marks[ply - 1]]})` : '') : 'start';
  const note = ply && game.notes[ply - 1] ? `, ${game.notes[ply - 1]}` : '';
  const value = ply ? evaluationText(game.evaluations[ply - 1]) : '';
  parts.status.textContent = `${ply}/${state.moves.length}: ${said}${value && `, ${value}`}${note}`;
  const marker = parts.curve.querySelector('.marker');
  if (marker) {
    const x = curveX(state, ply);
    dress(marker, { x1: x, x2: x });
  }
}
