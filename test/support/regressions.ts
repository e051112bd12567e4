/** Seeds that have found a defect, with what it was: the newest is the last. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './root.js'

export interface RegressionSeed {
  readonly seed: number
  readonly minutes: number
  readonly arbiter?: 'quorum' | 'etcd'
  readonly was: string
}

export const regressions: readonly RegressionSeed[] = JSON.parse(
  readFileSync(join(ROOT, 'test', 'simulation', 'regressions.json'), 'utf8'),
)
