/**
 * "Unreachable is not dead", as a pure machine: what this node holds of every other Citadel node.
 * A closed or silent link makes a member unreachable, and it is redialled. It is dead only when its
 * last address refuses, another creation answers there, it said goodbye, or it has been silent for
 * the limit, could not be dialled since, and every member still reached agrees; members that are
 * leaving or have had no opinion for long have no say. One that is held, because somebody wanted no
 * connection, is not dialled but probed, and judged by that. Events in, effects out as data.
 */
import { type Capability, offersLeaving } from './capability.js'
import { heardOf, isMember, type Member, sameOffer } from './member.js'
import type { MeshEvent } from './mesh-event.js'
import { type MemberId, type Opinion, Opinions } from './opinions.js'

export type { Member, MemberStatus } from './member.js'

export interface MembershipTimes {
  /** No byte for this long, and all agree: dead. */
  silentMs: number
  /** The longest time between two dials of an unreachable member, the round of ticks included. */
  redialMs: number
  /** The same for one held for dead because it was silent (a partition may heal) or only heard of. */
  deadRedialMs: number
  /** How long such a dead one, or a node known by hearsay only, is dialled. */
  forgetMs: number
}

export const defaultMembershipTimes: MembershipTimes = {
  silentMs: 4_500,
  redialMs: 1_000,
  deadRedialMs: 3_000,
  forgetMs: 3_600_000,
}

export type MembershipEvent =
  /** A handshake with it succeeded, whoever dialled. */
  | { type: 'answered'; node: string; creation: number }
  /** Its capability arrived: it is a Citadel node. */
  | { type: 'capability'; node: string; creation: number; capability: Capability }
  /** It turned out to be no Citadel node. */
  | { type: 'beam'; node: string }
  /** Its connection is gone; `heardAt` is when the last byte came. */
  | { type: 'down'; node: string; heardAt: number }
  /** A dial brought no connection. `refused`: nobody listens at its last address. */
  | { type: 'dialFailed'; node: string; refused: boolean }
  /** One that is held answers, or has come by: it lives, as that creation. */
  | { type: 'lives'; node: string; creation: number | undefined }
  /** What a member cannot reach. */
  | { type: 'status'; node: string; opinion: Opinion }
  | { type: 'goodbye'; node: string }
  /** Somebody wants no connection: no redial until `connect`. Never death. */
  | { type: 'disconnect'; node: string }
  | { type: 'connect'; node: string }
  /** It cannot be a member. */
  | { type: 'refuse'; node: string }
  /** This node is about to stop: from now on it holds nobody for dead because of silence, unless others do. */
  | { type: 'leaving' }
  /** This node was away for longer than the silent limit: it knows nothing of the time between. */
  | { type: 'woke' }
  /** Time has passed. `doubting`: this node was late and judges nobody. */
  | { type: 'tick'; doubting: boolean }

export type MembershipEffect =
  | { type: 'emit'; event: MeshEvent }
  | { type: 'dial'; node: string; addresses: readonly string[] }
  /** To be asked whether it lives, without a connection: answered by `lives` or `dialFailed`. */
  | { type: 'probe'; node: string; addresses: readonly string[] }
  /** What this node cannot reach has changed: tell the members now, not with the next tick. */
  | { type: 'tellStatus' }

/** A connection that breaks so soon was cut by what one side sent: dialling at once only repeats it. */
const STILLBORN_MS = 20
const STILLBORN_MAX = 10

/**
 * A link may be silent although the way is free again: TCP repeats later and later. So a member
 * whose link was given up is dialled, and is dead only if that brings nothing within these rounds.
 * They are counted, not timed: a round has been through the event loop, where answers are read.
 */
const CONFIRM_ROUNDS = 2
/** Nodes that are known by hearsay, or dead, at most: beyond that nobody new is noted. */
const STRANGERS_MAX = 1_000
/** Dials of such nodes at one time; the others wait, each a little while of its own. */
const STRANGER_DIALS_MAX = 16
const STRANGER_PAUSE_MS = 100
/** In silent limits: a stall that must kill nobody, and the doubt after it, do not cost the say. */
const SAY_LIMITS = 2

export class Membership {
  private readonly table = new Map<string, Member>()
  private readonly held = new Set<string>()
  private readonly opinions: Opinions
  private effects: MembershipEffect[] = []
  private doubting = false
  private leaving = false
  /** Of strangers. */
  private freeDials = 0

