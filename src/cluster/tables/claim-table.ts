/**
 * Claims of keys: the table under the registry and under the children of a distributed supervisor.
 * The claims of every origin are kept; who owns the key is a pure function of them, so that all
 * nodes with the same claims name the same owner. Invariant: `byKey` holds the owner's claim of a key
 * first.
 */

import { frozen } from '../../term/kept.js'
import { Pid } from '../../term/pid.js'
import type { Origin } from '../replication/origin.js'
import { rowBytes } from '../replication/row-bytes.js'
import { RowMap } from '../replication/row-map.js'
import type { ChangeReason, Put } from '../replication/table.js'
import { checkRow, isFlag, isRowSize } from '../replication/wire-check.js'
import type { Claim, Lineage } from './claim.js'
import { ClaimOrder, type Resolve } from './claim-order.js'
import { KeyCount } from './key-count.js'
import { packKey, unpackKey } from './key-field.js'
import { isLineage, relation } from './lineage.js'
import { PidTable, pidOfOrigin } from './pid-table.js'
import { Reservations } from './reservations.js'
import { anyStamps } from './stamps.js'

export type { Claim, Reservation } from './claim.js'
export { beats } from './claim-order.js'

export interface ClaimChange {
  readonly id: string
  readonly key: unknown
  readonly before: Claim | undefined
  readonly after: Claim | undefined
  readonly reason: ChangeReason
}

/** The claims of one key: nearly always a single one, else the owner's first. */
type Entry = Claim | Claim[]

/** How long a key waits for the claim of its owner on the other side of a split, in rounds of heads. */
const CONTESTED_ROUNDS = 10

/** The owner that listeners know of: that its node is dead they are told when its claim is removed. */
const told = (entry: Entry | undefined): Claim | undefined =>
  Array.isArray(entry) ? entry[0] : entry

/** The claim of one origin: what is in the origin's rows is in the entry of its key. */
function ofOrigin(entry: Entry | undefined, origin: Origin): Claim | undefined {
  if (Array.isArray(entry)) return entry.find((claim) => claim.origin === origin)
  return entry?.origin === origin ? entry : undefined
}

export class ClaimTable extends PidTable<Claim> {
  private readonly byKey = new RowMap<Entry>()
  private readonly count = new KeyCount()
  /** The highest epoch seen on any claim: a logical clock, so that a later owner has a later epoch. */
  epochMax = 0
  /** What this node has granted as the home of keys, until the claim arrives. */
  readonly reserved = new Reservations()
  /** Keys that some node has lost to an owner whose claim is not here yet, and for how many rounds. */
  private readonly contested = new Map<string, number>()
  /** It has had a claim, or somebody was granted one. */
  wasWritten = false
  private readonly order = new ClaimOrder()
  /** Keys that this node asks for, and the latest epoch of a claim of theirs that has come meanwhile. */
  private readonly followed = new Map<string, number>()
  /** Told of a key, after its listeners, when a claim of several comes or goes and others are left. */
  onRivals: (id: string) => void = () => {}

  constructor(
    own: Origin,
    private readonly onChange: (change: ClaimChange) => void,
    private readonly stamps = anyStamps,
  ) {
    super(own)
  }

  /** The owner's claim, by key id. */
  find(id: string): Claim | undefined {
    return this.visible(this.byKey.get(id))
  }

  /** Every visible owner's claim. */
  *owners(): IterableIterator<Claim> {
    for (const entry of this.byKey.values()) {
      const claim = this.visible(entry)
      if (claim) yield claim
    }
  }

  /** Every owner's claim as listeners know it, those of a dead node included until they are removed. */
  *toldOwners(): IterableIterator<Claim> {
    for (const entry of this.byKey.values()) yield told(entry)!
  }

  /** The same of one key. */
  toldOwner(id: string): Claim | undefined {
    return told(this.byKey.get(id))
  }

