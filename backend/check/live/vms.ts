// Tries a host of a configuration with real VMs: QEMU, a kernel and a driver in it, on every device of the first VMs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getQemu } from '../../../vm-images/fetch.ts';
import { whyNoKvm } from '../../../vm-images/machine/kvm.ts';
import { Vm } from '../../../vm-images/machine/vm.ts';
import { type Placed, placeDevices } from '../../config/placed.ts';
import type { Host } from '../../host.ts';
import { type Finding, failed, judge, pass, warn } from '../finding.ts';
import type { PathOptions } from './paths.ts';
import { arrives, nameOf } from './reach.ts';
import { pause } from './station.ts';
import type { Trial } from './trial.ts';

/** More do not boot in half a minute of emulation. */
const VMS_MAX = 4;
const MEMORY = '256M';
/** No ring of the usual size is full of them, so none may be missing. */
const COUNT = 500;
const SIZES = [60, 1514];
const CYCLES = 3;
/** The serial line and the agent's start take less. */
const LISTEN_MS = 500;
const SECONDS = 30;
const IDLE_MS = 1000;

interface RunningVm {
  readonly vm: Vm;
  readonly places: readonly Placed[];
}

export async function* tryVms(trial: Trial, options: PathOptions): AsyncGenerator<Finding> {
  const logs = mkdtempSync(join(tmpdir(), 'ptnet-check-vm-'));
  const running = new Map<string, RunningVm>();
  const stop = (): void => {
    for (const { vm } of running.values()) vm.kill('SIGKILL');
  };
  options.signal.addEventListener('abort', stop);
  try {
    yield* boot(trial, running, logs, options);
    yield* drivers(running, options);
    yield* paths(trial, running, options);
  } catch (error) {
    options.signal.throwIfAborted();
    throw error;
  } finally {
    options.signal.removeEventListener('abort', stop);
    await Promise.all([...running.values()].map(({ vm }) => vm.stop()));
    rmSync(logs, { recursive: true, force: true });
  }
}

async function* boot(
  { host, config }: Trial,
  running: Map<string, RunningVm>,
  logDir: string,
  { signal, onProgress }: PathOptions,
): AsyncGenerator<Finding> {
  const qemu = await getQemu();
  const whyNot = await whyNoKvm(qemu);
  const by = `QEMU ${qemu.version}, ${whyNot === undefined ? 'KVM' : 'emulated'}`;
  const placed = placeDevices(config);
  const names = [...config.vms.keys()];
  for (const name of names.slice(0, VMS_MAX)) {
    signal.throwIfAborted();
    onProgress(`${name}: QEMU starts`);
    const sockets = host.vms.find((vm) => vm.name === name)!.devices.map(({ socketPath }) => socketPath);
    const { machine } = config.vms.get(name)!;
    const accel = whyNot === undefined ? 'kvm' : 'tcg';
    try {
      const vm = await Vm.start({ name: `check-${name}`, machine, accel, memory: MEMORY, sockets, logDir });
      running.set(name, { vm, places: placed.filter(({ vmName }) => vmName === name) });
    } catch (error) {
      yield failed('vm-boot', `vms.${name}`, (error as Error).message.split('\nlogs: ')[0]!);
    }
  }
  for (const [name, { vm }] of running) {
    onProgress(`${name}: boots`);
    try {
      await vm.ready();
      yield pass('vm-boot', `vms.${name}`, `machine ${vm.machine} with ${MEMORY} has booted (${by})`);
    } catch (error) {
      signal.throwIfAborted();
      running.delete(name);
      await vm.stop();
      yield failed('vm-boot', `vms.${name}`, (error as Error).message);
    }
  }
  const left = names.slice(VMS_MAX);
  if (left.length > 0)
    yield warn(
      'vm-boot',
      'vms',
      `${left.length} VMs are not tried: ${VMS_MAX} are booted at once`,
      'a file with fewer VMs',
    );
}

async function* drivers(
  running: ReadonlyMap<string, RunningVm>,
  { signal, onProgress }: PathOptions,
): AsyncGenerator<Finding> {
  for (const { vm, places } of running.values())
    for (const [device, place] of places.entries()) {
      signal.throwIfAborted();
      onProgress(`${nameOf(place)}: the driver starts and stops`);
      const problem = await problemOf(
        vm.agent(`cycle --device ${device} --count ${CYCLES} --timeout ${SECONDS}`),
      );
      yield judge(
        'vm-driver',
        nameOf(place),
        problem,
        `a driver found it and its memory, and started and stopped its rings ${CYCLES} times`,
      );
    }
}

