/** Where the simulator's token comes from when the caller chooses it; otherwise one is made and printed. */
export const TOKEN_VARIABLE = 'HEADROOM_SIMULATOR_TOKEN';
