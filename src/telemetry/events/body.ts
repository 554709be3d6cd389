import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

/** What one request may hold, unpacked. A sender splits its batches well below. */
export const MOST_BODY_BYTES = 8 * 1024 * 1024;

/** What is too large is read to its end all the same, up to here, and let go: see {@link readBody}. */
const MOST_READ_BYTES = 8 * MOST_BODY_BYTES;

const unpack = promisify(gunzip);

/** Why a body was not taken, as a status and words; never with a part of it. */
export class BodyRefused extends Error {
  constructor(
    readonly status: 400 | 413 | 415,
    message: string,
  ) {
    super(message);
  }
}

const tooLarge = () =>
  new BodyRefused(413, `the body is larger than ${MOST_BODY_BYTES} bytes (unpacked); send it in parts`);

/**
 * The bytes of a request, no more than are allowed, unpacked. Answered before a body has ended, a sender may find its
 * connection closed in the middle of it, or of its next request, and never learn why.
 */
export async function readBody(request: Request): Promise<Uint8Array<ArrayBuffer>> {
  const encoding = request.headers.get('content-encoding') ?? 'identity';
  if (encoding !== 'identity' && encoding !== 'gzip') throw new BodyRefused(415, 'send the body plain or by gzip');
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of request.body ?? []) {
    size += piece.length;
    if (size > MOST_READ_BYTES) throw tooLarge();
    if (size > MOST_BODY_BYTES) pieces.length = 0;
    else pieces.push(piece);
  }
  if (size > MOST_BODY_BYTES) throw tooLarge();
  const packed = Buffer.concat(pieces);
  if (encoding === 'identity') return Uint8Array.from(packed);
  try {
    return Uint8Array.from(await unpack(packed, { maxOutputLength: MOST_BODY_BYTES }));
  } catch (error) {
    const long = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    throw long ? tooLarge() : new BodyRefused(400, 'the body is not gzip, or was cut off');
  }
}
