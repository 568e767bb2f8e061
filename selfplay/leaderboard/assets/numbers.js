// How numbers are written. A missing value is null all the way and becomes a dash at the end.

const NO_ELO = {
  below: 'below the floor',
  above: 'above the ceiling',
  unconnected: 'unconnected',
};

// Of what no domain measures: moves that were legal at the first try.
const FIRST_TRY = { key: 'first_try', unit: '%' };

function isNumber(value) {
  return typeof value === 'number' && Number.isFinite(value);
}

function signed(value) {
  const whole = Math.round(value);
  return whole > 0 ? `+${whole}` : String(whole).replace('-', '−');
}

function decimal(value, digits = 3) {
  return value.toFixed(digits).replace('-', '−');
}

function percent(value, digits = 1) {
  return `${(100 * value).toFixed(digits).replace('-', '−')}%`;
}

function count(value) {
  return value.toLocaleString('en-US');
}

function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) {
    return `${whole} s`;
  }
  if (whole < 3600) {
    return `${Math.floor(whole / 60)} min`;
  }
  const minutes = String(Math.floor((whole % 3600) / 60)).padStart(2, '0');
  return `${Math.floor(whole / 3600)} h ${minutes}`;
}

function millions(parameters) {
  return parameters >= 1e9
    ? `${(parameters / 1e9).toFixed(2)} B`
    : `${(parameters / 1e6).toFixed(parameters < 1e7 ? 2 : 0)} M`;
}

function isShare(measure) {
  return measure.unit === '%';
}

function measureText(measure, value) {
  if (!isNumber(value)) {
    return null;
  }
  const unit = measure.unit ? ` ${measure.unit}` : '';
  return isShare(measure) ? percent(value) : decimal(value) + unit;
}

// "[56.8, 65.3]": the unit stands with the value.
function boundsText(measure, interval) {
  if (!interval || !isNumber(interval.low) || !isNumber(interval.high)) {
    return '';
  }
  const show = (value) =>
    isShare(measure) ? (100 * value).toFixed(1).replace('-', '−') : decimal(value);
  return `[${show(interval.low)}, ${show(interval.high)}]`;
}

function eloText(rating) {
  if (!rating) {
    return null;
  }
  return isNumber(rating.elo) ? signed(rating.elo) : NO_ELO[rating.status];
}

function eloBounds(rating) {
  if (!rating || rating.status === 'unconnected') {
    return '';
  }
  const low = isNumber(rating.low) ? signed(rating.low) : '−∞';
  const high = isNumber(rating.high) ? signed(rating.high) : '∞';
  return `[${low}, ${high}]`;
}

function capital(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

// A word at the head of a column; names of estimates such as pass@10 stay as they are.
function headText(text) {
  return text.includes('@') ? text : capital(text);
}

// Round steps (1, 2 or 5 times a power of ten) that cut low..high into about `parts`.
function ticks(low, high, parts) {
  const span = high - low || 1;
  const rough = span / parts;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) {
    found.push(Number((k * step).toPrecision(10)));
  }
  return found;
}

function shortNumber(value) {
  if (Math.abs(value) >= 1e6) {
    return `${Number((value / 1e6).toPrecision(3))}M`;
  }
  if (Math.abs(value) >= 1e4) {
    return `${Number((value / 1e3).toPrecision(3))}k`;
  }
  return String(Number(value.toPrecision(4))).replace('-', '−');
}
