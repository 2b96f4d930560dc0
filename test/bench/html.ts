// The report as one HTML file that needs nothing else: plots, and the tables they are made of.
import { plotsOf } from './plots.ts';
import type { Report } from './report.ts';
import { escapeHtml, svgOf } from './svg.ts';
import { reasonsOf, type Table, tablesOf, targetTable } from './table.ts';

const STYLE = `
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(30rem, 1fr)); gap: 1.5rem; }
svg { width: 100%; height: auto; font-size: 11px; fill: #333; } svg .title { font-size: 13px; font-weight: 600; }
svg .grid { stroke: #e4e4e4; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #e4e4e4; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
`;

const cells = (tag: 'th' | 'td', row: readonly string[]): string =>
  `<tr>${row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;

const tableHtml = ({ head, rows }: Table): string =>
  `<div class="scroll"><table><thead>${cells('th', head)}</thead><tbody>\n` +
  `${rows.map((row) => cells('td', row)).join('\n')}\n</tbody></table></div>`;

export function formatHtml(report: Report): string {
  const { machine, time, seconds, rounds } = report;
  const where = `${machine.cpu}, ${machine.cpus} CPUs, Linux ${machine.kernel}, Node ${machine.node}`;
  const reasons = reasonsOf(report).map(
    ({ why, labels }) => `<li>${escapeHtml(why)}<br><small>${escapeHtml(labels.join('; '))}</small></li>`,
  );
  const targets = targetTable(report);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ptnetmap: measurements</title>
<style>${STYLE}</style>
</head>
<body>
<h1>ptnetmap: measurements</h1>
<p>${escapeHtml(where)}.<br>${escapeHtml(time)}: ${rounds} rounds in rotated order, ${seconds} s for each measurement.
Points are medians of the rounds, vertical lines reach from the smallest to the largest. Broken lines are limits of the machine itself.</p>
<div class="plots">
${plotsOf(report).map(svgOf).join('\n')}
</div>
<h2>Figures</h2>
${tablesOf(report).map(tableHtml).join('\n<br>\n')}
${targets.rows.length === 0 ? '' : `<h2>Targets</h2>\n${tableHtml(targets)}`}
${reasons.length === 0 ? '' : `<h2>Not measured</h2>\n<ul>\n${reasons.join('\n')}\n</ul>`}
</body>
</html>
`;
}
