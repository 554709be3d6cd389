/** What a cell of a federation may be called: it is part of a queue's name. */
export const CELL_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
