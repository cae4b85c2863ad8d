/**
 * The version of this checkout, from the package's own manifest.
 */
import manifest from '../package.json' with { type: 'json' };

export const VERSION: string = manifest.version;
