import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Two cores are shared by the tests, the host threads and QEMU: test files run one after another.
    fileParallelism: false,
    // What hangs ends; what is slow because the machine is busy does not.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
