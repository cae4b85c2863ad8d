/** The node process: supervisor, composition, settings, signals. */
export {};
