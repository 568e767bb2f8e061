"""The report's only style sheet; colours follow the reader's light or dark setting."""

STYLE = """
:root { color-scheme: light dark; --bg: #ffffff; --fg: #1b1f24; --dim: #5b6470; --line: #d5dae1;
  --card: #f5f7f9; --c1: #1f6feb; --c2: #c2410c; --c3: #15803d; --c4: #7e3fb5; --c5: #8a6d00; }
@media (prefers-color-scheme: dark) {
  :root { --bg: #14171b; --fg: #e5e9ee; --dim: #9aa4b0; --line: #343b44; --card: #1d2228;
    --c1: #6cb0ff; --c2: #ff9d66; --c3: #5fd38a; --c4: #c99cff; --c5: #e2c35a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 72rem; background: var(--bg); color: var(--fg);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .3rem; }
p { margin: .3rem 0; }
.dim, figcaption { color: var(--dim); font-size: .875rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
td.num, th.num { text-align: right; white-space: nowrap; }
td.model { font-family: ui-monospace, monospace; overflow-wrap: anywhere; min-width: 9rem;
  max-width: 28rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
figure { margin: 0; padding: .6rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; min-width: 0; }
figure svg { width: 100%; height: auto; display: block; }
figcaption { overflow-wrap: anywhere; }
svg text { fill: var(--fg); font: 11px system-ui, sans-serif; }
svg .axis { stroke: var(--line); stroke-width: 1; fill: none; }
svg .curve { stroke: var(--c1); stroke-width: 1.6; fill: none; }
svg .faint { stroke: var(--c1); stroke-width: .8; fill: none; opacity: .35; }
svg .point { fill: var(--c2); } svg .bar { stroke: var(--c2); stroke-width: 1.4; }
.p0 { fill: var(--c1); } .p1 { fill: var(--c2); } .p2 { fill: var(--c3); } .p3 { fill: var(--c4); }
.p4 { fill: var(--c5); } .p5 { fill: var(--dim); }
svg.key { width: .8rem; height: .8rem; display: inline-block; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem; }
.pair figure { padding: 0; border: 0; background: none; }
pre { overflow-x: auto; font-size: .8rem; background: var(--card); padding: .6rem;
  border: 1px solid var(--line); border-radius: 6px; }
details > summary { cursor: pointer; }
"""
