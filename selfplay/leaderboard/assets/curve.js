// The evaluation curve below a game: White's winning chance after each move.

const WIN_SLOPE = 0.00368208;
const CP_CEILING = 1000;

// Lichess's formula, as rewards/chess/scores.py has it: centipawns or "#-3" to a chance in [0, 1].
function winChance(evaluation) {
  if (evaluation === null || evaluation === undefined) {
    return null;
  }
  const cp = typeof evaluation === 'string' ? (evaluation[1] === '-' ? -CP_CEILING : CP_CEILING) : evaluation;
  const clamped = Math.max(-CP_CEILING, Math.min(CP_CEILING, cp));
  return 1 / (1 + Math.exp(-WIN_SLOPE * clamped));
}

function evaluationText(evaluation) {
  if (evaluation === null || evaluation === undefined) {
    return '';
  }
  if (typeof evaluation === 'string') {
    return `mate ${evaluation.replace('-', '−')}`;
  }
  const pawns = (evaluation / 100).toFixed(2).replace('-', '−');
  return evaluation > 0 ? `+${pawns}` : pawns;
}

function curveX(state, ply) {
  return (CURVE.width * ply) / Math.max(1, state.moves.length);
}

function curveOf(state, parts) {
  const { game } = state;
  if (!game.evaluations.some((e) => e !== null)) {
    return el('p', { class: 'dim' }, 'No evaluations are stored of this game, and it was not analysed.');
  }
  const y = (chance) => CURVE.height * (1 - chance);
  const points = game.evaluations
    .map((e, ply) => [ply + 1, winChance(e)])
    .filter(([, chance]) => chance !== null);
  const path = points.map(([ply, chance]) => `${curveX(state, ply).toFixed(1)},${y(chance).toFixed(1)}`);
  const ends = [points[0], points[points.length - 1]].map(([ply]) => curveX(state, ply).toFixed(1));
  const area = `${ends[0]},${CURVE.height} ${path.join(' ')} ${ends[1]},${CURVE.height}`;
  const dots = Object.entries(game.marks)
    .filter(([ply]) => winChance(game.evaluations[ply]) !== null)
    .map(([ply, mark]) => {
      // A dot as a line without length: the picture is stretched, its strokes are not.
      const d = `M${curveX(state, Number(ply) + 1)} ${y(winChance(game.evaluations[ply]))}h0.01`;
      const move = `${wordsOf(game.san)[ply]}${mark}`;
      return svg('path', { class: MARKS[mark], d }, svg('title', {}, move));
    });
  const marks = Object.values(game.marks);
  const counted = ['??', '?', '?!'].map((mark) => `${marks.filter((m) => m === mark).length} ${mark}`);
  const by = game.evaluated_by === 'players' ? '' : ` (${counted.join(', ')})`;
  const label = `White's winning chance by move${by}`;
  const picture = svg(
    'svg',
    { viewBox: `0 0 ${CURVE.width} ${CURVE.height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    svg('rect', { class: 'black-side', width: CURVE.width, height: CURVE.height }),
    svg('polygon', { class: 'white-side', points: area }),
    svg('line', { class: 'middle', x1: 0, x2: CURVE.width, y1: CURVE.height / 2, y2: CURVE.height / 2 }),
    dots,
    svg('line', { class: 'marker', x1: 0, x2: 0, y1: 0, y2: CURVE.height }),
  );
  picture.addEventListener('click', (event) => {
    const box = picture.getBoundingClientRect();
    goTo(state, parts, Math.round((state.moves.length * (event.clientX - box.left)) / box.width));
  });
  const caption = `${label}: ${EVALUATED_BY[game.evaluated_by] || ''}.`;
  return el('figure', {}, picture, el('figcaption', {}, caption));
}
