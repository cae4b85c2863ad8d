/** Stand-ins for what the control thread speaks with. */
export * from './proxy-thread.ts';
