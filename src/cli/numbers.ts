import { argument } from './command.js';

/* Options that are numbers: what is none, or out of its range, is refused as it is read. */

/** A whole number from `least` to `most`. */
export const whole = (least: number, most: number): ((text: string) => number) =>
  argument((text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
    throw new RangeError(`"${text}" is no whole number from ${least} to ${most}`);
  });

/** A number above 0, or from 0 on with `zero`. */
export const positive = (zero = false): ((text: string) => number) =>
  argument((text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value) && (zero ? value >= 0 : value > 0)) return value;
    throw new RangeError(`"${text}" is no number ${zero ? 'from 0 on' : 'above 0'}`);
  });
