/**
 * The program of a node whose lease is moved by hand, for `lease-freeze.test.ts`: an operating-system
 * process of its own, so that it can be frozen with SIGSTOP. It makes owners and brings them into
 * the states in which they are to be caught. Times are those of the machine's monotonic clock.
 */
import { writeSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { GenServer } from '../../src/process/gen-server.js'
import type { Pid } from '../../src/term/pid.js'
import { eventually } from './eventually.js'
import { type LeaseReport, monotonic, type Round } from './lease-clock.js'
import { LeasedNode } from './leased-nodes.js'

const STEPS = 3_000
/** Of about a millisecond each. */
const BUSY_STEPS = 400
const [name = '', epmdPort = '', witness = ''] = process.argv.slice(2)
const report = (message: LeaseReport): void => void process.send?.(message)

class Talker extends GenServer {
  static begun: number[] = []
  #to!: Pid
  #round = 0

  init(round: number, to: Pid): void {
    this.#round = round
    this.#to = to
  }

  #say(what: string): void {
    this.citadel.send(this.#to, [this.#round, what, monotonic()])
  }

  /** Is called from the other node while this one is frozen, and by timers of Node. */
  poke(): string {
    Talker.begun.push(monotonic())
    this.#say('poked')
    return 'poked'
  }

  handleInfo(): void {
    Talker.begun.push(monotonic())
    this.#say('timer')
  }

  idle(): void {
    this.citadel.sendInterval(this.self, 'tick', 7)
  }

  /** Never gives the loop a turn. */
  running(): void {
    for (let step = 0; step < BUSY_STEPS; step++) {
      this.#say(`step ${step}`)
      // Nothing else can tell the test in the middle of a handler.
      if (step === 5) writeSync(1, 'running\n')
      const until = performance.now() + 1
      while (performance.now() < until);
    }
  }

  /** Whatever Node runs first when it goes on. */
  async parked(): Promise<void> {
    const waits = [
      () => new Promise((resolve) => setTimeout(resolve, 1)),
      () => stat('/'),
      () => new Promise((resolve) => setImmediate(resolve)),
      () => this.citadel.sleep(1),
    ]
    for (let step = 0; step < STEPS; step++) {
      await waits[step % waits.length]!()
      this.#say(`step ${step}`)
    }
  }
}

const node = new LeasedNode(name, Number(epmdPort), {})

async function round({ round, state, leaseMs, playMs }: Round): Promise<void> {
  const { citadel } = node
  Talker.begun = []
  node.grant(leaseMs)
  const grantedAt = monotonic()
  await eventually(() => citadel.registry.findByKey('witness'), { what: 'the witness' })
  const to = citadel.registry.findByKey('witness') as Pid
  const pid = await citadel.spawn(Talker as never, [round, to] as never)
  await citadel.registry.register('talker', pid as Pid)
  const ended = citadel.whenEnded(pid)
  // By a timer of Node, as a program's own would be.
  const timer = setInterval(() => citadel.cast(pid as Pid<never>, 'poke' as never), 20)
  report({ type: 'begun', grantedAt })
  if (state !== 'running') writeSync(1, `${state}\n`)
  citadel.cast(pid as Pid<never>, state as never)
  const late = new Promise((resolve) => setTimeout(() => resolve('still there'), playMs))
  const reason = await Promise.race([ended, late])
  clearInterval(timer)
  citadel.exit(pid, 'kill')
  report({ type: 'over', reason, begun: Talker.begun })
}

process.on('disconnect', () => process.exit(0))
process.on('message', (message: Round) => void round(message))

await node.node.start()
node.grant(3_600_000)
await eventually(() => node.citadel.connect(witness), { what: 'connected' })
report({ type: 'ready' })
