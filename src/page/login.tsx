/** Where tokens guard the mirror: the way in, and what is said where something is not there. */
import { Layout, type Frame } from "./layout.tsx";

export function LoginPage({ isWrong, next }: { readonly isWrong: boolean; readonly next: string }) {
  return (
    <Layout title="Log in" room={undefined} frame={undefined}>
      <div class="narrow">
        <h1>This mirror is guarded</h1>
        <p>
          Give one of the tokens that it was started with. The browser keeps a session for twelve hours, and not the
          token.
        </p>
        <form method="post" action="/login">
          <input type="hidden" name="next" value={next} />
          <label>
            Token
            <input
              type="password"
              name="token"
              required
              autocomplete="current-password"
              aria-invalid={isWrong ? "true" : undefined}
              aria-describedby={isWrong ? "wrong" : undefined}
            />
          </label>
          {isWrong ? (
            <p id="wrong" role="alert">
              The mirror does not know that token.
            </p>
          ) : null}
          <p>
            <button type="submit" class="main">
              Log in
            </button>
          </p>
        </form>
      </div>
    </Layout>
  );
}

export function NotHeldPage({ what, frame }: { readonly what: string; readonly frame: Frame }) {
  return (
    <Layout title="Not here" room={undefined} frame={frame}>
      <h1>That is not here</h1>
      <p>This mirror does not hold {what}.</p>
      <p>
        <a href="/">What it holds</a>
      </p>
    </Layout>
  );
}
