// Packets between real VMs and the host: every one arrives once, in order, unaltered, or is counted as dropped.
import { expect } from 'vitest';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

const MILLION = 1_000_000;

const NULL_VM = (ports: string) => `
ports:
  'null:a': ${ports}
vms:
  vm1: { devices: [{ port: 'null:a' }] }
`;

vmTest('guest to host: 1,000,000 packets arrive once, in order, unaltered', async () => {
  const h = await startHost(NULL_VM('{ sink: { verify: true } }'));
  const vm = await boot(h, 'vm1');
  const sent = await vm.agent(`send --count ${MILLION} --payload full`);
  expect(sent.sent).toMatchObject({ packets: MILLION, bytes: 60 * MILLION });
  const port = h.port('null:a');
  expect(port.rings[0]).toMatchObject({ packets: MILLION, bytes: 60 * MILLION });
  expect(port.sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
  expect(h.drops('null:a', 'tx')).toBe(0);
});

vmTest('host to guest: 1,000,000 packets arrive once, in order, unaltered', async () => {
  const h = await startHost(NULL_VM(`{ source: { packets: ${MILLION}, payload: full } }`));
  const vm = await boot(h, 'vm1');
  const got = await vm.agent(`receive --count ${MILLION} --payload full`);
  expect(got.received).toMatchObject({
    packets: MILLION,
    bytes: 60 * MILLION,
    lost: 0,
    late: 0,
    corrupt: 0,
  });
});

vmTest('packets of many sizes and fragments arrive unaltered, both ways', async () => {
  const h = await startHost(
    NULL_VM('{ sink: { verify: true }, source: { packets: 50000, size: 1514, payload: full } }'),
  );
  const vm = await boot(h, 'vm1');
  await vm.agent('receive --count 50000 --payload full');
  let total = 0;
  for (const [size, frags] of [
    [60, 1],
    [61, 2],
    [255, 3],
    [1514, 4],
    [2048, 1],
    [9000, 5],
    [60000, 60],
  ]) {
    await vm.agent(`send --count 20000 --payload full --size ${size} --frags ${frags} --first-seq ${total}`);
    total += 20_000;
    expect(h.packets('null:a', 'tx')).toBe(total);
    expect(h.port('null:a').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
  }
});

vmTest('four rings each way', async () => {
  const h = await startHost(
    NULL_VM(
      `{ tx-rings: 4, rx-rings: 4, sink: { verify: true }, source: { packets: 100000, payload: full } }`,
    ),
  );
  const vm = await boot(h, 'vm1');
  const sent = await vm.agent('send --count 400000 --payload full');
  expect(sent.sent).toMatchObject({ packets: 400_000 });
  const port = h.port('null:a');
  expect(port.rings.filter((r) => r.dir === 'tx').map((r) => r.packets)).toEqual([
    100_000, 100_000, 100_000, 100_000,
  ]);
  expect(port.sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
  const got = await vm.agent('receive --count 400000 --payload full');
  expect(got.received).toMatchObject({ packets: 400_000, lost: 0, late: 0, corrupt: 0 });
});

vmTest('two VMs over a pipe, both directions at once: nothing lost', async () => {
  const h = await startHost(`
regions: { shared: { id: 9, buf-num: 8192 } }
vms:
  vm1: { region: shared, devices: [{ port: 'p{1' }] }
  vm2: { region: shared, devices: [{ port: 'p}1' }] }
`);
  const [a, b] = await Promise.all([boot(h, 'vm1'), boot(h, 'vm2')]);
  const command = `duplex --count ${MILLION} --payload full --timeout 120`;
  const [x, y] = await Promise.all([a.agent(command), b.agent(command)]);
  for (const result of [x, y]) {
    expect(result.sent).toMatchObject({ packets: MILLION });
    expect(result.received).toMatchObject({ packets: MILLION, lost: 0, late: 0, corrupt: 0 });
  }
});

vmTest('two VMs over VALE: delivered + dropped = sent, nothing altered', async () => {
  const h = await startHost(`
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`);
  const [a, b] = await Promise.all([boot(h, 'vm1'), boot(h, 'vm2')]);
  const receiving = b.agent('receive --seconds 60 --idle-ms 2000 --payload full');
  const sent = await a.agent('send --count 300000 --payload full');
  const got = await receiving;
  const { packets, corrupt, late } = got.received as { packets: number; corrupt: number; late: number };
  expect(corrupt).toBe(0);
  expect(late).toBe(0);
  expect(sent.sent).toMatchObject({ packets: 300_000 });
  expect(packets).toBe(h.packets('vale0:2', 'rx'));
  expect(packets + h.drops('vale0:2', 'rx')).toBe(300_000);
});

vmTest('VALE: unicast goes only to the learned port', async () => {
  const h = await startHost(`
vms:
  vm1: { devices: [{ name: net0, port: 'vale0:1' }, { name: net1, port: 'vale0:2' }] }
  vm2: { devices: [{ port: 'vale0:3' }] }
`);
  const [a, b] = await Promise.all([boot(h, 'vm1'), boot(h, 'vm2')]);
  // vm2 makes itself known with one broadcast, which reaches both other ports.
  await b.agent('send --count 1 --src 02:00:00:00:00:0b --dst ff:ff:ff:ff:ff:ff');
  const receiving = b.agent('receive --seconds 60 --idle-ms 2000 --payload full');
  await a.agent(
    'send --device 0 --count 1000 --payload full --burst 8 --src 02:00:00:00:00:0a --dst 02:00:00:00:00:0b',
  );
  expect((await receiving).received).toMatchObject({ corrupt: 0 });
  expect(h.packets('vale0:3', 'rx') + h.drops('vale0:3', 'rx')).toBe(1000);
  // The bystander is not served, so that what would have reached it is counted as dropped: the broadcast only.
  expect(h.packets('vale0:2', 'rx') + h.drops('vale0:2', 'rx')).toBe(1);
});
