/**
 * A node whose lease ends while it is frozen with SIGSTOP, and that is continued afterwards: nothing
 * of its owner comes to another node, whatever the owner was doing. It is continued before the other
 * node has given it up, so that the connection is still there.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import type { Pid } from '../../src/term/pid.js'
import { compiled } from '../support/compiled.js'
import { eventually } from '../support/eventually.js'
import { fate } from '../support/fenced-node.js'
import { freePort } from '../support/free-port.js'
import { freezeUnderGuard } from '../support/freeze.js'
import { type LeaseReport, monotonic, type Round, type State } from '../support/lease-clock.js'
import { LeasedNode } from '../support/leased-nodes.js'

const PROGRAM = compiled(new URL('../support/lease-program.ts', import.meta.url))
const FROZEN = 'frozen@127.0.0.1'
const LEASE_MS = 1_500
/** The frozen node is continued so long after the end of its lease. */
const LATE_MS = 250
const ROUNDS = 3
/** A running handler runs for longer. */
const KNOWN_MS = 250
/** One that lives on has to end its handler before it answers the call that waits. */
const LIVES_MS = 4_000

interface Heard {
  readonly round: number
  readonly what: string
  readonly saidAt: number
  readonly heardAt: number
}

class Subject {
  readonly reports: LeaseReport[] = []
  readonly marks: string[] = []
  readonly #child: ChildProcess

  constructor(epmdPort: number, witness: string) {
    const args = [PROGRAM, FROZEN, String(epmdPort), witness]
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    this.#child.on('message', (message: LeaseReport) => this.reports.push(message))
    this.#child.stdout!.on('data', (bytes: Buffer) => {
      this.marks.push(...bytes.toString().trim().split('\n'))
    })
  }

  async report<T extends LeaseReport['type']>(type: T): Promise<LeaseReport & { type: T }> {
    const found = await eventually(() => this.reports.find((report) => report.type === type), {
      timeoutMs: 60_000,
      what: `the program says '${type}'`,
    })
    return found as LeaseReport & { type: T }
  }

  begin(round: Round): void {
    this.reports.length = 0
    this.marks.length = 0
    this.#child.send(round)
  }

  /** With a guard that continues it if the test's process ends before. */
  freeze(): () => void {
    const guard = freezeUnderGuard(this.#child.pid!)
    return () => {
      this.#child.kill('SIGCONT')
      guard.stdin!.end('done\n')
    }
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await exited
  }
}

let subject: Subject | undefined
let witness: LeasedNode | undefined

afterEach(async () => {
  await subject?.stop()
  await witness?.citadel.stop({ budgetMs: 0 })
})

async function start(): Promise<{ subject: Subject; node: LeasedNode; heard: Heard[] }> {
  const epmdPort = await freePort()
  const node = new LeasedNode('witness@127.0.0.1', epmdPort, {})
  witness = node
  await node.node.start()
  node.grant(3_600_000)
  const heard: Heard[] = []
  const pid = await node.citadel.spawn(async (self) => {
    for (;;) {
      const [round, what, saidAt] = (await self.receive()) as [number, string, number]
      heard.push({ round, what, saidAt, heardAt: monotonic() })
    }
  })
  subject = new Subject(epmdPort, node.name)
  await subject.report('ready')
  await node.citadel.registry.register('witness', pid)
  return { subject, node, heard }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** One round: brought into a state, frozen there until the lease has ended, continued. */
async function play(
  { subject, node, heard }: Awaited<ReturnType<typeof start>>,
  round: number,
  state: State,
  leaseMs = LEASE_MS,
  /** How long it is watched after what would be the end of its lease. */
  watchMs = 1_000,
) {
  const talker = (): Pid<never> | undefined =>
    node.citadel.registry.findByKey('talker') as Pid<never> | undefined
  // That of the round before has been killed, and this process may be slow to hear of it.
  await eventually(() => !talker(), { timeoutMs: 30_000, what: 'the key is free' })
  subject.begin({ round, state, leaseMs, playMs: LEASE_MS + watchMs })
  const { grantedAt } = await subject.report('begun')
  const until = grantedAt + LEASE_MS
  await eventually(() => subject.marks.includes(state), { what: `it is ${state}`, everyMs: 1 })
  if (state !== 'running') await eventually(() => heard.some((one) => one.round === round))
  // It is written by now, but this process may be busy with something else.
  const known = eventually(talker, { timeoutMs: KNOWN_MS, everyMs: 1, what: 'the key' })
  await known.catch(() => undefined)
  const thaw = subject.freeze()
  const frozenAt = monotonic()
  let call: Promise<unknown> = Promise.resolve()
  const key = talker()
  // What waits in its socket when it goes on.
  if (key) call = fate(node.citadel.with({ timeoutMs: 20_000 }).call(key, 'poke' as never))
  await sleep(until + LATE_MS - monotonic())
  // On a busy machine what came before waits in this process's sockets: it is read in these turns.
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  const thawedAt = monotonic()
  thaw()
  const { reason, begun } = await subject.report('over')
  await eventually(() => node.citadel.nodes().includes(FROZEN), { what: 'connected again' })
  // What is under way has come when something later has.
  await eventually(() => node.citadel.registry.findByKey('talker') === undefined)
  const late = heard.filter((one) => one.round === round && one.heardAt >= thawedAt)
  return { frozenInTime: frozenAt < until, late, reason, begun, thawedAt, called: await call }
}

test.each(['idle', 'running', 'parked'] as const)(
  'two nodes: one is frozen over the end of its lease, its owner %s, and nothing of that comes to the other',
  async (state) => {
    const parts = await start()
    for (let round = 1, valid = 0; valid < ROUNDS; round++) {
      expect(round).toBeLessThan(4 * ROUNDS)
      const played = await play(parts, round, state)
      // Else the lease has ended on time, before the machine came to freeze it.
      if (!played.frozenInTime) continue
      valid++
      expect(played.reason).toBe('lease_lost')
      expect(played.late).toEqual([])
      expect(played.begun.filter((at) => at >= played.thawedAt)).toEqual([])
      expect(JSON.stringify(played.called)).toMatch(/^\["(exited|noproc|noconnection)"/)
    }
  },
  120_000,
)

test('two nodes: one is frozen in the same way while its lease lasts, and what its owner says goes on coming', async () => {
  const parts = await start()
  for (const [index, state] of (['idle', 'running', 'parked'] as const).entries()) {
    // Parked, it takes no message before it is killed at the end of the round.
    const watchMs = state === 'parked' ? 1_000 : LIVES_MS
    let played = await play(parts, index + 1, state, 3_600_000, watchMs)
    // Frozen before its key was known here, it was not called.
    for (let again = 10; played.called === undefined && again < 100; again += 10) {
      played = await play(parts, index + 1 + again, state, 3_600_000, watchMs)
    }
    expect(played.reason).toBe('still there')
    expect(played.late.length).toBeGreaterThan(5)
    const answer = state === 'parked' ? ['exited', 'killed'] : { value: 'poked' }
    expect(played.called).toEqual(answer)
  }
}, 120_000)
