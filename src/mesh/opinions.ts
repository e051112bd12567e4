/**
 * What the other members say they cannot reach: the votes behind "every member still reached
 * agrees". A member is asked by being told: whoever hears that a node is unreachable agrees in its
 * own next status if it does not reach that node either, whether it ever knew it or not. Only what
 * a member cannot reach itself is a question, so answers never ask again. A member that has told no
 * opinion for long, because it doubts itself all the time or its words are stuck behind something
 * big, has no say: a sick one keeps nobody waiting. Bounded; old questions lapse.
 */
export interface MemberId {
  readonly node: string
  readonly creation: number
}

/** The status message of a member. */
export interface Opinion {
  /** Its members that it cannot reach. */
  readonly unreachable: readonly MemberId[]
  /** What others asked about and it does not reach either. */
  readonly agrees: readonly MemberId[]
  /** The sender was late itself and has no opinion at present. */
  readonly doubting?: boolean
}

export const memberKey = (id: MemberId): string => `${id.node}#${id.creation}`

/** A question that nobody repeats is answered for this long. */
const askedMs = 5_000
const askedMax = 10_000

export class Opinions {
  private readonly byMember = new Map<string, Set<string>>()
  private readonly spokeAt = new Map<string, number>()
  private readonly questions = new Map<string, { id: MemberId; until: number }>()

  constructor(
    /** How long after its last word a member has a say. */
    private readonly sayMs: number,
  ) {}

  /** It is reached anew: what it said before counts no more, and it has time to speak. */
  reached(from: string, now: number): void {
    this.byMember.delete(from)
    this.spokeAt.set(from, now)
  }

  /** A member's whole present opinion. True: it names somebody nobody had asked about. */
  told(from: string, opinion: Opinion, self: string, now: number): boolean {
    if (opinion.doubting) {
      this.byMember.delete(from)
      return false
    }
    this.spokeAt.set(from, now)
    const says = new Set(opinion.unreachable.map(memberKey))
    for (const id of opinion.agrees) says.add(memberKey(id))
    this.byMember.set(from, says)
    let news = false
    for (const id of opinion.unreachable) {
      if (id.node === self) continue
      const key = memberKey(id)
      const question = this.questions.get(key)
      if (question) question.until = now + askedMs
      else if (this.questions.size < askedMax) {
        this.questions.set(key, {
          id: { node: id.node, creation: id.creation },
          until: now + askedMs,
        })
        news = true
      }
    }
    return news
  }

  says(from: string, about: MemberId): boolean {
    return this.byMember.get(from)?.has(memberKey(about)) ?? false
  }

  /** False: it has told no opinion for so long that nobody waits for one. */
  hasSay(from: string, now: number): boolean {
    const spokeAt = this.spokeAt.get(from)
    return spokeAt !== undefined && now - spokeAt < this.sayMs
  }

  /** What others ask about at present. */
  asked(now: number): MemberId[] {
    const asked: MemberId[] = []
    for (const [key, question] of this.questions) {
      if (question.until > now) asked.push(question.id)
      else this.questions.delete(key)
    }
    return asked
  }

  forget(from: string): void {
    this.byMember.delete(from)
    this.spokeAt.delete(from)
  }
}
