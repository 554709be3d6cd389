import Table from 'cli-table3';

/** A plain table; its own colours are off, so that a pipe gets text alone. */
export function createTable(head: string[], options: { colWidths?: (number | null)[] } = {}): Table.Table {
  return new Table({
    head,
    style: { head: [], border: [], compact: true },
    ...(options.colWidths === undefined ? {} : { colWidths: options.colWidths, wordWrap: true }),
  });
}
