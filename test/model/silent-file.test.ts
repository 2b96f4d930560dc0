// A VM that sends descriptors of a file whose owner never answers: nobody asks it, nobody waits for its close.
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { closePeerFd } from '../../native/os.ts';
import { PTCTL } from '../../pci/index.ts';
import { FUSE, fuseMissing, SilentFile } from '../harness/fuse.ts';
import { Neighbours } from './neighbours.ts';
import { onEnd, open } from './scene.ts';

const { EBADF, EINVAL } = constants.errno;
const PAGE = 0x1000n;
const HIGH = 0x20_0000_0000n;
const IRQ_MSIX = 2;
const why = fuseMissing();

/** Root has FUSE wherever the kernel does. */
test.skipIf(why !== undefined)(
  `a file on FUSE, in every message that carries descriptors${why === undefined ? '' : ` (not run: ${why})`}`,
  async () => {
    const file = await SilentFile.mount();
    onEnd(async () => await file.close());
    const both = await Neighbours.start();
    const { ptnet } = both.port;
    const { device } = ptnet.pci;
    const fd = file.open();
    // The sender's own descriptor too.
    onEnd(() => closePeerFd(fd));

    await device.dmaMap({ address: HIGH, size: 2n * PAGE }, fd);
    await ptnet.setCsb(HIGH, HIGH + PAGE);
    expect(await ptnet.control(PTCTL.CREATE)).toBe(EINVAL);
    await both.expectLog(/CREATE: guest-to-host CSB at .*not in memory/);
    await device.dmaUnmap({ address: HIGH, size: 2n * PAGE });
    await expect(device.attachIrqs(IRQ_MSIX, [fd])).rejects.toMatchObject({ errno: EBADF });
    await expect(device.attachIrqs(IRQ_MSIX, [fd, fd, fd, fd])).rejects.toMatchObject({ errno: EINVAL });
    await both.expectUndisturbed();

    // A close of it is what waits: and with it what else vm1's client sends to be closed.
    const held = () => both.host.host.stats().devices.find(({ name }) => name === 'vm1/net0')!;
    await expect.poll(() => file.asked).toContain(FUSE.FLUSH);
    await expect.poll(() => held().closingFds).toBeGreaterThan(4);
    for (const question of [FUSE.GETATTR, FUSE.STATFS, FUSE.READ]) expect(file.asked).not.toContain(question);

    // Its client is let go all the same, and the next one of the same VM served.
    await both.bad.crash();
    const next = await open(both.host, 'vm1');
    await next.create();
    expect(await next.send(new Uint8Array(60))).toBe(true);
    await both.expectUndisturbed();
    await next.crash();
  },
);