  constructor(
    private readonly self: string,
    private readonly times: MembershipTimes,
    /** From 0 to 1: spreads the redials of many nodes. */
    private readonly chance: () => number,
    /** So many nodes that do not hear a silent member are enough, whatever others say: a majority. */
    private readonly enough = Number.POSITIVE_INFINITY,
  ) {
    this.opinions = new Opinions(SAY_LIMITS * times.silentMs)
  }

  step(event: MembershipEvent, now: number): MembershipEffect[] {
    this.effects = []
    this.apply(event, now)
    if (event.type === 'dialFailed' || event.type === 'capability') this.dialWaiting(now)
    return this.effects
  }

  get(node: string): Member | undefined {
    return this.table.get(node)
  }

  /** Up or unreachable. */
  *members(): IterableIterator<Member> {
    for (const member of this.table.values()) if (isMember(member)) yield member
  }

  /** A node that a member has named was not reached yet, and has not failed to be. */
  get isCompleting(): boolean {
    for (const { node, status, failures } of this.table.values()) {
      if (status === 'heard of' && failures === 0 && !this.held.has(node)) return true
    }
    return false
  }

  /** True for this node, or a member, that has said that it is about to stop. */
  isLeaving(node: string): boolean {
    if (node === this.self) return this.leaving
    const member = this.table.get(node)
    return member !== undefined && isMember(member) && offersLeaving(member.capability)
  }

  /** What the members are told every round. While this node doubts itself it says just that. */
  opinion(now: number): Opinion {
    if (this.doubting) return { unreachable: [], agrees: [], doubting: true }
    const unreachable: MemberId[] = []
    for (const member of this.table.values()) {
      const { node, creation, status } = member
      if (status === 'unreachable' && !this.isSpared(member)) unreachable.push({ node, creation })
    }
    const agrees = this.opinions.asked(now).filter((asked) => !this.reaches(asked))
    return { unreachable, agrees }
  }

  private apply(event: MembershipEvent, now: number): void {
    switch (event.type) {
      case 'answered':
        this.answered(event.node, event.creation)
        break
      case 'capability':
        this.introduced(event.node, event.creation, event.capability, now)
        break
      case 'beam':
        this.table.delete(event.node)
        break
      case 'down':
        this.lost(event.node, event.heardAt, now)
        break
      case 'dialFailed':
        this.dialFailed(event.node, event.refused, now)
        break
      case 'lives':
        this.lives(event.node, event.creation, now)
        break
      case 'status':
        this.toldStatus(event.node, event.opinion, now)
        break
      case 'goodbye':
        this.bury(event.node, 'goodbye', now)
        break
      case 'disconnect':
        this.hold(event.node, now)
        break
      case 'refuse':
        this.refuse(event.node)
        break
      case 'connect':
        this.letGo(event.node)
        break
      case 'leaving':
        this.leaving = true
        break
      case 'woke':
        this.woke(now)
        break
      case 'tick':
        this.tick(event.doubting, now)
        break
    }
  }

  private answered(node: string, creation: number): void {
    const member = this.table.get(node)
    if (!member || member.creation === creation) return
    if (isMember(member)) this.emitDead(member, true)
    this.table.delete(node)
  }

  private introduced(node: string, creation: number, capability: Capability, now: number): void {
    if (node === this.self) return
    this.held.delete(node)
    this.answered(node, creation)
    const member = this.entry(node, creation, now)
    const known = member.status === 'connected' ? member.capability : undefined
    member.status = 'connected'
    member.dialling = false
    member.capability = capability
    member.addresses = capability.addresses
    member.heardAt = now
    if (!known) {
      member.upAt = now
      this.opinions.reached(node, now)
      this.emit({ type: 'up', node, creation, capability })
      this.tellOpinion(now)
    } else if (!sameOffer(known, capability)) {
      this.emit({ type: 'changed', node, creation, capability })
    }
    this.complete(capability, now)
  }

