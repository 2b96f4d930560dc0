// docs/counters.md says what the commands say: it is written from the same table (`npm run generate` writes it).
import { expect, test } from 'vitest';
import {
  DROPS,
  type Explanation,
  LOST_COUNTERS,
  RING_COUNTERS,
  SINK_COUNTERS,
  WORKER_COUNTERS,
} from '../../backend/control/counters.ts';
import { DROP_CAUSES } from '../../native/stats.ts';

function section(title: string, intro: string, table: Readonly<Record<string, Explanation>>): string {
  const rows = Object.entries(table).map(
    ([name, { meaning, action = '' }]) => `| \`${name}\` | ${meaning} | ${action} |`,
  );
  return `## ${title}\n\n${intro}\n\n| | meaning | what to do when it grows |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

const PAGE = `# Counters

What \`ptnet show\`, \`ptnet top\`, \`ptnet up --stats\`, the control API and the metrics count, and what to do. tx and rx are the guest's view: tx is what it sends.
A packet is counted once where it is taken from a ring and once in each ring that it is put into. Drops on a tx ring are packets of that sender that reached nobody; drops on an rx ring are packets that this receiver did not get.

${section('Drops by cause', 'Of each ring, and of each queue of a member.', DROPS)}
${section('Rings', 'Of each ring.', RING_COUNTERS)}
${section('Sinks', 'Of null ports with `sink: { verify: true }`.', SINK_COUNTERS)}
${section('Interfaces', 'Of `netmap:IF`: before frames came to us, and after they left.', LOST_COUNTERS)}
${section('Workers', 'Of each worker thread.', WORKER_COUNTERS)}`;

test('docs/counters.md is what the table says', async () => {
  await expect(PAGE).toMatchFileSnapshot('../../docs/counters.md');
});

test('every reason for a drop is explained, with what to do', () => {
  expect(Object.keys(DROPS)).toEqual([...DROP_CAUSES]);
  for (const { action } of Object.values(DROPS)) expect(action).toBeTruthy();
});
