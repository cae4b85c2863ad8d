/** Consensus: pure core, driver, LevelDB storage, TCP transport. */
export {};
