/** Bounds of the configuration document. Ten thousand backends and a thousand pools fit with room to spare. */

export const LISTENERS_MAX_COUNT = 1_000;
export const POOLS_MAX_COUNT = 5_000;
/** All pools together. Below the slots of the shared memory (65,536), so that slots are not reused at once. */
export const BACKENDS_MAX_COUNT = 50_000;
export const CERTIFICATES_MAX_COUNT = 2_000;
export const ROUTES_MAX_COUNT = 1_000;
export const SPLITS_MAX_COUNT = 16;
export const CIDRS_MAX_COUNT = 256;
export const HEADER_EDITS_MAX_COUNT = 64;
export const TAGS_MAX_COUNT = 32;
export const PEM_MAX_CHARS = 131_072;
export const TEXT_MAX_CHARS = 1_024;
export const HEADER_VALUE_MAX_CHARS = 4_096;
/** A day: no timeout, interval or age needs more. */
export const DURATION_MAX_MS = 86_400_000;
/** Pins may outlive a day: a month. */
export const PIN_TTL_MAX_MS = 2_678_400_000;
export const WEIGHT_MAX = 1_000;
export const PRIORITY_MAX = 100;
/** The largest limit that a body can be given: a tebibyte. */
export const BODY_MAX_BYTES = 1_099_511_627_776;
/** Faults reported for one document; what is beyond is counted in one last line. */
export const FAULTS_MAX_COUNT = 1_000;
/** Levels of nesting that any input may have. The document itself has eight. */
export const DEPTH_MAX_COUNT = 32;
/** Values visited in one document: bounds time and memory whatever the shape. Fifty thousand backends have 400,000. */
export const VALUES_MAX_COUNT = 1_500_000;
/** All listeners together. */
export const ROUTES_TOTAL_MAX_COUNT = 20_000;
