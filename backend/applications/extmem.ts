// NETMAP_REQ_OPT_EXTMEM: what a program wants its own memory to be, checked, and what it is told of the region that takes its place.
import { constants } from 'node:os';
import type { RegionInfo, RegionShape } from '../../native/memory.ts';
import { type Range, REGION_LIMITS } from '../config/limits.ts';
import { checkedBody, EXTMEM, writeBody } from './bodies.ts';
import type { Options } from './options.ts';
import { NETMAP_REQ_OPT } from './protocol.ts';
import { poolFields } from './regions.ts';

const { EINVAL, ENOMEM } = constants.errno;

/** Where the option says which memory it is, in all 64 bits. */
const NUMBER_AT = EXTMEM.layout.ifOffset[0];
const PAGE = 4096;
const CACHE_LINE = 64;
/** About what the private region of the largest port has, with as many extra buffers as a register may ask for. */
export const EXTMEM_BYTES_MAX = 2 ** 30;
/** What netmap takes where a program says nothing. */
const DEFAULTS = { ifNum: 2, ifSize: 1024, ringNum: 4, ringSize: 20_480, bufNum: 4098, bufSize: 2048 };
/** Of one register; those that ports take themselves come to it. */
const IF_NUM: Range = { min: 1, max: REGION_LIMITS.ifNum.max };

/** A program's own memory, of which a region is to be made. */
export interface OwnMemory {
  /** The same for the same memory (docs/application-protocol.md); 0: not known to anybody else. */
  readonly number: bigint;
  /** Whole pages. */
  readonly bytes: number;
  readonly pools: Omit<RegionShape, 'id'>;
}

/** undefined: the option was not given. @throws ProtocolError EINVAL or ENOMEM, also in the option's status. */
export function ownMemory(options: Options): OwnMemory | undefined {
  const content = options.take(NETMAP_REQ_OPT.EXTMEM);
  if (!content) return undefined;
  const refuse = (errno: number, what: string): never =>
    options.refuse(NETMAP_REQ_OPT.EXTMEM, errno, `extmem: ${what}`);
  const asked = checkedBody(EXTMEM, content);
  const chosen = (key: keyof typeof DEFAULTS, value: number): number => {
    const { min, max } = key === 'ifNum' ? IF_NUM : REGION_LIMITS[key];
    if (value === 0) return DEFAULTS[key];
    return value >= min && value <= max
      ? value
      : refuse(EINVAL, `${key} ${value}: ${min} to ${max} would be right`);
  };
  const ifNum = chosen('ifNum', asked.ifCount);
  const shape = {
    // A port has one, and each register; netmap's option counts registers.
    ifNum: Math.min(2 * ifNum, REGION_LIMITS.ifNum.max),
    ifSize: chosen('ifSize', asked.ifSize),
    ringNum: chosen('ringNum', asked.ringCount),
    ringSize: chosen('ringSize', asked.ringSize),
    bufSize: chosen('bufSize', asked.bufSize),
  };
  const bytes = asked.memsize - (asked.memsize % PAGE);
  const others = poolBytes(shape.ifNum, shape.ifSize) + poolBytes(shape.ringNum, shape.ringSize);
  const room = Math.floor((bytes - others) / roundUp(shape.bufSize, CACHE_LINE));
  const bufNum = Math.min(chosen('bufNum', asked.bufCount), Math.max(0, room));
  if (bufNum < REGION_LIMITS.bufNum.min)
    refuse(
      ENOMEM,
      `${bytes} bytes: rings and interfaces take ${others}, and ${REGION_LIMITS.bufNum.min} buffers would have to fit too`,
    );
  const total = others + poolBytes(bufNum, shape.bufSize);
  if (total > EXTMEM_BYTES_MAX)
    refuse(ENOMEM, `a region of ${total} bytes: at most ${EXTMEM_BYTES_MAX} would be right`);
  const number = Buffer.from(content).readBigUInt64LE(NUMBER_AT);
  return { number, bytes, pools: { ...shape, bufNum } };
}

/** What has become of it is written back. */
export function tellPools(options: Options, region: RegionInfo): void {
  const content = options.take(NETMAP_REQ_OPT.EXTMEM)!;
  const { memsize: _, ...fields } = poolFields(region);
  options.give(NETMAP_REQ_OPT.EXTMEM, writeBody(EXTMEM, content, { ...fields }));
}

/** As regions are laid out: objects of whole cache lines, pools of whole pages. */
const poolBytes = (count: number, size: number): number => roundUp(count * roundUp(size, CACHE_LINE), PAGE);

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;
