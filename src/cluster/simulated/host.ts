import { HeadroomError, unreachable } from '../../domain/errors.js';
import { simulatedNow, type EpochSeconds, type TimeScale } from '../../domain/time.js';
import type { MoveResult } from '../migrating.js';
import { createEngine, type Engine, type Written } from './engine.js';
import type { EngineModel } from './model.js';
import type { Command } from './wire.js';

/** What was done to the cluster so far, in order; a new entry is durable when `append` returns. */
export interface Journal {
  entries(): readonly JournalEntry[];
  append(entry: JournalEntry): void;
  close(): void;
}

export interface JournalEntry {
  at: EpochSeconds;
  command: Command;
}

export interface EngineHost {
  readonly name: string;
  /** How simulated time runs; null while the clock stands still or is moved by hand. */
  scale(): TimeScale | null;
  now(): EpochSeconds;
  /** The engine, run up to now. */
  engine(): Engine;
  /** Does it now, once it is in the journal. Commands that write a field answer; the others are `null`. */
  execute(command: Command): Written | null;
  /** The same for a write of a migration, which has an answer of its own. */
  move(command: Extract<Command, { kind: 'move' }>): MoveResult;
  close(): void;
}

/**
 * Runs an engine by a clock. The engine holds no durable state of its own: it is deterministic, so that the journal of
 * what was done to it from outside is its state, and a new host that replays the journal stands where the old one died.
 * (A simulated day of nine workloads replays in a fraction of a second.)
 */
export function createEngineHost(options: {
  model: EngineModel;
  /** Where time stands until it is let run or is moved; not before the model's start. Default: that start. */
  begin?: EpochSeconds;
  journal?: Journal;
  wallClock?: () => number;
}): EngineHost {
  const { model, journal, wallClock = Date.now } = options;
  const engine = createEngine(model);
  let scale: TimeScale | null = null;
  let stopped = options.begin ?? model.start;

  const now = () => (scale === null ? stopped : Math.max(stopped, simulatedNow(scale, wallClock())));

  const perform = (at: EpochSeconds, command: Command): Written | null => {
    engine.advanceTo(at);
    switch (command.kind) {
      case 'apply':
        return engine.apply(command.mutation);
      case 'restore':
        return engine.restore(command.restore);
      case 'inject':
        engine.inject(command.fault);
        return null;
      case 'move':
        engine.move(command.request, command.write);
        return null;
      case 'run':
        ({ scale } = command);
        return null;
      case 'advance':
        stopped = command.to;
        engine.advanceTo(command.to);
        return null;
      default:
        return unreachable(command);
    }
  };

  /** What cannot be done is refused before it is written down. */
  const check = (command: Command) => {
    const refuse = (action: string, problem: string, remedy: string) => {
      throw new HeadroomError({ kind: 'refused', component: 'cluster/simulated', action, problem, remedy });
    };
    const missing = command.kind === 'inject' ? engine.missing(command.fault) : null;
    if (command.kind === 'inject' && missing !== null) {
      refuse(`injecting ${command.fault.kind}`, missing, 'name what the scenario has');
    }
    if (command.kind === 'run' && scale !== null) {
      refuse('starting the clock', 'it runs already', 'read its scale from clock()');
    }
    if (command.kind === 'advance' && scale !== null) {
      refuse('moving the clock', 'it runs by itself', 'set clock.mode to "manual" in the scenario');
    }
    if (command.kind === 'advance' && command.to < stopped) {
      refuse('moving the clock', `${command.to} is before ${stopped}`, 'time goes forward');
    }
  };

  engine.advanceTo(stopped);
  for (const { at, command } of journal?.entries() ?? []) perform(at, command);
  // A clock of the wall that was set back does not turn simulated time back: it stands until it is caught up.
  stopped = Math.max(stopped, engine.clock);

  return {
    name: model.name,
    scale: () => scale,
    now,
    engine() {
      engine.advanceTo(now());
      return engine;
    },
    execute(command) {
      check(command);
      const at = now();
      journal?.append({ at, command });
      return perform(at, command);
    },
    move(command) {
      const at = now();
      engine.advanceTo(at);
      journal?.append({ at, command });
      return engine.move(command.request, command.write);
    },
    close: () => journal?.close(),
  };
}
