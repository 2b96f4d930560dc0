/** Whether VMs run under KVM here: found out by running one. */
import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { cacheRoot } from '../cache.ts';
import type { Qemu } from '../fetch.ts';

const DEVICE = '/dev/kvm';
/** Real hardware takes a tenth of it. */
const PATIENCE_MS = 3_000;
const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/**
 * The smallest guest, for a multiboot loader: asks CPUID for BMI2 and runs an instruction of it (shlx) where there is one, as kernels
 * do while they unpack themselves, then writes 0x10 to port 0xf4.
 */
const GUEST_CODE = [
  ...[0x31, 0xc0, 0x0f, 0xa2, 0x83, 0xf8, 0x07, 0x72, 0x13], // xor eax,eax; cpuid; cmp eax,7; jb ok
  ...[0xb8, 0x07, 0x00, 0x00, 0x00, 0x31, 0xc9, 0x0f, 0xa2], // mov eax,7; xor ecx,ecx; cpuid
  ...[0xf6, 0xc7, 0x01, 0x74, 0x05, 0xc4, 0xe2, 0x71, 0xf7, 0xc1], // test bh,1; jz ok; shlx eax,ecx,ecx
  ...[0xb0, 0x10, 0xba, 0xf4, 0x00, 0x00, 0x00, 0xee], // ok: mov al,0x10; mov edx,0xf4; out dx,al
  ...[0xf4, 0xeb, 0xfd], // hlt; jmp to it
];
/** What QEMU ends with when 0x10 is written to its debug port. */
const EXIT_CODE = (0x10 << 1) | 1;

const MAGIC = 0x1badb002;
const WITH_ADDRESSES = 1 << 16;
const LOAD_ADDRESS = 0x100000;
const HEADER_WORDS = 8;

function guestImage(): Uint8Array {
  const image = Buffer.alloc(4 * HEADER_WORDS + GUEST_CODE.length);
  const entry = LOAD_ADDRESS + 4 * HEADER_WORDS;
  const checksum = -(MAGIC + WITH_ADDRESSES) >>> 0;
  const header = [MAGIC, WITH_ADDRESSES, checksum, LOAD_ADDRESS, LOAD_ADDRESS, 0, 0, entry];
  for (const [i, word] of header.entries()) image.writeUInt32LE(word, 4 * i);
  image.set(GUEST_CODE, 4 * HEADER_WORDS);
  return image;
}

/** What came of a guest that was to run. */
export interface GuestTrial {
  /** Why it did not run, in one line; undefined when it did. */
  readonly why: string | undefined;
  /** That it ended in time. One that did not may do so at once on a machine that is less busy. */
  readonly ended: boolean;
}

/** @return why there is no KVM, in one line; undefined when there is. */
export async function whyNoKvm(qemu: Qemu): Promise<string | undefined> {
  try {
    await access(DEVICE, constants.R_OK | constants.W_OK);
  } catch (error) {
    const missing = (error as { code?: string }).code === 'ENOENT';
    return missing ? `there is no ${DEVICE}` : `this user may not open ${DEVICE}`;
  }
  const key = `${qemu.version} ${(await readFile(BOOT_ID, 'utf8')).trim()}`;
  const { why } = await remembered(key, () => tryGuest(qemu, 'kvm'));
  return why === undefined ? undefined : `${DEVICE} does not work: ${why}`;
}

/** What is tried again after so long: the next commands should not each wait for it. */
const UNSURE_MS = 60_000;

interface Known extends GuestTrial {
  readonly key: string;
  /** When, in ms since 1970. */
  readonly time: number;
}

/**
 * What was found is in the cache, where that can be written: an answer stays the same until the machine starts anew; that none came
 * in time counts for a minute.
 * @param key of the machine's start and of what was tried
 */
export async function remembered(
  key: string,
  find: () => Promise<GuestTrial>,
  now: () => number = Date.now,
): Promise<GuestTrial> {
  const file = join(cacheRoot(), 'kvm.json');
  try {
    const known = JSON.parse(await readFile(file, 'utf8')) as Partial<Known>;
    const age = now() - (known.time ?? 0);
    if (known.key === key && (known.ended || (age >= 0 && age < UNSURE_MS)))
      return { why: known.why, ended: known.ended === true };
  } catch {
    // Nothing is known yet.
  }
  const found = await find();
  const known: Known = { key, time: now(), ...found };
  await mkdir(cacheRoot(), { recursive: true })
    .then(() => writeFile(file, `${JSON.stringify(known)}\n`))
    .catch(() => {});
  return found;
}

/** Runs the smallest guest: a /dev/kvm that makes a machine may still not run what is in it. */
export async function tryGuest(
  { binary, argsPrefix }: Qemu,
  accel: 'kvm' | 'tcg',
  patienceMs = PATIENCE_MS,
): Promise<GuestTrial> {
  const folder = await mkdtemp(join(tmpdir(), 'ptnet-kvm-'));
  try {
    const image = join(folder, 'guest');
    await writeFile(image, guestImage());
    const args = [
      ...['-machine', 'pc', '-accel', accel, '-m', '16M', '-nodefaults', '-no-user-config', '-no-reboot'],
      ...['-display', 'none', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-kernel', image],
    ];
    const child = execa(binary, [...argsPrefix, ...args], {
      stdin: 'ignore',
      reject: false,
      timeout: patienceMs,
      killSignal: 'SIGKILL',
    });
    // QEMU stops such a machine, and would wait.
    child.stderr.on('data', (text: Buffer) => {
      if (text.includes('KVM internal error')) child.kill('SIGKILL');
    });
    const { exitCode, stderr, timedOut } = await child;
    if (exitCode === EXIT_CODE) return { why: undefined, ended: true };
    if (timedOut) return { why: `a guest does not come to its end in ${patienceMs / 1000} s`, ended: false };
    const said =
      stderr.split('\n').find((line) => /KVM|kvm|failed|error/.test(line)) ?? stderr.split('\n')[0];
    return { why: said?.trim() || 'a guest does not run', ended: true };
  } finally {
    await rm(folder, { recursive: true });
  }
}
