/**
 * Test projects: `unit` beside the sources, `repo` for the rules of the repository, `integration` for real processes and
 * `containers` for the compose cluster. The last two run one file at a time because they own ports and measure recovery.
 */
import { defineConfig } from 'vitest/config';

const UNIT_TIMEOUT_MS = 60_000;
const INTEGRATION_TIMEOUT_MS = 180_000;
const CONTAINERS_TIMEOUT_MS = 300_000;

export default defineConfig({
  test: {
    passWithNoTests: true,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'bench/**/*.test.ts'],
          testTimeout: UNIT_TIMEOUT_MS,
          hookTimeout: UNIT_TIMEOUT_MS,
        },
      },
      { test: { name: 'repo', include: ['test/repo/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'integration',
          include: ['test/{fuzz,harness,integration,linearizability,strangers}/**/*.test.ts'],
          testTimeout: INTEGRATION_TIMEOUT_MS,
          hookTimeout: INTEGRATION_TIMEOUT_MS,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'containers',
          include: ['test/containers/**/*.test.ts'],
          testTimeout: CONTAINERS_TIMEOUT_MS,
          hookTimeout: CONTAINERS_TIMEOUT_MS,
          fileParallelism: false,
        },
      },
    ],
  },
});
