// What the host has to know about a kind of port: one object of this form, in a file of its own, is all of it.
import type { Engine } from '../../../native/engine.ts';
import type { PlacedShape, TakenInterface } from '../../../native/handover.ts';
import type { InterfaceMember } from '../../../native/interfaces.ts';
import type { Region } from '../../../native/memory.ts';
import type { Port, ValeSwitch } from '../../../native/ports.ts';
import type { StatsArea } from '../../../native/stats.ts';
import type { FileCheck } from '../../config/file-checks.ts';
import type { HostConfig, PortConfig } from '../../config/host-config.ts';
import type { Placed } from '../../config/placed.ts';

/** A device whose port is of this kind. */
export type PlacedPort<Name> = Omit<Placed, 'portName'> & { readonly portName: Name };

/** What is wrong, and with which key of the file. */
export interface Complaint {
  /** A path as it is printed, or its keys. */
  readonly path: string | readonly (string | number)[];
  readonly text: string;
  /** What has found it. */
  readonly check: FileCheck;
}

/** What a member of a switch is made with. */
export interface MemberMaker {
  /** The interface that it had in another process. */
  readonly taken?: TakenInterface | undefined;
  /** The settings under its name; tx rings are its queues. */
  readonly port: PortConfig;
  readonly vale: ValeSwitch;
  readonly engine: Engine;
  readonly stats: StatsArea;
}

/** What a port is made with. */
export interface PortMaker {
  /** The interface that it had in another process. */
  readonly taken?: TakenInterface | undefined;
  readonly config: HostConfig;
  /** The settings of this port. */
  readonly port: PortConfig;
  readonly shape: PlacedShape;
  /** One of those that `dependsOn` names. */
  earlier(name: string): Port;
  /** The same, which may be a member of a switch that is no port. */
  watched(name: string): Port | InterfaceMember;
  /** The switch, made when it is first asked for. */
  valeSwitch(name: string): ValeSwitch;
  readonly engine: Engine;
  readonly region: Region;
  readonly stats: StatsArea;
}

export type InterfaceKey = 'address' | 'netns' | 'mtu' | 'access';

export interface PortKind<Name extends { readonly kind: string }> {
  /** How its names look, for messages: `valeS:P`. */
  readonly forms: readonly string[];
  parse(text: string): Name | undefined;
  format(name: Name): string;
  /** What is wrong with a text that is nearly a name of this kind. */
  hint(text: string, isName: (text: string) => boolean): string | undefined;

  /** Whether the slots of its rx rings have buffers of their own. */
  readonly ownsRxBuffers: boolean;
  /** Whether its clients may use a virtio-net header when the file does not say. */
  readonly offersVnetHdr: boolean;
  /** Whether the host is its other side, and so may be told what to send and what to check. */
  readonly hasSourceAndSink: boolean;
  /** The name of the host's interface that it has; undefined: none, or one that is not known yet. */
  interfaceOf(name: Name): string | undefined;
  /** The keys of its settings that are about that interface. */
  interfaceKeys(name: Name): readonly InterfaceKey[];
  /** The port that it is a pipe or a monitor of; undefined: it is a port by itself. */
  parentOf(name: Name): string | undefined;
  /** The switch that it stands on. */
  switchOf(name: Name): string | undefined;
  /** Ports that have to be there before it. */
  dependsOn(name: Name): readonly string[];
  /** What one device cannot know about another: `mine` are those of this kind among `all`, `switches` those that the file names, `members` who stands on one without a VM. */
  check(
    mine: readonly PlacedPort<Name>[],
    switches: readonly string[],
    all: readonly Placed[],
    members: readonly string[],
  ): Complaint | undefined;
  create(name: Name, make: PortMaker): Port;
  /** Makes it stand on a switch without a VM; undefined: it cannot. */
  join?(name: Name, make: MemberMaker): InterfaceMember;
}
