/** A term with no JavaScript meaning (a fun, a port, a bit string), kept to be given back as it came. */
export class OpaqueTerm {
  constructor(
    /** What it is, for people: `'fun'`, `'port'`, `'bitstring'`. */
    readonly kind: string,
    /** Its external form, without the version byte. */
    readonly bytes: Uint8Array,
  ) {}
}
