// What attached ports and monitors may cost others, and idle rings a host.
import { idleLabel, instructionsLabel, monitorLabel, portsLabel, TAKEOVER_LABEL } from './scenarios.ts';
import { atLeast, atMost, below, type Target } from './target.ts';

const MANY_PORTS = 254;
export const manyPorts: Target = {
  name: `VALE with ${MANY_PORTS} ports, of one with 2`,
  wanted: atLeast(95),
  unit: '%',
  anyOf: [portsLabel(MANY_PORTS)],
  against: [portsLabel(2)],
  figure: ({ cost }, label) => {
    const [many, two] = [cost.get(label), cost.get(portsLabel(2))];
    return many === undefined || !two ? undefined : (many / two) * 100;
  },
};

/**
 * What a monitor takes of the worker of its port, counted. The rates below have its reader in them too, with which two guests
 * share a CPU where there are two.
 */
const monitorInstructions: readonly Target[] = (
  [
    ['reads', 'takes everything', 110],
    ['rests', 'takes nothing', 102],
  ] as const
).map(([monitor, does, bound]) => {
  const none = instructionsLabel('guest-to-guest-vale', 256);
  return {
    name: `VALE with a monitor that ${does}, instructions of none`,
    wanted: below(bound),
    unit: '%',
    anyOf: [instructionsLabel(`vale-monitor-${monitor}`, 256)],
    against: [none],
    figure: ({ cost }, label) => {
      const [watched, alone] = [cost.get(label), cost.get(none)];
      return watched === undefined || !alone ? undefined : (watched / alone) * 100;
    },
  };
});

/** What a monitor leaves of its port's rate: one that takes everything, and one that takes nothing. */
const monitorRates: readonly Target[] = (
  [
    ['reads', 'takes everything', 90],
    ['rests', 'takes nothing', 98],
  ] as const
).map(([monitor, does, bound]) => ({
  name: `VALE with a monitor that ${does}, of none`,
  wanted: atLeast(bound),
  unit: '%',
  anyOf: [monitorLabel(monitor)],
  against: [monitorLabel('none')],
  figure: ({ cost }, label) => {
    const [watched, none] = [cost.get(label), cost.get(monitorLabel('none'))];
    return watched === undefined || !none ? undefined : (watched / none) * 100;
  },
}));

export const monitors: readonly Target[] = [...monitorRates, ...monitorInstructions];

/** The longest of three, where p99 is wanted: nothing less would be seen of so few. */
export const takeover: Target = {
  name: 'pause of a guest when its host is taken over, 10 VMs, 200 rings',
  wanted: below(20),
  unit: 'ms',
  anyOf: [TAKEOVER_LABEL],
  against: [],
  figure: ({ cost }, label) => cost.get(label),
};

const MANY_RINGS = 1000;
export const idle: readonly Target[] = [
  {
    name: `idle host, ${MANY_RINGS} rings, of a CPU`,
    wanted: below(1),
    unit: '%',
    anyOf: [idleLabel(MANY_RINGS)],
    against: [],
    figure: ({ cost }, label) => cost.get(label),
  },
  {
    name: `idle host, ${MANY_RINGS} rings, above 2 rings`,
    wanted: atMost(0.5),
    unit: 'points',
    anyOf: [idleLabel(MANY_RINGS)],
    against: [idleLabel(2)],
    figure: ({ cost }, label) => {
      const [many, few] = [cost.get(label), cost.get(idleLabel(2))];
      return many === undefined || few === undefined ? undefined : many - few;
    },
  },
];
