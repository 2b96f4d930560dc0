// A network of two machines: two hosts, each a process in a network namespace of its own, whose switches meet by a VXLAN of the kernel's. Driver models and real VMs of both are on one network.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { type GuestPort, openGuest } from '../../guest-driver/model/index.ts';
import { Vm } from '../../vm-images/machine/vm.ts';
import { Netns } from '../harness/netns.ts';
import { projectRoot } from '../harness/paths.ts';
import { probe } from '../harness/probe-packet.ts';
import { onEnd } from '../model/scene.ts';
import { vmTest } from './vm-test.ts';

const WAIT_MS = 120_000;
/** VXLAN over IPv4 takes 50 bytes of 1500. */
const MTU = 1450;
const LONGEST = 14 + MTU;

interface Machine {
  readonly net: Netns;
  /** What the host's process has said. */
  said(): string;
  sockets(vm: string): string[];
}

async function startMachine(net: Netns): Promise<Machine> {
  const folder = mkdtempSync(join(tmpdir(), 'ptnet-overlay-'));
  const file = join(folder, 'host.yaml');
  const run = join(folder, 'run');
  writeFileSync(
    file,
    `run-dir: ${run}
switches: { vale0: { members: ['tap:lan'] } }
ports: { 'tap:lan': { mtu: ${MTU} } }
vms:
  model: { devices: [{ port: 'vale0:1' }] }
  real: { devices: [{ port: 'vale0:2' }] }
`,
  );
  const [program, ...within] = net.within;
  const main = join(projectRoot(), 'dist/backend/cli/main.js');
  const host = execa(program!, [...within, process.execPath, main, 'up', file], { reject: false, all: true });
  let said = '';
  host.all.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  onEnd(async () => {
    host.kill('SIGTERM');
    await host;
    rmSync(folder, { recursive: true });
  });
  await expect.poll(() => said, { timeout: WAIT_MS }).toContain('The host is running');
  await net.ip('link set dev lan master br0');
  await expect
    .poll(async () => net.ip('-j link show dev lan'), { timeout: WAIT_MS })
    .toContain('"operstate":"UP"');
  return {
    net,
    said: () => said,
    sockets: (vm) => ['mem', 'net0'].map((device) => join(run, vm, `${device}.sock`)),
  };
}

/** Two namespaces that a cable joins, each with a bridge and a VXLAN to the other one in it. */
async function twoMachines(): Promise<[Machine, Machine]> {
  const bridge = 'ip link add br0 type bridge mcast_snooping 0\nip link set dev br0 up';
  const nets = [await Netns.open(bridge), await Netns.open(bridge)] as const;
  for (const net of nets) onEnd(() => net.close());
  const [, pid] = /^\/proc\/(\d+)\//.exec(nets[1].path)!;
  await nets[0].ip(`link add under type veth peer name under netns ${pid}`);
  for (const [i, net] of nets.entries()) {
    await net.ip(`address add 192.0.2.${1 + i}/24 dev under`);
    await net.ip('link set dev under up');
    await net.ip(`link add vxlan0 type vxlan id 7 dstport 4789 remote 192.0.2.${2 - i} dev under`);
    await net.ip('link set dev vxlan0 master br0 up');
  }
  return [await startMachine(nets[0]), await startMachine(nets[1])];
}

async function model(machine: Machine): Promise<GuestPort> {
  const [memdev, ...ptnet] = machine.sockets('model');
  const guest = await openGuest({ memdev: memdev!, ptnet });
  onEnd(() => guest.close());
  await guest.create();
  return guest.ports[0]!;
}

const ADDRESSES = [Uint8Array.of(2, 0, 0, 0, 1, 0), Uint8Array.of(2, 0, 0, 0, 2, 0)] as const;

test('driver models of two machines: each length that fits arrives as it was sent, both ways; a longer one does not', {
  timeout: 2 * WAIT_MS,
}, async () => {
  const machines = await twoMachines();
  const ports = [await model(machines[0]), await model(machines[1])] as const;
  /** From i to the other one. */
  const pass = async (i: 0 | 1, size: number) => {
    const packet = probe({ seq: BigInt(size), size, src: ADDRESSES[i], dst: ADDRESSES[1 - i]! });
    await ports[i].send(packet);
    return { packet, got: async () => await ports[1 - i]!.receive({ timeoutMs: WAIT_MS }) };
  };
  for (const i of [0, 1] as const)
    for (let size = 60; size <= LONGEST; size++) {
      const { packet, got } = await pass(i, size);
      expect(Buffer.compare((await got())!, packet), `${size} bytes`).toBe(0);
    }
  // As who takes the network for an ordinary one sends; a tag's four bytes more would still go.
  await pass(0, 14 + 1500);
  const { packet, got } = await pass(0, LONGEST);
  expect(await got()).toEqual(packet);
  for (const machine of machines) expect(machine.said()).not.toContain('has an mtu of');
  // Somebody makes the way narrower.
  await machines[0].net.ip('link set dev under mtu 1400');
  await machines[0].net.ip('link set dev lan mtu 1449');
  await expect
    .poll(() => machines[0].said(), { timeout: WAIT_MS })
    .toContain(
      "tap:lan: the interface has an mtu of 1449, and what goes by 'vxlan0' of its bridge 'br0' may have 1350 bytes at most ('under' has mtu 1400, and vxlan takes 50): an mtu of 1350, for it and for the guests that send there, would be right",
    );
});

vmTest('real VMs of two machines', async () => {
  const machines = await twoMachines();
  const [a, b] = await Promise.all(
    machines.map(async (machine, i) => {
      const vm = await Vm.start({ name: `real${i}`, sockets: machine.sockets('real') });
      onEnd(async () => await vm.stop());
      await vm.ready();
      return vm;
    }),
  );
  const COUNT = 3000;
  for (const [from, to] of [
    [a!, b!],
    [b!, a!],
  ] as const) {
    const receiving = to.agentStart('receive --seconds 600 --idle-ms 5000 --payload full');
    const sent = await from.agent(`send --count ${COUNT} --size ${LONGEST} --rate 1000 --payload full`);
    expect(sent.sent).toMatchObject({ packets: COUNT });
    const { received } = (await receiving.done) as unknown as { received: Record<string, number> };
    // The first ones may come before there is a receiver; the kernel's queues drop when a VM gets no CPU.
    expect(received).toMatchObject({ late: 0, corrupt: 0 });
    expect(received.packets).toBeGreaterThan(COUNT / 10);
  }
});
