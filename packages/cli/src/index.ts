/** The parts of the command line that tests and benchmarks use too: the API client and the sample backend. */
export { ApiClient, ApiError, UnreachableError } from './client/api-client.ts';
export { startSampleBackend } from './backend/sample-backend.ts';
export type { SampleBackend } from './backend/sample-backend.ts';
