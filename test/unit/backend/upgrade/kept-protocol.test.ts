// The transaction of a handover of a host that is kept, all of its interleavings: two processes that may die at any step, and who starts a third one when the host has died.
import { describe, expect, test } from 'vitest';
import { explore } from './interleavings.ts';

/**
 * As in protocol.test.ts; `handing` has told its guard who the host is from now on. `guard`: whose death has the third one started,
 * which goes on with what is kept.
 */
interface State {
  readonly old: 'serving' | 'frozen' | 'handing' | 'committed' | 'gone';
  readonly new: 'asking' | 'building' | 'prepared' | 'free' | 'said' | 'serving' | 'gone';
  readonly guard: 'old' | 'new' | 'third';
  readonly deaths: number;
  readonly toOld: readonly string[];
  readonly toNew: readonly string[];
  readonly toGuard: readonly string[];
}

const START: State = {
  old: 'serving',
  new: 'asking',
  guard: 'old',
  deaths: 0,
  toOld: [],
  toNew: [],
  toGuard: [],
};

/** Wrong ones, to see that the check sees them. */
interface Rules {
  /** The guard hears of it when the new one serves. */
  readonly late?: boolean;
  /** The old one goes on when the new one has died, as one that is not kept does. */
  readonly resumes?: boolean;
  /** The new one goes on when the old one has died, as with one that is not kept. */
  readonly inherits?: boolean;
  /** The old one does not wait until its guard has heard. */
  readonly hasty?: boolean;
}

function stepsOfOld(s: State, rules: Rules): State[] {
  const said = s.toOld[0];
  const heard = { ...s, toOld: s.toOld.slice(1) };
  const next: State[] = [];
  if (s.old === 'serving' && said === 'go')
    next.push({ ...heard, old: 'frozen', toNew: [...s.toNew, 'state'] });
  if (s.old === 'frozen') {
    // Its time is over, or the new one has gone.
    next.push({ ...s, old: 'serving', toNew: [...s.toNew, 'refused'] });
    if (said === 'prepared')
      next.push(
        rules.late
          ? { ...heard, old: 'committed', toNew: [...s.toNew, 'commit'] }
          : { ...heard, old: 'handing', toGuard: ['new'] },
      );
  }
  if (s.old === 'handing') {
    if (s.toGuard.length === 0 || rules.hasty)
      next.push({ ...s, old: 'committed', toNew: [...s.toNew, 'commit'] });
    // Nobody knows whether it was heard.
    else next.push({ ...s, old: 'gone' });
  }
  if (s.old === 'committed') {
    if (said === 'serving') next.push({ ...heard, old: 'gone', toGuard: rules.late ? ['new'] : s.toGuard });
    else if (s.new === 'gone') next.push({ ...s, old: rules.resumes ? 'serving' : 'gone' });
    // Its time is over.
    else next.push({ ...s, new: 'gone' });
  }
  return next;
}

function stepsOfNew(s: State, rules: Rules): State[] {
  const heard = s.toNew[0];
  const gone: State = { ...s, new: 'gone' };
  const rest = s.toNew.slice(1);
  switch (s.new) {
    case 'asking':
      return [{ ...s, new: 'building', toOld: [...s.toOld, 'go'] }];
    case 'building':
      return heard === 'state'
        ? [gone, { ...s, new: 'prepared', toNew: rest, toOld: [...s.toOld, 'prepared'] }]
        : heard !== undefined || s.old === 'gone'
          ? [gone]
          : [];
    case 'prepared':
      if (heard === 'commit') return [gone, { ...s, new: 'free', toNew: rest }];
      return s.old === 'gone' && rules.inherits ? [{ ...s, new: 'serving' }] : [gone];
    case 'free':
      return [{ ...s, new: 'said', toOld: [...s.toOld, 'serving'] }];
    case 'said':
      return [{ ...s, new: 'serving' }];
    default:
      return [];
  }
}

function stepsOfGuard(s: State): State[] {
  const next: State[] = [];
  // From nobody but the one that is the host.
  if (s.toGuard.length > 0) next.push({ ...s, toGuard: [], guard: s.guard === 'old' ? 'new' : s.guard });
  // What it has said before it died is heard, and changes nothing.
  if (s.guard === 'old' && s.old === 'gone') next.push({ ...s, toGuard: [], guard: 'third' });
  if (s.guard === 'new' && s.new === 'gone') next.push({ ...s, guard: 'third' });
  return next;
}

function steps(s: State, rules: Rules): State[] {
  const next = [...stepsOfOld(s, rules), ...stepsOfNew(s, rules), ...stepsOfGuard(s)];
  if (s.old !== 'gone') next.push({ ...s, old: 'gone', deaths: s.deaths + 1 });
  if (s.new !== 'gone') next.push({ ...s, new: 'gone', deaths: s.deaths + 1 });
  return next;
}

const explored = (rules: Rules) =>
  explore(
    START,
    (s) => steps(s, rules),
    (s) => s.deaths,
  );

/** Those that serve, or may at any time without asking anybody. */
const serving = (s: State): string[] => [
  ...(s.old === 'serving' || s.old === 'frozen' ? ['old'] : []),
  ...(s.new === 'serving' || s.new === 'said' ? ['new'] : []),
  ...(s.guard === 'third' ? ['third'] : []),
];

describe('the transaction', () => {
  const { all, ends } = explored({});

  test('two never serve', () => {
    expect(all.length).toBeGreaterThan(80);
    expect(all.filter((s) => serving(s).length > 1)).toEqual([]);
  });

  test('where it ends one serves, whoever died, and the guard starts another one when that one dies', () => {
    expect(ends.length).toBeGreaterThan(2);
    for (const end of ends) expect(serving(end), JSON.stringify(end)).toEqual([end.guard]);
  });
});

test('a rule that is wrong is seen', () => {
  const twice = (rules: Rules) => explored(rules).all.filter((s) => serving(s).length > 1).length;
  for (const rules of [{ late: true }, { resumes: true }, { inherits: true }, { hasty: true }])
    expect(twice(rules), JSON.stringify(rules)).toBeGreaterThan(0);
});
