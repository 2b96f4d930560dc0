// What is measured, as data: a path, and what is sent over it.

export const PATHS = [
  'guest-to-host',
  'host-to-guest',
  'guest-to-guest-pipe',
  'guest-to-guest-vale',
] as const;
export type PathName = (typeof PATHS)[number];

export interface Scenario {
  readonly path: PathName;
  /** Bytes of a packet. */
  readonly size: number;
  /** Rings in use in the direction of the traffic. */
  readonly rings: number;
  /** Slots that a guest takes or fills before it publishes an index. */
  readonly burst: number;
  /** `full`: every byte is written by the sender and checked by the receiver; `none`: neither touches a buffer. */
  readonly payload: 'none' | 'full';
}

const BASE = { size: 60, rings: 1, burst: 256, payload: 'none' } as const;
export const SIZES = [60, 256, 1024, 1514, 9000];
const RINGS = [2, 4];
const BURSTS = [1, 8, 64, 512];

/** One thing at a time is varied; everything at once would be hundreds of scenarios that nobody reads. */
function scenariosOf(path: PathName): Scenario[] {
  const base: Scenario = { path, ...BASE };
  return [
    ...SIZES.flatMap((size): Scenario[] => [
      { ...base, size },
      { ...base, size, payload: 'full' },
    ]),
    ...RINGS.map((rings) => ({ ...base, rings })),
    ...BURSTS.map((burst) => ({ ...base, burst })),
  ];
}

export const SCENARIOS: readonly Scenario[] = PATHS.flatMap(scenariosOf);

/** What `--only` is matched with, and what progress shows. */
export function labelOf({ path, size, rings, burst, payload }: Scenario): string {
  return `${path} size=${size} rings=${rings} burst=${burst} payload=${payload}`;
}

/** Attached rings without traffic whose cost is measured. */
export const IDLE_RINGS = [0, 2, 50, 250, 1000] as const;

export const idleLabel = (rings: number): string => `idle rings=${rings}`;
