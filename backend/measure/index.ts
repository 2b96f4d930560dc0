// What other programs get of measuring: paths of a configuration, measured or tried.
export type { Highest, HighestOptions, RateStep } from './highest.ts';
export type { Load } from './latency.ts';
export { type MeasureEvent, type MeasureOptions, measure } from './measure.ts';
export type { EndKind, HighestRow, LatencyRow, Measurement, RateRow, SentTraffic } from './results.ts';
export type { Payload } from './scene.ts';
export type { Flow, Tick, Traffic } from './trial.ts';
export { type TriedPath, type TryEvent, type TryOptions, type TryResult, tryConfig } from './try.ts';
