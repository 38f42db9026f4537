/** The longest timer of Node.js; a longer one would fire at once. */
export const MAX_TIMER_MS = 2_147_483_647;
export const MIB = 1_048_576;
