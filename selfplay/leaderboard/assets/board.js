// A chess board: positions from moves in UCI, drawn as SVG with the shapes that the page holds.

const PIECES = { p: 'pawn', n: 'knight', b: 'bishop', r: 'rook', q: 'queen', k: 'king' };
const START = 'rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1';
const SQUARE = 45;

// 64 letters or '' from a8 to h1, as a FEN lists them, and who is to move.
function parseFen(fen) {
  const [rows, turn] = (fen || START).split(' ');
  const squares = [];
  for (const sign of rows.replaceAll('/', '')) {
    if (/[1-8]/.test(sign)) {
      squares.push(...Array(Number(sign)).fill(''));
    } else {
      squares.push(sign);
    }
  }
  return { squares, white: turn !== 'b' };
}

function squareAt(name) {
  return 8 * (8 - Number(name[1])) + (name.charCodeAt(0) - 97);
}

// The position after a legal move: castling moves the rook too, en passant takes beside.
function afterMove(position, uci) {
  const squares = [...position.squares];
  const [from, to] = [squareAt(uci.slice(0, 2)), squareAt(uci.slice(2, 4))];
  const piece = squares[from];
  const kind = piece.toLowerCase();
  const across = (to % 8) - (from % 8);
  if (kind === 'p' && across !== 0 && squares[to] === '') {
    squares[from + across] = '';
  }
  if (kind === 'k' && Math.abs(across) === 2) {
    const corner = across > 0 ? from + 3 : from - 4;
    squares[from + across / 2] = squares[corner];
    squares[corner] = '';
  }
  squares[to] = uci[4] ? (position.white ? uci[4].toUpperCase() : uci[4]) : piece;
  squares[from] = '';
  return { squares, white: !position.white };
}

// All positions of a game, the first before any move.
function positionsOf(game) {
  const positions = [parseFen(game.fen)];
  for (const uci of wordsOf(game.uci)) {
    positions.push(afterMove(positions[positions.length - 1], uci));
  }
  return positions;
}

function wordsOf(text) {
  return text ? text.split(' ') : [];
}

function drawBoard(position, lastMove, flipped) {
  const marked = lastMove ? [squareAt(lastMove.slice(0, 2)), squareAt(lastMove.slice(2, 4))] : [];
  const parts = [];
  const pieces = [];
  for (let place = 0; place < 64; place += 1) {
    const shown = flipped ? 63 - place : place;
    const [x, y] = [SQUARE * (shown % 8), SQUARE * Math.floor(shown / 8)];
    const dark = (place % 8) + Math.floor(place / 8);
    const kind = `${dark % 2 ? 'dark' : 'light'}${marked.includes(place) ? ' last' : ''}`;
    parts.push(svg('rect', { class: kind, x, y, width: SQUARE, height: SQUARE }));
    const piece = position.squares[place];
    if (piece) {
      const colour = piece === piece.toUpperCase() ? 'white' : 'black';
      const shape = `#${colour}-${PIECES[piece.toLowerCase()]}`;
      pieces.push(svg('use', { href: shape, transform: `translate(${x}, ${y})` }));
    }
  }
  const box = `0 0 ${8 * SQUARE} ${8 * SQUARE}`;
  const label = describe(position);
  return svg('svg', { viewBox: box, role: 'img', class: 'board', 'aria-label': label }, parts, coordinates(flipped), pieces);
}

function coordinates(flipped) {
  const parts = [];
  for (let i = 0; i < 8; i += 1) {
    const file = 'abcdefgh'[flipped ? 7 - i : i];
    const rank = flipped ? i + 1 : 8 - i;
    const odd = i % 2 ? 'on-dark' : 'on-light';
    const even = i % 2 ? 'on-light' : 'on-dark';
    parts.push(svg('text', { class: even, x: SQUARE * (i + 1) - 4, y: 8 * SQUARE - 4, 'text-anchor': 'end' }, file));
    parts.push(svg('text', { class: odd, x: 3, y: SQUARE * i + 12 }, rank));
  }
  return parts;
}

// "White: king e1, queen d1, …" for those who hear the page.
function describe(position) {
  const sides = [[], []];
  position.squares.forEach((piece, place) => {
    if (piece) {
      const name = `${PIECES[piece.toLowerCase()]} ${'abcdefgh'[place % 8]}${8 - Math.floor(place / 8)}`;
      sides[piece === piece.toUpperCase() ? 0 : 1].push(name);
    }
  });
  return `White: ${sides[0].join(', ')}. Black: ${sides[1].join(', ')}.`;
}
