/**
 * Calls whose answers come late, to a node that has started again since, and answers that a node
 * gives which was not asked. Values echo the question, so that an answer of another call shows (I23).
 */
import type { ServerModule } from '../../src/kernel/process-port.js'
import { aliasTag, refOfTag } from '../../src/process/gen-protocol.js'
import { GenServer } from '../../src/process/gen-server.js'
import type { From } from '../../src/process/request.js'
import type { Pid } from '../../src/term/pid.js'
import { Ref } from '../../src/term/ref.js'
import { Tuple } from '../../src/term/tuple.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'
import type { Ledgers } from '../checks/ledgers.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import { follow, verbs } from './workload-operation.js'

/** A call as the process that takes it sees it. */
interface Taken {
  readonly pid: Pid
  readonly tag: unknown
}

const FORGED_CALLS = 8
const FORGED_MS = 40
/** How many references after the last one that was seen are tried. */
const GUESSES = 60
const LATE_CALLS = 30
const LATE_MS = [400, 1_200] as const
/** Those of the second start must still wait when the late answers come. */
const WAITING_CALLS = 60
const WAITING_MS = 2_500
const TIMEOUT_MS = 5_000
const READY_MS = 30_000
const SOON_MS = 60

export class LateAnswers {
  private readonly echo: ServerModule
  private readonly taken = new Map<string, Taken>()
  private open = 0

  constructor(
    private readonly ledgers: Ledgers,
    private readonly random: SeededRandom,
  ) {
    this.echo = this.echoClass()
  }

  private get cluster() {
    return this.ledgers.oracle.cluster
  }

  /** Somebody who was not asked answers calls that are under way. */
  async forge(): Promise<void> {
    const [caller, asked, forger] = this.random.shuffled(this.cluster.living)
    const [real, false_] = [await this.spawn(asked!), await this.spawn(forger!)]
    this.call(caller!, real, 1)
    await this.allDone()
    for (let count = 0; count < FORGED_CALLS; count++) this.call(caller!, real, FORGED_MS)
    forger!.run(() => void verbs(forger!).cast(false_, 'forge', caller!.name))
    await this.allDone()
    for (const [member, pid] of [
      [asked!, real],
      [forger!, false_],
    ] as const)
      member.run(() => member.citadel.exit(pid, 'shutdown'))
  }

  /** A node ends with calls under way, twice, and is back before they are answered. */
  async startAgain(): Promise<void> {
    const index = this.random.below(this.cluster.names.length)
    const others = this.cluster.living.filter((one) => one !== this.cluster.members[index])
    const asked = [await this.spawn(others[0]!), await this.spawn(others[1]!)]
    await this.again(index)
    for (let count = 0; count < LATE_CALLS; count++) {
      this.callOf(index, this.random.pick(asked), this.random.between(LATE_MS))
    }
    await this.cluster.simulation.runFor(SOON_MS)
    await this.again(index)
    for (let count = 0; count < WAITING_CALLS; count++) {
      this.callOf(index, this.random.pick(asked), WAITING_MS)
    }
    await this.cluster.simulation.runFor(WAITING_MS + LATE_MS[1])
    this.ledgers.calls.check()
    for (const [at, pid] of asked.entries()) others[at]!.citadel.exit(pid, 'shutdown')
  }

  private async again(index: number): Promise<void> {
    const { simulation } = this.cluster
    this.cluster.crash(index)
    await simulation.runFor(1 + this.random.below(SOON_MS))
    this.cluster.start(index)
    const isBack = (): boolean => this.cluster.members[index]!.ready && this.cluster.allMet
    await simulation.runUntil(isBack, READY_MS, 'a start right after a crash')
  }

  private async spawn(member: ClusterMember): Promise<Pid> {
    return this.cluster.simulation.settle(verbs(member).spawn(this.echo, []))
  }

  private callOf(index: number, pid: Pid, ms: number): void {
    const member = this.cluster.members[index]
    if (member) this.call(member, pid, ms)
  }

  private call(member: ClusterMember, pid: Pid, ms: number): void {
    const { calls } = this.ledgers
    this.open++
    member.run(() => {
      const what = `the call of ${pid} by ${member.name}, which echoes`
      const token = calls.begin(member, what, TIMEOUT_MS, pid)
      const answer = verbs(member).with({ timeoutMs: TIMEOUT_MS }).call(pid, 'echo', token, ms)
      const ended = (outcome: 'answered' | 'rejected') => (value: unknown) => {
        this.open--
        calls.end(token, outcome, value)
      }
      follow(member, answer, ended('answered'), ended('rejected'))
    })
  }

  private async allDone(): Promise<void> {
    await this.cluster.simulation.runUntil(() => this.open === 0, TIMEOUT_MS * 2, 'the echoes')
  }

  private heard(from: From | undefined): void {
    const { pid, tag } = from as unknown as Taken
    if (tag !== undefined) this.taken.set(pid.node, { pid, tag })
  }

  private echoClass(): ServerModule {
    const late = this
    const { calls } = this.ledgers

    return class Echo extends GenServer {
      async echo(token: number, ms: number): Promise<number> {
        late.heard(this.from)
        calls.carriedOut(token, this.self)
        await this.citadel.sleep(ms)
        return token
      }

      /** Answers whatever that node may have asked since it was last heard. */
      forge(node: string): void {
        const { pid, tag } = late.taken.get(node)!
        const ref = refOfTag(tag)
        for (let guess = 1; ref && guess <= GUESSES; guess++) {
          const [first = 0, ...others] = ref.words
          const next = new Ref(ref.node, ref.creation, [first + guess, ...others])
          this.citadel.reply(new Tuple(pid, aliasTag(next)) as unknown as From, 'forged')
        }
      }
    }
  }
}
