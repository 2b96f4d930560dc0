// What /proc and /sys say of memory, limits, capabilities and sockets.
import { readFileSync } from 'node:fs';
import type { Capability } from './machine.ts';

/** linux/capability.h. */
const CAPABILITIES: Readonly<Record<Capability, bigint>> = {
  CAP_NET_ADMIN: 12n,
  CAP_NET_RAW: 13n,
  CAP_IPC_LOCK: 14n,
  CAP_SYS_ADMIN: 21n,
  CAP_SYS_NICE: 23n,
  CAP_BPF: 39n,
};

const HUGEPAGES = '/sys/kernel/mm/hugepages/hugepages-2048kB';
const KIB = 1024;
/** __SO_ACCEPTCON in the flags of /proc/net/unix: it listens. */
const ACCEPTS = 0x10000;

/** A file of the kernel's; empty where there is none, or it is not ours to read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** A number in such a file; undefined where there is none. */
export function readNumber(path: string): number | undefined {
  const text = readText(path);
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Bytes of RAM, and of those that can be had. */
export function readMemory(text = readText('/proc/meminfo')): { total: number; available: number } {
  const bytes = (key: string): number =>
    Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) * KIB;
  return { total: bytes('MemTotal'), available: bytes('MemAvailable') };
}

export function readHugepages(): { total: number; free: number } {
  return {
    total: readNumber(`${HUGEPAGES}/nr_hugepages`) ?? 0,
    free: readNumber(`${HUGEPAGES}/free_hugepages`) ?? 0,
  };
}

export function readAddressBits(text = readText('/proc/cpuinfo')): number | undefined {
  const bits = /^address sizes\s*:\s*(\d+) bits physical/m.exec(text)?.[1];
  return bits === undefined ? undefined : Number(bits);
}

/** Those in force. */
export function readCapabilities(text = readText('/proc/self/status')): Set<Capability> {
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(text)?.[1] ?? '0'}`);
  const names = Object.keys(CAPABILITIES) as Capability[];
  return new Set(names.filter((name) => ((mask >> CAPABILITIES[name]) & 1n) === 1n));
}

/** The soft limit of a row of /proc/self/limits; Infinity where there is none. */
export function readLimit(row: string, text = readText('/proc/self/limits')): number {
  const value = Number(new RegExp(`^${row}\\s+(\\S+)`, 'm').exec(text)?.[1]);
  return Number.isInteger(value) ? value : Number.POSITIVE_INFINITY;
}

/** Unix sockets of this network namespace that somebody listens on. */
export function readListening(text = readText('/proc/net/unix')): Set<string> {
  const paths = text.split('\n').flatMap((line) => {
    const [, flags, path] = /^\S+ \S+ \S+ (\S+) \S+ \S+ +\d+ (\/.*)$/.exec(line) ?? [];
    return path !== undefined && (Number.parseInt(flags!, 16) & ACCEPTS) !== 0 ? [path] : [];
  });
  return new Set(paths);
}
