import { defineConfig } from 'vitest/config'

const project = (name: string, include: string[], testTimeout = 10_000, maxWorkers?: number) => ({
  test: {
    name,
    include,
    testTimeout,
    hookTimeout: testTimeout,
    pool: 'forks' as const,
    globalSetup: './test/support/compiled.ts',
    ...(maxWorkers === undefined ? {} : { maxWorkers }),
  },
})

export default defineConfig({
  test: {
    projects: [
      project(
        'unit',
        [
          'test/unit/**/*.test.ts',
          'test/property/**/*.test.ts',
          'test/contract/**/*.test.ts',
          'test/tidy.test.ts',
        ],
        30_000,
      ),
      project('simulation', ['test/simulation/**/*.test.ts'], 600_000),
      project('package', ['test/package/**/*.test.ts'], 180_000),
      project('e2e', ['test/e2e/**/*.test.ts'], 180_000),
      // Alone: what fails here must not fail because the machine is busy with another cluster.
      project('network', ['test/network/**/*.test.ts'], 180_000, 1),
      project('interop', ['test/interop/**/*.test.ts'], 180_000),
    ],
  },
})
