// The library: what a program imports from 'ptnetmap'. Whatever is exported here follows semantic versioning; docs/library.md says how.
import { configJsonSchema as schemaOfFiles } from './config/json-schema.ts';

export type { DoorCounters } from '../native/door.ts';
export type { PolicyName, WorkerStats } from '../native/engine.ts';
export type { KickCounters, ListenerCounters } from '../native/kick.ts';
export type { Station, StationsWanted } from '../native/ports.ts';
export type {
  BridgeStats,
  BridgeWay,
  CaptureOptions,
  CaptureStats,
  ReplayOptions,
  ReplayStats,
} from '../native/programs.ts';
export { DROP_CAUSES, type DropCause } from '../native/stats.ts';
export { PCI_IDS, type PciIds } from '../pci/index.ts';
export type { ApplicationServerStats, ApplicationStats } from './applications/server.ts';
export type { Change } from './changes/difference.ts';
export type { Refusal } from './changes/refusals.ts';
export type { CheckId } from './check/catalog/index.ts';
export type { LiveCheck } from './check/catalog/live.ts';
export type { MachineCheck } from './check/catalog/machine.ts';
export { type CheckOptions, check } from './check/check.ts';
export type { Finding, Status } from './check/finding.ts';
export type { FileCheck } from './config/file-checks.ts';
export type {
  Access,
  ApplicationsConfig,
  ControlConfig,
  DeviceConfig,
  EngineConfig,
  FileLimits,
  HostConfig,
  LookupConfig,
  PayloadLevel,
  Policy,
  PortConfig,
  PortLimits,
  Rate,
  RegionConfig,
  RegionPools,
  RingsConfig,
  SocketAccess,
  SourceConfig,
  SwitchConfig,
  SwitchDefaults,
  VmConfig,
} from './config/host-config.ts';
export { configFrom, loadConfig, type Overrides, parseConfig } from './config/load.ts';
export type { NumaNode, NumaNodes } from './config/numa-nodes.ts';
export { configWarnings } from './config/warnings.ts';
export type { Policy as ServingPolicy } from './datapath/broker.ts';
export { ConfigurationError, DeviceError, type FoundProblem, ProtocolError, PtnetError } from './errors.ts';
export { Host, RefusedError } from './host.ts';
export type {
  DeviceStats,
  HostStats,
  InterfaceStats,
  MemberStats,
  PortStats,
  RingStats,
} from './host-stats.ts';
export type { HostDevice, HostVm } from './host-vms.ts';
export type { AttachedDevice, AttachedVm } from './hypervisor/attach.ts';
export type { Accel, Launcher } from './hypervisor/launcher.ts';
export {
  HYPERVISORS,
  type Hypervisor,
  type Plan,
  type PlanRequest,
  plan,
  planText,
} from './hypervisor/plans.ts';
export { createLogger, type Logger, silentLogger } from './log.ts';
export {
  type EndKind,
  type Flow,
  type HighestRow,
  type LatencyRow,
  type Load,
  type MeasureEvent,
  type Measurement,
  type MeasureOptions,
  measure,
  type Payload,
  type RateRow,
  type RateStep,
  type SentTraffic,
  type Tick,
  type Traffic,
  type TriedPath,
  type TryEvent,
  type TryOptions,
  type TryResult,
  tryConfig,
} from './measure/index.ts';
export type { HostPrograms, ProgramKind, ProgramRequest, ProgramState } from './programs/programs.ts';
export type { Machine } from './report/machine.ts';

/** The form of a configuration file as JSON Schema (draft 7). */
export function configJsonSchema(): object {
  return schemaOfFiles();
}
