// The types of npm-options.mjs, for its test.
export function takenByNpm(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): string | undefined;
