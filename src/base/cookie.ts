/**
 * What all nodes of a cluster share. It proves itself and signs, and never shows what it is: whoever
 * prints or inspects a part of a node does not see it. Its bytes are those that Erlang takes, Latin-1.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { CitadelError } from './errors.js'

export class Cookie {
  readonly #bytes: Buffer

  private constructor(text: string) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: all that Latin-1 has
    if (!/^[\u0000-\u00ff]+$/.test(text)) {
      throw new CitadelError(
        'bad_argument',
        'a cookie is not empty, and each of its characters has a code up to 255: Erlang takes no other',
      )
    }
    this.#bytes = Buffer.from(text, 'latin1')
  }

  /** @throws CitadelError `bad_argument` for characters beyond 255. */
  static of(cookie: string | Cookie): Cookie {
    return cookie instanceof Cookie ? cookie : new Cookie(cookie)
  }

  /** MD5 over the cookie and the challenge in decimal: what the distribution protocol proves it with. */
  digest(challenge: number): Uint8Array {
    return createHash('md5').update(this.#bytes).update(String(challenge)).digest()
  }

  /** Says that somebody who knows the cookie wrote the text, for that purpose. */
  sign(purpose: string, text: string): string {
    return createHmac('sha256', this.#bytes).update(`${purpose}\n${text}`).digest('base64url')
  }

  isSignature(signature: string, purpose: string, text: string): boolean {
    const given = Buffer.from(signature)
    const right = Buffer.from(this.sign(purpose, text))
    return given.length === right.length && timingSafeEqual(given, right)
  }

  toString(): string {
    return '[cookie]'
  }
}
