// The report as one page: first what can be compared, with those who are compared with, then what is only ours.
import { describeMachine } from '../../backend/report/machine.ts';
import { pageHtml, type Section } from '../../backend/report/page.ts';
import { escapeHtml } from '../../backend/report/svg.ts';
import { costPlots, kernelPlots, latencyPlots, modelPlots, untouchedPlots, vmPlots } from './plots.ts';
import type { Report } from './report.ts';
import {
  backgroundTables,
  reasonsOf,
  resultTable,
  targetTable,
  UNTOUCHED_MEANING,
  untouchedTable,
} from './table.ts';

const STAMPED =
  'A stamped packet has a number in its first cache line, which its sender writes and its receiver checks. Packets that a peer sends have headers that it writes, and nobody reads them: ours do the same work or more.';

const TARGETS =
  'What the project wants of itself. Where a label says payload=none, packets were untouched: that says how little the host adds, and not how fast a network is.';

function notMeasured(report: Report): Section {
  const reasons = reasonsOf(report).map(
    ({ why, labels }) => `<li>${escapeHtml(why)}<br><small>${escapeHtml(labels.join('; '))}</small></li>`,
  );
  return {
    title: 'Not measured',
    more: reasons.length === 0 ? '' : `<ul>\n${reasons.join('\n')}\n</ul>\n`,
  };
}

const withRows = (...tables: ReturnType<typeof resultTable>[]) =>
  tables.filter(({ rows }) => rows.length > 0);

export function formatHtml(report: Report): string {
  const { machine, time, seconds, rounds } = report;
  const kernel = kernelPlots(report);
  return pageHtml({
    title: 'ptnetmap: measurements',
    text: [
      `${describeMachine(machine)}. ${time}: ${rounds} rounds in rotated order, ${seconds} s for each measurement.`,
      'Figures are medians of the rounds; vertical lines reach from the smallest to the largest. Other programs were measured in the same rounds. Broken lines are limits of the machine itself.',
    ],
    sections: [
      { title: 'Stamped packets between driver models', text: [STAMPED], plots: modelPlots(report) },
      { title: 'Stamped packets in real VMs', plots: vmPlots(report) },
      {
        title: 'Two guests, by way of the kernel',
        text: ['The kernel copies every packet, for ours and for the others.'],
        plots: kernel,
      },
      { title: 'Latency', plots: latencyPlots(report) },
      { title: 'What it costs', plots: costPlots(report) },
      { title: 'Rates', tables: withRows(resultTable(report)) },
      { title: 'Everything else', tables: backgroundTables(report) },
      {
        title: 'Packets that nobody touches',
        text: [UNTOUCHED_MEANING],
        plots: untouchedPlots(report),
        tables: withRows(untouchedTable(report)),
      },
      { title: 'Targets', text: [TARGETS], tables: withRows(targetTable(report)) },
      notMeasured(report),
    ],
  });
}
