// The Linux driver comes and goes in traffic: unload and load, reboot, kexec, sleep, a stopped machine, devices plugged, a host that dies.
import { afterEach, describe, expect } from 'vitest';
import { deviceId, vfioUserDevice } from '../../../vm-images/machine/qemu-args.ts';
import {
  type End,
  HOST,
  hostAddresses,
  ipv4,
  macOf,
  setUp,
  setUpScript,
} from '../../harness/linux-network.ts';
import type { LinuxVm } from '../../harness/linux-vm.ts';
import { inGuest, inNetns } from '../../harness/place.ts';
import { sendFile } from '../../harness/transfer.ts';
import { vmTest } from '../vm-test.ts';
import { startHost } from '../vms.ts';
import { dyingHost } from './dying-host.ts';
import { Guests } from './guests.ts';
import { FEWER_RELEASES, LONG } from './releases.ts';
import { END, expectTraffic, flood, floodHost, HOST_ADDRESS, SCENE, STOP_FLOOD, scene } from './scene.ts';

const RELOADS = LONG ? 200 : 5;

const guests = new Guests();
afterEach(async (context) => {
  if (context.task.result?.state === 'fail') guests.keepLogs();
  await guests.close();
});

const WAIT_MS = 120_000;
const STOPPED_MS = 1000;

/**
 * Resolves to true when the driver has noticed that its host is gone. QEMU 11.1.3 ends by an assertion of its own
 * (util/error.c) when two virtual CPUs meet the dead host at once: false then.
 */
async function outlives(vm: LinuxVm): Promise<boolean> {
  const carrier = async () => {
    await expect.poll(() => vm.run('cat /sys/class/net/net0/carrier'), { timeout: WAIT_MS }).toBe('0');
    return true;
  };
  const noticed = carrier();
  noticed.catch(() => {});
  const ended = vm.vm.exited.then((exit) => {
    expect(exit.signal).toBe('SIGABRT');
    return false;
  });
  return await Promise.race([noticed, ended]);
}

