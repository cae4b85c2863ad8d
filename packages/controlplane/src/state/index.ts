/** Replicated state machine, cluster host, health verdicts, API. */
export {};
