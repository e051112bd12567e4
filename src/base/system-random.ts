/** The Random of a real node, good enough for challenges: the system's secure source. */
import { randomFillSync } from 'node:crypto'
import type { Random } from './random.js'

/** Asking the system for 4 bytes at a time is slow, so words are taken from a pool. */
export function systemRandom(): Random {
  const pool = new Uint32Array(256)
  let next = pool.length
  const uint32 = (): number => {
    if (next === pool.length) {
      randomFillSync(pool)
      next = 0
    }
    return pool[next++]!
  }
  return { uint32, float: () => uint32() / 2 ** 32 }
}
