// The transaction of a handover, all of its interleavings: two processes, each of which may die at any step, and messages that are lost by death alone.
import { describe, expect, test } from 'vitest';
import { explore } from './interleavings.ts';

/** `serving`, `frozen`, `committed` and `gone` are the old one's; `asking`, `building`, `prepared`, `free` (to serve, and nothing said), `said` and `serving` the new one's. */
interface State {
  readonly old: 'serving' | 'frozen' | 'committed' | 'gone';
  readonly oldDied: boolean;
  readonly new: 'asking' | 'building' | 'prepared' | 'free' | 'said' | 'serving' | 'gone';
  readonly newDied: boolean;
  /** The new one has served: what the old one has is of before. */
  readonly newServed: boolean;
  /** On their way. */
  readonly toOld: readonly string[];
  readonly toNew: readonly string[];
}

const START: State = {
  old: 'serving',
  oldDied: false,
  new: 'asking',
  newDied: false,
  newServed: false,
  toOld: [],
  toNew: [],
};

interface Rules {
  /** A wrong one, to see that the check sees it: who is hung up on does not look whether the other one lives. */
  readonly gullible?: boolean;
  /** Another: it serves before it says so. */
  readonly hasty?: boolean;
  /** A third: whoever has committed goes on himself after a while, and does not end the other one first. */
  readonly kind?: boolean;
}

function steps(s: State, rules: Rules): State[] {
  const next: State[] = [];
  const [said, heard] = [s.toOld[0], s.toNew[0]];
  // Deaths: what was sent is still read, and the end of it after that.
  if (s.old !== 'gone') next.push({ ...s, old: 'gone', oldDied: true });
  if (s.new !== 'gone') next.push({ ...s, new: 'gone', newDied: true });
  // The old one.
  if (s.old === 'serving' && said === 'go')
    next.push({ ...s, old: 'frozen', toOld: s.toOld.slice(1), toNew: [...s.toNew, 'state'] });
  if (s.old === 'frozen') {
    // Its time is over, at any time; whether the word arrives or not it goes on.
    next.push({ ...s, old: 'serving', toNew: [...s.toNew, 'refused'] });
    next.push({ ...s, old: 'serving', toNew: [...s.toNew, 'hung up'] });
    if (said === 'prepared') {
      const committed: State = {
        ...s,
        old: 'committed',
        toOld: s.toOld.slice(1),
        toNew: [...s.toNew, 'commit'],
      };
      // A word to nobody cannot be sent.
      next.push(s.new === 'gone' ? { ...s, old: 'serving', toOld: s.toOld.slice(1) } : committed);
    }
    if (s.new === 'gone' && said === undefined) next.push({ ...s, old: 'serving' });
  }
  if (s.old === 'committed') {
    if (said === 'serving') next.push({ ...s, old: 'gone' });
    if (said === undefined && s.new === 'gone') next.push({ ...s, old: 'serving' });
    // Its time is over: what is not heard then is that of a dead one.
    if (said === undefined && s.new !== 'gone')
      next.push(rules.kind ? { ...s, old: 'serving' } : { ...s, new: 'gone', newDied: true });
  }
  // The new one.
  if (s.new === 'asking') next.push({ ...s, new: 'building', toOld: [...s.toOld, 'go'] });
  const away = { ...s, new: 'gone' as const };
  if (s.new === 'building') {
    next.push(away);
    if (heard === 'state')
      next.push({ ...s, new: 'prepared', toNew: s.toNew.slice(1), toOld: [...s.toOld, 'prepared'] });
    else if (heard !== undefined || s.old === 'gone') next.push(away);
  }
  if (s.new === 'prepared') {
    // Whoever takes over from a dead one has nobody to say it to.
    const serves: State = { ...s, new: 'serving', newServed: true, toNew: s.toNew.slice(1) };
    if (heard === 'commit') next.push({ ...serves, newServed: false, new: 'free' });
    if (heard === 'refused') next.push(away);
    if (heard === 'hung up') next.push(rules.gullible || s.old === 'gone' ? serves : away);
    if (heard === undefined && s.old === 'gone') next.push(serves);
    // It waits only so long.
    next.push(away);
  }
  if (s.new === 'free')
    next.push(
      rules.hasty
        ? { ...s, new: 'serving', newServed: true }
        : { ...s, new: 'said', toOld: [...s.toOld, 'serving'] },
    );
  if (s.new === 'said') next.push({ ...s, new: 'serving', newServed: true });
  return next;
}

const explored = (rules: Rules) =>
  explore(
    START,
    (s) => steps(s, rules),
    (s) => Number(s.oldDied) + Number(s.newDied),
  );

const both = ({ old, newServed }: State): boolean => (old === 'serving' || old === 'frozen') && newServed;
const servesHere = ({ old, new: taker }: State): boolean => old === 'serving' || taker === 'serving';
/** The old one is no more because it died, or because the new one had said that it serves, and died then. */
const excused = (s: State): boolean => s.oldDied || (s.newDied && s.old === 'gone');

describe('the transaction', () => {
  const { all, ends } = explored({});

  test('two never serve, and none after the other one has', () => {
    expect(all.length).toBeGreaterThan(50);
    expect(all.filter(both)).toEqual([]);
  });

  test('where it ends somebody serves, unless the old one died, or the new one after it had been let go', () => {
    expect(ends.length).toBeGreaterThan(3);
    expect(ends.filter((s) => !servesHere(s) && !excused(s))).toEqual([]);
  });

  test('a death of the new one before it has said that it serves costs nothing', () => {
    const before = ends.filter((s) => s.newDied && !s.oldDied && s.old !== 'gone');
    expect(before.length).toBeGreaterThan(0);
    for (const { old } of before) expect(old).toBe('serving');
    // Nor does the old one end by anything else than that word.
    const silent = all.filter((s) => s.old === 'gone' && !s.oldDied && !s.toOld.includes('serving'));
    expect(silent).toEqual([]);
  });
});

test('a rule that is wrong is seen', () => {
  const twice = (rules: Rules) => explored(rules).all.filter(both);
  expect(twice({ gullible: true }).length).toBeGreaterThan(0);
  expect(twice({ hasty: true }).length).toBeGreaterThan(0);
  expect(twice({ kind: true }).length).toBeGreaterThan(0);
});
