/** Runs a number of hostile calls in a process of its own, and answers what went wrong. */

import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compiled } from '../compiled.js'
import { scratch } from '../scratch.js'
import type { Order, Report } from './program.js'

const PROGRAM = compiled(new URL('./program.ts', import.meta.url))
/** So long the same call may be the last one before the program counts as hung. */
const HUNG_MS = 180_000
const LOOK_MS = 1_000

export async function runAbuse(order: Order): Promise<Report> {
  const { path: HOME, remove } = scratch('abuse')
  const { CITADEL_REDIS_URL: _, CITADEL_COOKIE: __, ...rest } = process.env
  const trail = join(HOME, 'trail')
  const child = fork(PROGRAM, [], {
    // What a call writes to standard error is its own; nobody reads it here.
    stdio: ['ignore', 'ignore', process.env.CITADEL_ABUSE_SHOW ? 'inherit' : 'ignore', 'ipc'],
    env: { ...rest, HOME, ERL_EPMD_PORT: '1' },
  })
  child.send({ ...order, trail })
  try {
    return await Promise.race([reported(child, order, trail), hung(child, order, trail)])
  } finally {
    child.kill('SIGKILL')
    remove()
  }
}

function reported(child: ChildProcess, order: Order, trail: string): Promise<Report> {
  return new Promise((resolve, reject) => {
    child.once('message', (said: Report | { failed: string }) => {
      if (!('failed' in said)) return resolve(said)
      reject(
        new Error(`the abuse itself failed at ${lastOf(trail)} of ${show(order)}: ${said.failed}`),
      )
    })
    child.once('exit', (code, signal) => {
      const how = signal ?? `status ${code}`
      reject(new Error(`the program ended, ${how}, at call ${lastOf(trail)} of ${show(order)}`))
    })
  })
}

/** Rejects when it does not get any further. */
function hung(child: ChildProcess, order: Order, trail: string): Promise<never> {
  return new Promise((_, reject) => {
    let last = ''
    let since = performance.now()
    const timer = setInterval(() => {
      const call = lastOf(trail)
      if (call !== last) since = performance.now()
      last = call
      if (performance.now() - since < HUNG_MS) return
      reject(new Error(`the program hangs at call ${call} of ${show(order)}`))
    }, LOOK_MS)
    child.once('exit', () => clearInterval(timer))
  })
}

function lastOf(trail: string): string {
  try {
    return readFileSync(trail, 'utf8').trim()
  } catch {
    return 'none'
  }
}

const show = ({ seed, nodes, from, count }: Order): string =>
  `seed ${seed}, ${nodes} nodes, calls ${from} to ${from + count - 1}`

/** What went wrong, as lines for people. */
export const faultsOf = ({ failures }: Report): string[] =>
  failures.map(({ kind, times, calls }) => `${times} times ${kind}\n    ${calls.join('\n    ')}`)
