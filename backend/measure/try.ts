// Tries a configuration: test guests of ours in real VMs, packets over every path between its ports, and a verdict on each.
import type { HostConfig } from '../config/host-config.ts';
import { parsePortName } from '../config/port-name.ts';
import { ConfigurationError } from '../errors.ts';
import { kindOf } from '../ports/kinds/index.ts';
import type { Guests } from './guests.ts';
import { type End, nameOf, type Path } from './path.ts';
import { devicesOf, reachedBy } from './reach.ts';
import { Scene } from './scene.ts';
import { type Flow, newContext, runTrial, type Traffic } from './trial.ts';
import { startVms } from './vm-guests.ts';

/** One path, and what came of it. */
export interface TriedPath extends Pick<Flow, 'sent' | 'received' | 'lost' | 'corrupt' | 'foreign'> {
  /** `vm1/net0 -> vm2/net0`. */
  readonly path: string;
  /** What is between: `vale0`, `pipe p{1`. */
  readonly by: string;
  /** Packets that arrived, per second, millions. */
  readonly mpps: number;
  /** `none`: nothing arrived, and a lookup function may have it so. */
  readonly verdict: 'pass' | 'none' | 'fail';
  /** What is wrong; undefined when nothing is. */
  readonly why?: string;
}

export interface TryResult {
  /** `QEMU 11.1.3, software emulation`. */
  readonly vms: string;
  readonly paths: readonly TriedPath[];
  /** VMs and paths that were not tried, and why. */
  readonly left: readonly string[];
}

export type TryEvent =
  | { readonly kind: 'boot'; readonly vms: readonly string[]; readonly by: string }
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'tried'; readonly result: TriedPath };

export interface TryOptions {
  /** Which VMs of the file; default: the first that reach each other, VMS_MAX at most. */
  readonly vms?: readonly string[];
  /** Of packets on each path. */
  readonly seconds: number;
  readonly onEvent: (event: TryEvent) => void;
  readonly signal: AbortSignal;
}

/** More do not boot in half a minute. */
const VMS_MAX = 3;
const PATHS_MAX = 10;
/** What shows every kind of damage: each byte is written and checked, in the smallest packets. */
const TRAFFIC = { size: 60, burst: 64, payload: 'full' } as const;

/** @throws ConfigurationError; Error when no VM can be had, or a guest fails. */
export async function tryConfig(config: HostConfig, options: TryOptions): Promise<TryResult> {
  const vms = options.vms ?? firstVms(config);
  const all = pathsAmong(vms, config);
  const paths = all.slice(0, PATHS_MAX);
  const left = [
    ...leftVms(vms, config, options),
    ...all.slice(PATHS_MAX).map(({ text }) => `${text}: enough is tried`),
  ];
  if (paths.length === 0)
    throw new ConfigurationError(
      `${vms.join(', ')}: no path leads from here to anybody who could tell what arrives: a second VM on a switch or pipe, or a null port, would be right`,
    );
  const scene = await Scene.open(config, paths, TRAFFIC.payload);
  let guests: Guests | undefined;
  try {
    if (!scene.host)
      throw new ConfigurationError(
        `${config.runDir}: a host serves these ports: end it first, or 'ptnet measure' its paths`,
      );
    const onBoot = (by: string): void => options.onEvent({ kind: 'boot', vms, by });
    const booted = await startVms(scene, vms, options.signal, onBoot);
    guests = booted.guests;
    const context = newContext(scene, guests);
    const tried: TriedPath[] = [];
    for (const path of paths) {
      options.signal.throwIfAborted();
      options.onEvent({ kind: 'path', path: path.text });
      const traffic: Traffic = { ...TRAFFIC, seconds: options.seconds };
      const [flow] = await runTrial(context, path, traffic);
      const result = judge(path, flow!, config);
      options.onEvent({ kind: 'tried', result });
      tried.push(result);
    }
    return { vms: booted.by, paths: tried, left };
  } finally {
    await guests?.close();
    await scene.close();
  }
}

/** Those that have somebody to talk to come first, with whom they talk to. */
function firstVms(config: HostConfig): string[] {
  const chosen: string[] = [];
  const take = (vm: string): void => {
    if (!chosen.includes(vm) && chosen.length < VMS_MAX) chosen.push(vm);
  };
  for (const device of devicesOf(config)) {
    const [first] = reachedBy(device, config);
    if (!first) continue;
    take(device.vm);
    if (first.end.kind === 'device') take(first.end.vm);
  }
  const order = [...config.vms.keys()];
  const vms = chosen.length > 0 ? chosen : order.slice(0, 1);
  return vms.sort((a, b) => order.indexOf(a) - order.indexOf(b));
}

function leftVms(vms: readonly string[], config: HostConfig, { vms: named }: TryOptions): string[] {
  const others = [...config.vms.keys()].filter((name) => !vms.includes(name));
  if (others.length === 0 || named !== undefined) return [];
  const shown =
    others.length > 3 ? `${others.slice(0, 3).join(', ')} and ${others.length - 3} more` : others.join(', ');
  return [`${shown}: ${vms.length} VMs are tried at once: name others to try them`];
}

/** Both ways of each link between them; an agent does one thing at a time, so none within one VM but to itself. */
function pathsAmong(vms: readonly string[], config: HostConfig): Path[] {
  const seen = new Set<string>();
  return devicesOf(config)
    .filter(({ vm }) => vms.includes(vm))
    .flatMap((device) =>
      reachedBy(device, config).flatMap(({ end, ...link }): Path[] => {
        const same = nameOf(end) === nameOf(device);
        if (end.kind === 'device' && !same && (end.vm === device.vm || !vms.includes(end.vm))) return [];
        if (link.by === "the host's kernel") return [];
        const ways: [End, End][] = same
          ? [[device, device]]
          : [
              [device, end],
              [end, device],
            ];
        return ways.map(([from, to]) => ({
          text: `${nameOf(from)} -> ${nameOf(to)}`,
          from,
          to,
          both: false,
          ...link,
        }));
      }),
    )
    .filter(({ text }) => !seen.has(text) && seen.add(text));
}

/** A lookup function of the file's own says who may reach whom. */
function mayBeForbidden({ from, to }: Path, config: HostConfig): boolean {
  return [from, to].some((end) => {
    if (end.kind !== 'device') return false;
    const name = parsePortName(end.port);
    const lookup = config.switches.get(kindOf(name).switchOf(name) ?? '')?.lookup;
    return lookup !== undefined && lookup.kind !== 'learning' && lookup.kind !== 'hub';
  });
}

function judge(
  path: Path,
  { sent, received, lost, corrupt, foreign, pps }: Flow,
  config: HostConfig,
): TriedPath {
  const base = {
    path: path.text,
    by: path.by,
    sent,
    received,
    lost,
    corrupt,
    foreign,
    mpps: Number((pps / 1e6).toFixed(3)),
  };
  if (received <= 0) {
    const forbidden = mayBeForbidden(path, config);
    return {
      ...base,
      verdict: forbidden ? 'none' : 'fail',
      why: forbidden ? "nothing arrived, as the switch's lookup function may want it" : 'nothing arrived',
    };
  }
  if (corrupt > 0) return { ...base, verdict: 'fail', why: `${corrupt} packets came altered` };
  if (path.lossless && lost !== null && lost !== 0)
    return { ...base, verdict: 'fail', why: `${lost} packets are missing, and nothing may be lost here` };
  return { ...base, verdict: 'pass' };
}
