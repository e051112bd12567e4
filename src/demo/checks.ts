/** What all scenes of the demo use: the check that stops it, and how numbers and names are shown. */
import type { NodeProcess } from './node-process.js'

/** The nodes that are there from the start. */
export type Three = readonly [NodeProcess, NodeProcess, NodeProcess]

/** The demo ends with this sentence when it is not true. */
export function check(isTrue: boolean, sentence: string): asserts isTrue {
  if (!isTrue) throw new Error(sentence)
}

export const round = (ms: number): string => (ms < 10 ? ms.toFixed(1) : String(Math.round(ms)))

export const grouped = (count: number): string => count.toLocaleString('en')

export const short = (names: readonly string[]): string =>
  names.map((name) => name.slice(0, name.indexOf('@'))).join(', ')
