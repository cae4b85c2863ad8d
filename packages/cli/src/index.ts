/** The flotilla command line. */
export {};
