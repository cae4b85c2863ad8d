/** Helpers for tests of every package. */
export * from './wait-for.ts';
export * from './ports.ts';
