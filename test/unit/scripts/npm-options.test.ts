// Options that npm has taken because there was no `--` before them.
import { expect, test } from 'vitest';
import { takenByNpm } from '../../../scripts/npm-options.mjs';

test('an option of the command that went to npm is told, with the line that would be right', () => {
  // As npm does for `npm run bench --rounds 1 --only vale`: of an option that it does not know it passes the value on.
  expect(takenByNpm('bench', ['1'], { npm_config_only: 'vale', npm_config_rounds: 'true' })).toBe(
    "npm has taken --rounds, --only for itself: 'npm run bench -- --rounds ... --only ...' would be right",
  );
  expect(takenByNpm('demo', [], { npm_config_vm: 'true' })).toBe(
    "npm has taken --vm for itself: 'npm run demo -- --vm ...' would be right",
  );
});

test('what came through is not told, nor what is none of the command', () => {
  expect(takenByNpm('bench', ['--only', 'vale'], {})).toBeUndefined();
  expect(takenByNpm('bench', ['--json', 'x'], { npm_config_json: 'true' })).toBeUndefined();
  expect(takenByNpm('bench', [], { npm_config_cache: '/x', npm_config_vm: 'true' })).toBeUndefined();
  expect(takenByNpm('build', [], { npm_config_json: 'true' })).toBeUndefined();
});
