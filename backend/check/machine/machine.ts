// What the checks and ptnet doctor know of a machine; tests give them another one.
import type { InstalledQemu } from '../../../vm-images/installed.ts';
import type { NumaNodes } from '../../config/numa-nodes.ts';

/** Those that a host's ports may take, and locking memory. */
export type Capability =
  | 'CAP_NET_ADMIN'
  | 'CAP_NET_RAW'
  | 'CAP_IPC_LOCK'
  | 'CAP_SYS_ADMIN'
  | 'CAP_SYS_NICE'
  | 'CAP_BPF';

/** An interface of the kernel in this process's network namespace. */
export interface MachineInterface {
  readonly name: string;
  readonly index: number;
  readonly mtu: number;
  /** As `ip -d link` says it: bridge, veth, tun; empty: a device. */
  readonly kind: string;
  /** Index of the bridge or the like that it belongs to; 0: none. */
  readonly master: number;
  /** Index of the other end of a veth pair in the same namespace; 0: none. */
  readonly peer: number;
  readonly up: boolean;
  readonly mac: string;
  /** As `192.0.2.1/24`. */
  readonly addresses: readonly string[];
}

export interface Kvm {
  readonly usable: boolean;
  /** Why not, or how that was found out. */
  readonly why: string;
}

export interface Machine {
  /** CPUs that this process may run on. */
  readonly cpus: number;
  readonly nodes: NumaNodes;
  /** Bytes of RAM, and of those that can be had. */
  readonly memory: number;
  readonly memoryAvailable: number;
  /** Huge pages of 2 MiB. */
  readonly hugepages: { readonly total: number; readonly free: number };
  /** Physical address bits of the CPU; undefined: it does not say. */
  readonly addressBits: number | undefined;
  readonly capabilities: ReadonlySet<Capability>;
  readonly uid: number;
  /** Infinity where there is none. */
  readonly limits: { readonly descriptors: number; readonly lockedBytes: number; readonly maps: number };
  readonly tun: { readonly usable: boolean; readonly why: string };
  readonly libxdp: boolean;
  readonly kvm: Kvm;
  readonly qemus: readonly InstalledQemu[];
  readonly interfaces: readonly MachineInterface[];
  /** Paths of Unix sockets that somebody listens on. */
  readonly listening: ReadonlySet<string>;
}