  /** Dials the members that a peer knows and this node does not. */
  private complete(capability: Capability, now: number): void {
    if (capability.members.length === 0) return
    this.countFreeDials()
    let strangers = this.count((member) => !isMember(member))
    for (const { node, creation, addresses } of capability.members) {
      if (node === this.self || this.held.has(node)) continue
      const member = this.table.get(node)
      if (member?.status === 'connected' || member?.status === 'unreachable') continue
      if (member?.dialling) continue
      if (member && member.creation === creation) {
        this.dialStranger(member, now)
        continue
      }
      if (!member && ++strangers > STRANGERS_MAX) continue
      const stranger = this.entry(node, creation, now)
      stranger.addresses = addresses
      stranger.creation = creation
      stranger.status = 'heard of'
      this.dialStranger(stranger, now)
    }
  }

  /** A dial has ended: those that wait for their first one go on. */
  private dialWaiting(now: number): void {
    this.countFreeDials()
    if (this.freeDials <= 0) return
    for (const member of this.table.values()) {
      const { node, status, failures, dialling } = member
      const waits = status === 'heard of' && failures === 0 && !dialling
      if (!waits || this.held.has(node)) continue
      this.dialStranger(member, now)
      if (this.freeDials <= 0) return
    }
  }

  private count(isCounted: (member: Member) => boolean): number {
    let count = 0
    for (const member of this.table.values()) if (isCounted(member)) count++
    return count
  }

  private dialStranger(member: Member, now: number): void {
    if (this.freeDials-- > 0) this.dial(member)
    else member.redialAt = Math.max(member.redialAt, now + STRANGER_PAUSE_MS * this.chance())
  }

  private countFreeDials(): void {
    this.freeDials = STRANGER_DIALS_MAX - this.count((one) => one.dialling && !isMember(one))
  }

  private lost(node: string, heardAt: number, now: number): void {
    const member = this.table.get(node)
    if (!member) return
    member.dialling = false
    this.opinions.forget(node)
    if (member.status !== 'connected') {
      this.redialLater(member, now)
      return
    }
    member.status = 'unreachable'
    member.heardAt = heardAt
    member.failures = 0
    member.rounds = 0
    this.emit({ type: 'unreachable', node, creation: member.creation })
    member.stillborn = now - member.upAt < STILLBORN_MS ? member.stillborn + 1 : 0
    if (member.stillborn > STILLBORN_MAX) this.redialLater(member, now)
    else if (this.held.has(node)) this.redialLater(member, now)
    else this.dial(member)
    this.effects.push({ type: 'tellStatus' })
    this.judgeAll(now)
  }

  private dialFailed(node: string, refused: boolean, now: number): void {
    const member = this.table.get(node)
    if (!member) return
    member.dialling = false
    if (member.status === 'connected') return
    member.failures++
    if (refused) this.bury(node, 'refused', now)
    else if (this.held.has(node)) this.redialLater(member, now)
    // Its listener may have gone down just after its connections: once more, at once.
    else if (member.failures === 1 && isMember(member)) this.dial(member)
    else this.redialLater(member, now)
  }

  private hold(node: string, now: number): void {
    this.held.add(node)
    const member = this.table.get(node)
    if (!member) return
    member.dialling = false
    // Nobody has failed to reach it since.
    this.lives(node, member.creation, now)
  }

  private refuse(node: string): void {
    this.held.add(node)
    const member = this.table.get(node)
    this.table.delete(node)
    if (member && isMember(member)) this.emitDead(member, true)
  }

  private letGo(node: string): void {
    const member = this.table.get(node)
    if (this.held.delete(node) && member) member.dialling = false
  }

  /** Of one that is held, by a probe: nothing is proved, so another creation is no certain end. */
  private lives(node: string, creation: number | undefined, now: number): void {
    const member = this.table.get(node)
    if (!member || member.status === 'connected' || !this.held.has(node)) return
    if (creation !== undefined && creation !== member.creation) {
      this.bury(node, 'refused', now)
      return
    }
    member.dialling = false
    member.heardAt = now
    member.failures = 0
    member.rounds = 0
    this.redialLater(member, now)
  }

  /** Held, and no probe has failed since it was heard of last: nobody says that it cannot be reached. */
  private isSpared({ node, failures }: Member): boolean {
    return failures === 0 && this.held.has(node)
  }

  private toldStatus(from: string, opinion: Opinion, now: number): void {
    if (this.table.get(from)?.status !== 'connected') return
    const news = this.opinions.told(from, opinion, this.self, now)
    if (news && !this.doubting) this.effects.push({ type: 'tellStatus' })
    this.judgeAll(now)
  }

