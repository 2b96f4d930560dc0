// Everything that users of the control API import, in one place.
export {
  type ChangeOptions,
  type ClientOptions,
  ControlClient,
  ControlError,
  type ProgramToStart,
} from './client.ts';
export type { NewPersistentPort, PersistentPortState } from './persistent.ts';
export type { Problem } from './problem.ts';
export type * from './schemas.ts';
export { ControlServer } from './server.ts';
export type { ControlTarget, LogLevel } from './target.ts';
