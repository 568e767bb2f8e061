// The page, put together from its data.

function build() {
  const data = readData();
  const page = document.getElementById('page');
  const matrix = matrixSection(data);
  const sections = [
    standings(data, matrix.show),
    chartsSection(data),
    matrix.node,
    viewerSection(data),
    answersSection(data),
    promotionsSection(data),
  ].filter(Boolean);
  const runs = data.runs.length === 1 ? '1 run' : `${data.runs.length} runs`;
  const games = data.ratings ? `, ${count(data.ratings.games)} rated games` : '';
  const facts = `${count(data.entries.length)} entries, ${runs}${games}. ${data.generated.slice(0, 10)}, ${data.software}.`;
  const links = sections.map((node) =>
    el('a', { href: `#${node.id}` }, node.querySelector('h2').textContent),
  );
  const nav = el('nav', { 'aria-label': 'Sections' }, links);
  page.append(el('p', { class: 'dim' }, facts), nav, ...sections);
}

build();
