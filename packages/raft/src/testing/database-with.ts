/** LevelDB as it is, but for what a test does to its writes. */
import type { Database } from '../storage/host.ts';

/** `batch` stands for the database's own, which it may call, delay or refuse. */
export function databaseWith(database: Database, batch: Database['batch']): Database {
  return {
    get status() {
      return database.status;
    },
    open: () => database.open(),
    close: () => database.close(),
    get: (key) => database.get(key),
    iterator: (options) => database.iterator(options),
    keys: (options) => database.keys(options),
    batch,
  };
}
