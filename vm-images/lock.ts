/** A lock between processes that the kernel releases when its holder dies, held by util-linux's flock. */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { execa } from 'execa';
import { progress } from './progress.ts';

const PATIENCE_MS = 1000;

/** Runs `work` while no other process holds the lock on `path`, which is created when missing. */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  // The child holds the lock until its stdin ends: also when this process dies in whatever way.
  const holder = execa('flock', ['--exclusive', path, 'sh', '-c', 'echo held; exec cat'], { buffer: false });
  const waiting = setTimeout(() => progress(`waiting for another process that holds ${path}`), PATIENCE_MS);
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve());
      holder.catch(reject);
    });
  } finally {
    clearTimeout(waiting);
  }
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await holder;
  }
}
