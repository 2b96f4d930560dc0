// Serving: CSB addresses, CREATE and DELETE, doorbells, and the host's own stop.
import { describe, expect, test } from 'vitest';
import { PTCTL, PTNET } from '../../../../pci/index.ts';
import { read, rejects, write } from '../guest.ts';
import { command, makePtnet as make, setCsb } from './make.ts';

const ENXIO = 6;
const ENOMEM = 12;
const EBUSY = 16;
const EINVAL = 22;

describe('the CSB addresses', () => {
  test('are made of both halves, up to the last bit', () => {
    const { device, backend } = make();
    write(device, PTNET.IO_CSB_GH_BAH, 0xffffffff);
    write(device, PTNET.IO_CSB_GH_BAL, 0x80000040);
    write(device, PTNET.IO_CSB_HG_BAH, 1);
    write(device, PTNET.IO_CSB_HG_BAL, 0);
    expect(command(device, PTCTL.CREATE)).toBe(0);
    expect(backend.calls).toEqual(['create ffffffff80000040 100000000']);
  });
  test('BAH waits for BAL', () => {
    const { device, backend } = make();
    setCsb(device);
    write(device, PTNET.IO_CSB_GH_BAH, 5);
    write(device, PTNET.IO_CSB_HG_BAH, 6);
    expect(command(device, PTCTL.CREATE)).toBe(0);
    expect(backend.calls).toEqual(['create 1000 2000']);
  });
  test('BAH keeps its value for the next BAL', () => {
    const { device, backend } = make();
    write(device, PTNET.IO_CSB_GH_BAH, 5);
    setCsb(device);
    command(device, PTCTL.CREATE);
    expect(backend.calls).toEqual(['create 500001000 2000']);
  });
  test('read back what was written', () => {
    const { device } = make();
    const offsets = [PTNET.IO_CSB_GH_BAH, PTNET.IO_CSB_GH_BAL, PTNET.IO_CSB_HG_BAH, PTNET.IO_CSB_HG_BAL];
    for (const offset of offsets) write(device, offset, 0xf0000000 + offset);
    expect(offsets.map((offset) => read(device, offset))).toEqual(
      offsets.map((offset) => 0xf0000000 + offset),
    );
  });
  test.each([
    ['GH', PTNET.IO_CSB_GH_BAL],
    ['HG', PTNET.IO_CSB_HG_BAL],
  ])('writing CSB_%s_BAL stops serving, whatever is written', (_, offset) => {
    for (const value of [0, 0x1000, 0x3000]) {
      const { device, backend } = make();
      setCsb(device);
      command(device, PTCTL.CREATE);
      write(device, offset, value);
      expect(device.serving).toBe(false);
      expect(backend.calls).toEqual(['create 1000 2000', 'delete']);
      expect(rejects(device)).toEqual({});
    }
  });
  test('writing BAH while serving stops nothing', () => {
    const { device, backend } = make();
    setCsb(device);
    command(device, PTCTL.CREATE);
    write(device, PTNET.IO_CSB_GH_BAH, 1);
    expect(device.serving).toBe(true);
    expect(backend.calls).toEqual(['create 1000 2000']);
  });
});

describe('CREATE', () => {
  test.each([
    ['no address', 0, 0],
    ['only guest-to-host', 0x1000, 0],
    ['only host-to-guest', 0, 0x2000],
  ])('with %s is ENXIO', (_, guestToHost, hostToGuest) => {
    const { device, backend } = make();
    setCsb(device, guestToHost, hostToGuest);
    expect(command(device, PTCTL.CREATE)).toBe(ENXIO);
    expect(backend.calls).toEqual([]);
    expect(rejects(device)).toEqual({ 'create-without-csb': 1 });
  });
  test('after an address was taken back is ENXIO', () => {
    const { device } = make();
    setCsb(device);
    write(device, PTNET.IO_CSB_HG_BAL, 0);
    expect(command(device, PTCTL.CREATE)).toBe(ENXIO);
  });
  test('starts serving', () => {
    const { device } = make();
    setCsb(device);
    expect(device.serving).toBe(false);
    expect(command(device, PTCTL.CREATE)).toBe(0);
    expect(device.serving).toBe(true);
  });
  test('twice is EBUSY, and the first goes on', () => {
    const { device, backend } = make();
    setCsb(device);
    command(device, PTCTL.CREATE);
    expect(command(device, PTCTL.CREATE)).toBe(EBUSY);
    expect(device.serving).toBe(true);
    expect(backend.calls).toEqual(['create 1000 2000']);
    expect(rejects(device)).toEqual({ 'create-serving': 1 });
  });
  test("refused by the host reads back the host's errno, and can be tried again", () => {
    const { device, backend } = make();
    backend.createResult = ENOMEM;
    setCsb(device);
    expect(command(device, PTCTL.CREATE)).toBe(ENOMEM);
    expect(device.serving).toBe(false);
    expect(rejects(device)).toEqual({ 'create-refused': 1 });
    backend.createResult = 0;
    expect(command(device, PTCTL.CREATE)).toBe(0);
  });
});

