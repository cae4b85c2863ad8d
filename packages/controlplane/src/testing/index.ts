/** Stand-ins for what the control thread speaks with, and whole clusters of control threads. */
export { step, WORLD } from '../state/testing/arbitrary.ts';
export { TEST_PINS_MAX_COUNT, TestLog } from '../state/testing/log.ts';
export * from './control-cluster.ts';
export * from './proxy-thread.ts';
export * from './test-backend.ts';
