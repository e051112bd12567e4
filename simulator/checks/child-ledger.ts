/**
 * Every supervised child: what was asked of its id and acknowledged, and the processes that ran
 * under it (I4). What to expect is certain only when the last operation was acknowledged, ran alone,
 * and all nodes had the same row before it; and as long as a node that has its row lives. Otherwise
 * either outcome is right, as long as all nodes agree on it and at most one process runs.
 */
import type { SpecRow } from '../../src/cluster/tables/spec-table.js'
import { termKey } from '../../src/term/key.js'
import type { Pid } from '../../src/term/pid.js'
import { type ClusterMember, SUPERVISOR } from '../cluster/cluster-member.js'
import type { Oracle } from './oracle.js'

type Expectation = 'runs' | 'stopped' | 'either'

export interface ChildOperation {
  readonly id: number
  readonly kind: 'start' | 'terminate'
  readonly member: ClusterMember
  /** Nothing else was going on with this id when it began. */
  trusted: boolean
}

interface ChildRecord {
  readonly id: number
  expect: Expectation
  readonly running: Set<ChildOperation>
  /** Until when an earlier operation may still have effects. */
  echoUntil: number
  readonly pids: Pid[]
  readonly bornAt: Map<Pid, number>
  /** The starts of nodes that died soon after they had got it, and when somebody saw that. */
  readonly diedSoon: Map<string, number>
}

/** How long an operation with an unknown outcome may still have effects. */
const ECHO_MS = 60_000
/** A node that dies so soon after it has got a child may be held to have died of it, news being slow. */
const SOON_MS = 8_000
/** So many nodes must have died like that in the last time before a child is given up. */
const DEATHS_MIN = 2
const LATELY_MS = 60_000

export class ChildLedger {
  started = 0
  terminated = 0
  /** Acknowledged, and then every node that had the row was lost. */
  lost = 0
  private readonly records = new Map<number, ChildRecord>()

  constructor(private readonly oracle: Oracle) {}

  /** Its `init` runs. */
  born(id: number, pid: Pid): void {
    const { pids, bornAt } = this.record(id)
    pids.push(pid)
    bornAt.set(pid, this.oracle.now)
    this.oracle.tell(`child ${id} begins as ${pid}`)
  }

  /** The processes that work as this child: neither what passes on, nor what is held. */
  alive(id: number): Pid[] {
    return this.record(id).pids.filter((pid) => this.oracle.isWorking(pid))
  }

  /** Those that are alive, however they are called now: the latest last. */
  pids(id: number): readonly Pid[] {
    return this.record(id).pids
  }

  /** It is to run, and all nodes know that. */
  mustRun(id: number): boolean {
    return this.isKnownToAll(id) && this.isWanted(id)
  }

  /** Whether, as far as the living nodes know, it is to run. */
  isWanted(id: number): boolean {
    return this.latest(id)?.recipe !== undefined
  }

  /** Something other than an operation may end it. */
  disturb(id: number): void {
    const record = this.record(id)
    record.expect = 'either'
    record.echoUntil = this.oracle.now + ECHO_MS
    for (const operation of record.running) operation.trusted = false
  }

  /** Somebody holds a node for dead, rightly or not. */
  nodeDied(node: string, creation: number): void {
    const { now } = this.oracle
    for (const { bornAt, diedSoon } of this.records.values()) {
      for (const [pid, at] of bornAt) {
        if (pid.node !== node || pid.creation !== creation) continue
        if (now - at <= SOON_MS) diedSoon.set(`${node} ${creation}`, now)
      }
    }
  }

  /** It is held for the reason why nodes died: not without a cause. */
  givenUp(id: number): void {
    const { now } = this.oracle
    const lately = [...this.record(id).diedSoon.values()].filter((at) => now - at <= LATELY_MS)
    if (lately.length < DEATHS_MIN) {
      this.oracle.breaks('I4', `child ${id} is given up, and ${lately.length} nodes died of it`)
    }
    this.disturb(id)
  }