  private woke(now: number): void {
    this.doubting = true
    for (const member of this.table.values()) {
      if (member.status === 'unreachable') member.heardAt = now
    }
  }

  private tick(doubting: boolean, now: number): void {
    const caughtUp = this.doubting && !doubting
    this.doubting = doubting
    this.countFreeDials()
    for (const member of this.table.values()) {
      if (!doubting) member.rounds++
      if (member.status === 'connected' || member.dialling || now < member.redialAt) continue
      if (member.status !== 'unreachable' && now - member.heardAt > this.times.forgetMs) {
        this.table.delete(member.node)
      } else if (member.status === 'unreachable') {
        if (this.held.has(member.node)) this.probe(member)
        else this.dial(member)
      } else if (!this.held.has(member.node)) this.dialStranger(member, now)
    }
    if (caughtUp) this.tellOpinion(now)
    this.judgeAll(now)
  }

  private tellOpinion(now: number): void {
    const { unreachable, agrees } = this.opinion(now)
    if (unreachable.length + agrees.length > 0) this.effects.push({ type: 'tellStatus' })
  }

  private judgeAll(now: number): void {
    if (this.doubting) return
    for (const member of this.table.values()) {
      if (member.status !== 'unreachable' || this.isSpared(member)) continue
      if (now - member.heardAt < this.times.silentMs || member.rounds < CONFIRM_ROUNDS) continue
      if (this.leaving && !this.isSaidByOthers(member)) continue
      if (this.allAgree(member, now) || this.enoughAgree(member)) {
        this.bury(member.node, 'silent', now)
      }
    }
  }

  /**
   * One that leaves follows the others and never goes first: it may lose its links because it leaves.
   * With a view of its own until it is gone it would keep all of them from agreeing on theirs.
   */
  private isSaidByOthers(about: MemberId): boolean {
    for (const { node, status, capability } of this.table.values()) {
      if (status !== 'connected' || offersLeaving(capability)) continue
      if (this.opinions.says(node, about)) return true
    }
    return false
  }

  private enoughAgree(about: MemberId): boolean {
    let agreeing = 1
    for (const { node, status } of this.table.values()) {
      if (status === 'connected' && this.opinions.says(node, about)) agreeing++
    }
    return agreeing >= this.enough
  }

  private allAgree(about: MemberId, now: number): boolean {
    for (const member of this.table.values()) {
      if (member.status !== 'connected' || member.node === about.node) continue
      // It adopts nothing, and may freeze or be gone at any time: nobody waits for its word.
      if (offersLeaving(member.capability) || !this.opinions.hasSay(member.node, now)) continue
      if (!this.opinions.says(member.node, about)) return false
    }
    return true
  }

  /** A silent one is dialled on: a partition may heal. */
  private bury(node: string, why: 'goodbye' | 'refused' | 'silent', now: number): void {
    const member = this.table.get(node)
    if (!member) return
    const wasMember = isMember(member)
    member.status = 'dead'
    this.opinions.forget(node)
    if (why === 'silent') this.redialLater(member, now)
    else this.table.delete(node)
    if (wasMember) this.emitDead(member, why === 'goodbye')
  }

  private dial(member: Member): void {
    member.dialling = true
    this.effects.push({ type: 'dial', node: member.node, addresses: member.addresses })
  }

  private probe(member: Member): void {
    member.dialling = true
    this.effects.push({ type: 'probe', node: member.node, addresses: member.addresses })
  }

  private redialLater(member: Member, now: number): void {
    const { redialMs, deadRedialMs } = this.times
    const backOffMs = Math.min(deadRedialMs, Math.max(redialMs, (now - member.heardAt) / 4))
    const longestMs = member.status === 'unreachable' ? redialMs : backOffMs
    member.redialAt = now + longestMs * (0.15 + 0.6 * this.chance())
  }

  private reaches(id: MemberId): boolean {
    const member = this.table.get(id.node)
    return member?.status === 'connected' && member.creation === id.creation
  }

  private entry(node: string, creation: number, now: number): Member {
    const known = this.table.get(node)
    if (known) return known
    const fresh = heardOf(node, creation, now)
    this.table.set(node, fresh)
    return fresh
  }

  private emitDead({ node, creation }: Member, certain: boolean): void {
    this.emit({ type: 'dead', node, creation, certain })
  }

  private emit(event: MeshEvent): void {
    this.effects.push({ type: 'emit', event })
  }
}
