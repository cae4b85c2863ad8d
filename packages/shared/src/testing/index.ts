/** Vocabulary of Flotilla: schemas, errors, ids, limits, codec, log and metrics factories. */
export {};
