/** A response with something that happens right after it has been sent. */
export class Reply {
  constructor(
    readonly body: object | undefined,
    readonly after: () => void | Promise<void>,
  ) {}
}
