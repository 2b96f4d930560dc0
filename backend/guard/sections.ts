// What a host that is kept has written of itself, for the process that goes on when it has died: a section of the host, and one of each device.
import { z } from 'zod';
import { bytes, count, fd, name } from '../upgrade/forms.ts';
import { DeviceSchema, HostStateSchema } from '../upgrade/state.ts';
import { SECTIONS_MAX } from './state-file.ts';

export const HOST_SECTION = 0;

const section = z
  .number()
  .int()
  .min(1)
  .max(SECTIONS_MAX - 1);

export const HostSectionSchema = z.strictObject({
  /** Positions of rings, and what changes with every packet, are not the last ones. */
  host: HostStateSchema.omit({ devices: true, kept: true }),
  /** Blocks of sessions (KeptArea). */
  blocks: fd(),
  devices: z
    .array(z.strictObject({ vm: name(), name: name(), path: name(), listener: fd(), section }))
    .max(SECTIONS_MAX - 1),
});

export const DeviceSectionSchema = z.strictObject({
  device: DeviceSchema,
  /** The last message of its session whose effects are here, and what is answered to it; nothing: no answer is wanted. */
  applied: z.strictObject({ ordinal: count(), answer: bytes(2 ** 21) }).optional(),
  /** Of packets in its port's rings. */
  vnetHdrLen: z.union([z.literal(0), z.literal(10), z.literal(12)]).optional(),
});

export type GivenHostSection = z.input<typeof HostSectionSchema>;
export type TakenHostSection = z.output<typeof HostSectionSchema>;
export type GivenDeviceSection = z.input<typeof DeviceSectionSchema>;
export type TakenDeviceSection = z.output<typeof DeviceSectionSchema>;