for (const release of FEWER_RELEASES)
  describe(`Linux of ${release}`, () => {
    vmTest(`the driver is unloaded and loaded ${RELOADS} times in traffic`, async () => {
      const s = await scene(guests, release);
      const stop = await flood(s);
      for (let round = 0; round < RELOADS; round++) {
        await s.vm.run('sleep 0.2; rmmod ptnet');
        expect(await s.vm.run('ls /sys/class/net')).toBe('lo');
        await setUp(s.vm, [END]);
        s.vm.expectWell();
      }
      await stop();
      await expectTraffic(s);
      expect(s.h.warnings().filter((line) => !/^tap:/.test(line))).toEqual([]);
    });

    vmTest(
      `the guest restarts in traffic: ${LONG ? 'by itself, ' : ''}by kexec and by a reset button`,
      async () => {
        const s = await scene(guests, release, { kexec: true });
        for (const restart of [
          // Its driver sees what it sees before a kexec.
          ...(LONG ? [() => s.vm.reboot()] : []),
          () => s.vm.kexec(),
          () => s.vm.restarts(() => s.vm.vm.qmp.command('system_reset')),
        ]) {
          const stop = await flood(s);
          await restart();
          await setUp(s.vm, [END]);
          await stop();
          await expectTraffic(s);
        }
      },
    );

    vmTest('the machine stands still in traffic, and goes on', async () => {
      const s = await scene(guests, release);
      for (const [from, to, address] of [
        [s.guest, s.host, HOST_ADDRESS],
        [s.host, s.guest, ipv4(0, END.station)],
      ] as const) {
        const file = sendFile({ from, to, address, bytes: 60_000_000 });
        file.catch(() => {});
        const moved = () => s.h.packets('tap:net0', 'tx') + s.h.packets('tap:net0', 'rx');
        const before = moved();
        // Packets of 64 KiB: the file is some hundreds of them.
        await expect.poll(moved, { timeout: WAIT_MS, interval: 5 }).toBeGreaterThan(before + 20);
        await s.vm.vm.qmp.command('stop');
        await new Promise((resolve) => setTimeout(resolve, STOPPED_MS));
        await s.vm.vm.qmp.command('cont');
        const { sent, received } = await file;
        expect(received).toBe(sent);
      }
      await expectTraffic(s);
    });

    vmTest('devices are plugged in and taken away in traffic, as far as QEMU can', async () => {
      const net = await guests.netns();
      const second: End = { ...END, name: 'net1', link: 1 };
      const h = await startHost(`
ports:
  'tap:net0': { netns: ${net.path}, address: ${hostAddresses(0)} }
  'tap:net1': { netns: ${net.path}, address: ${hostAddresses(1)} }
vms: { vm1: { devices: [${[END, second].map((end) => `{ port: 'tap:${end.name}', mac: '${macOf(end)}' }`).join(', ')}] } }
`);
      const sockets = h.sockets('vm1');
      const vm = await guests.boot({ name: `plug-${release}`, release, sockets: sockets.slice(0, 2) });
      await setUp(vm, [END]);
      const s = { h, net, vm, guest: inGuest(vm), host: inNetns(net) };
      await net.ip(`neigh replace ${ipv4(0, END.station)} lladdr ${macOf(END)} dev net0 nud permanent`);
      const stop = await flood(s);
      // A second device comes, by QEMU; then it is taken away and found again by the guest, which QEMU has no part in.
      await vm.vm.qmp.command('device_add', vfioUserDevice('pc', deviceId(2), sockets[2]!));
      await vm.run(
        `n=0; until [ "$(ls /sys/class/net | wc -l)" = 3 ]; do n=$((n + 1)); [ $n -lt 300 ]; sleep 0.1; done`,
      );
      for (let round = 0; round < (LONG ? 50 : 5); round++) {
        await vm.run(setUpScript([second]));
        await vm.run(`ping -c 1 -w 60 ${ipv4(1, HOST)}
pci=$(readlink -f /sys/class/net/net1/device)
echo 1 > "$pci/remove"
[ ! -e /sys/class/net/net1 ]
echo 1 > /sys/bus/pci/rescan`);
      }
      // The one that carries the traffic too, and the memory behind it, which both need.
      await vm.run(`for device in $(cd /sys/bus/pci/drivers/ptnet; echo 0*); do
  echo 1 > /sys/bus/pci/devices/$device/remove
done`);
      expect(await vm.run('ls /sys/class/net')).toBe('lo');
      await vm.run('echo 1 > /sys/bus/pci/rescan');
      await vm.run(setUpScript([END, second]));
      await stop();
      await expectTraffic(s);
      expect(h.warnings().filter((line) => !/^tap:/.test(line))).toEqual([]);
    });

    vmTest(
      'the host is killed in traffic: no carrier, a line in the log, and the guest lives on',
      async () => {
        const net = await guests.netns();
        const dying = await dyingHost(SCENE(net), ['mem.sock', 'net0.sock']);
        try {
          const vm = await guests.boot({ name: `orphan-${release}`, release, sockets: dying.sockets });
          await setUp(vm, [END]);
          const guest = inGuest(vm);
          await guest.run(`ping -c 1 -w 60 ${HOST_ADDRESS}`);
          await floodHost(vm);
          await vm.run('sleep 0.5');
          await dying.kill();
          if (!(await outlives(vm))) return;
          const lines = () => vm.run('dmesg | grep -c "ptnet.* net0: .*no carrier" || :');
          await expect.poll(lines, { timeout: WAIT_MS }).toBe('1');
          await vm.run('sleep 3');
          expect(await lines()).toBe('1');
          await vm.run(`${STOP_FLOOD}\nethtool -S net0; ip link set dev net0 down; rmmod ptnet`);
          vm.expectWell();
        } finally {
          await dying.close();
        }
      },
    );
  });
