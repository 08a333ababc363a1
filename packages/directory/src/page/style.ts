import { createHash } from 'node:crypto';
import { type Html, html } from './html.ts';

/** Of the page; dark where the reader's machine is, and without colours on paper. */
export const style: Html = html`
:root { color-scheme: light dark; --ink: #1c2024; --soft: #545b64; --ground: #fff; --line: #d5d9de; --link: #0b57a4; --alarm: #9c1c14; --good: #17663a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a7aeb8; --ground: #16181b; --line: #3a4048; --link: #84b9f5; --alarm: #ff9c92; --good: #7fd3a0; } }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 64rem; color: var(--ink); background: var(--ground); font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; overflow-wrap: anywhere; }
h2 { margin: 2.2rem 0 .6rem; font-size: 1.2rem; }
p, ul, dl { margin: .5rem 0; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
ul { padding-left: 1.2rem; }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
td code { white-space: nowrap; }
.scroll { overflow-x: auto; }
table { width: 100%; margin: 0 0 1.2rem; border-collapse: collapse; font-size: .95rem; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; }
th.group { padding-top: 1rem; border-bottom: 2px solid var(--line); }
thead th { color: var(--soft); font-size: .85rem; }
.alarms { padding: .6rem 1rem; border: 2px solid var(--alarm); border-radius: .3rem; list-style: none; }
.alarms strong, .missing { color: var(--alarm); }
.signed, .quiet { color: var(--good); }
.soft, footer { color: var(--soft); }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); font-size: .9rem; }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #333; --ground: #fff; --line: #999; --link: #000; --alarm: #000; --good: #000; } body { max-width: none; padding: 0; font-size: 10pt; } nav, .hint { display: none; } td code { white-space: nowrap; }
.scroll { overflow: visible; } tr, dl, .alarms { break-inside: avoid; } }
`;

/** Nothing is loaded, run, sent or framed: the style is all that a browser takes from the page. */
export const policy: string = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style.toString()).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
