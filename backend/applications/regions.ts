// The regions of ports that are made when applications open them: the one that the file names for all, or one that goes with its
// port, which others of the same user may ask for by its id, or by memory of their own that it has become.
import { fstatSync } from 'node:fs';
import { constants } from 'node:os';
import type { RegionInfo, RegionShape } from '../../native/memory.ts';
import type { PortConfig } from '../config/host-config.ts';
import { ProtocolError } from '../errors.ts';
import { REGISTERS_MAX, regionKey, shapeFor } from '../ports/plan.ts';
import type { PortTable } from '../ports/table.ts';
import type { OwnMemory } from './extmem.ts';

const { EBUSY, EINVAL, ENOMEM } = constants.errno;

/** And down: ids of a file begin at 2, those of regions that come to a host that runs end at 65535. */
const REGION_ID_MAX = 32_767;
const GLOBAL_KEY = 'application:global';
/** netmap's global allocator, with its defaults. */
const GLOBAL: RegionShape = {
  id: 1,
  ifNum: 100,
  ifSize: 1024,
  ringNum: 200,
  ringSize: 36_864,
  bufNum: 163_840,
  bufSize: 2048,
};

export class ApplicationRegions {
  readonly #table: PortTable;
  readonly #named: () => string | undefined;
  /** Keys of regions made here, with the user that may ask for one by its id. */
  readonly #owners = new Map<string, number>();
  /** Of those that programs' own memory became, which that was. */
  readonly #memories = new Map<string, bigint>();

  /** @param common the name of the region that the file has for all of them, as it is now. */
  constructor(table: PortTable, common: () => string | undefined) {
    this.#table = table;
    this.#named = common;
  }

  /** The key of the one that the file names for all of them. */
  get common(): string | undefined {
    const named = this.#named();
    return named === undefined ? undefined : regionKey('', named);
  }

  /**
   * The key of the region that a request asks for by its id, or that the file names; undefined: one of its own.
   * @throws ProtocolError EINVAL
   */
  asked(memId: number, uid: number): string | undefined {
    const { common } = this;
    if (memId === 0) return common;
    if (memId === GLOBAL.id && uid === 0) return this.global();
    for (const [key, { info }] of this.#table.regions) {
      if (info.id !== memId) continue;
      if (key === common || this.#owners.get(key) === uid) return key;
    }
    throw new ProtocolError(EINVAL, `region ${memId}: no region of this user's has that id`);
  }

  /** The global region, root's alone, which is there while it has ports. Its key. @throws ConfigurationError */
  global(): string {
    for (const [key, { info }] of this.#table.regions) if (info.id === GLOBAL.id) return key;
    this.#table.addRegion(GLOBAL_KEY, GLOBAL, false);
    this.#owners.set(GLOBAL_KEY, 0);
    return GLOBAL_KEY;
  }

  /** Those go that no port lies in any more. */
  tidy(): void {
    const { ports } = this.#table;
    const used = new Set([...ports.keys()].map((name) => this.#table.regionOf(name)));
    for (const key of [...this.#owners.keys()]) if (!used.has(key)) this.#drop(key);
  }

  /** With room for these ports, which are the user's. @return its key @throws ProtocolError ENOMEM, ConfigurationError */
  add(name: string, uid: number, ports: ReadonlyMap<string, PortConfig>, extraBufs: number): string {
    return this.#add(name, uid, (id) => shapeFor(id, ports, REGISTERS_MAX, extraBufs));
  }

  /**
   * The region that a user's memory has become, or becomes now; tidy() takes it back if no port is made there.
   * @throws ProtocolError ENOMEM, or EBUSY when that is larger; ConfigurationError
   */
  ofMemory(name: string, uid: number, { number, bytes, pools }: OwnMemory): RegionInfo {
    const there = number === 0n ? undefined : this.#find(uid, number);
    if (there && there.memsize > bytes)
      throw new ProtocolError(
        EBUSY,
        `${name}: memory of ${bytes} bytes that is region ${there.id} already, of ${there.memsize}: all of it would be right`,
      );
    if (there) return there;
    const key = this.#add(name, uid, (id) => ({ ...pools, id }));
    this.#memories.set(key, number);
    return this.#table.regions.get(key)!.info;
  }

  #find(uid: number, number: bigint): RegionInfo | undefined {
    for (const [key, owner] of this.#owners) {
      const { info } = this.#table.regions.get(key)!;
      if (owner === uid && (this.#memories.get(key) === number || fileNumber(info.fd) === number))
        return info;
    }
    return undefined;
  }

  #add(name: string, uid: number, shape: (id: number) => RegionShape): string {
    const { regions } = this.#table;
    const used = new Set([...regions.values()].map(({ info }) => info.id));
    let id = REGION_ID_MAX;
    while (used.has(id)) id--;
    if (id === 0) throw new ProtocolError(ENOMEM, `${name}: ${REGION_ID_MAX} regions are there already`);
    // One of an earlier port of that name may be there while others lie in it.
    const named = `application:${name}`;
    const key = regions.has(named) ? `${named}#${id}` : named;
    this.#table.addRegion(key, shape(id), false);
    this.#owners.set(key, uid);
    return key;
  }

  #drop(key: string): void {
    const region = this.#table.regions.get(key);
    this.#table.removeRegion(key);
    this.#owners.delete(key);
    this.#memories.delete(key);
    region?.drop();
  }
}

const fileNumber = (fd: number): bigint => fstatSync(fd, { bigint: true }).ino;

/** As netmap's structures have it. */
export function poolFields({ memsize, id, pools }: RegionInfo) {
  return {
    memsize,
    memId: id,
    ifOffset: pools.if.offset,
    ifCount: pools.if.count,
    ifSize: pools.if.size,
    ringOffset: pools.ring.offset,
    ringCount: pools.ring.count,
    ringSize: pools.ring.size,
    bufOffset: pools.buf.offset,
    bufCount: pools.buf.count,
    bufSize: pools.buf.size,
  };
}
