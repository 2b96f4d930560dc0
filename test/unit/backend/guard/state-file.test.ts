// The state's memory: what is in force after each write that was cut off, and that nothing which was scribbled over is taken for whole.
import { ftruncateSync, readSync, writeSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StateFile } from '../../../../backend/guard/state-file.ts';
import { closeFd, dup, memfdCreate } from '../../../../native/os.ts';

const HEADER = 4096;
const SLOT = 8 * 2 ** 20;

test('what was written last is read, by another one too', () => {
  const file = StateFile.create();
  expect(file.read(0)).toBeUndefined();
  for (const text of ['one', 'two', 'three', '']) {
    file.write(0, text);
    expect(file.read(0)).toBe(text);
  }
  file.write(7, 'another section');
  file.starts = 3;
  const again = StateFile.open(dup(file.fd));
  expect(again.read(0)).toBe('');
  expect(again.read(7)).toBe('another section');
  expect(again.starts).toBe(3);
  expect(again.void).toBe(false);
  again.void = true;
  expect(file.void).toBe(true);
});

test('a write that is cut off anywhere leaves what was there before', () => {
  const text = 'x'.repeat(1000);
  for (const cut of [0, 1, 500, 999, 1000]) {
    const file = StateFile.create();
    file.write(1, 'before');
    // The place that is not in force is the second one; its header comes last.
    const at = HEADER + (2 * 1 + 1) * SLOT + 48;
    writeSync(file.fd, Buffer.from(text), 0, cut, at);
    expect(file.read(1)).toBe('before');
    file.write(1, text);
    expect(file.read(1)).toBe(text);
  }
});

test('too much is refused, and what was there stays', () => {
  const file = StateFile.create();
  file.write(0, 'before');
  expect(() => file.write(0, 'x'.repeat(SLOT))).toThrow('bytes of state: at most');
  expect(() => file.write(5000, 'x')).toThrow('section 5000: there are');
  expect(file.read(0)).toBe('before');
});

test('memory that is none of a state is refused', () => {
  const refused = (fd: number, why: string) => {
    expect(() => StateFile.open(fd)).toThrow(why);
    closeFd(fd);
  };
  refused(memfdCreate('x', 4096, { seal: true }), '4096 bytes: a state has');
  const open = memfdCreate('x', 4096);
  ftruncateSync(open, 100);
  refused(open, 'not the memory of a state');
  const file = StateFile.create();
  for (const [at, why] of [
    [0, 'does not begin as a state does'],
    [8, 'layout'],
    [16, 'another size'],
  ] as const) {
    const before = Buffer.alloc(8);
    readSync(file.fd, before, 0, 8, at);
    writeSync(file.fd, Buffer.alloc(8, 0x55), 0, 8, at);
    expect(() => StateFile.open(file.fd)).toThrow(why);
    writeSync(file.fd, before, 0, 8, at);
  }
  expect(StateFile.open(file.fd).read(0)).toBeUndefined();
});

test('10,000 scribbles: what is read is what was written, or it is refused', () => {
  const file = StateFile.create();
  const texts = ['{"a":1}', '{"b":"'.padEnd(300, 'y')] as const;
  let refused = 0;
  const scribble = fc.record({
    section: fc.nat(2),
    place: fc.nat(1),
    offset: fc.nat(359),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }),
  });
  fc.assert(
    fc.property(scribble, ({ section, place, offset, bytes }) => {
      for (const text of texts) file.write(section, text);
      const at = HEADER + (2 * section + place) * SLOT + offset;
      const before = Buffer.alloc(bytes.length);
      readSync(file.fd, before, 0, bytes.length, at);
      writeSync(file.fd, bytes, 0, bytes.length, at);
      try {
        expect(texts).toContain(file.read(section));
      } catch (error) {
        expect((error as Error).message).toMatch(/^section \d: /);
        refused++;
      }
      writeSync(file.fd, before, 0, bytes.length, at);
    }),
    { numRuns: 10_000 },
  );
  expect(refused).toBeGreaterThan(1000);
});
