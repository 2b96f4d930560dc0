// Interfaces of all kinds as members of a switch: guests with a kernel's network stack, with a virtio-net header and without, reach a kernel beyond them.
import { execaSync } from 'execa';
import { expect, test, vi } from 'vitest';
import { inspectAny } from '../harness/frames.ts';
import { netns, WAIT_MS } from '../harness/interfaces.ts';
import { KernelGuest } from '../harness/kernel-guest.ts';
import { NOTHING, tcpBothWays } from '../harness/tcp-peer.ts';
import { onEnd, startHost } from './scene.ts';

vi.setConfig({ testTimeout: 2 * WAIT_MS });
const TCP_BYTES = 4 << 20;
const GUESTS = [
  ['vm1', 12, '192.0.2.11'],
  ['vm2', 0, '192.0.2.12'],
] as const;
const FAR = '192.0.2.2';

/** What makes `x` of `under`, which is one of two machines' end of a cable, and its mtu; `other` is the other machine. */
const KINDS: Readonly<Record<string, { mtu: number; made: (other: string) => string[] }>> = {
  vxlan: { mtu: 1450, made: (other) => [`add x type vxlan id 7 dstport 4789 remote ${other} dev under`] },
  geneve: { mtu: 1450, made: (other) => [`add x type geneve id 7 remote ${other}`] },
  vlan: { mtu: 1500, made: () => ['add link under name x type vlan id 7'] },
  // The other modes take frames of its own address only.
  macvlan: { mtu: 1500, made: () => ['add link under name x type macvlan mode passthru'] },
  bridge: {
    mtu: 1500,
    made: () => ['add x type bridge mcast_snooping 0', 'set dev under master x'],
  },
};

/** Why this kernel cannot have one; undefined when it can. */
function missing(kind: string): string | undefined {
  const commands = [
    'ip link add under type veth peer name over',
    ...KINDS[kind]!.made('192.0.2.2').map((made) => `ip link ${made}`),
  ];
  const { failed, stderr } = execaSync('unshare', ['--net', 'sh', '-ec', commands.join('\n')], {
    reject: false,
  });
  return failed ? `${kind}: ${stderr.trim()}` : undefined;
}

for (const [kind, { mtu, made }] of Object.entries(KINDS)) {
  const why = missing(kind);
  test.skipIf(why !== undefined)(`${kind}${why === undefined ? '' : ` (not run: ${why})`}`, async () => {
    const [near, far] = [await netns(), await netns()];
    await near.ip(`link add under type veth peer name under netns ${far.path}`);
    for (const [i, net] of [near, far].entries()) {
      await net.ip(`address add 198.51.100.${1 + i}/24 dev under`);
      await net.ip('link set dev under up');
      for (const command of made(`198.51.100.${2 - i}`)) await net.ip(`link ${command}`);
      await net.ip(`link set dev x mtu ${mtu} up`);
    }
    await far.ip(`address add ${FAR}/24 dev x`);
    const host = await startHost(`
switches: { vale0: { members: ['netmap:x'], mtu: ${mtu} } }
ports: { 'netmap:x': { netns: ${near.path} } }
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`);
    for (const [vm, vnetHdrLen, address] of GUESTS) {
      const addresses = [`${address}/24`];
      const guest = await KernelGuest.start(host, vm, await netns(), {
        vnetHdrLen,
        addresses,
        mtu,
        capture: true,
      });
      onEnd(() => guest.close());
      const { client, server } = await tcpBothWays(guest.netns, far, FAR, TCP_BYTES);
      expect([client.got, server.got]).toEqual([server.sent, client.sent]);
      expect(client.got).not.toBe(NOTHING);
      if (vnetHdrLen > 0) continue;
      for (const frame of guest.captured()) {
        inspectAny(frame);
        expect(frame.length).toBeLessThanOrEqual(14 + mtu);
      }
    }
    const [member] = host.host.stats([]).members;
    expect(member!.interface).toMatchObject({ name: 'x', mtu, access: 'af_packet' });
    for (const { drops } of member!.rings) expect(drops['bad-vnet'] + drops['bad-len']).toBe(0);
    expect(host.warnings()).toEqual([]);
  });
}
