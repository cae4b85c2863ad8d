/** The pure part of the data plane: where a request goes by a snapshot, and why. For explain and the simulator. */
export { explain } from './explain.ts';
export type { Candidate, Explanation, PoolExplanation } from './explain.ts';
