import type { RecordKind, RecordPlace } from '../port.js';

/*
 * The newest record of each account, by kind. Every cycle of every account asks who shares its pools and whether there is a
 * fleet: in the file that is a look at every record ever written.
 */

export interface NewestRecords {
  /** By account. The file is asked once a kind; after that what is written is followed. */
  of(kind: RecordKind): Promise<ReadonlyMap<string, RecordPlace>>;
  /** A record is in the file. */
  wrote(kind: RecordKind, account: string, place: RecordPlace): void;
  /** Records went from the file: it is asked anew. */
  forget(): void;
}

type Known = Map<string, RecordPlace>;
interface Loading {
  answer: Promise<Known>;
  /** What was written since the file was asked: whether its answer has that is not known. */
  since: { account: string; place: RecordPlace }[];
}

/** By time, then by id: as records are listed. */
const isAfter = (one: RecordPlace, other: RecordPlace): boolean =>
  one.at > other.at || (one.at === other.at && one.id > other.id);

/** @param load what the file has. */
export function createNewestRecords(load: (kind: RecordKind) => Promise<Known>): NewestRecords {
  let known = new Map<RecordKind, Known>();
  let loading = new Map<RecordKind, Loading>();

  const follow = (all: Known, account: string, place: RecordPlace): boolean => {
    const newest = all.get(account);
    if (newest === undefined || isAfter(place, newest)) all.set(account, place);
    // The newest one was written again, earlier: another may be the newest now.
    return !(newest?.id === place.id && place.at < newest.at);
  };

  return {
    async of(kind) {
      const all = known.get(kind);
      if (all !== undefined) return all;
      let asked = loading.get(kind);
      if (asked === undefined) {
        const mine: Loading = { answer: Promise.resolve(new Map()), since: [] };
        mine.answer = (async () => {
          try {
            const found = await load(kind);
            const sure = mine.since.every(({ account, place }) => follow(found, account, place));
            if (sure && loading.get(kind) === mine) known.set(kind, found);
            return found;
          } finally {
            if (loading.get(kind) === mine) loading.delete(kind);
          }
        })();
        loading.set(kind, mine);
        asked = mine;
      }
      return asked.answer;
    },
    wrote(kind, account, place) {
      loading.get(kind)?.since.push({ account, place });
      const all = known.get(kind);
      if (all !== undefined && !follow(all, account, place)) known.delete(kind);
    },
    forget() {
      known = new Map();
      loading = new Map();
    },
  };
}
