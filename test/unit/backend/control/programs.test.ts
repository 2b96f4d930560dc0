// The routes about programs: who may only ask does not keep one running.
import { expect, test } from 'vitest';
import { createApp } from '../../../../backend/control/app.ts';
import type { ServedTarget } from '../../../../backend/control/target.ts';

const state = { id: 7, kind: 'bridge', ports: ['a', 'b'], ended: false, stats: {} };

function target() {
  const asked: number[] = [];
  const programs = {
    states: [state],
    ask(id: number) {
      asked.push(id);
      return id === state.id ? state : undefined;
    },
  };
  return { asked, target: { host: { programs } } as unknown as ServedTarget };
}

test.each([
  ['control.sock', true, [7, 8]],
  ['control-ro.sock', false, []],
] as const)('%s', async (_name, writable, renewed) => {
  const { asked, target: host } = target();
  const app = createApp(host, { writable });
  const answer = await app.request('/v1/programs/7');
  expect([answer.status, await answer.json()]).toEqual([200, state]);
  expect((await app.request('/v1/programs/8')).status).toBe(404);
  expect(asked).toEqual(renewed);
});
