// XDP on the Linux driver's interface in its generic form: packets passed, dropped, sent back and redirected, and programs that come and go in traffic.
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest';
import { ipv4, ipv6, macOf } from '../../harness/linux-network.ts';
import { sendDatagrams, sendFile, UDP_PORT } from '../../harness/transfer.ts';
import { xdpObject } from '../../harness/xdp-program.ts';
import { vmTest } from '../vm-test.ts';
import { expectWell, Guests } from './guests.ts';
import { FEWER_RELEASES, LONG } from './releases.ts';
import { END, expectTraffic, flood, HOST_ADDRESS, type Scene, scene } from './scene.ts';

/** Nobody listens on any of them but the last. */
const PORTS = { pass: 7003, drop: 7004, tx: 7005, redirect: UDP_PORT };
const DATAGRAMS = 20;
const DATAGRAM_BYTES = 1000;
const ROUNDS = LONG ? 100 : 10;

const guests = new Guests();
afterEach((context) => {
  if (context.task.result?.state === 'fail') guests.keepLogs();
});
afterAll(() => guests.close());

const ON = 'ip link set dev net0 xdpgeneric obj /root/xdp.o sec xdp';
const OFF = 'ip link set dev net0 xdpgeneric off';

/** The program, loaded, and an interface v1 of the guest's own that takes what is redirected, as if it had come to net0. */
async function load({ vm }: Scene): Promise<void> {
  const ifindex = await vm.run(`modprobe veth
ip link add v0 type veth peer name v1 address ${macOf(END)}
ip link set v0 up
ip link set v1 up
echo 0 > /proc/sys/net/ipv4/conf/v1/rp_filter
cat /sys/class/net/v0/ifindex`);
  await vm.write('/root/xdp.o', xdpObject({ ...PORTS, ifindex: Number(ifindex) }));
  await vm.run(ON);
}

/** Packets that an interface of the guest has received. */
const received = async ({ vm }: Scene, device: string): Promise<number> =>
  Number(await vm.run(`cat /sys/class/net/${device}/statistics/rx_packets`));

/** Datagrams to ports that nobody listens on, as the guest's stack counts them. */
const unheard = async ({ vm }: Scene): Promise<number> =>
  Number(await vm.run(`awk '/^Udp:/ { n = $3 } END { print n }' /proc/net/snmp`));

/** What comes back when DATAGRAMS of noise are sent to a port of the guest; and the noise. */
async function send({ host }: Scene, port: number): Promise<{ sent: string; back: string }> {
  const file = `/tmp/ptnet-xdp-${process.pid}`;
  const printed = await host.run(`head -c ${DATAGRAMS * DATAGRAM_BYTES} /dev/urandom > ${file}
sha256sum < ${file}
socat -b ${DATAGRAM_BYTES} -t 5 - UDP4:${ipv4(0, END.station)}:${port} < ${file} 2> /dev/null | sha256sum
rm ${file}`);
  const [sent = '', back = ''] = printed.split('\n');
  return { sent, back };
}

for (const release of FEWER_RELEASES)
  describe(`Linux of ${release}`, () => {
    let s: Scene;

    beforeAll(async () => {
      s = await scene(guests, release);
    }, 600_000);

    vmTest('a program cannot be had in the driver itself: said at once, and nothing changes', async () => {
      await s.vm.write('/root/xdp.o', xdpObject({ ...PORTS, ifindex: 1 }));
      const native = await s.vm.attempt(ON.replace('xdpgeneric', 'xdpdrv'));
      expect(native.code).not.toBe(0);
      expect(native.stderr).toMatch(/native mode|not supported/);
      expect(await s.vm.run('ip -details link show dev net0')).not.toContain('xdp');
    });

    vmTest('what a program says is done with each packet', async () => {
      await load(s);

      const returned = await send(s, PORTS.tx);
      expect(returned.back).toBe(returned.sent);

      // What is dropped never gets to the stack; what is passed does.
      const before = await unheard(s);
      await send(s, PORTS.drop);
      expect(await unheard(s)).toBe(before);
      await s.host.run(
        `for i in $(seq ${DATAGRAMS}); do echo $i | socat -u - UDP4-DATAGRAM:${ipv4(0, END.station)}:${PORTS.pass}; done`,
      );
      await expect.poll(() => unheard(s)).toBe(before + DATAGRAMS);

      const redirected = await received(s, 'v1');
      const file = { from: s.host, to: s.guest, address: ipv4(0, END.station), bytes: 40_000 };
      const datagrams = await sendDatagrams(file, DATAGRAM_BYTES, 'sender');
      expect(datagrams.received).toBe(datagrams.sent);
      expect(await received(s, 'v1')).toBeGreaterThanOrEqual(redirected + 40);
      await expectTraffic(s);
    });

    vmTest('packets of 64 KiB and of 9000 bytes pass', async () => {
      for (const mtu of [9000, 1500]) {
        await Promise.all([s.vm, s.host].map((place) => place.run(`ip link set dev net0 mtu ${mtu}`)));
        for (const [from, to, address] of [
          [s.host, s.guest, ipv6(0, END.station)],
          [s.guest, s.host, HOST_ADDRESS],
        ] as const) {
          const file = await sendFile({ from, to, address, bytes: 3_000_000 });
          expect(file.received).toBe(file.sent);
        }
      }
      await expectWell([s.vm], [s.guest, s.host]);
    });

    vmTest('programs come and go in traffic, and the driver goes with one on its interface', async () => {
      const stop = await flood(s);
      for (let round = 0; round < ROUNDS; round++) await s.vm.run(`${OFF}\nsleep 0.1\n${ON}\nsleep 0.1`);
      await s.vm.run('rmmod ptnet');
      await stop();
      await expectWell([s.vm], []);
    });
  });