  /** The claims of a key besides that one, those of dead nodes excepted. */
  rivals(id: string, claim: Claim): Claim[] {
    const entry = this.byKey.get(id)
    if (!Array.isArray(entry)) return []
    return entry.filter((one) => one !== claim && !one.origin.dead)
  }

  /** Whether a node has a claim with that epoch that nobody has been granted over. */
  contends(id: string, node: string, creation: number, epoch: number): boolean {
    const entry = this.byKey.get(id)
    if (!Array.isArray(entry)) return false
    const claim = entry.find(({ origin }) => origin.node === node && origin.creation === creation)
    if (!claim || claim.epoch !== epoch) return false
    return !this.rivals(id, claim).some((other) => relation(other, claim))
  }

  /** From now on the user says which of two owners stays after a split, here as on all nodes. */
  resolveBy(resolve: Resolve, warn: (sentence: string) => void, hidesMeta = false): void {
    this.order.resolveBy(resolve, warn, hidesMeta)
    for (const entry of [...this.byKey.values()].filter(Array.isArray) as Claim[][]) {
      const before = told(entry)!
      const ranked = this.order.rank([...entry])
      this.enter(before.id, entry, ranked)
      this.tell(before, before, told(ranked), 'normal')
      this.onRivals(before.id)
    }
  }

  get isEmpty(): boolean {
    return this.byKey.size === 0 && this.reserved.size === 0
  }

  /** How many keys have a visible owner that is a process. */
  get size(): number {
    return this.count.of((claims) => this.visible(claims)?.pid !== undefined)
  }

  *snapshot(): IterableIterator<Put> {
    // A row written meanwhile moves to the end, and is an update anyway: those are not for a snapshot.
    for (const row of this.own.rows.present()) yield claimPut(row as Claim)
  }

  put(origin: Origin, put: Put, mark: number, reason: ChangeReason): void {
    const [id, key, pid, epoch, how, meta, lineage] = put
    const isHow = isFlag(how) || how instanceof Pid
    const isValid = this.stamps.isPossible(epoch) && isHow && isRowSize(id, key, meta)
    checkRow(isValid && (lineage === undefined || isLineage(lineage)), 'claim', origin.node)
    const claim: Claim = {
      id,
      key: unpackKey(id, key),
      pid: pidOfOrigin(pid, origin),
      epoch: epoch as number,
      forced: how === true,
      from: how instanceof Pid ? how : undefined,
      meta: meta === null ? undefined : frozen(meta),
      lineage: lineage as Lineage | undefined,
      origin,
      mark,
      place: 0,
    }
    this.checkRoom(claim)
    this.set(claim, reason)
  }

  protected weight({ id, key, meta }: Claim): number {
    return rowBytes(id, key, meta)
  }

  set(claim: Claim, reason: ChangeReason): void {
    this.wasWritten = true
    const entry = this.byKey.get(claim.id)
    const before = told(entry)
    const previous = ofOrigin(entry, claim.origin)
    if (previous) this.removeRow(previous)
    this.addRow(claim)
    const linked = this.link(claim, entry, previous)
    this.sawEpoch(claim.epoch)
    this.contested.delete(claim.id)
    const latest = this.followed.get(claim.id)
    if (latest !== undefined && latest < claim.epoch) this.followed.set(claim.id, claim.epoch)
    this.fulfil(claim)
    this.tell(claim, before, told(linked), reason)
    if (Array.isArray(linked)) this.onRivals(claim.id)
  }

  sawEpoch(epoch: number): void {
    if (epoch > this.epochMax && this.stamps.mayRaise(epoch)) this.epochMax = epoch
  }

  delete(origin: Origin, id: string, reason: ChangeReason): void {
    const entry = this.byKey.get(id)
    const claim = ofOrigin(entry, origin)
    if (!claim) return
    const before = told(entry)!
    const left = this.unlink(claim, entry)
    if (!left && reason === 'conflict') this.contested.set(id, 0)
    this.tell(claim, before, told(left), before.origin.dead ? 'node_down' : reason)
    if (Array.isArray(left)) this.onRivals(id)
  }