async function problemOf(work: Promise<unknown>): Promise<string[]> {
  try {
    await work;
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

async function* paths(
  trial: Trial,
  running: ReadonlyMap<string, RunningVm>,
  options: PathOptions,
): AsyncGenerator<Finding> {
  for (const [vmName, { vm, places }] of running)
    for (const [device, place] of places.entries()) {
      const from = { vm, device, place };
      options.signal.throwIfAborted();
      options.onProgress(`${nameOf(place)}: packets`);
      if (place.portName.kind === 'null') yield await withHost(trial.host, from);
      if (place.portName.kind === 'echo') yield await echoed(from);
      for (const [otherName, other] of running) {
        // The agent does one thing at a time.
        if (otherName === vmName) continue;
        for (const [index, at] of other.places.entries()) {
          const to = { vm: other.vm, device: index, place: at };
          const verdict = arrives(place, at, at, trial.config);
          if (verdict === 'must') yield await reaches(from, to);
          if (verdict === 'never' && !['null', 'echo'].includes(place.portName.kind))
            yield await keptFrom(trial.host, from, to);
        }
      }
    }
}

interface End {
  readonly vm: Vm;
  readonly device: number;
  readonly place: Placed;
}

interface Counted {
  readonly packets: number;
  readonly lost?: number;
  readonly late?: number;
  readonly corrupt?: number;
}

const sending = ({ device }: End, dst: string, size: number): string =>
  `send --device ${device} --count ${COUNT} --payload full --size ${size} --dst ${dst} --timeout ${SECONDS}`;

const receiving = ({ device }: End): string =>
  `receive --device ${device} --count ${COUNT} --payload full --seconds ${SECONDS} --idle-ms ${IDLE_MS}`;

/** What is wrong with what came; undefined: nothing. */
function wrongWith(size: number, received: unknown, wanted = COUNT): string | undefined {
  const { packets, lost = 0, late = 0, corrupt = 0 } = received as Counted;
  if (packets === wanted && lost + late + corrupt === 0) return undefined;
  return `${size} bytes: ${packets} of ${wanted} packets came, ${lost} lost, ${late} late, ${corrupt} damaged`;
}

async function reaches(from: End, to: End): Promise<Finding> {
  const problems: string[] = [];
  for (const size of SIZES) {
    const receiver = to.vm.agentStart(receiving(to));
    await pause(LISTEN_MS);
    problems.push(...(await problemOf(from.vm.agent(sending(from, to.place.device.mac, size)))));
    problems.push(
      ...(await problemOf(
        receiver.done.then(({ received }) => {
          const wrong = wrongWith(size, received);
          if (wrong !== undefined) throw new Error(wrong);
        }),
      )),
    );
  }
  return judge(
    'vm-path',
    `${nameOf(from.place)} -> ${nameOf(to.place)}`,
    problems,
    `${COUNT} packets each of ${SIZES.join(' and ')} bytes, with every byte as it was sent`,
  );
}

/** The host has looked at a packet when it has taken it: no ring of the other one's has counted it, as taken or as dropped. */
async function keptFrom(host: Host, from: End, to: End): Promise<Finding> {
  const seen = (): number => {
    const { rings } = host.stats([to.place.device.port]).ports[0]!;
    const rx = rings.filter(({ dir }) => dir === 'rx');
    return rx.reduce(
      (sum, { packets, drops }) => sum + packets + Object.values(drops).reduce((a, b) => a + b, 0),
      0,
    );
  };
  const before = seen();
  const problems = await problemOf(from.vm.agent(sending(from, to.place.device.mac, SIZES[0]!)));
  if (seen() !== before) problems.push(`${seen() - before} of ${COUNT} packets came there`);
  return judge(
    'vm-isolation',
    `${nameOf(from.place)} -> ${nameOf(to.place)}`,
    problems,
    `none of ${COUNT} packets came there`,
  );
}

async function withHost(host: Host, from: End): Promise<Finding> {
  const { port, mac } = from.place.device;
  const problems = await problemOf(from.vm.agent(sending(from, mac, SIZES[0]!)));
  const { lost = 0, late = 0, corrupt = 0 } = host.stats([port]).ports[0]!.sink ?? {};
  if (lost + late + corrupt > 0)
    problems.push(`the sink found ${lost} lost, ${late} late and ${corrupt} damaged packets`);
  const rings = from.place.port.rxRings;
  host.setSource(port, {
    packets: Math.ceil(COUNT / rings),
    size: SIZES[0]!,
    payload: 'full',
    rate: 0,
    stream: 0,
    dst: mac,
    src: '02:00:00:00:00:01',
  });
  const wanted = Math.ceil(COUNT / rings) * rings;
  const command = receiving(from).replace(`--count ${COUNT}`, `--count ${wanted}`);
  problems.push(
    ...(await problemOf(
      from.vm.agent(command).then(({ received }) => {
        const wrong = wrongWith(SIZES[0]!, received, wanted);
        if (wrong !== undefined) throw new Error(`from the source: ${wrong}`);
      }),
    )),
  );
  return judge(
    'vm-path',
    `${nameOf(from.place)} <-> host`,
    problems,
    `${COUNT} packets to the sink and ${wanted} from the source, with every byte as it was sent`,
  );
}

async function echoed(from: End): Promise<Finding> {
  const command = sending(from, '02:00:00:00:ff:fe', SIZES[0]!).replace('send ', 'duplex ');
  const problems = await problemOf(
    from.vm.agent(command).then(({ received }) => {
      const wrong = wrongWith(SIZES[0]!, received);
      if (wrong !== undefined) throw new Error(wrong);
    }),
  );
  return judge(
    'vm-path',
    `${nameOf(from.place)} -> ${nameOf(from.place)}`,
    problems,
    `${COUNT} packets came back with every byte as it was sent`,
  );
}
