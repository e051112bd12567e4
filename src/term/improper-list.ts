/** An Erlang list whose tail is not a list, as in the reply tag `[alias | Ref]`. Kept whole. */
export class ImproperList {
  constructor(
    readonly elements: readonly unknown[],
    readonly tail: unknown,
  ) {}
}
