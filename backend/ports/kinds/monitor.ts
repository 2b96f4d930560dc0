// Monitors, `X/r`, `X/t` and `X/rt`: copies of what port X receives, sends, or both, also of a member of a switch without a VM;
// `X/z`: both without copies, once who had it is done with it.
import { createMonitorPort } from '../../../native/monitors.ts';
import type { PortKind } from './kind.ts';
import { checkSameRegion } from './same-region.ts';

export interface MonitorName {
  readonly kind: 'monitor';
  /** The name of the port that is watched. */
  readonly parent: string;
  /** `r`, `t`, or both, as they are written. */
  readonly flags: 'r' | 't' | 'rt' | 'tr' | 'z';
  /** Tells monitors of the same port and ways apart. */
  readonly number?: number;
}

const NAME = /^([^/]+)\/(r|t|rt|tr|z)(?:#(0|[1-9][0-9]{0,4}))?$/;

export const monitor: PortKind<MonitorName> = {
  forms: ['X/r', 'X/t', 'X/rt', 'X/z'],
  parse(text) {
    const [, parent, flags, number] = NAME.exec(text) ?? [];
    if (parent === undefined) return undefined;
    return {
      kind: 'monitor',
      parent,
      flags: flags as MonitorName['flags'],
      ...(number !== undefined && { number: Number(number) }),
    };
  },
  format: ({ parent, flags, number }) => `${parent}/${flags}${number === undefined ? '' : `#${number}`}`,
  hint(text, isName) {
    const [, port, flags] = /^([^/]*)\/(.*)$/.exec(text) ?? [];
    if (port === undefined || !isName(port)) return undefined;
    if (/^[rt]*z[zrt]*$/.test(flags!))
      return `'${text}' asks for a zero-copy monitor, which always shows both ways: '${port}/z' would be right`;
    if (flags === 'x')
      return `'${text}' asks for a port that nobody else opens, as each device has it: '${port}' would be right`;
    return /^[rtzxRT]+$/.test(flags!)
      ? `'${text}' asks for rings of one direction (R, T) or several things at once, which is not supported: '${port}', or '${port}/rt' for a monitor, would be right`
      : `'${text}' has flags that there are none of: '${port}/r', '${port}/t' or '${port}/rt' would be right`;
  },

  ownsRxBuffers: true,
  // It shows frames.
  offersVnetHdr: false,
  hasSourceAndSink: false,
  interfaceOf: () => undefined,
  interfaceKeys: () => [],
  parentOf: ({ parent }) => parent,
  switchOf: () => undefined,
  dependsOn: ({ parent }) => [parent],
  check(mine, _switches, all, members) {
    for (const place of mine) {
      const { portName, device, port, portPath } = place;
      const { parent, flags } = portName;
      if (port.vnetHdr)
        return {
          path: ['ports', device.port, 'vnet-hdr'],
          text: `'${device.port}' shows frames, without a virtio-net header: 'false' would be right`,
          check: 'port-keys',
        };
      const watched = all.find((other) => other.device.port === parent);
      const foreign = flags === 'z' && watched ? checkSameRegion(watched, place, 'port-parent') : undefined;
      if (foreign) return foreign;
      if (members.includes(parent) || watched) continue;
      return {
        path: portPath,
        text: `'${device.port}' is a monitor of '${parent}', and there is no such port: a device with port '${parent}' would be right`,
        check: 'port-parent',
      };
    }
    return undefined;
  },
  create: ({ parent, flags }, { engine, region, stats, shape, watched }) =>
    createMonitorPort(engine, region, stats, shape, watched(parent), {
      tx: flags !== 'r',
      rx: flags !== 't',
      zeroCopy: flags === 'z',
    }),
};
