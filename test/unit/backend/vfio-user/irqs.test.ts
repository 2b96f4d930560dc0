// What a refused SET_IRQS says: how many descriptors there were, and how many would be right.
import { expect, test } from 'vitest';
import { Interrupts } from '../../../../backend/vfio-user/irqs.ts';
import type { Message } from '../../../../backend/vfio-user/message.ts';
import { IRQ, IRQ_SET } from '../../../../backend/vfio-user/protocol.ts';

const { DATA_NONE, DATA_BOOL, DATA_EVENTFD, ACTION_TRIGGER } = IRQ_SET;
const NOTHING = new Uint8Array();

test.each([
  [{ flags: DATA_EVENTFD | ACTION_TRIGGER, count: 3 }, 2, '2 descriptors: none or 3 expected'],
  [{ flags: DATA_NONE | ACTION_TRIGGER, count: 3 }, 1, '1 descriptors: none expected'],
  [
    { flags: DATA_BOOL | ACTION_TRIGGER, count: 1, data: Uint8Array.of(1) },
    1,
    '1 descriptors: none expected',
  ],
  [{ flags: DATA_BOOL | ACTION_TRIGGER, count: 2, data: Uint8Array.of(1) }, 0, '1 bytes of data: 2 expected'],
  [{ flags: DATA_NONE | ACTION_TRIGGER, count: 6 }, 0, 'interrupts 0+6: index 2 has 5'],
  [{ flags: 0x40, count: 1 }, 0, 'flags 0x40: one kind of data and one action expected'],
  [{ flags: DATA_NONE | ACTION_TRIGGER, index: 5, count: 1 }, 0, 'interrupt index 5: there are 5'],
])('%o with %i descriptors', (request, descriptors, text) => {
  const interrupts = new Interrupts(5, () => {});
  const message = { fds: new Array<number>(descriptors).fill(0) } as unknown as Message;
  const whole = { index: IRQ.MSIX, start: 0, data: NOTHING, ...request };
  expect(() => interrupts.set(whole, message)).toThrow(text);
});
