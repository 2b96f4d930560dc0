/** The probe for KVM: its guest runs wherever guests run, and a QEMU without one says why. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { getQemu } from '../../../../vm-images/fetch.ts';
import { type GuestTrial, remembered, tryGuest, whyNoKvm } from '../../../../vm-images/machine/kvm.ts';
import { requireVms } from '../../../harness/prerequisites.ts';

describe('a guest', () => {
  beforeAll(requireVms, 600_000);

  test('comes to its end under software emulation', async () => {
    // A busy machine is not what is tried here.
    expect(await tryGuest(await getQemu(), 'tcg', 60_000)).toEqual({ why: undefined, ended: true });
  });

  test('there is KVM, or a reason in one line', async () => {
    const why = await whyNoKvm(await getQemu());
    if (why !== undefined) expect(why).toMatch(/^[^\n]*\/dev\/kvm[^\n]*$/);
  });
});

test('a QEMU that does not start is told in one line', async () => {
  const qemu = { binary: '/bin/false', argsPrefix: [], version: '11' };
  expect(await tryGuest(qemu, 'kvm')).toEqual({ why: 'a guest does not run', ended: true });
});

test('a QEMU that does not end is no answer', async () => {
  const qemu = { binary: '/bin/sh', argsPrefix: ['-c', 'exec sleep 60'], version: '11' };
  expect(await tryGuest(qemu, 'kvm', 100)).toEqual({
    why: 'a guest does not come to its end in 0.1 s',
    ended: false,
  });
});

describe('what was found', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ptnet-kvm-memory-'));
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Asks at these times, in seconds; gives how often a guest was tried. */
  async function tries(found: GuestTrial, asked: readonly (readonly [key: string, at: number])[]) {
    vi.stubEnv('PTNET_CACHE', folder);
    const find = vi.fn(async () => found);
    for (const [key, at] of asked) expect(await remembered(key, find, () => at * 1000)).toEqual(found);
    return find.mock.calls.length;
  }

  test('is remembered until the machine starts anew', async () => {
    const asked = [
      ['11 a', 0],
      ['11 a', 1e9],
      ['11 b', 1e9],
    ] as const;
    expect(await tries({ why: 'no', ended: true }, asked)).toBe(2);
    expect(
      await tries({ why: undefined, ended: true }, [
        ['11 c', 0],
        ['11 c', 9],
      ]),
    ).toBe(1);
  });

  test('is tried again when nothing was found in time, a minute later', async () => {
    const asked = [
      ['11 a', 100],
      ['11 a', 159],
      ['11 a', 161],
      ['11 a', 162],
    ] as const;
    expect(await tries({ why: 'not in 3 s', ended: false }, asked)).toBe(2);
  });

  test('is tried again when the clock was set back', async () => {
    expect(
      await tries({ why: 'not in 3 s', ended: false }, [
        ['11 a', 100],
        ['11 a', 50],
      ]),
    ).toBe(2);
  });
});