  begin(id: number, kind: ChildOperation['kind'], member: ClusterMember): ChildOperation {
    const record = this.record(id)
    const alone = record.running.size === 0 && record.echoUntil < this.oracle.now
    const operation = { id, kind, member, trusted: alone && this.isKnownToAll(id) }
    for (const other of record.running) other.trusted = false
    record.running.add(operation)
    record.expect = 'either'
    return operation
  }

  end(operation: ChildOperation, isDone: boolean): void {
    const record = this.record(operation.id)
    record.running.delete(operation)
    if (!isDone) {
      record.echoUntil = this.oracle.now + ECHO_MS
      return
    }
    if (operation.kind === 'start') this.started++
    else this.terminated++
    if (operation.trusted) record.expect = operation.kind === 'start' ? 'runs' : 'stopped'
  }

  /** What it asked for may be half done, and the rows it alone had are gone. */
  ended(member: ClusterMember): void {
    for (const record of this.records.values()) {
      for (const operation of record.running) {
        if (operation.member === member) this.end(operation, false)
      }
      if (record.expect === 'either') continue
      const mustRun = record.expect === 'runs'
      const row = this.latest(record.id)
      if ((row?.recipe !== undefined) === mustRun) continue
      // It is lost with the row of this node only if that was the one that was acknowledged.
      const had = rowOn(member, record.id)
      if (!had || (had.recipe !== undefined) !== mustRun) continue
      this.lost++
      record.expect = 'either'
    }
  }

  /** Some time after the last fault, while work goes on: what has to run, runs. */
  checkRunning(): void {
    for (const { id, running, echoUntil } of this.records.values()) {
      if (running.size > 0 || echoUntil > this.oracle.now || !this.mustRun(id)) continue
      const living = this.pids(id).filter((pid) => this.oracle.isAlive(pid))
      const alive = this.alive(id)
      // One that moves just now is held on both sides.
      const isMoving = alive.length === 0 && living.some((pid) => this.oracle.isHeld(pid))
      if (alive.length === 1 || isMoving) continue
      this.oracle.breaks('I4', `child ${id}: it should run by now, it runs as [${alive.join(' ')}]`)
    }
  }

  /** Those of which more than one process works. */
  twice(): { id: number; alive: Pid[] }[] {
    const all = [...this.records.keys()].map((id) => ({ id, alive: this.alive(id) }))
    return all.filter(({ alive }) => alive.length > 1)
  }

  check(): void {
    for (const { id, expect } of this.records.values()) {
      const alive = this.alive(id)
      const row = this.latest(id)
      const wanted = expect === 'either' ? row?.recipe !== undefined : expect === 'runs'
      if (alive.length === (wanted ? 1 : 0)) continue
      const why = expect === 'either' ? 'by its spec it' : `acknowledged, it`
      const should = wanted ? 'should run once' : 'should run nowhere'
      this.oracle.breaks('I4', `child ${id}: ${why} ${should}, it runs as [${alive.join(' ')}]`)
    }
  }

  private record(id: number): ChildRecord {
    const known = this.records.get(id)
    if (known) return known
    const fresh: ChildRecord = {
      id,
      expect: 'either',
      running: new Set(),
      echoUntil: 0,
      pids: [],
      bornAt: new Map(),
      diedSoon: new Map(),
    }
    this.records.set(id, fresh)
    return fresh
  }

  private rows(id: number): (SpecRow | undefined)[] {
    return this.oracle.cluster.living.map((member) => rowOn(member, id))
  }

  private isKnownToAll(id: number): boolean {
    const [first, ...others] = this.rows(id)
    return others.every((row) => row?.version === first?.version && row?.author === first?.author)
  }

  /** The row that will win. */
  private latest(id: number): SpecRow | undefined {
    let latest: SpecRow | undefined
    for (const row of this.rows(id)) {
      if (!row) continue
      const newer =
        !latest ||
        row.version > latest.version ||
        (row.version === latest.version && row.author > latest.author)
      if (newer) latest = row
    }
    return latest
  }
}

const rowOn = ({ node }: ClusterMember, id: number): SpecRow | undefined =>
  node.scopes.scope<'s'>(`s:supervisor/${SUPERVISOR}`).table.rows.get(termKey(id))
