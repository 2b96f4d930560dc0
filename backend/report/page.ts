// A page of plots and tables in one HTML file that needs nothing else.
import { escapeHtml, type Plot, svgOf } from './svg.ts';

const STYLE = `
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(30rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { font-size: 13px; color: #555; padding-left: 4rem; }
svg { width: 100%; height: auto; font-size: 11px; fill: #333; } svg .title { font-size: 13px; font-weight: 600; }
svg .grid { stroke: #e4e4e4; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .4rem; text-align: right; border-bottom: 1px solid #e4e4e4; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
pre { white-space: pre-wrap; background: #f6f6f6; padding: .6rem; font-size: 13px; }
`;

/** Cells under a heading of as many. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Section {
  readonly title: string;
  /** Plain text, a paragraph each. */
  readonly text?: readonly string[];
  readonly plots?: readonly Plot[];
  readonly tables?: readonly Table[];
  /** HTML. */
  readonly more?: string;
}

export interface Page {
  readonly title: string;
  /** Plain text, a paragraph each. */
  readonly text: readonly string[];
  readonly sections: readonly Section[];
}

const paragraphs = (text: readonly string[]): string =>
  text.map((one) => `<p>${escapeHtml(one)}</p>\n`).join('');

const cells = (tag: 'th' | 'td', row: readonly string[]): string =>
  `<tr>${row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;

export const tableHtml = ({ head, rows }: Table): string =>
  `<div class="scroll"><table><thead>${cells('th', head)}</thead><tbody>\n` +
  `${rows.map((row) => cells('td', row)).join('\n')}\n</tbody></table></div>\n`;

const plotHtml = (plot: Plot): string =>
  `<figure>${svgOf(plot)}${plot.note === undefined ? '' : `<figcaption>${escapeHtml(plot.note)}</figcaption>`}</figure>\n`;

/** One that has nothing to show is left out. */
function sectionHtml({ title, text = [], plots = [], tables = [], more = '' }: Section): string {
  if (plots.length + tables.length === 0 && more === '') return '';
  return [
    `<h2>${escapeHtml(title)}</h2>\n`,
    paragraphs(text),
    plots.length === 0 ? '' : `<div class="plots">\n${plots.map(plotHtml).join('')}</div>\n`,
    tables.map(tableHtml).join('<br>\n'),
    more,
  ].join('');
}

export const pageHtml = ({ title, text, sections }: Page): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${paragraphs(text)}${sections.map(sectionHtml).join('')}</body>
</html>
`;