  /** The owner, whose node is not dead. */
  private visible(entry: Entry | undefined): Claim | undefined {
    if (!Array.isArray(entry)) return entry?.origin.dead ? undefined : entry
    const [first] = entry
    if (first?.origin.dead === false) return first
    return this.order.rank(entry.filter(({ origin }) => !origin.dead))[0]
  }

  private tell(
    { id, key }: Claim,
    before: Claim | undefined,
    after: Claim | undefined,
    reason: ChangeReason,
  ): void {
    if (before !== after) this.onChange({ id, key, before, after, reason })
  }

  /**
   * The claim that a reservation waited for has come. An earlier epoch is an older claim of the same
   * node, which arrives late after a gap.
   */
  private fulfil({ id, origin, epoch }: Claim): void {
    if (this.reserved.size === 0) return
    const reservation = this.reserved.get(id)
    if (reservation?.node !== origin.node || reservation.creation !== origin.creation) return
    if (epoch >= reservation.epoch) this.reserved.delete(id)
  }

  /** Its last known owner gave it up because another one has it, who is not known here. */
  isContested(id: string): boolean {
    return this.contested.has(id)
  }

  /** Whoever could own such a key is known by now. */
  settleContested(): void {
    this.contested.clear()
  }

  /** Once a second: nobody waits for ever for an owner that cannot be reached. */
  ageContested(): void {
    for (const [id, rounds] of this.contested) {
      if (rounds >= CONTESTED_ROUNDS) this.contested.delete(id)
      else this.contested.set(id, rounds + 1)
    }
  }

  /** From now on the epochs of the key's claims are noted. */
  follow(id: string): void {
    this.followed.set(id, 0)
  }

  unfollow(id: string): void {
    this.followed.delete(id)
  }

  /** 0: no claim of the key has come. */
  latestFollowed(id: string): number {
    return this.followed.get(id) ?? 0
  }

  /** Puts a claim in its place, instead of `previous`; answers the new entry of its key. */
  private link(claim: Claim, entry: Entry | undefined, previous: Claim | undefined): Entry {
    if (entry === undefined || entry === previous) {
      this.enter(claim.id, entry, claim)
      return claim
    }
    const others = this.living(entry).filter((one) => one !== previous)
    const claims = this.order.rank([...others, claim])
    const linked = claims.length === 1 ? claim : claims
    this.enter(claim.id, entry, linked)
    return linked
  }

  /** Takes a claim out; answers what is left of the entry of its key. */
  private unlink(claim: Claim, entry: Entry | undefined): Entry | undefined {
    this.removeRow(claim)
    const rest = Array.isArray(entry) ? this.living(entry.filter((one) => one !== claim)) : []
    const left = rest.length > 1 ? this.order.rank(rest) : rest[0]
    this.enter(claim.id, entry, left)
    return left
  }

  /** What the key has from now on, in place of what it had. */
  private enter(id: string, before: Entry | undefined, after: Entry | undefined): void {
    if (after === undefined) this.byKey.delete(id)
    else this.byKey.set(id, after)
    this.count.changed(id, before, after)
  }

  /** The claims of an entry; those of dead nodes are removed now, as the key changes anyway. */
  private living(entry: Entry): Claim[] {
    const claims = Array.isArray(entry) ? entry : [entry]
    return claims.filter((claim) => {
      if (claim.origin.dead) this.removeRow(claim)
      return !claim.origin.dead
    })
  }
}

/** A claim's wire form. A string key that is its own id is not sent twice. */
export function claimPut(claim: Claim): Put {
  const { id, key, pid, epoch, forced, from, meta = null, lineage } = claim
  const fields = [packKey(id, key), pid ?? null, epoch, from ?? forced, meta]
  return lineage ? [id, ...fields, lineage] : [id, ...fields]
}
