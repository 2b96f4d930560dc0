// What npm keeps for itself: in `npm run bench --only X` the option is npm's, and the command starts without it.

/** Options of the commands that have any. */
const OPTIONS = {
  bench: ['seconds', 'rounds', 'only', 'json', 'html', 'compare', 'list'],
  demo: ['vm', 'json', 'seconds'],
  fuzz: ['seconds'],
  mutate: ['sample', 'seed', 'again'],
};

/**
 * @param {string} command
 * @param {readonly string[]} args those that have come through
 * @param {Readonly<Record<string, string | undefined>>} env where npm leaves the others
 * @returns {string | undefined} what to say, when an option of the command has gone to npm
 */
export function takenByNpm(command, args, env) {
  const taken = (OPTIONS[command] ?? []).filter(
    (name) => env[`npm_config_${name}`] && !args.includes(`--${name}`),
  );
  if (taken.length === 0) return undefined;
  const options = taken.map((name) => `--${name}`);
  return `npm has taken ${options.join(', ')} for itself: 'npm run ${command} -- ${options.join(' ... ')} ...' would be right`;
}
