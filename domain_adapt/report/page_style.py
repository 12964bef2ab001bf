"""The style sheet of HTML reports: one file, no font or script from elsewhere, light and dark."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --paper: #fbfbfa; --card: #ffffff; --ink: #1d2329; --soft: #5c6670; --line: #dde1e5;
  --accent: #2f6690; --mark: #eef3f7; --found: #ffe08a; --helps: #2a7547; --hurts: #b23a48;
  --series0: #5c6670; --series1: #2f6690; --series2: #a84b00; --series3: #2a7547; --series4: #7a4fa3;
  --series5: #b23a48; --series6: #106c74; --series7: #7a5c00; --series8: #a83a84; --series9: #4453c4; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181c; --card: #1b2126; --ink: #e4e8eb; --soft: #9aa5af;
  --line: #323a42; --accent: #6fa8d6; --mark: #232b32; --found: #6b5710; --helps: #6cc68f; --hurts: #ee8a94;
  --series0: #9aa5af; --series1: #6fa8d6; --series2: #f0a35e; --series3: #6cc68f; --series4: #b79be0;
  --series5: #ee8a94; --series6: #5cc3ca; --series7: #d6b656; --series8: #e593cb; --series9: #97a3f5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; font-size: 16px; }
main, header > div { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem; }
header { border-bottom: 1px solid var(--line); background: var(--card); padding: 1.75rem 0 1rem; }
h1, h2, h3, h4, p, summary, .card b, .card span { overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; }
h2 { margin: 2.75rem 0 .5rem; font-size: 1.2rem; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1rem; }
h4 { margin: 1.1rem 0 .4rem; font-size: .92rem; color: var(--soft); }
p { margin: .4rem 0 .9rem; max-width: 46rem; }
.soft { color: var(--soft); font-size: .9rem; }
nav { margin-top: .75rem; display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; font-size: .9rem; }
a { color: var(--accent); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1.5rem 0 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; }
.card b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: .85rem; }
.scroll { overflow-x: auto; }
.scroll + .scroll { margin-top: 1.1rem; }
table { border-collapse: collapse; min-width: 60%; font-size: .92rem; }
th, td { text-align: left; padding: .4rem 1.4rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td { max-width: 30rem; overflow-wrap: break-word; }
th { color: var(--soft); font-weight: 600; font-size: .82rem; vertical-align: bottom; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.number { white-space: normal; }
tr.sum td { font-weight: 600; border-bottom: 0; }
figure { margin: .75rem 0; overflow-x: auto; }
svg { display: block; width: 100%; min-width: 36rem; height: auto; }
svg text { font-family: inherit; }
figcaption { color: var(--soft); font-size: .85rem; margin-top: .25rem; overflow-wrap: anywhere; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); gap: 1rem 1.5rem;
  margin: .5rem 0 1rem; }
.panels figure { margin: 0; min-width: 0; max-width: 34rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; padding: .7rem .7rem .6rem; }
.panels svg { min-width: 0; }
.headline { font-size: 1.08rem; margin: .3rem 0; max-width: none; }
.headline > span, .badge { color: var(--soft); }
td.same { color: var(--soft); }
td.helps, .helps > span, .helps .badge { color: var(--helps); }
td.hurts, .hurts > span, .hurts .badge { color: var(--hurts); }
.verdicts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: .75rem; }
.verdict { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--soft);
  border-radius: .35rem; padding: .7rem 1rem .2rem; }
.verdict.helps { border-left-color: var(--helps); }
.verdict.hurts { border-left-color: var(--hurts); }
.verdict p { margin: 0 0 .5rem; }
.badge { font-weight: 600; font-size: .9rem; white-space: nowrap; margin-left: .4rem; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); gap: .6rem; }
.side { border: 1px solid var(--line); border-top: 3px solid var(--soft); border-radius: .35rem;
  padding: .45rem .7rem; }
.side.better { border-top-color: var(--helps); }
.side.worse { border-top-color: var(--hurts); }
.side span, .right span { color: var(--soft); font-size: .82rem; overflow-wrap: anywhere; }
.side p { margin: .15rem 0 0; }
.right { margin: .2rem 0 .6rem; }
.asked { font-weight: 600; }
mark { background: var(--found); color: var(--ink); border-radius: .15rem; padding: 0 .1rem; }
details { border: 1px solid var(--line); border-radius: .5rem; background: var(--card); margin: .5rem 0; }
summary { cursor: pointer; padding: .5rem .9rem; font-size: .92rem; overflow-wrap: anywhere; }
details > div { padding: 0 .9rem .6rem; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--mark); border-radius: .35rem;
  padding: .6rem .8rem; margin: .4rem 0; font-size: .9rem; }
footer { max-width: 62rem; margin: 3rem auto 2rem; padding: 0 1.25rem; color: var(--soft); font-size: .85rem; }
pre.text { overflow-x: auto; white-space: pre; overflow-wrap: normal; font-size: .82rem; line-height: 1.45; }
code { font-size: .88em; overflow-wrap: anywhere; }
@media (max-width: 30rem) { main, header > div, footer { padding: 0 .9rem; } .panels figure { padding: .5rem .35rem; }
  .panels figcaption { padding: 0 .35rem; } }
@media print { details > div { display: block; } nav { display: none; } }
"""