describe('DELETE', () => {
  test('when nothing is served is ENXIO', () => {
    const { device, backend } = make();
    expect(command(device, PTCTL.DELETE)).toBe(ENXIO);
    expect(backend.calls).toEqual([]);
    expect(rejects(device)).toEqual({ 'delete-not-serving': 1 });
  });
  test('stops serving', () => {
    const { device, backend } = make();
    setCsb(device);
    command(device, PTCTL.CREATE);
    expect(command(device, PTCTL.DELETE)).toBe(0);
    expect(device.serving).toBe(false);
    expect(backend.calls).toEqual(['create 1000 2000', 'delete']);
  });
  test('that fails stops serving too, and says so', () => {
    const { device, backend } = make();
    backend.deleteResult = EBUSY;
    setCsb(device);
    command(device, PTCTL.CREATE);
    expect(command(device, PTCTL.DELETE)).toBe(EBUSY);
    expect(device.serving).toBe(false);
    expect(rejects(device)).toEqual({ 'delete-failed': 1 });
  });
});

test.each([0, 3, 0x80000001])('PTCTL %i is EINVAL and changes nothing', (value) => {
  const { device, backend } = make();
  setCsb(device);
  command(device, PTCTL.CREATE);
  expect(command(device, value)).toBe(EINVAL);
  expect(device.serving).toBe(true);
  expect(backend.calls).toEqual(['create 1000 2000']);
  expect(rejects(device)).toEqual({ 'unknown-command': 1 });
});

describe('doorbells', () => {
  test('reach the host for every ring while serving', () => {
    const { device, backend } = make();
    setCsb(device);
    command(device, PTCTL.CREATE);
    for (let ring = 0; ring < 5; ring += 1) write(device, PTNET.KICK_BASE + ring * PTNET.KICK_STRIDE, 0xbeef);
    expect(backend.calls.slice(1)).toEqual(['kick 0', 'kick 1', 'kick 2', 'kick 3', 'kick 4']);
    expect(rejects(device)).toEqual({});
  });
  test('of rings that are not there are counted', () => {
    const { device, backend } = make();
    setCsb(device);
    command(device, PTCTL.CREATE);
    write(device, PTNET.KICK_BASE + 5 * PTNET.KICK_STRIDE, 0);
    write(device, 252, 0);
    expect(backend.calls).toEqual(['create 1000 2000']);
    expect(rejects(device)).toEqual({ 'kick-no-ring': 2 });
  });
  test('are counted while nothing is served', () => {
    const { device, backend } = make();
    write(device, PTNET.KICK_BASE, 0);
    setCsb(device);
    command(device, PTCTL.CREATE);
    command(device, PTCTL.DELETE);
    write(device, PTNET.KICK_BASE, 0);
    expect(backend.calls).toEqual(['create 1000 2000', 'delete']);
    expect(rejects(device)).toEqual({ 'kick-not-serving': 2 });
  });
  test('from within delete() are not passed on', () => {
    const { device, backend } = make();
    setCsb(device);
    command(device, PTCTL.CREATE);
    backend.delete = () => {
      write(device, PTNET.KICK_BASE, 0);
      return 0;
    };
    command(device, PTCTL.DELETE);
    expect(backend.calls).toEqual(['create 1000 2000']);
  });
  test('read 0', () => {
    const { device } = make();
    write(device, PTNET.KICK_BASE, 0xffff);
    expect(read(device, PTNET.KICK_BASE)).toBe(0);
  });
});

describe('stop, for the host', () => {
  test('stops serving and leaves the registers, so that the guest can CREATE again', () => {
    const { device, backend } = make();
    setCsb(device);
    command(device, PTCTL.CREATE);
    device.stop();
    device.stop();
    expect(device.serving).toBe(false);
    expect(rejects(device)).toEqual({});
    expect(command(device, PTCTL.CREATE)).toBe(0);
    expect(backend.calls).toEqual(['create 1000 2000', 'delete', 'create 1000 2000']);
  });
});
