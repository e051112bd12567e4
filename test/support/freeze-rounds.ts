/**
 * Three real nodes whose arbiter is etcd. The one that runs a child is frozen with SIGSTOP until
 * another has taken the child over, then it goes on: no handler of the old process may start, and
 * nothing that it sends or answers may come to another node.
 */
import { TestCluster, type TestNode } from './cluster.js'
import { type EtcdCluster, startEtcd } from './etcd.js'
import { eventually } from './eventually.js'
import { now } from './notes.js'
import { overlaps, readStamps, type Stamp } from './stamps.js'
import type { TalkerState } from './talker.js'

/** How long a handler would go on if it were not stopped. */
const HANDLER_MS = 2_500
/** So long a process that should be gone has time to show that it is not. */
const WATCH_MS = 400
/** Nobody takes over from a living owner sooner: its lease has at least two thirds of 3 s left. */
const LEASE_LEFT_MS = 1_000
const ATTEMPTS = 15

/** What the witness has heard of whom, of what it was about, and when. */
type Heard = readonly [key: string, pid: string, doing: string, at: number]

type TalkerStamp = Stamp & { readonly doing: TalkerState }

export interface FreezeRound {
  /** From SIGSTOP to the first handler of the new process. */
  readonly takeoverMs: number
  readonly violations: readonly string[]
}

export class FreezeRounds {
  #rounds = 0

  private constructor(
    readonly etcd: EtcdCluster,
    private readonly cluster: TestCluster,
  ) {}

  static async start(ttlSeconds = 3): Promise<FreezeRounds> {
    const etcd = await startEtcd()
    const arbiter = { type: 'etcd', endpoints: etcd.endpoints, ttlSeconds } as const
    const cluster = await TestCluster.start(3, { arbiter }).catch(async (error: unknown) => {
      await etcd.stop()
      throw error
    })
    const all = new FreezeRounds(etcd, cluster)
    await all.#witness.run(async ({ citadel, kept }) => {
      const heard: [key: string, pid: string, doing: string, at: number][] = []
      kept.set('heard', heard)
      const pid = await citadel.spawn(async (self) => {
        for (;;) {
          const [key, from, doing] = (await self.receive()) as [string, string, string]
          heard.push([key, from, doing, Number(process.hrtime.bigint()) / 1e6])
        }
      })
      await citadel.registry.register('witness', pid)
    })
    return all
  }

  get #witness(): TestNode {
    return this.cluster.node(1)
  }

  /** Once more if the child was gone before it was frozen, which shows nothing. */
  async play(state: TalkerState): Promise<FreezeRound> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const round = await this.#play(state)
      if (round.takeoverMs >= LEASE_LEFT_MS || round.violations.length > 0) return round
    }
    throw new Error(`the child could not be frozen ${state} in ${ATTEMPTS} rounds`)
  }

  async #play(state: TalkerState): Promise<FreezeRound> {
    const { id, node } = await this.#child()
    const key = `key of ${id}`
    const old = await this.#firstOf(key, undefined)
    // Before it is busy: what it says then leaves its process only afterwards.
    const isHeard = async () => (await this.#heard(key)).length > 0
    await eventually(isHeard, { what: 'the child talks', everyMs: 1 })
    await this.#bring(node, id, state)
    const isSo = async () =>
      (await this.#stamps()).some((stamp) => stamp.key === key && stamp.doing === state)
    await eventually(isSo, { what: `the child is ${state}`, everyMs: 1 })
    const frozenAt = now()
    node.freeze()
    const called = this.#poke(id)
    const taken = await this.#firstOf(key, old.pid)
    const thawedAt = now()
    node.thaw()
    await this.#backAgain(node)
    const late = (await this.#heard(key)).filter(
      ([, pid, , at]) => pid === old.pid && at >= taken.at,
    )
    const answer = await called
    const violations = overlaps(await this.#stamps()).map((wrong) => `${state}: ${wrong}`)
    if (late.length > 0) violations.push(`${state}: ${late.length} messages came of the old one`)
    // Of a child that was gone before, the call went to the next one.
    if (answer === 'poked' && taken.at - frozenAt >= LEASE_LEFT_MS)
      violations.push(`${state}: the old one has answered a call`)
    if (taken.at > thawedAt) violations.push(`${state}: nobody had taken over`)
    await this.#witness.run(({ workers }, child) => workers.terminateChild(child), id)
    return { takeoverMs: taken.at - frozenAt, violations }
  }

  async stop(): Promise<void> {
    await this.cluster.stop()
    await this.etcd.stop()
  }

  /** A child that runs on another node than the witness. */
  async #child(): Promise<{ id: string; node: TestNode }> {
    for (let attempt = 0; attempt < 50; attempt++) {
      const id = `talker ${++this.#rounds}`
      const where = await this.#witness.run(
        async ({ workers, Talker }, child) =>
          (await workers.startChild(Talker, [child], { id: child })).node,
        id,
      )
      const node = this.cluster.alive.find(({ name }) => name === where)
      if (node && node !== this.#witness) return { id, node }
      await this.#witness.run(({ workers }, child) => workers.terminateChild(child), id)
    }
    throw new Error('all children are placed on the node of the witness')
  }

  async #bring(node: TestNode, id: string, state: TalkerState): Promise<void> {
    if (state === 'idle') return
    const method = state === 'parked on an await' ? 'wait' : 'busy'
    await node.run(
      ({ citadel }, key, name, ms) => {
        citadel.cast(citadel.registry.findByKey(key) as never, name as never, ms as never)
      },
      `key of ${id}`,
      method,
      HANDLER_MS,
    )
  }

  /** What a call to the old process comes to that is made while it is frozen. */
  #poke(id: string): Promise<string> {
    return this.#witness.run(({ citadel }, key) => {
      const pid = citadel.registry.findByKey(key)
      const call = citadel.with({ timeoutMs: 30_000 }).call(pid as never, 'poke' as never)
      return (call as Promise<string>).catch((error) => String(error.code))
    }, `key of ${id}`)
  }

  /** The first handler of a process other than `pid` that has the key. */
  #firstOf(key: string, pid: string | undefined): Promise<Stamp> {
    const find = async () =>
      (await this.#stamps()).find((stamp) => stamp.key === key && stamp.pid !== pid)
    return eventually(find, { timeoutMs: 60_000, everyMs: 20, what: `work on ${key}` }) as never
  }

  async #backAgain(node: TestNode): Promise<void> {
    await node.run(({ sleep }, ms) => sleep(ms), WATCH_MS)
    await eventually(() => node.run(({ citadel }, to) => citadel.connect(to), this.#witness.name), {
      timeoutMs: 60_000,
      what: 'it is connected again',
    })
    await this.cluster.settled(60_000)
  }

  #heard(key: string): Promise<Heard[]> {
    return this.#witness.run(({ kept }, which) => {
      const heard = kept.get('heard') as Heard[]
      return heard.filter(([about]) => about === which)
    }, key)
  }

  async #stamps(): Promise<readonly TalkerStamp[]> {
    return readStamps(this.cluster.journalPath) as unknown as readonly TalkerStamp[]
  }
}
