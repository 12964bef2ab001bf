"""The style sheet of HTML reports: one file, no font or script from elsewhere, light and dark."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --paper: #fbfbfa; --card: #ffffff; --ink: #1d2329; --soft: #5c6670; --line: #dde1e5;
  --accent: #2f6690; --mark: #eef3f7; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181c; --card: #1b2126; --ink: #e4e8eb; --soft: #9aa5af;
  --line: #323a42; --accent: #6fa8d6; --mark: #232b32; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; font-size: 16px; }
main, header > div { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem; }
header { border-bottom: 1px solid var(--line); background: var(--card); padding: 1.75rem 0 1rem; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; }
h2 { margin: 2.75rem 0 .5rem; font-size: 1.2rem; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1rem; }
p { margin: .4rem 0 .9rem; max-width: 46rem; }
.soft { color: var(--soft); font-size: .9rem; }
nav { margin-top: .75rem; display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; font-size: .9rem; }
a { color: var(--accent); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1.5rem 0 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; }
.card b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: .85rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; min-width: 60%; font-size: .92rem; }
th, td { text-align: left; padding: .4rem 1.4rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; font-size: .82rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.sum td { font-weight: 600; border-bottom: 0; }
figure { margin: .75rem 0; overflow-x: auto; }
svg { display: block; width: 100%; min-width: 36rem; height: auto; }
svg text { font-family: inherit; }
details { border: 1px solid var(--line); border-radius: .5rem; background: var(--card); margin: .5rem 0; }
summary { cursor: pointer; padding: .5rem .9rem; font-size: .92rem; overflow-wrap: anywhere; }
details > div { padding: 0 .9rem .6rem; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--mark); border-radius: .35rem;
  padding: .6rem .8rem; margin: .4rem 0; font-size: .9rem; }
footer { max-width: 62rem; margin: 3rem auto 2rem; padding: 0 1.25rem; color: var(--soft); font-size: .85rem; }
code { font-size: .88em; overflow-wrap: anywhere; }
@media print { details > div { display: block; } nav { display: none; } }
"""
