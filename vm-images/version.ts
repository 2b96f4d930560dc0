/** Version numbers: reading QEMU's and comparing dotted ones. */

/** Negative, zero or positive as `a` is older than, equal to or newer than `b`; a missing part counts as 0. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number)) as [number[], number[]];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The number in the output of `qemu-system-x86_64 --version`, or undefined when it is not one. */
export function parseQemuVersion(output: string): string | undefined {
  return /^QEMU emulator version (\d+(?:\.\d+)+)/m.exec(output)?.[1];
}
