// The configuration that a host is given: checked, with every default filled in.

import type { PciIds } from '../../pci/index.ts';

export type Policy = 'poll' | 'adaptive' | 'notify' | 'inline';
export type Access = 'auto' | 'af-xdp' | 'af-packet';
export type PayloadLevel = 'none' | 'stamp' | 'full';

export interface HostConfig {
  /** An absolute path; sockets are `<runDir>/<vm>/mem.sock` and `<runDir>/<vm>/<device>.sock`. */
  readonly runDir: string;
  readonly sockets: SocketAccess;
  /** Undefined: no application of the host may connect. */
  readonly applications?: ApplicationsConfig;
  readonly control: ControlConfig;
  readonly engine: EngineConfig;
  /** The regions that are named in the file. A VM without one has a private region, sized from its devices. */
  readonly regions: ReadonlyMap<string, RegionConfig>;
  /** The switches that are named in the file. */
  readonly switches: ReadonlyMap<string, SwitchConfig>;
  /** Every port that a device uses, every member of a switch, and those named under `ports`. */
  readonly ports: ReadonlyMap<string, PortConfig>;
  readonly vms: ReadonlyMap<string, VmConfig>;
}

/** Who may ask the host, and who may change it; without a mode its user alone, with a group that as well. */
export interface ControlConfig {
  readonly change: SocketAccess;
  readonly read: SocketAccess;
  /** Where metrics are for Prometheus to fetch; undefined: on the sockets only. */
  readonly metrics?: { readonly host: string; readonly port: number };
}

/** Who may connect to a socket; for devices what is not said is left to the umask. */
export interface SocketAccess {
  readonly mode?: number;
  /** A group's number. */
  readonly group?: number;
}

/** Programs of the host that use netmap's ABI, by the socket `<runDir>/netmap.sock`. */
export interface ApplicationsConfig {
  /** Who may connect; nothing: the host's own user. */
  readonly socket: SocketAccess;
  /** The named region that these ports, and what asks for no other, lie in; undefined: private ones. */
  readonly region?: string;
  /** Ports that are there from the start; others are made when they are opened. */
  readonly ports: readonly string[];
}

/** How many objects a region has, and how many bytes each of them has. */
export interface RegionPools {
  readonly ifNum: number;
  readonly ifSize: number;
  readonly ringNum: number;
  readonly ringSize: number;
  readonly bufNum: number;
  readonly bufSize: number;
}

export interface RegionConfig extends RegionPools {
  /** 1..65535; given by us where the file does not say, from 2 up. */
  readonly id: number;
  /** Of 2 MiB, from the kernel's pool. */
  readonly hugepages: boolean;
  /** Where its memory comes from; undefined: the node of who touches a page first. */
  readonly numaNode?: number;
}

export interface SwitchConfig {
  /** Ports that stand on it without a VM. */
  readonly members: readonly string[];
  readonly patienceUs: number;
  /** Seconds until an address that sends nothing is forgotten; 0: never. */
  readonly macAge: number;
  /** Undefined: learning. */
  readonly lookup?: LookupConfig;
  /** What ports of it have that the file does not name: applications have such. */
  readonly otherPorts?: PortConfig;
  /** What the file says for those of its ports that do not say it themselves. */
  readonly defaults: SwitchDefaults;
}

export interface SwitchDefaults extends Partial<RingsConfig> {
  readonly vnetHdr?: boolean;
  readonly mtu?: number;
  readonly limits?: FileLimits;
}

/** Limits as a file has them. */
export interface FileLimits {
  /** Bits a second, and bytes at once. */
  readonly rate?: { readonly tx?: number; readonly rx?: number; readonly burst?: number };
  /** Packets a second. */
  readonly stormControl?: {
    readonly broadcast?: number;
    readonly multicast?: number;
    readonly unknownUnicast?: number;
  };
}

/** How a switch finds out where packets go. */
export type LookupConfig =
  | { readonly kind: 'learning' | 'hub' }
  | {
      readonly kind: 'static';
      /** Names of ports by address. */
      readonly stations: ReadonlyMap<string, string>;
      /** What becomes of packets for other addresses. */
      readonly unknown: 'drop' | 'flood';
    }
  | {
      /** Ports that are in no list reach the promiscuous ones only. */
      readonly kind: 'isolated';
      readonly promiscuous: readonly string[];
      readonly communities: ReadonlyMap<string, readonly string[]>;
    }
  | {
      readonly kind: 'plugin';
      /** Of the shared object; absolute. */
      readonly path: string;
      readonly options: string;
    };

export interface RingsConfig {
  readonly txRings: number;
  readonly rxRings: number;
  readonly txSlots: number;
  readonly rxSlots: number;
}

export interface EngineConfig {
  /** The node that the file names for workers. */
  readonly numaNode?: number;
  readonly workers: number;
  /** The CPUs that each worker may run on; undefined: any. */
  readonly workerCpus?: readonly (readonly number[])[];
  readonly policy: Policy;
  readonly spinUs: number;
}

export interface Rate {
  readonly perSecond: number;
  /** How many may come at once. */
  readonly burst: number;
}

/** What a port lets through; undefined: all of it. */
export interface PortLimits {
  /** Bytes of what its client sends, and of what it gets. */
  readonly tx?: Rate;
  readonly rx?: Rate;
  /** Packets that a switch sends to everybody. */
  readonly broadcast?: Rate;
  readonly multicast?: Rate;
  readonly unknownUnicast?: Rate;
}

export interface PortConfig extends RingsConfig {
  /** Whether its client may have packets begin with a virtio-net header, and leave checksums and segments to others. */
  readonly vnetHdr: boolean;
  /** Those with an interface of the host only: its addresses, as `192.0.2.1/24`. */
  readonly addresses: readonly string[];
  /** The network namespace that the interface is in; undefined: the host's own. */
  readonly netns?: string;
  /**
   * Bytes of a packet without its Ethernet header: of an interface of the host (undefined: what it has), or what segments for
   * a client on a switch that has no virtio-net header are cut to (undefined: as their sender says).
   */
  readonly mtu?: number;
  /** What the frames of an interface of the host go through; undefined: what suits it. */
  readonly access?: Access;
  readonly limits?: PortLimits;
  /** Null ports only: what the host sends to the guest. */
  readonly source?: SourceConfig;
  /** What becomes of what the guest sends to a null port: always counted, and checked as probe packets if `verify`. */
  readonly sink: {
    readonly verify: boolean;
    /** What is checked; undefined: everything. */
    readonly payload?: 'stamp' | 'full';
  };
}

export interface SourceConfig {
  readonly packets: number | 'unlimited';
  readonly size: number;
  readonly payload: PayloadLevel;
  /** Packets per second; 0 is as fast as possible. */
  readonly rate: number;
  readonly stream: number;
  readonly dst: string;
  readonly src: string;
}

export interface VmConfig {
  /** As QEMU writes it, e.g. `512M`. */
  readonly memory: string;
  readonly machine: 'pc' | 'q35';
  /** Which of the ids that guests' drivers look for the VM sees; pci/identity.ts has them. */
  readonly pciIds: PciIds;
  /** The named region that it sees; undefined: a private one. */
  readonly region?: string;
  /** Where its memory and its private region come from; undefined: the nodes of who touches a page first. */
  readonly numaNode?: number;
  readonly devices: readonly DeviceConfig[];
}

export interface DeviceConfig {
  readonly name: string;
  readonly port: string;
  readonly mac: string;
  readonly policy: Policy;
  readonly bar0: 'io' | 'mem';
}
