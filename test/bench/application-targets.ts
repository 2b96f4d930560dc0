// What applications are to reach, beside the programs and guests that do the like.
import { peerLabel } from './peers/peer.ts';
import {
  labelOf,
  type PathName,
  PING_PONG_CPUS,
  PING_PONGS,
  pingPongLabel,
  SCENARIOS,
  type Scenario,
  SYSTEM_CALLS,
  systemCallsLabel,
} from './scenarios.ts';
import { atLeast, atMost, below, type Target } from './target.ts';

const SIZE = 60;
const TOUCHED = 'stamp';

/** Of 60 bytes, with each number of rings. */
const rowsOf = (path: PathName, payload: Scenario['payload']): string[] =>
  SCENARIOS.filter(
    (scenario) => scenario.path === path && scenario.size === SIZE && scenario.payload === payload,
  ).map(labelOf);

function vsPeer(name: string, peer: string, path: PathName, payload: Scenario['payload']): Target {
  return {
    name: `${name}, times ${peer}`,
    wanted: atLeast(2),
    unit: 'x',
    anyOf: rowsOf(path, payload),
    against: [peerLabel(peer, SIZE)],
    figure: ({ results }, label) => results.get(label)?.vsPeer[peer],
  };
}

/** As fast as two guests are in the same rounds. */
const toGuest: readonly Target[] = (['none', TOUCHED] as const).map((payload) => ({
  name: `application to guest by VALE, 60 bytes, ${payload}, of guest to guest`,
  wanted: atLeast(100),
  unit: '%' as const,
  anyOf: rowsOf('application-to-guest-vale', payload),
  against: rowsOf('guest-to-guest-vale', payload).slice(0, 1),
  figure: ({ results }, label) => {
    const ratio = results.get(label)?.vsGuests;
    return ratio === undefined ? undefined : ratio * 100;
  },
}));

/** The best policy counts. */
const pingPongs: readonly Target[] = PING_PONG_CPUS.map((cpus) => {
  const alone = pingPongLabel({ cpus });
  return {
    name: `poll() wakes poll(), ${cpus === 'one' ? 'the ends on one CPU' : 'each on its own'}, p50, times eventfd`,
    wanted: atMost(1.5),
    unit: 'x',
    anyOf: PING_PONGS.filter((each) => each.cpus === cpus && each.policy !== undefined).map(pingPongLabel),
    against: [alone],
    figure: ({ cost }, label) => {
      const [ours, theirs] = [cost.get(label), cost.get(alone)];
      return ours === undefined || !theirs ? undefined : ours / theirs;
    },
  };
});

/** Of a thousand bursts: whoever looks after what has gone wrong may make one now and then. */
const systemCalls: readonly Target[] = SYSTEM_CALLS.map((of) => ({
  name: `system calls of the ${of}, both sides busy, policy poll, yields apart, of a thousand bursts`,
  wanted: below(1),
  unit: 'calls' as const,
  anyOf: [systemCallsLabel(of)],
  against: [],
  figure: ({ cost }, label) => cost.get(label),
}));

export const applications: readonly Target[] = [
  vsPeer(
    'application to application by a pipe, 60 bytes',
    'testpmd-memif',
    'application-to-application-pipe',
    TOUCHED,
  ),
  vsPeer(
    'application to application by VALE, 60 bytes',
    'testpmd-vhost-user',
    'application-to-application-vale',
    TOUCHED,
  ),
  vsPeer(
    'application to application by a pipe, 60 bytes, untouched',
    'testpmd-memif',
    'application-to-application-pipe',
    'none',
  ),
  vsPeer(
    'application to application by VALE, 60 bytes, untouched',
    'testpmd-vhost-user',
    'application-to-application-vale',
    'none',
  ),
  ...toGuest,
  ...pingPongs,
  ...systemCalls,
];
