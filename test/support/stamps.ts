/**
 * What owners of keys write down each time they handle a message, with the machine's own monotonic
 * clock: it tells whether two of them were ever at work for the same key, whatever the nodes say.
 */
import { readFileSync } from 'node:fs'

export interface Stamp {
  readonly key: string
  /** Who was at work. */
  readonly pid: string
  readonly epoch: number
  readonly at: number
}

/** Where stamps are kept: beside the journal. */
export const stampFile = (journal: string): string => `${journal}.stamps`

export function readStamps(journal: string): Stamp[] {
  const text = readFileSync(stampFile(journal), { encoding: 'utf8', flag: 'a+' })
  const lines = text.split('\n').filter(Boolean)
  return lines.map((line) => JSON.parse(line) as Stamp)
}

/**
 * Who was at work although another one was already, in words; also epochs that fell. A process that
 * has been granted the key anew, with a later epoch, may go on: the old side of a move whose new side was cut off.
 */
export function overlaps(stamps: readonly Stamp[]): string[] {
  const wrong: string[] = []
  const sorted = [...stamps].sort((a, b) => a.at - b.at)
  const latest = new Map<string, Stamp>()
  const gone = new Map<string, Stamp>()
  for (const stamp of sorted) {
    const { key, pid, at } = stamp
    const before = latest.get(key)
    const isNew = before !== undefined && before.pid !== pid
    const name = `${key} ${pid}`
    const successor = gone.get(name)
    if (successor && stamp.epoch <= successor.epoch) {
      const later = Math.round(at - successor.at)
      wrong.push(`${key}: ${pid} was at work ${later} ms after ${successor.pid} had begun`)
    }
    if (isNew) gone.set(`${key} ${before.pid}`, stamp)
    if (isNew && stamp.epoch <= before.epoch) {
      wrong.push(`${key}: epoch ${stamp.epoch} of ${pid} after ${before.epoch} of ${before.pid}`)
    }
    latest.set(key, stamp)
  }
  return [...new Set(wrong)]
}
