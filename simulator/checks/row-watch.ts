/**
 * Compares what a node holds of another one's rows with what that one held at the same point of
 * its stream (I8). Each origin keeps a fingerprint of its rows after every update; a replica that
 * says "exact as of update n" must have that fingerprint.
 */
import { hash32 } from '../../src/cluster/placement/hash.js'
import type { Origin, Row } from '../../src/cluster/replication/origin.js'
import type { Replica } from '../../src/cluster/replication/replica.js'
import type { Op } from '../../src/cluster/replication/table.js'
import type { Scope } from '../../src/cluster/tables/scope.js'
import type { Pid } from '../../src/term/pid.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import type { Oracle } from './oracle.js'

/** Of the rows of one node in one scope after update n, at index n. */
type History = number[]

type OwnedScope = Scope<'c'> | Scope<'g'>

export class RowWatch {
  compared = 0
  private readonly histories = new Map<string, History>()

  constructor(
    private readonly oracle: Oracle,
    private readonly scopeNames: readonly string[],
  ) {}

  watch(member: ClusterMember): void {
    for (const name of this.scopeNames) {
      const { replica, own } = member.node.scopes.scope<'c' | 'g'>(name) as OwnedScope
      this.record(replica, own, historyKey(name, member.name, member.creation))
    }
  }

  /** Compares everything that is exact now. */
  check(): void {
    const { living } = this.oracle.cluster
    for (const member of living) {
      for (const name of this.scopeNames) {
        const { replica } = member.node.scopes.scope<'c' | 'g'>(name) as OwnedScope
        if (replica['removals'].length > 0) continue
        for (const other of living) if (other !== member) this.compare(member, replica, other)
      }
    }
  }

  private record(replica: Replica, own: Origin, key: string): void {
    const history: History = [0]
    let print = 0
    const rows = new Map<string, number>()
    const wrote = replica.wrote.bind(replica)
    this.histories.set(key, history)
    replica.wrote = (op: Op) => {
      wrote(op)
      const id = typeof op === 'string' ? op : op[0]
      const row = own.rows.get(id)
      const after = row && typeof op !== 'string' ? rowPrint(row) : 0
      print ^= (rows.get(id) ?? 0) ^ after
      // A row written twice before it was sent is one update.
      history[replica.out.seq] = print
      rows.set(id, after)
    }
  }

  private compare(member: ClusterMember, replica: Replica, other: ClusterMember): void {
    const stream = replica['ins'].get(other.name)
    if (!stream?.exact || stream.origin.creation !== other.creation) return
    const history = this.histories.get(historyKey(replica.scope, other.name, other.creation))!
    let print = 0
    for (const row of stream.origin.rows.values()) print ^= rowPrint(row)
    this.compared++
    if (print === history[stream.applied]) return
    const what = `${member.name} says it has the rows of ${other.name} in ${replica.scope}`
    this.oracle.breaks('I8', `${what} as of update ${stream.applied}, and has others`)
  }
}

const historyKey = (scope: string, node: string, creation: number): string =>
  `${scope}/${node}/${creation}`

function rowPrint(row: Row): number {
  const { id, pid, epoch, count } = row as Row & { pid?: Pid; epoch?: number; count?: number }
  return print(id, pid ?? null, epoch ?? count ?? 0)
}

const print = (id: string, pid: Pid | null, stamp: number): number =>
  hash32(id, (pid === null ? 7 : pid.id * 31 + pid.serial) * 8191 + stamp) | 0
