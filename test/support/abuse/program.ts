/**
 * The process that is abused: it makes the calls it is told to and reports what went wrong, also
 * what would have ended it. `run-abuse.ts` starts it.
 */
import { openSync, writeSync } from 'node:fs'
import { AbusedNodes } from './abused-nodes.js'
import { Abuser, describeError, type Failure } from './abuser.js'

export interface Order {
  readonly seed: number
  readonly nodes: number
  readonly from: number
  readonly count: number
}

/** What the program gets: `trail` is a file in which it writes down each call before it is made. */
export interface Errand extends Order {
  readonly trail: string
}

export interface Report {
  readonly calls: number
  readonly members: number
  readonly failures: readonly { kind: string; calls: readonly string[]; times: number }[]
  readonly rssMiB: number
}

const BATCH = 10
const PROBE_EVERY = 2_000
const REPLENISH_EVERY = 500
const UNDER_WAY_MAX = 5_000
const SHOWN_MAX = 3

const NOTE_BYTES = 400

/** At once, and always in the same place of the file. */
function noteIn(trail: string): (call: string) => void {
  const file = openSync(trail, 'w')
  const bytes = Buffer.alloc(NOTE_BYTES)
  return (call) => {
    bytes.fill(' ')
    bytes.write(call)
    writeSync(file, bytes, 0, NOTE_BYTES, 0)
  }
}

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function abuse({ seed, nodes, from, count, trail }: Errand): Promise<Report> {
  const abused = await AbusedNodes.start(nodes)
  const abuser = new Abuser(abused, seed, noteIn(trail))
  const unseen = (what: string) => (error: unknown) =>
    abuser.fail(`${what}: ${describeError(error)}`, {
      label: `one of\n      ${abuser.recent.join('\n      ')}`,
      index: -1,
    })
  process.on('uncaughtException', unseen('uncaught exception'))
  process.on('unhandledRejection', unseen('unhandled rejection'))
  for (let index = from; index < from + count; index++) {
    await abuser.call(index)
    if (index % BATCH === 0) await pause()
    while (abuser.underWay > UNDER_WAY_MAX) await pause()
    if (index % REPLENISH_EVERY === 0) await abused.replenish()
    if (index % PROBE_EVERY === PROBE_EVERY - 1) await probe(abused, abuser, index)
  }
  while (abuser.underWay > 0) await new Promise((resolve) => setTimeout(resolve, 50))
  await probe(abused, abuser, from + count)
  abuser.stop()
  for (const line of new Set(abused.badLines)) abuser.fail(`the log got ${line}`, NO_CALL)
  const report = summary(abuser)
  await abused.stop().catch((error) => abuser.fail(`stop: ${describeError(error)}`, NO_CALL))
  return report
}

const NO_CALL = { label: 'all of them', index: -1 }

async function probe(abused: AbusedNodes, abuser: Abuser, index: number): Promise<void> {
  try {
    await abused.probe()
  } catch (error) {
    const { message, cause } = error as Error
    const said = abused.log.slice(-5).join('\n      ')
    const what = `does not serve any more: ${message} ${cause ? String(cause) : ''}`
    abuser.fail(what, { label: `calls up to ${index}, after\n      ${said}`, index })
  }
}

function summary(abuser: Abuser): Report {
  const kinds = new Map<string, Failure[]>()
  for (const failure of abuser.failures) {
    kinds.set(failure.kind, [...(kinds.get(failure.kind) ?? []), failure])
  }
  const failures = [...kinds].map(([kind, all]) => ({
    kind,
    calls: all.slice(0, SHOWN_MAX).map(({ index, call }) => `${index}: ${call}`),
    times: all.length,
  }))
  const calls = [...abuser.counts.values()].reduce((sum, one) => sum + one, 0)
  const rssMiB = Math.round(process.memoryUsage.rss() / 2 ** 20)
  return { calls, members: abuser.counts.size, failures, rssMiB }
}

process.on('disconnect', () => process.exit(0))
process.once('message', (order: Errand) => {
  abuse(order).then(
    (report) => process.send?.(report),
    (error: unknown) => {
      process.send?.({ failed: String((error as Error).stack) }, () => process.exit(1))
    },
  )
})
