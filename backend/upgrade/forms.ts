// Forms of numbers, names and bytes in what one host tells another one.
import { z } from 'zod';

export const count = () => z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
export const u32 = () => z.number().int().min(0).max(0xffff_ffff);
export const u64 = () =>
  z
    .string()
    .regex(/^\d{1,20}$/)
    .transform(BigInt)
    .refine((n) => n < 1n << 64n);
/** The number of a descriptor among those that come along. */
export const fd = () => z.number().int().min(0).max(100_000);
export const name = () => z.string().min(1).max(4096);
export const bytes = (most: number) =>
  z
    .string()
    .max(Math.ceil(most / 3) * 4)
    .regex(/^[0-9A-Za-z+/]*={0,2}$/)
    .transform((text): Uint8Array => new Uint8Array(Buffer.from(text, 'base64')))
    .refine((data) => data.length <= most);
const OBJECTS_MAX = 1_000_000;
/** Numbers one by one: each with how many of it follow each other. */
export const runs = () =>
  z
    .array(z.tuple([u32(), z.number().int().min(1).max(OBJECTS_MAX)]))
    .refine((all) => all.reduce((sum, [, times]) => sum + times, 0) <= OBJECTS_MAX)
    .transform((all) => {
      const values = new Uint32Array(all.reduce((sum, [, times]) => sum + times, 0));
      let at = 0;
      for (const [value, times] of all) {
        values.fill(value, at, at + times);
        at += times;
      }
      return values;
    });
